/*
 * Reviews in the log, and the files of feedback. Runs in the
 * supervisor and in commands. Must never trust a path in
 * a row further than to read a bounded regular file from it.
 */
#include "supervisor/review.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/status.h>

#include "ipc/buffer.h"
#include "ipc/file.h"

static bool is_changes_requested(const struct kt_json *row, const char *wp_id)
{
	const char *wp = kt_json_get_string(row, "wp_id");
	const char *from = kt_json_get_string(row, "from_lane");
	const char *verdict = kt_json_get_string(kt_json_get(row, "review_result"), "verdict");

	return wp != NULL && strcmp(wp, wp_id) == 0 && from != NULL && verdict != NULL &&
	       strcmp(from, kt_status_name(KT_STATUS_IN_REVIEW)) == 0 &&
	       strcmp(verdict, "changes_requested") == 0;
}

void kt_review_history_read(
	const char *log, size_t len, const char *wp_id, struct kt_review_history *out)
{
	const char *end = log + len;

	*out = (struct kt_review_history){0, NULL};
	for (const char *at = log; at != NULL && at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t line = (size_t)((stop == NULL ? end : stop) - at);
		struct kt_error ignored = KT_ERROR_INIT;
		struct kt_json *row = NULL;

		/* Most rows are no reviews: they are not even parsed. */
		if (memmem(at, line, "changes_requested", 17) != NULL &&
			kt_json_parse(at, line, KT_JSON_LAST_WINS, &row, &ignored) == KT_E_OK &&
			is_changes_requested(row, wp_id)) {
			kt_json_free(out->last);
			out->last = row;
			out->rounds++;
		} else {
			kt_json_free(row);
		}
		at += line + 1;
	}
}

void kt_review_history_release(struct kt_review_history *history)
{
	kt_json_free(history->last);
	*history = (struct kt_review_history){0, NULL};
}

/* ---- feedback ---- */

char *kt_feedback_path(const struct kt_mission *mission, const char *wp_id, long round)
{
	return kt_format("%s/feedback/%s-%ld.md", mission->run_dir, wp_id, round);
}

char *kt_feedback_cut(const char *text, size_t len, size_t max)
{
	size_t keep = len < max ? len : max;

	/* Not inside a character: the bytes that go on with one are 10xxxxxx. */
	while (keep > 0 && keep < len && ((unsigned char)text[keep] & 0xC0) == 0x80)
		keep--;
	return kt_strndup(text, keep);
}

/* The beginning of what was printed: the rest stays in the log. */
static void head_read(const char *path, struct kt_buffer *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char piece[16384];
	ssize_t len = 0;

	kt_buffer_clear(text);
	while (fd >= 0 && text->len < KT_FEEDBACK_FILE_MAX &&
		((len = read(fd, piece, sizeof piece)) > 0 || (len < 0 && errno == EINTR)))
		if (len > 0)
			kt_buffer_append(text, piece, (size_t)len);
	if (text->len >= KT_FEEDBACK_FILE_MAX)
		kt_buffer_printf(text, "\n(cut here; all of it: %s)\n", path);
	if (fd >= 0)
		(void)close(fd);
}

enum kt_code kt_feedback_keep(
	const char *log_path, const char *path, struct kt_buffer *text, struct kt_error *err)
{
	char *folder = kt_path_parent(path);
	enum kt_code code = kt_folder_make(folder, 0700, err);

	head_read(log_path, text);
	/* A NUL would end it early. */
	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] == '\0')
			text->data[i] = ' ';
	if (kt_buffer_text(text)[strspn(kt_buffer_text(text), " \t\r\n")] == '\0') {
		kt_buffer_clear(text);
		kt_buffer_puts(text, "The reviewer asked for changes without saying which.\n");
	}
	if (code == KT_E_OK)
		code = kt_file_write_atomic(path, text->data, text->len, 0600, false, err);
	free(folder);
	return code;
}

void kt_feedback_append(const struct kt_json *row, struct kt_buffer *out)
{
	const char *path = kt_json_get_string(kt_json_get(row, "review_result"), "feedback_path");
	const char *reason = kt_json_get_string(row, "reason");
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	char *cut = NULL;

	if (path == NULL || path[0] != '/' ||
		kt_file_read(path, 2UL * KT_FEEDBACK_FILE_MAX, &text, &ignored) != KT_E_OK) {
		kt_buffer_clear(&text);
		kt_buffer_puts(&text, reason == NULL ? "no reason was given" : reason);
	}
	cut = kt_feedback_cut(kt_buffer_text(&text), text.len, KT_FEEDBACK_PROMPT_MAX);
	kt_buffer_puts(out, cut);
	if (strlen(cut) < text.len)
		kt_buffer_printf(out, "\n(cut here; all of it: %s)", path == NULL ? "?" : path);
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		kt_buffer_putc(out, '\n');
	free(cut);
	kt_buffer_release(&text);
}

char *kt_feedback_text(const char *log, size_t len, const char *wp_id)
{
	struct kt_review_history history = {0, NULL};
	struct kt_buffer text = KT_BUFFER_INIT;
	const char *actor = NULL;

	kt_review_history_read(log, len, wp_id, &history);
	if (history.last != NULL) {
		actor = kt_json_get_string(history.last, "actor");
		kt_buffer_printf(&text, "The review (round %ld, by %s) asked for changes:\n\n",
			history.rounds, actor == NULL ? "?" : actor);
		kt_feedback_append(history.last, &text);
	}
	kt_review_history_release(&history);
	return text.len == 0 ? NULL : kt_buffer_take(&text);
}
