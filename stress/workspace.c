/*
 * Makes the harness's repository and mission through git and kitty. Runs in kitty-stress and
 * kitty-bench, before anything is measured. Must not write a byte of the mission's own files that a
 * person would not write.
 */
#include "stress/workspace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "stress/run.h"

const char *const kt_workspace_parts[] = {
	"HEAD", "index", "config", "refs", "stash", "files", NULL};

char *kt_workspace_bin(void)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
	char *slash = NULL;

	if (len <= 0)
		kt_run_die("where is this program?");
	path[len] = '\0';
	slash = strrchr(path, '/');
	*slash = '\0';
	return kt_strdup(path);
}

/* The sockets lie in our own folder too, and go with it. */
static void set_runtime_folder(const char *folder)
{
	char *path = kt_format("%s/run", folder);

	if (mkdir(path, 0700) != 0 || setenv("XDG_RUNTIME_DIR", path, 1) != 0)
		kt_run_die("%s: %s", path, strerrorname_np(errno));
	free(path);
}

char *kt_workspace_folder(const char *name)
{
	const char *base = getenv("TMPDIR");
	char *folder = kt_format("%s/kitty-%s.XXXXXX", base && *base ? base : "/tmp", name);
	char *home = NULL;
	char *bin = kt_workspace_bin();

	if (!mkdtemp(folder))
		kt_run_die("%s: %s", folder, strerrorname_np(errno));
	home = kt_format("%s/home", folder);
	kt_run_make_folder(home);
	set_runtime_folder(folder);
	kt_run_setup(home, bin);
	free(home);
	free(bin);
	return folder;
}

char *kt_workspace_wp(size_t number)
{
	return kt_format("WP%02zu", number + 1);
}

static void write_text(const char *folder, const char *name, const struct kt_buffer *text)
{
	char *path = kt_format("%s/%s", folder, name);

	kt_run_write_file(path, kt_buffer_text(text), text->len);
	free(path);
}

static void make_subfolder(const char *repo, size_t number)
{
	char *path = kt_format("%s/src/other%02zu", repo, number);

	kt_run_make_folder(path);
	free(path);
}

/* A repository with one source file per WP and `files` others, a hundred in a folder. */
static void make_repository(const char *repo, size_t lanes, size_t files)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *source = kt_format("%s/src", repo);

	kt_run_make_folder(repo);
	KT_RUN(repo, "git", "init", "-q", "-b", "main", ".");
	KT_RUN(repo, "git", "config", "user.name", "Stress");
	KT_RUN(repo, "git", "config", "user.email", "stress@example.invalid");
	kt_run_make_folder(source);
	for (size_t i = 0; i < lanes + files; i++) {
		char *name = i < lanes ? kt_format("src/part%02zu.c", i + 1)
				       : kt_format("src/other%02zu/%zu.c", (i - lanes) / 100, i);
		if (i >= lanes && (i - lanes) % 100 == 0)
			make_subfolder(repo, (i - lanes) / 100);
		kt_buffer_clear(&text);
		kt_buffer_printf(&text,
			"int part_%zu(void);\n\nint part_%zu(void)\n{\n\treturn %zu;\n}\n", i, i,
			i);
		write_text(repo, name, &text);
		free(name);
	}
	KT_RUN(repo, "git", "add", ".");
	KT_RUN(repo, "git", "commit", "-q", "-m", "A program of many parts");
	kt_buffer_release(&text);
	free(source);
}

static void write_wps(const char *draft, size_t lanes)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_buffer tasks = KT_BUFFER_INIT;

	kt_buffer_puts(&tasks, "# Tasks\n");
	for (size_t i = 0; i < lanes; i++) {
		char *wp = kt_workspace_wp(i);
		char *name = kt_format("tasks/%s-part.md", wp);
		kt_buffer_clear(&text);
		kt_buffer_printf(&text,
			"---\nwork_package_id: %s\ntitle: Part %zu\ndependencies: "
			"[]\nowned_files:\n"
			"- src/part%02zu.c\nauthoritative_surface: src/\nexecution_mode: "
			"code_change\n"
			"subtasks: []\n---\n\n# %s\n\nChange part %zu.\n",
			wp, i + 1, i + 1, wp, i + 1);
		write_text(draft, name, &text);
		kt_buffer_printf(&tasks, "\n## %s Part %zu\n", wp, i + 1);
		free(name);
		free(wp);
	}
	write_text(draft, "tasks.md", &tasks);
	kt_buffer_release(&text);
	kt_buffer_release(&tasks);
}

static char *fact(const struct kt_json *facts, const char *key)
{
	const char *text = kt_json_get_string(facts, key);

	if (!text)
		kt_run_die("mission create does not tell %s", key);
	return kt_strdup(text);
}

static struct kt_json *parse(const struct kt_buffer *text)
{
	struct kt_json *value = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_json_parse(kt_buffer_text(text), text->len, KT_JSON_LAST_WINS, &value, &err) !=
		KT_E_OK)
		kt_run_die("no JSON: %s", err.detail);
	return value;
}

/* Names that follow from the facts in folder/facts.json. Takes folder. */
static void derive(struct kt_workspace *out, char *folder, const struct kt_json *facts)
{
	int64_t number = 0;

	out->folder = folder;
	out->repo = kt_format("%s/repo", folder);
	out->records = kt_format("%s/records", folder);
	out->before = kt_format("%s/before", folder);
	out->start_log = kt_format("%s/start.log", folder);
	out->slug = fact(facts, "mission_slug");
	out->branch = fact(facts, "coordination_branch");
	out->worktree = kt_format("%s/.worktrees/%s-coord", out->repo, out->slug);
	out->log_path = kt_format("kitty-specs/%s/status.events.jsonl", out->slug);
	out->snapshot_path = kt_format("kitty-specs/%s/status.json", out->slug);
	if (kt_json_get_int(facts, "seed", &number))
		out->seed = (uint64_t)number;
	if (kt_json_get_int(facts, "lanes", &number))
		out->lanes = (size_t)number;
	if (kt_json_get_int(facts, "events", &number))
		out->events = (size_t)number;
}

static void save_log(const struct kt_workspace *workspace)
{
	struct kt_buffer log = KT_BUFFER_INIT;
	char *name = kt_format("%s:%s", workspace->branch, workspace->log_path);

	KT_RUN_OUT(workspace->repo, &log, "git", "cat-file", "blob", name);
	kt_run_write_file(workspace->start_log, kt_buffer_text(&log), log.len);
	kt_buffer_release(&log);
	free(name);
}

void kt_workspace_make(struct kt_workspace *out, char *folder, const struct kt_workspace_size *size)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *facts = NULL;
	char *repo = kt_format("%s/repo", folder);
	char *draft = NULL;
	char *name = NULL;

	memset(out, 0, sizeof *out);
	make_repository(repo, size->lanes, size->files);
	KT_RUN(repo, "kitty", "init");
	/* Two harnesses at once must not take one another's processes for their own. */
	name = kt_format("stress-%d", (int)getpid());
	KT_RUN_OUT(repo, &text, "kitty", "agent", "mission", "create", name, "--friendly-name",
		"Stress", "--json");
	free(name);
	facts = parse(&text);
	draft = fact(facts, "feature_dir");
	write_wps(draft, size->lanes);
	KT_RUN(repo, "kitty", "agent", "mission", "finalize-tasks");

	kt_json_set_int(facts, "seed", (int64_t)size->seed);
	kt_json_set_int(facts, "lanes", (int64_t)size->lanes);
	kt_json_set_int(facts, "events", (int64_t)size->events);
	kt_buffer_clear(&text);
	kt_json_write(facts, KT_JSON_PRETTY_RAW, &text);
	write_text(folder, "facts.json", &text);
	derive(out, folder, facts);
	kt_run_make_folder(out->records);
	kt_run_make_folder(out->before);
	kt_workspace_photograph(out->repo, out->before);
	save_log(out);
	kt_json_free(facts);
	kt_buffer_release(&text);
	free(draft);
	free(repo);
}

void kt_workspace_open(struct kt_workspace *out, char *folder)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *facts = NULL;
	char *path = kt_format("%s/facts.json", folder);

	memset(out, 0, sizeof *out);
	if (!kt_run_read_file(path, &text))
		kt_run_die("%s is not a folder that kitty-stress --keep left", folder);
	facts = parse(&text);
	derive(out, folder, facts);
	kt_json_free(facts);
	kt_buffer_release(&text);
	free(path);
}

void kt_workspace_release(struct kt_workspace *workspace)
{
	free(workspace->folder);
	free(workspace->repo);
	free(workspace->records);
	free(workspace->before);
	free(workspace->start_log);
	free(workspace->slug);
	free(workspace->branch);
	free(workspace->worktree);
	free(workspace->log_path);
	free(workspace->snapshot_path);
	memset(workspace, 0, sizeof *workspace);
}

static void copy_file(const char *repo, const char *from, const char *folder, const char *part)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	char *path = kt_format("%s/%s", repo, from);

	(void)kt_run_read_file(path, &bytes);
	write_text(folder, part, &bytes);
	kt_buffer_release(&bytes);
	free(path);
}

void kt_workspace_photograph(const char *repo, const char *folder)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	copy_file(repo, ".git/HEAD", folder, "HEAD");
	copy_file(repo, ".git/index", folder, "index");
	/* `git sparse-checkout` in a lane sets this one key, which README and CHANGELOG name. */
	KT_RUN_OUT(repo, &text, "sh", "-c",
		"git config --local --list | grep -v '^extensions[.]worktreeconfig=true$'");
	write_text(folder, "config", &text);
	kt_buffer_clear(&text);
	/* Every ref but those that the mission makes: its branch, its lanes' branches, its own
	 * namespace. */
	KT_RUN_OUT(repo, &text, "sh", "-c",
		"git for-each-ref --format='%(refname) %(objectname)' | grep -v ' "
		"*refs/\\(heads/\\)*kitty/' || :");
	write_text(folder, "refs", &text);
	kt_buffer_clear(&text);
	KT_RUN_OUT(repo, &text, "git", "stash", "list");
	write_text(folder, "stash", &text);
	kt_buffer_clear(&text);
	KT_RUN_OUT(repo, &text, "sh", "-c",
		"git status --porcelain --untracked-files=all && git ls-files -s && "
		"find . -path ./.git -prune -o -path ./.worktrees -prune -o -type f -print0 | sort "
		"-z | xargs -0 sha256sum");
	write_text(folder, "files", &text);
	kt_buffer_release(&text);
}
