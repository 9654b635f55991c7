/*
 * kitty-check: what kitty promises, checked on a repository as it lies, from git and files only
 * (stress/invariants.h says which facts stand for which promise). kitty-stress, the crash tests and
 * CI run it; so can anybody. Must change nothing. Proofs of the history are `kitty verify`'s, run
 * as a child; kitty lies beside this program.
 */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "stress/invariants.h"
#include "stress/run.h"

static const char USAGE[] =
	"usage: kitty-check REPOSITORY MISSION [--acknowledged FILE] [--before FILE] [--moved "
	"REF]...\n"
	"                   [--sink NAME=FILE]... [--json]\n"
	"       kitty-check --note REPOSITORY     prints what --before compares with\n"
	"FILE of --acknowledged: a line \"EVENT_ID [COMMIT|- [SENDER]]\" per event.\n"
	"exit: 0 every promise that could be checked holds, 1 one is broken, 2 it could not run\n";

enum { LIST_MAX = 16 };

struct options {
	struct kt_invariants job;
	const char *sinks[LIST_MAX + 1], *moved[LIST_MAX + 1];
	const char *note;
	bool is_json;
};

KT_NORETURN static void usage(void)
{
	(void)fputs(USAGE, stderr);
	exit(2);
}

static void list_add(const char **list, const char *value)
{
	size_t len = 0;

	while (list[len] != NULL)
		len++;
	if (len == LIST_MAX)
		usage();
	list[len] = value;
}

/* One option that takes a value; false: no such option. */
static bool take(struct options *options, const char *name, const char *value)
{
	if (strcmp(name, "--acknowledged") == 0)
		options->job.acknowledged = value;
	else if (strcmp(name, "--before") == 0)
		options->job.before = value;
	else if (strcmp(name, "--note") == 0)
		options->note = value;
	else if (strcmp(name, "--sink") == 0)
		list_add(options->sinks, value);
	else if (strcmp(name, "--moved") == 0)
		list_add(options->moved, value);
	else
		return false;
	return true;
}

static void parse(int argc, char **argv, struct options *options)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			options->is_json = true;
		else if (argv[i][0] == '-' && i + 1 < argc && take(options, argv[i], argv[i + 1]))
			i++;
		else if (argv[i][0] == '-')
			usage();
		else if (options->job.repo == NULL)
			options->job.repo = argv[i];
		else if (options->job.mission == NULL)
			options->job.mission = argv[i];
		else
			usage();
	}
	options->job.sinks = options->sinks;
	options->job.moved = options->moved;
	if (options->note == NULL && options->job.mission == NULL)
		usage();
}

/* No git setting of the caller may lead anywhere else; kitty is the one beside this program. */
static void environment_set(void)
{
	static const char *const names[] = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE",
		"GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE"};
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
	const char *old = getenv("PATH");
	char *path = NULL;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		(void)unsetenv(names[i]);
	if (len <= 0)
		kt_run_die("/proc cannot be read");
	self[len] = '\0';
	path = kt_format("%s:%s", dirname(self), old == NULL ? "/usr/bin:/bin" : old);
	if (setenv("PATH", path, 1) != 0 || setenv("GIT_OPTIONAL_LOCKS", "0", 1) != 0)
		kt_run_die("the environment cannot be set");
	free(path);
}

/* P9 and P13 need to have been there: they are the harness's own. */
static bool is_ours(enum kt_promise promise)
{
	return promise != KT_P9 && promise != KT_P13;
}

static bool all_hold(const struct kt_verdicts *verdicts)
{
	for (size_t i = 0; i < KT_PROMISES; i++)
		if (verdicts->promises[i].broken > 0)
			return false;
	return true;
}

static void print_text(const struct kt_verdicts *verdicts)
{
	for (size_t i = 0; i < KT_PROMISES; i++) {
		const struct kt_verdict *verdict = &verdicts->promises[i];
		const char *name = kt_promise_name((enum kt_promise)i);

		if (!is_ours((enum kt_promise)i))
			continue;
		if (verdict->broken > 0)
			(void)printf("%-4s broken  %zu of %zu facts, first: %s\n", name,
				verdict->broken, verdict->checked, verdict->first);
		else if (verdict->checked == 0)
			(void)printf("%-4s -       nothing to look at\n", name);
		else
			(void)printf("%-4s holds   %zu facts\n", name, verdict->checked);
	}
}

static void print_json(const struct kt_invariants *job, const struct kt_verdicts *verdicts)
{
	struct kt_json *report = kt_json_new_object(), *promises = kt_json_new_object();
	struct kt_buffer text = KT_BUFFER_INIT;

	for (size_t i = 0; i < KT_PROMISES; i++) {
		const struct kt_verdict *verdict = &verdicts->promises[i];
		struct kt_json *one = kt_json_new_object();

		kt_json_set(one, "holds",
			verdict->checked == 0 ? kt_json_new_null()
					      : kt_json_new_bool(verdict->broken == 0));
		kt_json_set_int(one, "facts", (int64_t)verdict->checked);
		kt_json_set_int(one, "broken", (int64_t)verdict->broken);
		kt_json_set_string(one, "first", verdict->broken > 0 ? verdict->first : NULL);
		if (is_ours((enum kt_promise)i))
			kt_json_set(promises, kt_promise_name((enum kt_promise)i), one);
		else
			kt_json_free(one);
	}
	kt_json_set_string(report, "mission", job->mission);
	kt_json_set_int(report, "commits", (int64_t)verdicts->commits);
	kt_json_set_int(report, "acknowledged", (int64_t)verdicts->acknowledged);
	kt_json_set(report, "promises", promises);
	kt_json_set_bool(report, "ok", all_hold(verdicts));
	kt_json_write(report, KT_JSON_PRETTY_SORTED, &text);
	(void)printf("%s\n", kt_buffer_text(&text));
	kt_buffer_release(&text);
	kt_json_free(report);
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct kt_verdicts verdicts = {0};
	struct kt_buffer text = KT_BUFFER_INIT;

	parse(argc, argv, &options);
	environment_set();
	if (options.note != NULL) {
		kt_invariants_note(options.note, &text);
		(void)fputs(kt_buffer_text(&text), stdout);
		kt_buffer_release(&text);
		return 0;
	}
	kt_invariants_check(&options.job, &verdicts);
	if (options.is_json)
		print_json(&options.job, &verdicts);
	else
		print_text(&verdicts);
	return all_hold(&verdicts) ? 0 : 1;
}
