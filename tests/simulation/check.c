/*
 * The promises, looked at after every event and at every move of the coordination branch, from what
 * is durable only. Test program only. Must never ask the supervisor.
 *
 *   P1, P2, P6  what was acknowledged is in the log, every id once
 *   P4          the old log is a prefix of the new one; no foreign commit is lost
 *   P5          status.json is the reduction of the log, at every commit
 *   P7          no ref but the coordination branch (store.c)
 *   P8          nobody is told of a row before it is committed
 *   P9          nothing lives on after a supervisor that ended
 *   lanes       one living agent per lane, and no work package twice
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "simulation/simulation.h"
#include "supervisor/git/store_ops.h"
#include "supervisor/status/reduce.h"

static struct kt_buffer durable; /* the log at the coordination tip */
static char (*ids)[27];
static size_t ids_len;

static void log_read(const struct kt_oid *commit, const char *path, struct kt_buffer *out)
{
	struct kt_error err = KT_ERROR_INIT;
	bool found = false;

	if (kt_store_blob_read(sim.store, commit, path, &found, NULL, out, &err) != KT_E_OK)
		sim_broken("%s cannot be read at a commit: %s", path, err.detail);
}

const struct kt_buffer *sim_check_log(void)
{
	return &durable;
}

bool sim_check_has_id(const char *event_id)
{
	for (size_t i = 0; i < ids_len; i++)
		if (strcmp(ids[i], event_id) == 0)
			return true;
	return false;
}

static void row_take(const char *text, size_t len)
{
	struct kt_json *row = NULL;
	struct kt_error err = KT_ERROR_INIT;
	const char *id = NULL;

	if (kt_json_parse(text, len, KT_JSON_NO_DUPLICATES, &row, &err) != KT_E_OK)
		sim_broken("a row of the log is no JSON: %s", err.detail);
	id = kt_json_get_string(row, "event_id");
	if (id == NULL || strlen(id) != 26)
		sim_broken("a row without an id");
	if (sim_check_has_id(id))
		sim_broken("event %s stands in the log twice", id);
	ids = kt_realloc_array(ids, ids_len + 1, sizeof *ids);
	memcpy(ids[ids_len++], id, 27);
	sim_trace("row %s %s %s", id,
		kt_json_get_string(row, "wp_id") == NULL ? "-" : kt_json_get_string(row, "wp_id"),
		kt_json_get_string(row, "to_lane") == NULL ? "note"
							   : kt_json_get_string(row, "to_lane"));
	kt_json_free(row);
}

static void rows_take(const struct kt_buffer *log, size_t from)
{
	while (from < log->len) {
		const char *end = memchr(log->data + from, '\n', log->len - from);

		if (end == NULL)
			sim_broken("the log does not end with a line end");
		row_take(log->data + from, (size_t)(end - log->data) - from);
		from = (size_t)(end - log->data) + 1;
	}
}

static void snapshot_check(const struct kt_oid *commit, const struct kt_buffer *log)
{
	struct kt_buffer snapshot = KT_BUFFER_INIT;
	struct kt_buffer expected = KT_BUFFER_INIT;
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_error err = KT_ERROR_INIT;
	char number[32] = "";
	char type[128] = "";
	struct kt_snapshot_identity identity = {NULL, NULL};

	kt_snapshot_identity_from_meta(sim.mission->meta, number, type);
	identity.mission_number = number[0] == '\0' ? NULL : number;
	identity.mission_type = type[0] == '\0' ? NULL : type;
	if (kt_reducer_feed(reducer, kt_buffer_text(log), log->len, &err) != KT_E_OK)
		sim_broken("the log does not reduce: %s", err.detail);
	kt_reducer_snapshot(reducer, &identity, &expected);
	log_read(commit, sim.mission->snapshot_path, &snapshot);
	if (log->len > 0 && (snapshot.len != expected.len ||
				    memcmp(snapshot.data, expected.data, expected.len) != 0))
		sim_broken("status.json is not the reduction of the log");
	kt_reducer_free(reducer);
	kt_buffer_release(&expected);
	kt_buffer_release(&snapshot);
}

/* Every commit between the two, oldest first. */
static void chain_check(const struct kt_oid *from, const struct kt_oid *to)
{
	struct kt_oid parent = {{0}};
	struct kt_error err = KT_ERROR_INIT;
	struct kt_buffer log = KT_BUFFER_INIT;

	if (kt_oid_equal(from, to) || kt_oid_is_zero(to))
		return;
	if (kt_store_commit_read(sim.store, to, &parent, NULL, NULL, &err) != KT_E_OK)
		sim_broken("a commit cannot be read: %s", err.detail);
	chain_check(from, &parent);
	sim.commits++;
	log_read(to, sim.mission->log_path, &log);
	if (log.len < durable.len ||
		(durable.len > 0 && memcmp(log.data, durable.data, durable.len) != 0))
		sim_broken("the log is not append-only");
	snapshot_check(to, &log);
	rows_take(&log, durable.len);
	kt_buffer_release(&durable);
	durable = log;
}

void sim_check_moved(const struct kt_oid *from, const struct kt_oid *to)
{
	struct kt_error err = KT_ERROR_INIT;
	bool is_on_top = false;

	if (!kt_oid_is_zero(from) &&
		(sim.store->ops->is_ancestor(sim.store, from, to, &is_on_top, &err) != KT_E_OK ||
			!is_on_top))
		sim_broken("the branch moved away from a commit that was on it");
	chain_check(from, to);
}

void sim_check_acknowledged(const char *event_id)
{
	if (event_id == NULL || !sim_check_has_id(event_id))
		sim_broken("%s is acknowledged and not in the log",
			event_id == NULL ? "nothing" : event_id);
}

void sim_check_row(const char *row)
{
	size_t len = strlen(row);

	if (len == 0 || durable.len < len || memmem(durable.data, durable.len, row, len) == NULL)
		sim_broken("somebody is told of a row that is not committed: %.200s", row);
}

void sim_check_step(void)
{
	for (const struct sim_process *one = sim_process_first(); one != NULL; one = one->next)
		for (const struct sim_process *other = one->next; other != NULL;
			other = other->next) {
			if (!one->is_alive || one->kind != SIM_AGENT || !other->is_alive ||
				other->kind != SIM_AGENT || one->lane == NULL ||
				other->lane == NULL)
				continue;
			if (strcmp(one->lane, other->lane) == 0)
				sim_broken("two agents live in %s: %d and %d", one->lane,
					(int)other->pid, (int)one->pid);
		}
}

static void file_check(const char *relative, const struct kt_buffer *expected)
{
	char *path = kt_format("%s/%s", sim.mission->coord_worktree, relative);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_file_read(path, 1 << 24, &text, &err) != KT_E_OK || text.len != expected->len ||
		memcmp(text.data, expected->data, text.len) != 0)
		sim_broken("%s in the worktree is not that of the branch", relative);
	kt_buffer_release(&text);
	free(path);
}

static void on_wp(const struct kt_wp_state *wp, void *arg)
{
	size_t *len = arg;

	(*len)++;
	if (wp->status != KT_STATUS_DONE && wp->status != KT_STATUS_BLOCKED)
		sim_broken("%s ends as %s (%s) although nothing failed any more", wp->wp_id,
			kt_status_name(wp->status), wp->last_reason == NULL ? "" : wp->last_reason);
	/* With healthy agents and every blocked one tried again there is no reason left. */
	if (wp->status == KT_STATUS_BLOCKED)
		sim_broken("%s stays blocked: %s", wp->wp_id,
			wp->last_reason == NULL ? "" : wp->last_reason);
}

void sim_check_live(void)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_error err = KT_ERROR_INIT;
	size_t len = 0;

	if (kt_reducer_feed(reducer, kt_buffer_text(&durable), durable.len, &err) != KT_E_OK)
		sim_broken("the log does not reduce: %s", err.detail);
	kt_reducer_each_wp(reducer, on_wp, &len);
	if (len != sim.plan.wps_len)
		sim_broken("%zu of %zu work packages are in the log", len, sim.plan.wps_len);
	kt_reducer_free(reducer);
	file_check(sim.mission->log_path, &durable);
	if (!sim_clients_have_seen(&durable))
		sim_broken("the watcher was not told of every row");
}

void sim_check_begin(void)
{
	kt_buffer_clear(&durable);
	ids_len = 0;
}

void sim_check_end(void)
{
	kt_buffer_release(&durable);
	free(ids);
	ids = NULL;
	ids_len = 0;
}
