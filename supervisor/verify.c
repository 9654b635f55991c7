/*
 * The proof of a mission's history, ref by ref and commit by commit. Runs in `kitty verify`; reads
 * only. Must never believe a snapshot, a working copy or a file size: ids and the reducer decide.
 */
#include "supervisor/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/status/reduce.h"
#include "supervisor/transaction/legacy.h"
#include "supervisor/verify_private.h"

#define TEXTS_BYTES_MAX (512U << 20) /* different logs kept at once */
#define PROGRESS_STEP 64

enum { LOG, SNAPSHOT, META };
static const char *const names[] = {KT_LOG_NAME, KT_SNAPSHOT_NAME, KT_META_NAME, NULL};

static const struct {
	const char *promise, *name, *fine;
} checks[KT_VERIFY_COUNT] = {
	[KT_VERIFY_APPEND] = {"P4", "append-only",
		"each version of the log is a byte prefix of the next"},
	[KT_VERIFY_SNAPSHOT] = {"P5", "snapshot",
		"status.json is the log's reduction, byte for "
		"byte, at every commit"},
	[KT_VERIFY_IDS] = {"P6", "ids", "every event id is in the log once"},
	[KT_VERIFY_ORDER] = {"P6", "order", "rows stand in the order of their times and ids"},
	[KT_VERIFY_COMMITS] = {"P2", "commits", "every commit adds rows or files"},
	[KT_VERIFY_LANES] = {"P14", "lanes", "no lane wrote a status file"},
	[KT_VERIFY_WORKING] = {"P3", "working copy", "the checked-out log is the committed one"},
};

void kt_verify_broken(struct kt_verify *verify, enum kt_verify_check check, const char *format, ...)
{
	struct kt_verify_result *result = &verify->results[check];
	va_list args;

	if (result->broken++ > 0)
		return;
	va_start(args, format);
	kt_buffer_vprintf(&result->text, format, args);
	va_end(args);
}

void kt_verify_blame(
	struct kt_verify *verify, enum kt_verify_check check, const struct kt_oid *commit)
{
	if (verify->results[check].broken == 0)
		verify->results[check].commit = *commit;
}

void kt_verify_warn(struct kt_verify *verify, enum kt_verify_check check, const char *format, ...)
{
	struct kt_verify_result *result = &verify->results[check];
	struct kt_buffer text = KT_BUFFER_INIT;
	va_list args;

	va_start(args, format);
	kt_buffer_vprintf(&text, format, args);
	va_end(args);
	if (result->warnings == NULL)
		result->warnings = kt_json_new_array();
	kt_json_append(result->warnings, kt_json_new_string(kt_buffer_text(&text)));
	kt_buffer_release(&text);
}

const char *kt_verify_short(const struct kt_oid *oid)
{
	static struct kt_oid_text texts[4];
	static size_t next;
	struct kt_oid_text *text = &texts[next++ % 4];

	*text = kt_oid_format(oid);
	text->text[12] = '\0';
	return text->text;
}

static void report_progress(const struct kt_verify *verify, size_t done, size_t total)
{
	if (verify->progress != NULL && (done % PROGRESS_STEP == 0 || done == total))
		verify->progress(done, total, verify->arg);
}

/* ---- which log each commit holds, newest first ---- */

static enum kt_code text_add(
	struct kt_verify_walk *walk, size_t at, size_t *total, struct kt_error *err)
{
	const struct kt_history_spot *spot = &walk->history->commits[at].spots[LOG];
	struct kt_verify_text *text;
	enum kt_code code;

	walk->texts = kt_realloc_array(walk->texts, walk->texts_len + 1, sizeof *walk->texts);
	text = &walk->texts[walk->texts_len];
	*text = (struct kt_verify_text){KT_BUFFER_INIT};
	code = kt_history_blob(walk->history, &spot->oid, &text->bytes, err);
	if (code != KT_E_OK) {
		kt_buffer_release(&text->bytes);
		return code;
	}
	*total += text->bytes.len;
	walk->text_of[at] = walk->texts_len++;
	return KT_E_OK;
}

/* The same log as the next commit's, or a beginning of it, needs no text of its own. */
static bool is_known(const struct kt_verify_walk *walk, size_t at, size_t newer)
{
	const struct kt_history_spot *spot = &walk->history->commits[at].spots[LOG];
	const struct kt_buffer *bytes;

	if (newer == KT_VERIFY_NO_TEXT)
		return false;
	if (kt_oid_equal(&spot->oid, &walk->history->commits[newer].spots[LOG].oid))
		return true;
	bytes = &walk->texts[walk->text_of[newer]].bytes;
	return spot->size <= bytes->len &&
	       kt_history_is_prefix(&spot->oid, kt_buffer_text(bytes), spot->size);
}

static enum kt_code texts_find(
	const struct kt_verify *verify, struct kt_verify_walk *walk, struct kt_error *err)
{
	const struct kt_history *history = walk->history;
	size_t newer = KT_VERIFY_NO_TEXT, total = 0;

	walk->text_of = kt_realloc_array(NULL, history->len + 1, sizeof *walk->text_of);
	for (size_t at = history->len; at > 0;) {
		enum kt_code code = KT_E_OK;

		at--;
		report_progress(verify, history->len - at, history->len);
		walk->text_of[at] = KT_VERIFY_NO_TEXT;
		if (!history->commits[at].spots[LOG].found)
			continue;
		if (is_known(walk, at, newer))
			walk->text_of[at] = walk->text_of[newer];
		else if (total > TEXTS_BYTES_MAX)
			walk->first = at + 1;
		else
			code = text_add(walk, at, &total, err);
		if (code != KT_E_OK || walk->first > 0)
			return code;
		newer = at;
	}
	return KT_E_OK;
}

/* ---- commit by commit, oldest first ---- */

struct replay {
	struct kt_verify *verify;
	const struct kt_verify_walk *walk;
	struct kt_reducer *state;
	bool is_reducible;
	size_t text, len; /* of the log before; text KT_VERIFY_NO_TEXT: there was none */
	char number[32], type[128];
	struct kt_buffer snapshot;
};

static size_t line_at(const char *bytes, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset; i++)
		line += bytes[i] == '\n';
	return line;
}

/* Where two logs part. */
static void describe_break(struct replay *replay, size_t at, const char *now, size_t now_len)
{
	const struct kt_buffer *before = &replay->walk->texts[replay->text].bytes;
	const struct kt_oid *id = &replay->walk->history->commits[at].id;
	size_t same = 0;

	kt_verify_blame(replay->verify, KT_VERIFY_APPEND, id);
	while (same < replay->len && same < now_len && before->data[same] == now[same])
		same++;
	if (same == now_len)
		kt_verify_broken(replay->verify, KT_VERIFY_APPEND,
			"commit %s cuts the log from %zu to %zu bytes (after line %zu)",
			kt_verify_short(id), replay->len, now_len,
			line_at(kt_buffer_text(before), same) - 1);
	else
		kt_verify_broken(replay->verify, KT_VERIFY_APPEND,
			"commit %s changes line %zu of the log (byte %zu)", kt_verify_short(id),
			line_at(kt_buffer_text(before), same), same);
}

static void restart(struct replay *replay)
{
	kt_reducer_free(replay->state);
	replay->state = kt_reducer_new();
	replay->is_reducible = true;
	replay->len = 0;
}

static void feed(struct replay *replay, size_t at, const char *bytes, size_t len)
{
	struct kt_error err = KT_ERROR_INIT;

	if (!replay->is_reducible || len == 0)
		return;
	if (kt_reducer_feed(replay->state, bytes, len, &err) != KT_E_OK) {
		replay->is_reducible = false;
		kt_verify_blame(
			replay->verify, KT_VERIFY_SNAPSHOT, &replay->walk->history->commits[at].id);
		kt_verify_broken(replay->verify, KT_VERIFY_SNAPSHOT, "commit %s: %s",
			kt_verify_short(&replay->walk->history->commits[at].id), err.detail);
		return;
	}
	kt_reducer_settle(replay->state);
}

static void log_replay(struct replay *replay, size_t at)
{
	const struct kt_history_commit *commit = &replay->walk->history->commits[at];
	size_t text = replay->walk->text_of[at], len = commit->spots[LOG].size;
	const char *bytes;

	if (text == KT_VERIFY_NO_TEXT) {
		if (replay->text != KT_VERIFY_NO_TEXT) {
			kt_verify_blame(replay->verify, KT_VERIFY_APPEND, &commit->id);
			kt_verify_broken(replay->verify, KT_VERIFY_APPEND,
				"commit %s deletes the log", kt_verify_short(&commit->id));
		}
		restart(replay);
		replay->text = KT_VERIFY_NO_TEXT;
		return;
	}
	bytes = kt_buffer_text(&replay->walk->texts[text].bytes);
	if (replay->text != KT_VERIFY_NO_TEXT && (text != replay->text || len < replay->len)) {
		describe_break(replay, at, bytes, len);
		restart(replay);
	} else if (replay->text == KT_VERIFY_NO_TEXT) {
		restart(replay);
	}
	feed(replay, at, bytes + replay->len, len - replay->len);
	replay->text = text;
	replay->len = len;
}

static void identity_load(struct replay *replay, const struct kt_history_spot *meta)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_json *json = NULL;

	if (meta->found &&
		kt_history_blob(replay->walk->history, &meta->oid, &text, &ignored) == KT_E_OK &&
		kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &json,
			&ignored) != KT_E_OK)
		json = NULL;
	kt_snapshot_identity_from_meta(json, replay->number, replay->type);
	kt_json_free(json);
	kt_buffer_release(&text);
}

static bool spot_equal(const struct kt_history_spot *left, const struct kt_history_spot *right)
{
	return left->found == right->found &&
	       (!left->found || kt_oid_equal(&left->oid, &right->oid));
}

static void snapshot_check(struct replay *replay, size_t at)
{
	const struct kt_history_commit *commit = &replay->walk->history->commits[at];
	struct kt_snapshot_identity identity = {replay->number, replay->type};
	const char *what = NULL;

	if (!replay->is_reducible || replay->text == KT_VERIFY_NO_TEXT)
		return;
	kt_buffer_clear(&replay->snapshot);
	kt_reducer_snapshot(replay->state, &identity, &replay->snapshot);
	if (!commit->spots[SNAPSHOT].found)
		what = "has no status.json";
	else if (!kt_history_is_prefix(&commit->spots[SNAPSHOT].oid,
			 kt_buffer_text(&replay->snapshot), replay->snapshot.len))
		what = "holds another status.json than its log gives";
	if (what == NULL)
		return;
	kt_verify_blame(replay->verify, KT_VERIFY_SNAPSHOT, &commit->id);
	if (replay->verify->is_coordination)
		kt_verify_broken(replay->verify, KT_VERIFY_SNAPSHOT, "commit %s %s",
			kt_verify_short(&commit->id), what);
	else if (at + 1 == replay->walk->history->len)
		/* Other programs commit log and snapshot apart; only kitty promises them together.
		 */
		kt_verify_warn(replay->verify, KT_VERIFY_SNAPSHOT, "commit %s %s",
			kt_verify_short(&commit->id), what);
}

static void commit_check(struct replay *replay, size_t at)
{
	const struct kt_history_commit *commit = &replay->walk->history->commits[at];

	if (replay->verify->is_coordination && at > 0 && commit->parents_len == 1 &&
		kt_oid_equal(&commit->tree, &replay->walk->history->commits[at - 1].tree))
		kt_verify_broken(replay->verify, KT_VERIFY_COMMITS,
			"commit %s adds neither rows nor files", kt_verify_short(&commit->id));
}

static void replay_all(struct kt_verify *verify, const struct kt_verify_walk *walk)
{
	struct replay replay = {.verify = verify, .walk = walk, .text = KT_VERIFY_NO_TEXT};
	const struct kt_history_commit *commits = walk->history->commits;

	if (walk->first > 0)
		kt_verify_broken(verify, KT_VERIFY_APPEND,
			"too many different logs: the %zu oldest commits were not judged",
			walk->first);
	restart(&replay);
	for (size_t at = walk->first; at < walk->history->len; at++) {
		bool is_first = at == walk->first;

		log_replay(&replay, at);
		if (is_first || !spot_equal(&commits[at].spots[META], &commits[at - 1].spots[META]))
			identity_load(&replay, &commits[at].spots[META]);
		if (is_first || !spot_equal(&commits[at].spots[LOG], &commits[at - 1].spots[LOG]) ||
			!spot_equal(&commits[at].spots[META], &commits[at - 1].spots[META]) ||
			!spot_equal(&commits[at].spots[SNAPSHOT], &commits[at - 1].spots[SNAPSHOT]))
			snapshot_check(&replay, at);
		commit_check(&replay, at);
		report_progress(verify, at + 1, walk->history->len);
	}
	kt_buffer_release(&replay.snapshot);
	kt_reducer_free(replay.state);
}

static void walk_release(struct kt_verify_walk *walk)
{
	for (size_t i = 0; i < walk->texts_len; i++)
		kt_buffer_release(&walk->texts[i].bytes);
	free(walk->texts);
	free(walk->text_of);
	kt_history_free(walk->history);
}

static enum kt_code ref_verify(struct kt_verify *verify, const char *ref, struct kt_error *err)
{
	struct kt_verify_walk walk = {0};
	struct kt_oid tip;
	enum kt_code code = kt_store_ref_read(verify->store, ref, &tip, err);

	if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		return kt_error_set(err, KT_E_COORDINATION_BRANCH_DELETED, "%s", ref);
	if (code == KT_E_OK)
		code = kt_history_load(
			verify->repo, &tip, verify->mission->folder, names, &walk.history, err);
	if (code == KT_E_OK)
		code = texts_find(verify, &walk, err);
	if (code == KT_E_OK) {
		kt_buffer_printf(&verify->tips, "%s%s %s", verify->tips.len > 0 ? ", " : "",
			kt_oid_format(&tip).text, ref);
		for (size_t i = 0; i < walk.history->len; i++)
			verify->commits += walk.history->commits[i].spots[LOG].found;
		replay_all(verify, &walk);
		kt_verify_rows(verify, &walk);
		if (verify->is_coordination)
			code = kt_verify_lanes(verify, &walk, err);
	}
	walk_release(&walk);
	return code;
}

/* ---- which refs ---- */

struct refs {
	char **names;
	size_t len;
};

static void ref_push(const char *ref, const struct kt_oid *oid, void *arg)
{
	struct refs *refs = arg;

	(void)oid;
	refs->names = kt_realloc_array(refs->names, refs->len + 1, sizeof *refs->names);
	refs->names[refs->len++] = kt_strdup(ref);
}

static enum kt_code legacy_refs_find(
	struct kt_verify *verify, struct refs *refs, struct kt_error *err)
{
	char **found = NULL;
	enum kt_code code =
		kt_legacy_refs(verify->repo, verify->store, verify->mission, &found, err);

	for (size_t i = 0; code == KT_E_OK && found[i] != NULL; i++)
		ref_push(found[i], NULL, refs);
	kt_strings_free(found);
	return code;
}

/* Without a coordination branch the log lives on the lanes' branches (in flight since before) or on
 * the branch of the primary checkout. */
static enum kt_code refs_find(struct kt_verify *verify, struct refs *refs, struct kt_error *err)
{
	const struct kt_mission *mission = verify->mission;
	char *head;

	if (mission->coordination_ref != NULL) {
		ref_push(mission->coordination_ref, NULL, refs);
		return KT_E_OK;
	}
	if (mission->topology == KT_TOPOLOGY_LEGACY)
		return legacy_refs_find(verify, refs, err);
	head = kt_head_read(mission->common_dir);
	if (head == NULL)
		return kt_error_set(err, KT_E_FEATURE_CONTEXT_UNRESOLVED,
			"%s has no branch checked out", mission->repo_root);
	ref_push(head, NULL, refs);
	free(head);
	return KT_E_OK;
}

/* ---- report ---- */

static struct kt_json *check_build(const struct kt_verify *verify, size_t i)
{
	const struct kt_verify_result *result = &verify->results[i];
	struct kt_json *check = kt_json_new_object();
	struct kt_buffer detail = KT_BUFFER_INIT;

	if (result->broken == 0)
		kt_buffer_puts(&detail, checks[i].fine);
	else
		kt_buffer_puts(&detail, kt_buffer_text(&result->text));
	if (result->broken > 1)
		kt_buffer_printf(&detail, ", and %zu more", result->broken - 1);
	kt_json_set_string(check, "promise", checks[i].promise);
	kt_json_set_string(check, "name", checks[i].name);
	kt_json_set_bool(check, "ok", result->broken == 0);
	kt_json_set_string(check, "detail", kt_buffer_text(&detail));
	kt_json_set_string(check, "commit",
		kt_oid_is_zero(&result->commit) ? NULL : kt_oid_format(&result->commit).text);
	kt_json_set(check, "warnings",
		result->warnings == NULL ? kt_json_new_array() : kt_json_copy(result->warnings));
	kt_buffer_release(&detail);
	return check;
}

static struct kt_json *report_build(const struct kt_verify *verify)
{
	struct kt_json *report = kt_json_new_object(), *list = kt_json_new_array();
	bool is_ok = true;

	for (size_t i = 0; i < KT_VERIFY_COUNT; i++) {
		kt_json_append(list, check_build(verify, i));
		is_ok = is_ok && verify->results[i].broken == 0;
	}
	kt_json_set_string(report, "mission", verify->mission->slug);
	kt_json_set_string(report, "tip", kt_buffer_text(&verify->tips));
	kt_json_set_int(report, "commits", (int64_t)verify->commits);
	kt_json_set_int(report, "events", (int64_t)verify->events);
	kt_json_set(report, "checks", list);
	kt_json_set_bool(report, "ok", is_ok);
	return report;
}

enum kt_code kt_verify_run(const struct kt_repository *repo, const struct kt_mission *mission,
	kt_verify_progress progress, void *arg, struct kt_json **report, struct kt_error *err)
{
	struct kt_verify verify = {.repo = repo,
		.mission = mission,
		.progress = progress,
		.arg = arg,
		.is_coordination = mission->coordination_ref != NULL};
	struct refs refs = {NULL, 0};
	enum kt_code code = kt_store_open(repo, &verify.store, err);

	if (code == KT_E_OK)
		code = refs_find(&verify, &refs, err);
	for (size_t i = 0; code == KT_E_OK && i < refs.len; i++)
		code = ref_verify(&verify, refs.names[i], err);
	if (code == KT_E_OK)
		code = kt_verify_working(&verify, err);
	if (code == KT_E_OK)
		*report = report_build(&verify);
	for (size_t i = 0; i < KT_VERIFY_COUNT; i++) {
		kt_buffer_release(&verify.results[i].text);
		kt_json_free(verify.results[i].warnings);
	}
	for (size_t i = 0; i < refs.len; i++)
		free(refs.names[i]);
	free(refs.names);
	kt_buffer_release(&verify.tips);
	kt_store_close(verify.store);
	return code;
}
