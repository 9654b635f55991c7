/*
 * Two small records in the mission's run folder. `intent`: who is about to take which git lock, so
 * that the lock of a killed writer is told from a living process's and broken at once. `synced`:
 * the tip that the coordination worktree's files were last brought to. Both are hints: losing one
 * costs a slower heal, never an event.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ipc/child.h"
#include "ipc/file.h"
#include "supervisor/git/keep.h"
#include "supervisor/transaction/writer_private.h"

enum { RECORD_MAX = 512, OLD_LOCK_S = 10, INTENT_SPAN_S = 10, PROC_MAX = 1 << 16 };
enum { OID_LEN = 40, SYNCED_LEN = 81 };

/* Written in place, without a rename: a rename over an old file costs a synchronous discard on some
 * file systems. */
static enum kt_code record_write(const struct kt_writer *writer, const char *name, const char *text,
	size_t len, struct kt_error *err)
{
	char *path = kt_path_join(writer->options.mission->run_dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	enum kt_code code = KT_E_OK;

	if (fd < 0 || pwrite(fd, text, len, 0) != (ssize_t)len || ftruncate(fd, (off_t)len) != 0)
		code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", path);
	if (fd >= 0)
		(void)close(fd);
	free(path);
	return code;
}

static ssize_t record_read(
	const struct kt_writer *writer, const char *name, char *text, struct stat *facts)
{
	char *path = kt_path_join(writer->options.mission->run_dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t len = -1;

	if (fd >= 0) {
		len = pread(fd, text, RECORD_MAX - 1, 0);
		if (facts != NULL && fstat(fd, facts) != 0)
			len = -1;
		(void)close(fd);
	}
	text[len > 0 ? len : 0] = '\0';
	free(path);
	return len;
}

enum kt_code kt_intent_write(struct kt_writer *writer, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	kt_buffer_printf(&text, "%ld %llu %s %s\n", (long)getpid(),
		(unsigned long long)kt_process_start_time(getpid()), kt_boot_id(),
		kt_oid_format(&writer->new_tip).text);
	code = record_write(writer, "intent", text.data, text.len, err);
	kt_buffer_release(&text);
	return code;
}

void kt_intent_clear(struct kt_writer *writer)
{
	struct kt_error ignored = KT_ERROR_INIT;

	/* A record that stays names a living process until we end, and then at worst breaks our own
	 * old lock. */
	if (record_write(writer, "intent", "", 0, &ignored) != KT_E_OK)
		return;
}

void kt_intent_leave(struct kt_writer *writer)
{
	if (kt_destination_is_own(&writer->to))
		kt_intent_clear(writer);
}

void kt_synced_write(struct kt_writer *writer, const struct kt_oid *tip)
{
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid known = {{0}};
	struct kt_oid_text oid = kt_oid_format(tip);
	char text[SYNCED_LEN + 1];

	if (kt_synced_read(writer, &known) && kt_oid_equal(&known, tip))
		return;
	/* Twice: one half-written over another would else be an id of nothing. */
	(void)snprintf(text, sizeof text, "%s %s", oid.text, oid.text);
	if (record_write(writer, "synced", text, SYNCED_LEN, &ignored) != KT_E_OK)
		kt_writer_notice(writer, "warning: %s", ignored.detail);
}

bool kt_synced_read(const struct kt_writer *writer, struct kt_oid *tip)
{
	char text[RECORD_MAX];
	ssize_t len = record_read(writer, "synced", text, NULL);

	if (len == SYNCED_LEN && strncmp(text, text + OID_LEN + 1, OID_LEN) == 0)
		text[OID_LEN] = '\0';
	else if (len != OID_LEN) /* how it was written once */
		return false;
	return kt_oid_parse(text, tip);
}

/* ---- stale git locks ---- */

struct lock_rule {
	bool has_dead_owner; /* an intent of a dead process exists */
	time_t intent_time;
	bool is_checkout; /* somebody's: only our dead writer's may be broken, and a dead system's
			   */
};

static bool is_own_stale(const struct lock_rule *rule, const struct stat *lock)
{
	return rule->has_dead_owner && lock->st_mtime >= rule->intent_time - 1 &&
	       lock->st_mtime <= rule->intent_time + INTENT_SPAN_S;
}

/* Nothing is read of a process that has ended. */
static void read_proc(const char *pid, const char *name, struct kt_buffer *out)
{
	char *path = kt_format("/proc/%s/%s", pid, name);
	struct kt_error ignored = KT_ERROR_INIT;

	(void)!kt_file_read(path, PROC_MAX, out, &ignored);
	free(path);
}

/* Is it one of the git commands that a writer starts to move the ref or to write the index? */
static bool is_mover(const char *pid)
{
	static const char *const commands[] = {"update-ref", "update-index", "read-tree"};
	struct kt_buffer words = KT_BUFFER_INIT;
	bool found = false;

	read_proc(pid, "cmdline", &words);
	for (size_t at = 0; at < words.len && !found; at += strlen(words.data + at) + 1)
		for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
			found = found || strcmp(words.data + at, commands[i]) == 0;
	kt_buffer_release(&words);
	return found;
}

static bool is_git_in(const struct kt_writer *writer, const char *pid)
{
	const char *root = writer->options.mission->repo_root;
	const char *common = writer->options.mission->common_dir;
	struct kt_buffer comm = KT_BUFFER_INIT;
	char *path = kt_format("/proc/%s/cwd", pid), cwd[4096];
	ssize_t len = -1;

	read_proc(pid, "comm", &comm);
	if (strncmp(kt_buffer_text(&comm), "git", 3) == 0)
		len = readlink(path, cwd, sizeof cwd - 1);
	cwd[len > 0 ? len : 0] = '\0';
	kt_buffer_release(&comm);
	free(path);
	return strncmp(cwd, root, strlen(root)) == 0 || strncmp(cwd, common, strlen(common)) == 0;
}

/* Does a git process stand in this repository? Git lock files name no owner, so this is all one can
 * ask. */
static bool is_git_at_work(const struct kt_writer *writer, bool only_movers)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry = NULL;
	bool found = processes == NULL;

	while (!found && (entry = readdir(processes)) != NULL)
		found = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			is_git_in(writer, entry->d_name) &&
			(!only_movers || is_mover(entry->d_name));
	if (processes != NULL)
		(void)closedir(processes);
	return found;
}

/* Nobody who made it can live: in a person's checkout, too, a power loss must not end all writing.
 */
static bool is_from_before_boot(const struct stat *lock)
{
	struct timespec up = {0, 0};

	KT_BUG_UNLESS(clock_gettime(CLOCK_BOOTTIME, &up) == 0);
	return lock->st_mtime < time(NULL) - up.tv_sec - OLD_LOCK_S;
}

/*
 * A dead writer's lock, or one so old that nobody can be behind it. A git child outlives the writer
 * that was killed (a reference-transaction hook may keep it for long): then the lock is the
 * child's, and without it the child would rename whatever lock stands there next, ours, half
 * written, over the ref.
 */
static bool is_stale(
	const struct kt_writer *writer, const struct lock_rule *rule, const struct stat *lock)
{
	bool is_old = rule->is_checkout ? is_from_before_boot(lock)
					: time(NULL) - lock->st_mtime > OLD_LOCK_S;

	if (is_own_stale(rule, lock))
		return !is_git_at_work(writer, true);
	return is_old && !is_git_at_work(writer, false);
}

/* True: it is a dead writer's, and the git child that outlived it still holds it. */
static bool break_lock(struct kt_writer *writer, const struct lock_rule *rule, const char *path)
{
	struct stat lock;

	if (lstat(path, &lock) != 0)
		return false;
	if (!is_stale(writer, rule, &lock))
		return is_own_stale(rule, &lock);
	if (unlink(path) == 0)
		kt_writer_notice(writer, "healed: removed the stale lock %s", path);
	return false;
}

static void read_rule(const struct kt_writer *writer, struct lock_rule *rule)
{
	char text[RECORD_MAX];
	const char *boot = NULL;
	char *at = text, *end = NULL;
	long pid = 0;
	unsigned long long start_time = 0;
	struct stat facts;

	*rule = (struct lock_rule){false, 0, !kt_destination_is_own(&writer->to)};
	if (record_read(writer, "intent", text, &facts) <= 0)
		return;
	pid = strtol(at, &end, 10);
	at = end;
	start_time = strtoull(at, &end, 10);
	boot = strtok_r(end, " \n", &at);
	/* A torn record, without the tip at its end, is nobody's. */
	if (boot == NULL || strtok_r(NULL, " \n", &at) == NULL)
		return;
	rule->has_dead_owner =
		strcmp(boot, kt_boot_id()) != 0 || !kt_process_is_alive((pid_t)pid, start_time);
	rule->intent_time = facts.st_mtime;
}

/* The git dir of the destination's worktree; gives; NULL: there is none (yet). */
static char *git_dir_of(const struct kt_writer *writer)
{
	struct kt_worktree_facts facts = {0};
	char *git_dir = NULL;

	if (!kt_destination_is_own(&writer->to))
		return kt_strdup(writer->to.git_dir);
	kt_worktree_inspect(writer->options.repo, writer->to.worktree, &facts);
	git_dir = kt_strdup(facts.git_dir);
	kt_worktree_facts_release(&facts);
	return git_dir;
}

/* Called right after the mission's lock was taken: whoever wrote the intent is dead or done. */
bool kt_intent_break_stale_locks(struct kt_writer *writer)
{
	struct lock_rule rule;
	char *ref_lock = kt_ref_lock_path(writer->options.mission->common_dir, writer->to.ref);
	char *git_dir = git_dir_of(writer), *index_lock = NULL, *objects = NULL;
	bool is_held = false;

	read_rule(writer, &rule);
	is_held = break_lock(writer, &rule, ref_lock);
	if (git_dir != NULL) {
		index_lock = kt_path_join(git_dir, "index.lock");
		is_held = break_lock(writer, &rule, index_lock) || is_held;
	}
	/* The record stays as long as it explains a lock. */
	if (rule.has_dead_owner && !is_held) {
		objects = kt_path_join(writer->options.mission->common_dir, "objects");
		kt_kept_sweep(objects, writer->options.mission->common_dir);
		/* In somebody's checkout nothing else tells that files and index may lag. */
		writer->heals_checkout = rule.is_checkout;
		if (!rule.is_checkout)
			kt_intent_clear(writer);
	}
	free(objects);
	free(git_dir);
	free(ref_lock);
	free(index_lock);
	return is_held;
}
