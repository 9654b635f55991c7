/*
 * Walks the coordination branch commit by commit and compares it with what the agents recorded:
 * what kitty-check, which knows nothing of the agents' notes and requests, cannot tell.
 * Runs in kitty-stress after the mission. Must believe nothing but git's objects and the records.
 */
#include "stress/check_log.h"

#include <stdlib.h>
#include <string.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "stress/history.h"
#include "stress/record.h"
#include "stress/run.h"

/* One event that an agent submitted, and where the log holds it. */
struct sighting {
	const struct kt_record_event *event;
	size_t wp, number; /* whose, and its place in the submission order */
	size_t seen;       /* rows with this id */
	size_t row;        /* place of the first in the log */
};

struct walk {
	const struct kt_workspace *workspace;
	struct kt_verdicts *verdicts;
	struct kt_record *records;  /* one per WP */
	struct sighting *sightings; /* sorted by event id */
	size_t len;
	size_t rows; /* of the log so far */
	struct kt_buffer log;
};

static int by_id(const void *left, const void *right)
{
	const struct sighting *a = left;
	const struct sighting *b = right;

	return strcmp(a->event->event_id, b->event->event_id);
}

static void read_records(struct walk *walk)
{
	size_t total = 0;

	walk->records = kt_alloc(walk->workspace->lanes * sizeof *walk->records);
	for (size_t i = 0; i < walk->workspace->lanes; i++) {
		char *wp = kt_workspace_wp(i);
		kt_record_read(walk->workspace->records, wp, &walk->records[i]);
		total += walk->records[i].len;
		free(wp);
	}
	walk->sightings = kt_alloc((total + 1) * sizeof *walk->sightings);
	for (size_t i = 0; i < walk->workspace->lanes; i++)
		for (size_t k = 0; k < walk->records[i].len; k++) {
			struct sighting *one = &walk->sightings[walk->len++];
			one->event = &walk->records[i].events[k];
			one->wp = i;
			one->number = k;
			walk->verdicts->acknowledged += one->event->commit[0] != '\0';
		}
	qsort(walk->sightings, walk->len, sizeof *walk->sightings, by_id);
}

static struct sighting *find(struct walk *walk, const char *event_id)
{
	struct kt_record_event event;
	struct sighting key = {.event = &event};

	if (!event_id || strlen(event_id) != 26)
		return NULL;
	memcpy(event.event_id, event_id, 27);
	return bsearch(&key, walk->sightings, walk->len, sizeof key, by_id);
}

/* P2: the row holds what was submitted, whole. */
static void check_content(struct walk *walk, const struct sighting *one, const struct kt_json *row)
{
	struct kt_buffer note = KT_BUFFER_INIT;
	const char *wp = walk->records[one->wp].wp;
	const char *text = kt_json_get_string(kt_json_get(row, "delta"), "note");
	const char *owner = kt_json_get_string(row, "wp_id");

	kt_record_note(walk->workspace->seed, wp, one->number, &note);
	kt_verdict_expect(walk->verdicts, KT_P2, text && strcmp(text, kt_buffer_text(&note)) == 0,
		"event %s of %s has another note than was sent", one->event->event_id, wp);
	kt_verdict_expect(walk->verdicts, KT_P2, owner && strcmp(owner, wp) == 0,
		"event %s of %s stands under another work package", one->event->event_id, wp);
	kt_buffer_release(&note);
}

/* One new row; true when it is one of the agents' events. */
static bool take_row(struct walk *walk, const char *commit, const char *line, size_t len)
{
	struct kt_json *row = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct sighting *one = NULL;

	if (kt_json_parse(line, len, KT_JSON_LAST_WINS, &row, &err) != KT_E_OK) {
		kt_verdict_expect(
			walk->verdicts, KT_P2, false, "commit %s holds a torn row", commit);
		return false;
	}
	one = find(walk, kt_json_get_string(row, "event_id"));
	walk->rows++;
	if (one) {
		if (one->seen++ == 0)
			one->row = walk->rows;
		check_content(walk, one, row);
		if (one->event->commit[0])
			kt_verdict_expect(walk->verdicts, KT_P1,
				strcmp(one->event->commit, commit) == 0,
				"the receipt of %s names commit %s, it stands in %s",
				one->event->event_id, one->event->commit, commit);
	}
	kt_json_free(row);
	return one != NULL;
}

/* The rows that a commit added; an agent's request is one row and alone in its commit. */
static void take_rows(struct walk *walk, const char *commit, const char *bytes, size_t len)
{
	size_t rows = 0;
	size_t ours = 0;

	while (len > 0) {
		const char *end = memchr(bytes, '\n', len);
		size_t line = end ? (size_t)(end - bytes) : len;
		kt_verdict_expect(walk->verdicts, KT_P4, end != NULL,
			"the log of commit %s does not end with a newline", commit);
		rows++;
		ours += take_row(walk, commit, bytes, line);
		bytes += end ? line + 1 : line;
		len -= end ? line + 1 : line;
	}
	kt_verdict_expect(walk->verdicts, KT_P4, ours == 0 || (ours == 1 && rows == 1),
		"commit %s holds %zu rows, %zu of them requests of agents", commit, rows, ours);
}

/* One commit of the mission. `now` is its log. */
static void take_commit(struct walk *walk, const char *commit, struct kt_buffer *now)
{
	struct kt_buffer old = walk->log;
	bool is_prefix = old.len <= now->len &&
			 memcmp(kt_buffer_text(&old), kt_buffer_text(now), old.len) == 0;

	kt_verdict_expect(walk->verdicts, KT_P4, is_prefix,
		"the log of commit %s does not begin with the log before it", commit);
	if (is_prefix)
		take_rows(walk, commit, now->data + old.len, now->len - old.len);
	walk->verdicts->commits++;
	walk->log = *now;
	*now = old;
}

static void walk_history(struct walk *walk)
{
	const struct kt_workspace *workspace = walk->workspace;
	struct kt_history history;
	struct kt_buffer now = KT_BUFFER_INIT;

	kt_history_open(workspace->repo, workspace->branch, &history);
	for (size_t i = 0; i < history.len; i++) {
		const char *commit = history.commits[i];
		bool has_log = kt_history_read(&history, commit, workspace->log_path, &now);
		kt_verdict_expect(walk->verdicts, KT_P4, has_log || walk->log.len == 0,
			"commit %s has lost the log", commit);
		if (!has_log)
			continue;
		take_commit(walk, commit, &now);
	}
	kt_history_close(&history);
	kt_buffer_release(&now);
}

static void check_sightings(struct walk *walk)
{
	for (size_t i = 0; i < walk->len; i++) {
		const struct sighting *one = &walk->sightings[i];
		bool is_acked = one->event->commit[0] != '\0';
		const char *wp = walk->records[one->wp].wp;
		if (is_acked)
			kt_verdict_expect(walk->verdicts, KT_P1, one->seen == 1,
				"acknowledged event %s of %s stands %zu times in the log",
				one->event->event_id, wp, one->seen);
		kt_verdict_expect(walk->verdicts, KT_P2, one->seen <= 1,
			"event %s of %s stands %zu times in the log", one->event->event_id, wp,
			one->seen);
		if (i > 0)
			kt_verdict_expect(walk->verdicts, KT_P6,
				by_id(&walk->sightings[i - 1], &walk->sightings[i]) != 0,
				"two events have the id %s", one->event->event_id);
	}
}

/* P6: rows of one agent come in the order it sent them. */
static void check_order(struct walk *walk)
{
	size_t *last = kt_alloc(walk->workspace->lanes * sizeof *last);

	for (size_t number = 0; number < walk->workspace->events; number++)
		for (size_t wp = 0; wp < walk->workspace->lanes; wp++) {
			const struct kt_record *record = &walk->records[wp];
			const struct sighting *one =
				number < record->len ? find(walk, record->events[number].event_id)
						     : NULL;
			if (!one || one->seen == 0)
				continue;
			kt_verdict_expect(walk->verdicts, KT_P6, one->row > last[wp],
				"event %zu of %s stands before the one sent before it", number,
				record->wp);
			last[wp] = one->row;
		}
	free(last);
}

void kt_check_log(const struct kt_workspace *workspace, struct kt_verdicts *verdicts)
{
	struct walk walk = {.workspace = workspace, .verdicts = verdicts};

	read_records(&walk);
	walk_history(&walk);
	kt_verdict_expect(verdicts, KT_P4, verdicts->commits > 0, "the branch has no log");
	check_sightings(&walk);
	check_order(&walk);
	for (size_t i = 0; i < workspace->lanes; i++)
		kt_record_release(&walk.records[i]);
	free(walk.records);
	free(walk.sightings);
	kt_buffer_release(&walk.log);
}
