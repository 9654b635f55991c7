/*
 * `kitty internal ...` and git: what they answer, and how they fail. Test program only. A lane's
 * branch grows by a real commit in the store, so that what is approved can be merged and checked.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/fd.h"
#include "ipc/message.h"
#include "simulation/simulation.h"
#include "supervisor/git/store_ops.h"

enum { ARGS_MAX = 32, HELPER_MS_MAX = 300, OBEY_MS = 100 };

struct helper {
	struct sim_process *process;
	char *args[ARGS_MAX]; /* after "internal"; of git: argv */
	int out_fd;
};

static const char *argument(const struct helper *helper, const char *name)
{
	for (size_t i = 0; helper->args[i] != NULL && helper->args[i + 1] != NULL; i++)
		if (strcmp(helper->args[i], name) == 0)
			return helper->args[i + 1];
	return NULL;
}

static char *lane_ref(const struct helper *helper)
{
	char *branch = kt_mission_lane_branch(sim.mission, argument(helper, "--lane"));
	char *ref = kt_format("refs/heads/%s", branch);

	free(branch);
	return ref;
}

/* The lane's branch begins at the coordination tip. */
static struct kt_oid lane_tip(const char *ref)
{
	struct kt_oid tip = {{0}};

	if (sim_ref(ref, &tip))
		return tip;
	(void)sim_ref(sim.mission->coordination_ref, &tip);
	return sim_commit_make(&tip, "lane.txt", ref, "lane", ref);
}

static struct kt_json *do_prepare(const struct helper *helper)
{
	struct kt_json *facts = kt_json_new_object();
	char *ref = lane_ref(helper);
	struct kt_oid tip = lane_tip(ref);

	kt_json_set_string(facts, "lane", argument(helper, "--lane"));
	kt_json_set_string(facts, "head", kt_oid_format(&tip).text);
	free(ref);
	return facts;
}

static struct kt_json *do_inspect(const struct helper *helper)
{
	struct kt_json *facts = kt_json_new_object();
	char *ref = lane_ref(helper);
	struct kt_oid tip = lane_tip(ref);

	kt_json_set_string(facts, "head_ref", sim_fault(2) ? "refs/heads/elsewhere" : ref);
	kt_json_set_string(facts, "head", kt_oid_format(&tip).text);
	kt_json_set_string(facts, "branch_tip", kt_oid_format(&tip).text);
	kt_json_set_string(facts, "state", sim_fault(2) ? "merge" : "");
	kt_json_set(facts, "dirty", kt_json_new_array());
	kt_json_set_string(facts, "fork", kt_oid_format(&tip).text);
	kt_json_set_string(facts, "files", "");
	free(ref);
	return facts;
}

static struct kt_json *do_sync(const struct helper *helper)
{
	(void)helper;
	return kt_json_new_object();
}

static struct kt_json *do_commit(const struct helper *helper)
{
	struct kt_json *facts = kt_json_new_object();
	struct kt_json *list = kt_json_new_array();
	char *path = kt_format("src/%s.txt", argument(helper, "--wp"));
	char *text = kt_format("work at %lld\n", (long long)sim.now_ms);
	char *ref = lane_ref(helper);
	struct kt_oid tip = lane_tip(ref);
	bool has_work = !sim_fault(6);

	if (has_work) {
		struct kt_oid commit = sim_commit_make(&tip, path, text, "work", ref);
		struct kt_json *row = kt_json_new_object();

		kt_json_set_string(row, "sha", kt_oid_format(&commit).text);
		kt_json_set_string(row, "message", "work");
		kt_json_append(list, row);
	}
	kt_json_set_bool(facts, "has_work", has_work);
	kt_json_set(facts, "lane_commits", list);
	free(ref);
	free(text);
	free(path);
	return facts;
}

/* The merge's tree: the coordination side's and what the lane brings. */
static struct kt_json *do_integrate(const struct helper *helper)
{
	struct kt_json *facts = kt_json_new_object();
	struct kt_oid onto = {{0}}, tree = {{0}}, merged = {{0}};
	char *path = kt_format("merged/%.12s.txt", argument(helper, "--commit"));
	struct kt_error err = KT_ERROR_INIT;

	KT_BUG_UNLESS(kt_oid_parse(argument(helper, "--onto"), &onto));
	merged = sim_commit_make(&onto, path, "merged\n", "merge", NULL);
	if (kt_commit_tree(sim.store, &merged, &tree, &err) != KT_E_OK)
		sim_broken("no tree of a merge: %s", err.detail);
	kt_json_set_string(facts, "tree", kt_oid_format(&tree).text);
	kt_json_set_string(facts, "merged", argument(helper, "--commit"));
	free(path);
	return facts;
}

static struct kt_json *do_gate(const struct helper *helper)
{
	struct kt_json *facts = kt_json_new_object();

	(void)helper;
	kt_json_set(facts, "warnings", kt_json_new_array());
	return facts;
}

static struct kt_json *do_coordination(const struct helper *helper)
{
	(void)helper;
	sim_broken("the coordination worktree is gone, and nobody took it");
}

static const struct {
	const char *name;
	struct kt_json *(*answer)(const struct helper *helper);
} commands[] = {
	{"lane-prepare", do_prepare},
	{"lane-inspect", do_inspect},
	{"lane-review", do_inspect},
	{"lane-sync", do_sync},
	{"lane-commit", do_commit},
	{"lane-gate", do_gate},
	{"integrate", do_integrate},
	{"coordination-sync", do_sync},
	{"coordination", do_coordination},
};

void sim_helper_write(int fd, const struct kt_json *facts)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_json_write(facts, KT_JSON_COMPACT, &text);
	kt_buffer_putc(&text, '\n');
	if (fd >= 0 && write(fd, text.data, text.len) != (ssize_t)text.len)
		sim_broken("a helper's answer does not fit");
	kt_buffer_release(&text);
}

static void answer_error(struct helper *helper)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *body = NULL;

	(void)kt_error_set(&err, sim_chance(50) ? KT_E_TIMEOUT : KT_E_LANE_BUSY, "simulated");
	body = kt_message_error_encode(&err);
	sim_helper_write(helper->out_fd, body);
	kt_json_free(body);
	sim_process_end(helper->process, 1, 0);
}

static void answer(struct helper *helper, struct kt_json *facts)
{
	sim_helper_write(helper->out_fd, facts);
	kt_json_free(facts);
	sim_process_end(helper->process, 0, 0);
}

static void helper_end(void *arg)
{
	struct helper *helper = arg;

	if (sim_fault(3)) {
		answer_error(helper);
		return;
	}
	if (sim_fault(2)) {
		sim_process_end(helper->process, 0, SIGKILL);
		return;
	}
	if (sim_fault(1)) {
		(void)!write(helper->out_fd, "{\"torn", 6);
		sim_process_end(helper->process, 0, 0);
		return;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].name, helper->args[0]) == 0) {
			answer(helper, commands[i].answer(helper));
			return;
		}
	if (strcmp(helper->args[0], "git") != 0)
		sim_broken("`kitty internal %s` is not simulated", helper->args[0]);
	sim_process_end(helper->process, 0, 0);
}

static void helper_gone(struct sim_process *process)
{
	struct helper *helper = process->model;

	sim_forget(helper);
	for (size_t i = 0; helper->args[i] != NULL; i++)
		free(helper->args[i]);
	kt_fd_close(&helper->out_fd);
	process->model = NULL;
	free(helper);
}

static void helper_obey(void *arg)
{
	struct helper *helper = arg;

	sim_process_end(helper->process, 0, SIGTERM);
}

static void helper_signal(struct sim_process *process, int number)
{
	if (number == SIGTERM)
		sim_later(OBEY_MS, helper_obey, process->model);
}

void sim_helper_start(struct sim_process *process, const struct kt_child_spec *spec)
{
	struct helper *helper = kt_alloc(sizeof *helper);
	size_t skip = strcmp(spec->argv[0], "git") == 0 ? 0 : 2;

	for (size_t i = 0; spec->argv[i + skip] != NULL && i + 1 < ARGS_MAX; i++)
		helper->args[i] = kt_strdup(spec->argv[i + skip]);
	helper->process = process;
	helper->out_fd = spec->stdout_fd >= 0 ? sim_fd_keep(spec->stdout_fd, false) : -1;
	process->model = helper;
	process->on_gone = helper_gone;
	process->on_signal = helper_signal;
	if (sim_fault(2))
		sim_trace("helper %d hangs", (int)process->pid);
	else
		sim_later((int64_t)sim_below(HELPER_MS_MAX), helper_end, helper);
}
