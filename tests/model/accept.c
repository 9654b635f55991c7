/*
 * Is a trace of real writers a path of the model? Follows the trace line by line with the set of
 * all states that the model can be in: what one writer does between two lines is taken from the
 * model, kills are put where a process's lines end, foreign commits where a tip appears that no
 * writer made. A test; usage: accept TRACE. Exit 0: it is a path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/trace.h"

enum { NODES_MAX = 512 };

/* A state that the model can be in, and the real commit that its ref stands for. */
struct node {
	struct model_state state;
	char tip[41]; /* empty: a foreign commit that nobody has named yet */
};

struct nodes {
	struct node *item;
	size_t len;
};

/* A request of the trace has a number as long as it is under way. */
struct slot {
	bool is_taken;
	bool is_minted; /* by the writer, at each build anew */
	char id[TRACE_ID_MAX];
};

struct acceptor {
	struct trace trace;
	size_t at; /* line */
	struct model model;
	struct nodes nodes;
	long pid[MODEL_WORKERS]; /* 0: free */
	char new_tip[MODEL_WORKERS][41];
	struct slot slot[MODEL_EVENTS];
	size_t batches, kills, foreign;
};

static bool refuse(const struct acceptor *acceptor, const char *why)
{
	const struct trace_line *line = &acceptor->trace.lines[acceptor->at];

	(void)fprintf(stderr, "line %zu (%ld %s -> %s) is no step of the model: %s\n",
		acceptor->at + 1, line->pid, kt_model_step_name(line->from),
		kt_model_step_name(line->to), why);
	return false;
}

/* ---- sets of states ---- */

static struct nodes nodes_new(void)
{
	struct nodes nodes = {calloc(NODES_MAX, sizeof(struct node)), 0};

	if (nodes.item == NULL)
		abort();
	return nodes;
}

static void nodes_add(struct nodes *nodes, const struct node *node)
{
	for (size_t i = 0; i < nodes->len; i++)
		if (memcmp(&nodes->item[i], node, sizeof *node) == 0)
			return;
	if (nodes->len == NODES_MAX)
		abort();
	nodes->item[nodes->len++] = *node;
}

static void nodes_replace(struct acceptor *acceptor, struct nodes *with)
{
	free(acceptor->nodes.item);
	acceptor->nodes = *with;
}

/* ---- one writer's own steps ---- */

struct walk {
	struct acceptor *acceptor;
	int worker;
	const struct node *from;
	struct nodes *inside, *left; /* still in the step; out of it */
	enum model_step step;
};

static void on_move(const struct model_move *move, void *arg)
{
	const struct walk *walk = arg;
	const struct sequence *before = &move->from->ref, *after = &move->to->ref;
	struct node node;

	if (kt_model_check(move->to) != ALL_KEPT)
		return;
	memcpy(&node, walk->from, sizeof node);
	node.state = *move->to;
	if (!kt_sequence_equal(before, after))
		memcpy(node.tip, walk->acceptor->new_tip[walk->worker], sizeof node.tip);
	nodes_add(node.state.worker[walk->worker].step == walk->step ? walk->inside : walk->left,
		&node);
}

/* All that the writer can have done since it came into `step`, and all it can be when it leaves. */
static void walk_step(struct acceptor *acceptor, int worker, enum model_step step,
	struct nodes *inside, struct nodes *left)
{
	struct walk walk = {acceptor, worker, NULL, inside, left, step};

	for (size_t i = 0; i < acceptor->nodes.len; i++)
		if (acceptor->nodes.item[i].state.worker[worker].step == step)
			nodes_add(inside, &acceptor->nodes.item[i]);
	for (size_t i = 0; i < inside->len; i++) {
		walk.from = &inside->item[i];
		kt_model_worker_moves(&acceptor->model, &walk.from->state, worker, on_move, &walk);
	}
}

/* ---- does a state agree with what the line says? ---- */

static bool agrees_on(const struct acceptor *acceptor, const struct request *request,
	const struct trace_request *real)
{
	static const char *const verdicts[] = {[UNDECIDED] = "-",
		[BUILT] = "b",
		[COMMITTED] = "o",
		[REPEATED] = "n",
		[REFUSED] = "e",
		[FAILED] = "e",
		[UNKNOWN] = "e"};
	const char *id = acceptor->slot[request->event].id;

	if (real->id[0] != '\0' && id[0] != '\0' && strcmp(real->id, id) != 0)
		return false;
	/* What had to write nothing and has no id is refused by the model: neither leaves a trace.
	 */
	if (real->verdict == 'n' && id[0] == '\0')
		return request->verdict == REFUSED;
	return verdicts[request->verdict][0] == real->verdict;
}

static bool agrees(const struct acceptor *acceptor, const struct node *node, int worker)
{
	const struct trace_line *line = &acceptor->trace.lines[acceptor->at];
	const struct worker *self = &node->state.worker[worker];

	if (self->step != line->to || self->batch_len != line->requests_len)
		return false;
	for (uint8_t i = 0; i < self->batch_len; i++)
		if (!agrees_on(acceptor, &self->batch[i], &line->request[i]))
			return false;
	return line->from != AT_HEAL || line->to == AT_ANSWER || node->tip[0] == '\0' ||
	       strcmp(node->tip, line->tip) == 0;
}

/* ---- foreign commits ---- */

/* The states, with a commit of somebody else on top where there is none that waits for its name. */
static void add_foreign(struct acceptor *acceptor)
{
	struct nodes with = nodes_new();

	for (size_t i = 0; i < acceptor->nodes.len; i++) {
		struct node node = acceptor->nodes.item[i];

		if (node.state.ref.len < SEQUENCE_MAX && node.tip[0] != '\0') {
			kt_model_foreign(&node.state);
			memset(node.tip, 0, sizeof node.tip);
		}
		nodes_add(&with, &node);
	}
	nodes_replace(acceptor, &with);
}

/* ---- one line ---- */

/* What the line says about the batch before the rules judge it. */
static void guide(struct acceptor *acceptor, const struct trace_line *line)
{
	acceptor->model.keep = line->requests_len;
	acceptor->model.has_hooks = line->to == AT_HOOKS;
	acceptor->model.refused = 0;
	for (uint8_t i = 0; i < line->requests_len; i++) {
		char verdict = line->request[i].verdict;

		if (verdict == 'e' || (verdict == 'n' && line->request[i].id[0] == '\0'))
			acceptor->model.refused |= (uint64_t)1 << i;
	}
}

static bool step_once(struct acceptor *acceptor, int worker)
{
	const struct trace_line *line = &acceptor->trace.lines[acceptor->at];
	struct nodes inside = nodes_new(), left = nodes_new(), good = nodes_new();

	walk_step(acceptor, worker, line->from, &inside, &left);
	for (size_t i = 0; i < left.len; i++)
		if (agrees(acceptor, &left.item[i], worker)) {
			struct node node = left.item[i];

			if (line->from == AT_HEAL && line->to != AT_ANSWER)
				memcpy(node.tip, line->tip, sizeof node.tip);
			nodes_add(&good, &node);
		}
	free(inside.item);
	free(left.item);
	if (good.len == 0) {
		free(good.item);
		return false;
	}
	nodes_replace(acceptor, &good);
	return true;
}

static int slot_find(const struct acceptor *acceptor, const char *id)
{
	for (int i = 0; i < MODEL_EVENTS; i++)
		if (acceptor->slot[i].is_taken && strcmp(acceptor->slot[i].id, id) == 0)
			return i;
	return -1;
}

static int slot_take(struct acceptor *acceptor, const char *id)
{
	int found = id[0] == '\0' ? -1 : slot_find(acceptor, id);

	for (int i = 0; found < 0 && i < MODEL_EVENTS; i++)
		if (!acceptor->slot[i].is_taken)
			found = i;
	if (found < 0)
		return -1;
	acceptor->slot[found].is_taken = true;
	(void)snprintf(acceptor->slot[found].id, TRACE_ID_MAX, "%s", id);
	return found;
}

/* The ids that a request of the batch that is taken now will have, as the build tells them. */
static const char *id_to_come(const struct acceptor *acceptor, uint8_t index)
{
	const struct trace_line *lines = acceptor->trace.lines;
	const struct trace_line *now = &lines[acceptor->at];

	if (now->request[index].id[0] != '\0')
		return now->request[index].id;
	for (size_t i = acceptor->at + 1; i < acceptor->trace.len; i++) {
		if (lines[i].pid != now->pid)
			continue;
		if (lines[i].from == AT_BUILD)
			return index < lines[i].requests_len ? lines[i].request[index].id : "";
		if (lines[i].from == AT_IDLE)
			return "";
	}
	return "";
}

/* Before a batch is taken: what is new in it was submitted; what was there has a name now. */
static bool fill_queue(struct acceptor *acceptor, int worker)
{
	const struct trace_line *line = &acceptor->trace.lines[acceptor->at];
	const struct worker *self = &acceptor->nodes.item[0].state.worker[worker];
	uint8_t old = self->queue_len;

	for (uint8_t i = 0; i < old && i < line->requests_len; i++)
		if (acceptor->slot[self->queue[i]].is_minted)
			(void)snprintf(acceptor->slot[self->queue[i]].id, TRACE_ID_MAX, "%s",
				id_to_come(acceptor, i));
	for (uint8_t i = old; i < line->requests_len; i++) {
		int slot = slot_take(acceptor, id_to_come(acceptor, i));

		if (slot < 0)
			return refuse(acceptor, "more requests under way than the acceptor holds");
		acceptor->slot[slot].is_minted = line->request[i].id[0] == '\0';
		for (size_t n = 0; n < acceptor->nodes.len; n++)
			kt_model_submit(&acceptor->nodes.item[n].state, worker, (uint8_t)slot);
	}
	for (size_t n = 0; line->requests_len == 0 && n < acceptor->nodes.len; n++)
		acceptor->nodes.item[n].state.worker[worker].asks = true;
	return true;
}

/* A writer that rests may have given its lock back; nobody sees it until the next one takes it. */
static void release_resting(struct acceptor *acceptor)
{
	for (size_t i = 0; i < acceptor->nodes.len; i++) {
		struct model_state *state = &acceptor->nodes.item[i].state;

		if (state->lock < MODEL_WORKERS && state->worker[state->lock].step == AT_IDLE &&
			state->worker[state->lock].queue_len == 0)
			state->lock = NOBODY;
	}
}

/* After a lost swap the rows are built again, with ids of their own. */
static void rename_minted(struct acceptor *acceptor, int worker)
{
	const struct trace_line *line = &acceptor->trace.lines[acceptor->at];
	const struct worker *self = &acceptor->nodes.item[0].state.worker[worker];

	for (uint8_t i = 0; i < self->batch_len && i < line->requests_len; i++)
		if (acceptor->slot[self->batch[i].event].is_minted)
			(void)snprintf(acceptor->slot[self->batch[i].event].id, TRACE_ID_MAX, "%s",
				line->request[i].id);
}

static bool take_line(struct acceptor *acceptor, int worker)
{
	const struct trace_line *line = &acceptor->trace.lines[acceptor->at];

	if (line->from == AT_IDLE && !fill_queue(acceptor, worker))
		return false;
	if (line->from == AT_LOCK && line->to == AT_WORKTREE)
		release_resting(acceptor);
	if (line->from == AT_BUILD)
		rename_minted(acceptor, worker);
	guide(acceptor, line);
	if (!step_once(acceptor, worker)) {
		add_foreign(acceptor);
		if (!step_once(acceptor, worker))
			return refuse(acceptor, "not from any state it can be in");
		acceptor->foreign++;
	}
	memcpy(acceptor->new_tip[worker], line->new_tip, sizeof line->new_tip);
	acceptor->batches += line->from == AT_ANSWER ? 1 : 0;
	return true;
}

/* ---- the end of a process; forgetting ---- */

static void end_process(struct acceptor *acceptor, int worker)
{
	const struct worker *self = &acceptor->nodes.item[0].state.worker[worker];
	enum model_step step = (enum model_step)self->step;
	struct nodes inside = nodes_new(), left = nodes_new(), dead = nodes_new();

	acceptor->kills += step == AT_IDLE ? 0 : 1;
	acceptor->model.keep = self->batch_len;
	acceptor->model.refused = 0;
	walk_step(acceptor, worker, step, &inside, &left);
	for (size_t i = 0; i < left.len; i++)
		nodes_add(&inside, &left.item[i]);
	for (size_t i = 0; i < inside.len; i++) {
		struct node node = inside.item[i];

		kt_model_crash(&node.state, worker);
		nodes_add(&dead, &node);
	}
	free(inside.item);
	free(left.item);
	nodes_replace(acceptor, &dead);
	acceptor->pid[worker] = 0;
}

static bool is_mentioned(const struct acceptor *acceptor, const char *id)
{
	const struct trace *trace = &acceptor->trace;

	for (size_t i = acceptor->at + 1; i < trace->len; i++)
		for (uint8_t r = 0; r < trace->lines[i].requests_len; r++)
			if (strcmp(trace->lines[i].request[r].id, id) == 0)
				return true;
	return false;
}

static void forget(struct acceptor *acceptor)
{
	for (uint8_t event = 0; event < MODEL_EVENTS; event++) {
		struct slot *slot = &acceptor->slot[event];
		bool is_needed = !slot->is_taken ||
				 (slot->id[0] != '\0' && is_mentioned(acceptor, slot->id));

		for (size_t i = 0; !is_needed && i < acceptor->nodes.len; i++)
			is_needed = kt_model_holds(&acceptor->nodes.item[i].state, event);
		if (is_needed)
			continue;
		for (size_t i = 0; i < acceptor->nodes.len; i++)
			kt_model_forget(&acceptor->nodes.item[i].state, event);
		memset(slot, 0, sizeof *slot);
	}
	for (size_t n = 0; n < acceptor->nodes.len; n++)
		kt_model_forget_foreign(&acceptor->nodes.item[n].state);
}

/* ---- the trace ---- */

static int worker_of(struct acceptor *acceptor, long pid)
{
	int unused = -1;

	for (int worker = 0; worker < MODEL_WORKERS; worker++) {
		if (acceptor->pid[worker] == pid)
			return worker;
		if (acceptor->pid[worker] == 0 && unused < 0)
			unused = worker;
	}
	if (unused >= 0)
		acceptor->pid[unused] = pid;
	return unused;
}

/* A request refused by its shape meets no lock: "idle answer", "answer post", "post idle". */
static bool is_beside(const struct acceptor *acceptor, const struct trace_line *line, int worker)
{
	enum model_step at = (enum model_step)acceptor->nodes.item[0].state.worker[worker].step;

	return (line->from == AT_IDLE && line->to == AT_ANSWER) ||
	       (at == AT_IDLE && (line->from == AT_ANSWER || line->from == AT_POST));
}

static bool follow(struct acceptor *acceptor)
{
	for (acceptor->at = 0; acceptor->at < acceptor->trace.len; acceptor->at++) {
		const struct trace_line *line = &acceptor->trace.lines[acceptor->at];
		int worker = worker_of(acceptor, line->pid);

		if (worker < 0)
			return refuse(acceptor, "more processes at once than the acceptor holds");
		if (line->to != AT_SYNC && !is_beside(acceptor, line, worker) &&
			!take_line(acceptor, worker))
			return false;
		if (line->is_last)
			end_process(acceptor, worker);
		if (line->to == AT_IDLE || line->is_last)
			forget(acceptor);
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct budget unlimited = {
		.errors = UNLIMITED, .timeouts = UNLIMITED, .refusals = UNLIMITED};
	struct acceptor acceptor = {.model = {.minted = MODEL_EVENTS, .is_guided = true}};
	bool is_path = false;

	if (argc != 2 || !kt_trace_read(argv[1], &acceptor.trace))
		return 2;
	acceptor.nodes = nodes_new();
	acceptor.nodes.len = 1;
	kt_model_init(&acceptor.nodes.item[0].state, &unlimited);
	is_path = follow(&acceptor);
	if (is_path)
		printf("%zu steps of %zu batches, %zu kills, %zu foreign commits: a path of the "
		       "model\n",
			acceptor.trace.len, acceptor.batches, acceptor.kills, acceptor.foreign);
	kt_trace_free(&acceptor.trace);
	free(acceptor.nodes.item);
	return is_path ? 0 : 1;
}
