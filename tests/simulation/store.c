/*
 * Objects and refs: the memory store of the tests, shared by every store that is opened, with the
 * seed's faults before it and the checker behind it. Test program only. What a kill leaves is what
 * a barrier saw. The writer's calls that mutations need are here, too.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/channel.h"
#include "ipc/message.h"
#include "simulation/simulation.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/store_ops.h"
#include "supervisor/supervisor_private.h"
#include "support/memory_store.h"

enum { LATE_MS = 40 };

/* A swap that SIM_MUTATE_SWAP_LATE has only promised. */
static struct kt_ref_move promised;
static char *promised_ref;

/* ---- what tests ask ---- */

bool sim_ref(const char *ref, struct kt_oid *out)
{
	return sim.store->ops->ref_read(sim.store, ref, out) == 0;
}

static void ref_set(const char *ref, const struct kt_oid *to)
{
	struct kt_oid from = {{0}};

	(void)sim_ref(ref, &from);
	kt_memory_store_set_ref(sim.store, ref, to);
	if (strcmp(ref, sim.mission->coordination_ref) == 0)
		sim_check_moved(&from, to);
}

struct kt_oid sim_commit_make(const struct kt_oid *parent, const char *path, const char *text,
	const char *message, const char *ref)
{
	struct kt_change change = {.path = path, .bytes = text, .len = strlen(text)};
	struct kt_signature who = {"sim", "sim@localhost", sim.now_ms / 1000};
	struct kt_commit_plan plan = {.parents = parent,
		.parents_len = parent == NULL ? 0 : 1,
		.changes = &change,
		.changes_len = 1,
		.author = who,
		.committer = who,
		.message = message};
	struct kt_oid commit = {{0}};
	struct kt_error err = KT_ERROR_INIT;

	if (kt_commit_build(sim.store, &plan, &commit, NULL, &err) != KT_E_OK ||
		sim.store->ops->barrier(sim.store, &err) != KT_E_OK)
		sim_broken("the simulation cannot make a commit: %s", err.detail);
	if (ref != NULL)
		ref_set(ref, &commit);
	return commit;
}

/* ---- the store that is opened ---- */

static bool is_read_wrong(const char *ref)
{
	return promised_ref != NULL && strcmp(ref, promised_ref) == 0;
}

static int ref_read(struct kt_store *store, const char *ref, struct kt_oid *out)
{
	(void)store;
	if (is_read_wrong(ref)) {
		*out = promised.to;
		return 0;
	}
	return sim.store->ops->ref_read(sim.store, ref, out);
}

static void ref_each(struct kt_store *store, const char *prefix, kt_ref_cb each, void *arg)
{
	(void)store;
	sim.store->ops->ref_each(sim.store, prefix, each, arg);
}

/* Somebody who takes no lock commits to the branch at the worst moment. */
static void intrude(const char *ref)
{
	struct kt_oid tip = {{0}};

	if (!sim_ref(ref, &tip))
		return;
	sim_trace("an intruder commits");
	(void)sim_commit_make(&tip, "intruder.txt", "was here\n", "intruder", ref);
}

void sim_store_settle(void)
{
	char *ref = promised_ref;

	promised_ref = NULL;
	if (ref != NULL)
		ref_set(ref, &promised.to);
	free(ref);
}

static void settle_later(void *arg)
{
	(void)arg;
	sim_store_settle();
}

static enum kt_code move_by_mutation(const struct kt_ref_move *move)
{
	if (sim.mutation == SIM_MUTATE_NO_CAS) {
		ref_set(move->ref, &move->to);
		return KT_E_OK;
	}
	sim_store_settle();
	promised = *move;
	promised_ref = kt_strdup(move->ref);
	sim_later(LATE_MS, settle_later, &promised);
	return KT_E_OK;
}

static enum kt_code ref_move(
	struct kt_store *store, const struct kt_ref_move *move, struct kt_error *err)
{
	struct kt_oid now = {{0}};

	(void)store;
	sim_kill_maybe(3);
	if (sim_fault(3))
		intrude(move->ref);
	if (sim_fault(2))
		return kt_error_set(err, KT_E_REF_LOCKED, "%s (simulated)", move->ref);
	if (sim.mutation == SIM_MUTATE_NO_CAS || sim.mutation == SIM_MUTATE_SWAP_LATE)
		return move_by_mutation(move);
	(void)sim_ref(move->ref, &now);
	if (strcmp(move->ref, sim.mission->coordination_ref) != 0)
		sim_broken("%s is moved, which is not the mission's", move->ref);
	if (sim.store->ops->ref_move(sim.store, move, err) != KT_E_OK)
		return err->code;
	sim_check_moved(&now, &move->to);
	sim_kill_maybe(4);
	return sim_fault(2) ? kt_error_set(err, KT_E_IO, "it landed, and fails (simulated)")
			    : KT_E_OK;
}

static enum kt_code object_read(struct kt_store *store, const struct kt_oid *oid,
	enum kt_object_type *type, struct kt_buffer *out, struct kt_error *err)
{
	(void)store;
	return sim.store->ops->object_read(sim.store, oid, type, out, err);
}

static enum kt_code object_add(struct kt_store *store, const struct kt_object *object,
	struct kt_oid *out, struct kt_error *err)
{
	(void)store;
	if (sim.is_running && sim_fault(1) && sim_chance(30))
		return kt_error_set(err, KT_E_NO_SPACE, "no space for an object (simulated)");
	return sim.store->ops->object_add(sim.store, object, out, err);
}

static enum kt_code blob_adopt(
	struct kt_store *store, const struct kt_oid *oid, struct kt_error *err)
{
	(void)store;
	return sim.store->ops->blob_adopt(sim.store, oid, err);
}

static enum kt_code is_ancestor(struct kt_store *store, const struct kt_oid *ancestor,
	const struct kt_oid *descendant, bool *out, struct kt_error *err)
{
	(void)store;
	return sim.store->ops->is_ancestor(sim.store, ancestor, descendant, out, err);
}

static void lean(struct kt_store *store)
{
	(void)store;
}

static enum kt_code barrier(struct kt_store *store, struct kt_error *err)
{
	(void)store;
	sim_kill_maybe(2);
	if (sim.is_running && sim_fault(2))
		return kt_error_set(err, KT_E_NO_SPACE, "no space at the barrier (simulated)");
	return sim.mutation == SIM_MUTATE_NO_BARRIER && sim.is_running
		       ? KT_E_OK
		       : sim.store->ops->barrier(sim.store, err);
}

static void forget(struct kt_store *store)
{
	(void)store;
	sim.store->ops->forget(sim.store);
}

static void journal(struct kt_store *store, const char *path)
{
	(void)store;
	(void)path;
}

static void close_store(struct kt_store *store)
{
	free(store);
}

enum kt_code __wrap_kt_store_open(
	const struct kt_repository *repo, struct kt_store **out, struct kt_error *err);

enum kt_code __wrap_kt_store_open(
	const struct kt_repository *repo, struct kt_store **out, struct kt_error *err)
{
	static const struct kt_store_ops ops = {ref_read, ref_each, ref_move, object_read,
		object_add, blob_adopt, is_ancestor, lean, journal, barrier, forget, close_store};

	(void)repo;
	(void)err;
	*out = kt_alloc(sizeof **out);
	(*out)->ops = &ops;
	return KT_E_OK;
}

void sim_store_begin(void)
{
	sim.store = kt_memory_store_new();
}

void sim_store_lost(void)
{
	sim_forget(&promised);
	free(promised_ref);
	promised_ref = NULL;
	sim.store->ops->forget(sim.store);
}

/* ---- the writer's calls ---- */

enum kt_code __wrap_kt_writer_new(
	const struct kt_writer_options *options, struct kt_writer **out, struct kt_error *err);
enum kt_code __real_kt_writer_new(
	const struct kt_writer_options *options, struct kt_writer **out, struct kt_error *err);
void __wrap_kt_writer_submit(struct kt_writer *writer, const struct kt_json *request,
	const char *lane, kt_outcome_cb done, void *arg);
void __real_kt_writer_submit(struct kt_writer *writer, const struct kt_json *request,
	const char *lane, kt_outcome_cb done, void *arg);

enum kt_code __wrap_kt_writer_new(
	const struct kt_writer_options *options, struct kt_writer **out, struct kt_error *err)
{
	/* The supervisor's is the only one with an argument. */
	sim.supervisor = options->arg;
	return __real_kt_writer_new(options, out, err);
}

static struct kt_json *first_op(const struct kt_json *request)
{
	return kt_json_first(kt_json_get(request, "ops"));
}

/* SIM_MUTATE_FANOUT_EARLY: watchers hear of the request instead of the row. */
static void tell_watchers(const struct kt_json *request)
{
	struct kt_json *body = kt_json_new_object();
	struct kt_json *rows = kt_json_new_array();
	struct kt_buffer row = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;

	kt_json_write(first_op(request), KT_JSON_ROW, &row);
	kt_json_append(rows, kt_json_new_string(kt_buffer_text(&row)));
	kt_json_set(body, "rows", rows);
	for (struct kt_peer *at = sim.supervisor->peers; at != NULL; at = at->next)
		if (at->role == KT_ROLE_WATCHER && !at->is_closing)
			(void)!kt_channel_send(at->channel, KT_MSG_EVENT,
				kt_channel_next_id(at->channel), body, &ignored);
	kt_buffer_release(&row);
	kt_json_free(body);
}

static void drop(const struct kt_json *outcome, void *arg)
{
	(void)outcome;
	(void)arg;
}

/* SIM_MUTATE_ACK_EARLY: the answer does not wait for the commit. */
static void answer_early(const struct kt_json *request, kt_outcome_cb done, void *arg)
{
	struct kt_json *outcome = kt_json_new_object();
	struct kt_json *receipt = kt_json_new_object();
	struct kt_json *ids = kt_json_new_array();

	kt_json_append(ids, kt_json_copy(kt_json_get(first_op(request), "event_id")));
	kt_json_set(receipt, "event_ids", ids);
	kt_json_set_string(outcome, "result", "success");
	kt_json_set(outcome, "receipt", receipt);
	done(outcome, arg);
	kt_json_free(outcome);
}

void __wrap_kt_writer_submit(struct kt_writer *writer, const struct kt_json *request,
	const char *lane, kt_outcome_cb done, void *arg)
{
	bool has_id = kt_json_get_string(first_op(request), "event_id") != NULL;
	struct kt_json *copy = NULL;

	if (sim.mutation == SIM_MUTATE_FANOUT_EARLY && sim.is_running)
		tell_watchers(request);
	if (sim.mutation == SIM_MUTATE_ACK_EARLY && has_id) {
		answer_early(request, done, arg);
		__real_kt_writer_submit(writer, request, lane, drop, NULL);
	} else if (sim.mutation == SIM_MUTATE_NO_ID && has_id) {
		copy = kt_json_copy(request);
		kt_json_remove(first_op(copy), "event_id");
		__real_kt_writer_submit(writer, copy, lane, done, arg);
		kt_json_free(copy);
	} else {
		__real_kt_writer_submit(writer, request, lane, done, arg);
	}
}
