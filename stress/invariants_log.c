/*
 * The rows at the tip, read through git: what was acknowledged is there (P1), every row is whole
 * (P2), senders' orders hold (P6), sinks hold what is committed (P8). Runs in kitty-check; changes
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "stress/history.h"
#include "stress/invariants_private.h"
#include "stress/run.h"

enum { RECEIPTS_MAX = 2000 }; /* more than that: the commits are only looked for on the branch */

struct place {
	char *id;
	size_t row; /* from 1 */
};

struct rows {
	struct place *places;
	size_t len, capacity;
};

static int by_id(const void *left, const void *right)
{
	const struct place *one = left;
	const struct place *other = right;
	int order = strcmp(one->id, other->id);

	return order != 0 ? order : (one->row > other->row) - (one->row < other->row);
}

static void place_add(struct rows *rows, const char *id, size_t row)
{
	if (rows->len == rows->capacity) {
		rows->capacity = rows->capacity == 0 ? 256 : rows->capacity * 2;
		rows->places = kt_realloc_array(rows->places, rows->capacity, sizeof *rows->places);
	}
	rows->places[rows->len++] = (struct place){kt_strdup(id), row};
}

/* The first row with that id, 0: none. *count: how many. */
static size_t row_of(const struct rows *rows, const char *id, size_t *count)
{
	size_t low = 0, high = rows->len, row = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(rows->places[middle].id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*count = 0;
	for (; low < rows->len && strcmp(rows->places[low].id, id) == 0; low++)
		if ((*count)++ == 0)
			row = rows->places[low].row;
	return row;
}

static void rows_read(struct kt_invariants_walk *walk, struct rows *rows)
{
	char *text = kt_strdup(kt_buffer_text(&walk->log)), *rest = text;
	size_t number = 0;

	kt_verdict_expect(walk->verdicts, KT_P2,
		walk->log.len == 0 || walk->log.data[walk->log.len - 1] == '\n',
		"the log does not end with a newline");
	for (char *line = NULL; (line = kt_next_line(&rest)) != NULL;) {
		struct kt_json *row = NULL;
		struct kt_error err = KT_ERROR_INIT;
		bool is_whole = kt_json_parse(line, strlen(line), KT_JSON_LAST_WINS, &row, &err) ==
					KT_E_OK &&
				kt_json_is(row, KT_JSON_OBJECT);
		const char *id = kt_json_get_string(row, "event_id");

		number++;
		kt_verdict_expect(walk->verdicts, KT_P2, is_whole || *line == '\0',
			"row %zu of the log is torn", number);
		if (id != NULL)
			place_add(rows, id, number);
		kt_json_free(row);
	}
	if (rows->len > 1)
		qsort(rows->places, rows->len, sizeof *rows->places, by_id);
	free(text);
}

/* ---- what was acknowledged ---- */

struct sender {
	char *name;
	size_t row; /* of its event before */
};

struct acknowledged {
	struct kt_invariants_walk *walk;
	const struct rows *rows;
	struct kt_words commits;
	struct kt_history history;
	struct sender *senders;
	size_t senders_len;
	size_t lines;
};

static struct sender *sender_of(struct acknowledged *all, const char *name)
{
	for (size_t i = 0; i < all->senders_len; i++)
		if (strcmp(all->senders[i].name, name) == 0)
			return &all->senders[i];
	all->senders = kt_realloc_array(all->senders, all->senders_len + 1, sizeof *all->senders);
	all->senders[all->senders_len] = (struct sender){kt_strdup(name), 0};
	return &all->senders[all->senders_len++];
}

static void check_receipt(struct acknowledged *all, const char *id, const char *commit)
{
	struct kt_verdicts *verdicts = all->walk->verdicts;
	struct kt_buffer log = KT_BUFFER_INIT;
	bool is_there = kt_words_count(&all->commits, commit) == 1;

	kt_verdict_expect(verdicts, KT_P1, is_there,
		"the receipt of %s names commit %s, which is not on the branch", id, commit);
	if (is_there && all->lines <= RECEIPTS_MAX)
		kt_verdict_expect(verdicts, KT_P1,
			kt_history_read(&all->history, commit, all->walk->log_path, &log) &&
				strstr(kt_buffer_text(&log), id) != NULL,
			"commit %s of the receipt of %s does not hold it", commit, id);
	kt_buffer_release(&log);
}

static void check_line(struct acknowledged *all, char *line)
{
	char *state = NULL;
	const char *id = strtok_r(line, " \t", &state);
	const char *commit = strtok_r(NULL, " \t", &state);
	const char *name = strtok_r(NULL, " \t", &state);
	size_t count = 0, row = 0;

	if (id == NULL)
		return;
	all->walk->verdicts->acknowledged++;
	row = row_of(all->rows, id, &count);
	kt_verdict_expect(all->walk->verdicts, KT_P1, count == 1,
		"acknowledged event %s stands %zu times in the log", id, count);
	if (commit != NULL && strcmp(commit, "-") != 0)
		check_receipt(all, id, commit);
	if (name != NULL && count > 0) {
		struct sender *sender = sender_of(all, name);

		kt_verdict_expect(all->walk->verdicts, KT_P6, row > sender->row,
			"event %s of %s stands before one it sent earlier", id, name);
		sender->row = row;
	}
}

static size_t lines_in(const struct kt_buffer *text)
{
	size_t lines = 0;

	for (size_t i = 0; i < text->len; i++)
		lines += text->data[i] == '\n';
	return lines;
}

static void check_acknowledged(struct kt_invariants_walk *walk, const struct rows *rows)
{
	struct acknowledged all = {.walk = walk, .rows = rows};
	struct kt_buffer text = KT_BUFFER_INIT, commits = KT_BUFFER_INIT;
	char *rest = NULL, *script = NULL;

	if (!kt_run_read_file(walk->job->acknowledged, &text))
		kt_run_die("cannot read %s", walk->job->acknowledged);
	script = kt_format("git rev-list %s --", walk->refs);
	KT_RUN_OUT(walk->job->repo, &commits, "sh", "-c", script);
	free(script);
	rest = commits.data;
	for (char *line = NULL; (line = kt_next_line(&rest)) != NULL;)
		kt_words_add(&all.commits, line);
	kt_words_sort(&all.commits);
	kt_history_open(walk->job->repo, walk->ref, &all.history);
	all.lines = lines_in(&text);
	rest = text.data;
	for (char *line = NULL; (line = kt_next_line(&rest)) != NULL;)
		check_line(&all, line);
	kt_history_close(&all.history);
	for (size_t i = 0; i < all.senders_len; i++)
		free(all.senders[i].name);
	free(all.senders);
	kt_words_release(&all.commits);
	kt_buffer_release(&commits);
	kt_buffer_release(&text);
}

/* ---- sinks ---- */

static void check_cursors(
	struct kt_invariants_walk *walk, const struct rows *rows, struct kt_json *state)
{
	size_t count = 0;

	for (const struct kt_json *sink = kt_json_first(kt_json_get(state, "sinks")); sink != NULL;
		sink = kt_json_next(sink)) {
		const char *id = kt_json_get_string(sink, "last_event_id");

		if (id == NULL)
			continue;
		(void)row_of(rows, id, &count);
		kt_verdict_expect(walk->verdicts, KT_P8, count > 0,
			"the cursor of sink %s stands on event %s, which is not committed",
			kt_json_key(sink), id);
	}
}

/* Ids that the sink's file holds, which must be committed ones; they borrow from text. */
static void read_sink(struct kt_invariants_walk *walk, const struct rows *rows,
	struct kt_buffer *text, struct kt_words *ids)
{
	char *rest = text->data;
	size_t count = 0;

	for (char *line = NULL; (line = kt_next_line(&rest)) != NULL;) {
		struct kt_json *row = NULL;
		struct kt_error err = KT_ERROR_INIT;
		const char *id = NULL;

		if (kt_json_parse(line, strlen(line), KT_JSON_LAST_WINS, &row, &err) == KT_E_OK)
			id = kt_json_get_string(row, "event_id");
		if (id != NULL) {
			(void)row_of(rows, id, &count);
			kt_verdict_expect(walk->verdicts, KT_P8, count > 0,
				"event %s was delivered and is not committed", id);
			kt_words_add(ids, memcpy(line, id, strlen(id) + 1));
		}
		kt_json_free(row);
	}
	kt_words_sort(ids);
}

static void check_sink(struct kt_invariants_walk *walk, const struct rows *rows,
	struct kt_json *state, const char *spec)
{
	const char *equals = strchr(spec, '=');
	char *name = kt_strndup(spec, equals == NULL ? strlen(spec) : (size_t)(equals - spec));
	struct kt_json *entry = kt_json_get(kt_json_get(state, "sinks"), name);
	const char *cursor = kt_json_get_string(entry, "last_event_id");
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_words ids = {NULL, 0, 0};
	size_t count = 0, until = 0;

	(void)kt_run_read_file(equals == NULL ? "" : equals + 1, &text);
	read_sink(walk, rows, &text, &ids);
	if (cursor != NULL)
		until = row_of(rows, cursor, &count);
	/* The cursor begins where the sink was configured: rows before its first are not owed. */
	for (size_t i = 0, first = (size_t)-1; i < 2; i++)
		for (size_t k = 0; k < rows->len && ids.len > 0; k++) {
			const struct place *place = &rows->places[k];
			bool is_there = kt_words_count(&ids, place->id) > 0;

			if (i == 0 && is_there && place->row < first)
				first = place->row;
			if (i == 1 && place->row >= first && place->row <= until)
				kt_verdict_expect(walk->verdicts, KT_P8, is_there,
					"sink %s is past event %s and has not got it", name,
					place->id);
		}
	kt_words_release(&ids);
	kt_buffer_release(&text);
	free(name);
}

static void check_sinks(struct kt_invariants_walk *walk, const struct rows *rows)
{
	char *path = kt_format("%s/kitty/%s/outbox.json", walk->common_dir, walk->slug);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *state = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_run_read_file(path, &text) && text.len > 0)
		kt_verdict_expect(walk->verdicts, KT_P8,
			kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &state,
				&err) == KT_E_OK,
			"%s is torn", path);
	check_cursors(walk, rows, state);
	for (size_t i = 0; walk->job->sinks != NULL && walk->job->sinks[i] != NULL; i++)
		check_sink(walk, rows, state, walk->job->sinks[i]);
	kt_json_free(state);
	kt_buffer_release(&text);
	free(path);
}

/* A row that several branches hold is taken from the first; twice on one of them, it stays twice.
 * Before finalize-tasks there is no log, and then nothing can have been acknowledged. */
static void log_read(struct kt_invariants_walk *walk)
{
	char *script = kt_format(
		"set -- %s; n=0; for ref; do n=$((n + 1)); name=$ref:%s; git rev-parse -q --verify "
		"\"$name\" >/dev/null || continue; if [ $# = 1 ]; then git cat-file blob "
		"\"$name\"; else git cat-file blob \"$name\" | sed \"s/^/$n /\"; fi; done | if [ "
		"$# "
		"= 1 ]; then cat; else awk '{ line = substr($0, length($1) + 2); if (!(line in "
		"home)) home[line] = $1; if (home[line] == $1) print line }'; fi",
		walk->refs, walk->log_path);

	KT_RUN_OUT(walk->job->repo, &walk->log, "sh", "-c", script);
	free(script);
}

void kt_invariants_log(struct kt_invariants_walk *walk)
{
	struct rows rows = {NULL, 0, 0};
	log_read(walk);
	rows_read(walk, &rows);
	if (walk->job->acknowledged != NULL)
		check_acknowledged(walk, &rows);
	check_sinks(walk, &rows);
	for (size_t i = 0; i < rows.len; i++)
		free(rows.places[i].id);
	free(rows.places);
}
