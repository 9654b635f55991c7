/*
 * The preflight of a launch. Runs in `kitty launch`. Changes nothing.
 */
#include "supervisor/preflight.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/store.h"

enum { DISK_SPARE = 16 << 20 }; /* for objects, logs and what agents build */

struct preflight {
	const struct kt_launch *launch;
	const struct kt_oid *tip;
	struct kt_buffer *problems, *warnings;
};

static bool is_program(const char *path)
{
	struct stat facts;

	return stat(path, &facts) == 0 && S_ISREG(facts.st_mode) && access(path, X_OK) == 0;
}

bool kt_program_exists(const char *name, const char *path, const char *folder)
{
	bool is_found = false;

	if (strchr(name, '/') != NULL) {
		char *whole = name[0] == '/' ? kt_strdup(name) : kt_format("%s/%s", folder, name);

		is_found = is_program(whole);
		free(whole);
		return is_found;
	}
	while (path != NULL && !is_found) {
		size_t len = strcspn(path, ":");
		char *whole = kt_format("%.*s/%s", (int)len, path, name);

		is_found = len > 0 && is_program(whole);
		free(whole);
		path = path[len] == ':' ? path + len + 1 : NULL;
	}
	return is_found;
}

/* A relative path is meant from the lane's folder, where it may only come to be. */
static void agent_check(const struct preflight *check, const struct kt_agent *agent)
{
	const char *program = agent->argv == NULL ? NULL : agent->argv[0];

	if (program == NULL)
		kt_buffer_printf(check->problems, "agent %s has no command\n", agent->name);
	else if ((program[0] == '/' || strchr(program, '/') == NULL) &&
		 !kt_program_exists(program, getenv("PATH"), "/"))
		kt_buffer_printf(check->problems, "agent %s: no program `%s` %s\n", agent->name,
			program, program[0] == '/' ? "there" : "on PATH");
}

static void agents_check(const struct preflight *check)
{
	for (size_t i = 0; i < check->launch->agents_len; i++)
		agent_check(check, check->launch->agents[i].agent);
	if (check->launch->reviewer != NULL)
		agent_check(check, check->launch->reviewer);
	if (!kt_program_exists(check->launch->worker, NULL, "/"))
		kt_buffer_printf(
			check->problems, "kitty-worker is not at %s\n", check->launch->worker);
}

/* Sum of the sizes of the files at the tip, without checking anything out. */
static long long tracked_bytes(const struct preflight *check)
{
	struct kt_oid_text tip = kt_oid_format(check->tip);
	const char *args[] = {"ls-tree", "-r", "-l", "--full-tree", tip.text, NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_git_call call = {.cwd = check->launch->repo->primary,
		.args = args,
		.profile = KT_GIT_PLUMBING,
		.out = &out};
	struct kt_error ignored = KT_ERROR_INIT;
	long long sum = 0;

	if (kt_git_run(&call, &ignored) == KT_E_OK)
		for (const char *line = kt_buffer_text(&out); *line != '\0';
			line += strcspn(line, "\n") + 1) {
			const char *tab = strchr(line, '\t');
			const char *size = tab;

			/* "100644 blob <oid> <size, padded>\t<path>"; "-" for a submodule is 0. */
			while (size != NULL && size > line && size[-1] != ' ')
				size--;
			sum += size == NULL ? 0 : strtoll(size, NULL, 10);
			if (strchr(line, '\n') == NULL)
				break;
		}
	kt_buffer_release(&out);
	return sum;
}

static void disk_check(const struct preflight *check)
{
	struct statvfs facts;
	size_t fresh = 0;
	long long needed = 0;
	long long room = 0;

	for (size_t i = 0; check->launch->lanes[i] != NULL; i++) {
		char *path =
			kt_mission_lane_worktree(check->launch->mission, check->launch->lanes[i]);

		fresh += access(path, F_OK) != 0 ? 1 : 0;
		free(path);
	}
	if (fresh == 0 || statvfs(check->launch->repo->primary, &facts) != 0)
		return;
	needed = tracked_bytes(check) * (long long)fresh + DISK_SPARE;
	room = (long long)facts.f_bavail * (long long)facts.f_frsize;
	if (room < needed)
		kt_buffer_printf(check->problems,
			"%zu new lane(s) need about %lld MiB of disk, %lld MiB are free\n", fresh,
			needed >> 20, room >> 20);
}

static void blob_read(
	struct kt_store *store, const struct kt_oid *tip, const char *path, struct kt_buffer *out)
{
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_found = false;

	if (kt_store_blob_read(store, tip, path, &is_found, NULL, out, &ignored) != KT_E_OK)
		kt_buffer_clear(out);
}

static void content_check(const struct preflight *check)
{
	struct kt_store *store = NULL;
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_store_open(check->launch->repo, &store, &err) != KT_E_OK) {
		kt_buffer_printf(check->problems, "%s\n", err.detail);
		return;
	}
	blob_read(store, check->tip, ".gitmodules", &text);
	if (strstr(kt_buffer_text(&text), "path") != NULL)
		kt_buffer_puts(check->warnings,
			"the repository has submodules: their folders are empty in the lanes\n");
	kt_buffer_clear(&text);
	blob_read(store, check->tip, ".gitattributes", &text);
	if (strstr(kt_buffer_text(&text), "filter=lfs") != NULL &&
		!kt_program_exists("git-lfs", getenv("PATH"), "/"))
		kt_buffer_puts(check->problems,
			"the repository keeps files in Git LFS, and git-lfs is not on PATH\n");
	kt_buffer_release(&text);
	kt_store_close(store);
}

static enum kt_code judge(const struct kt_buffer *problems, struct kt_error *err)
{
	struct kt_buffer joined = KT_BUFFER_INIT;

	if (problems->len == 0)
		return KT_E_OK;
	for (size_t i = 0; i + 1 < problems->len; i++) {
		if (problems->data[i] == '\n')
			kt_buffer_puts(&joined, "; ");
		else
			kt_buffer_putc(&joined, problems->data[i]);
	}
	(void)kt_error_set(err, KT_E_PREFLIGHT_FAILED, "%s", kt_buffer_text(&joined));
	kt_buffer_release(&joined);
	return KT_E_PREFLIGHT_FAILED;
}

enum kt_code kt_preflight(const struct kt_launch *launch, const struct kt_oid *tip,
	struct kt_buffer *problems, struct kt_buffer *warnings, struct kt_error *err)
{
	struct preflight check = {launch, tip, problems, warnings};
	struct kt_error cause = KT_ERROR_INIT;
	int major = 0;
	int minor = 0;

	if (kt_repository_check(launch->repo, &cause) != KT_E_OK)
		kt_buffer_printf(problems, "%s: %s [%s]\n", kt_error_summary(cause.code),
			cause.detail, kt_error_text(cause.code));
	if (kt_git_version(&major, &minor, &cause) != KT_E_OK)
		kt_buffer_printf(problems, "%s [%s]\n", kt_error_summary(cause.code),
			kt_error_text(cause.code));
	agents_check(&check);
	disk_check(&check);
	content_check(&check);
	return judge(problems, err);
}
