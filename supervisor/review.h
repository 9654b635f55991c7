/*
 * Reviews as the log and the run folder keep them: how many rounds a work package had, what the
 * last one asked for. Reads committed rows and feedback files; writes feedback files. For the
 * supervisor and commands.
 *
 * Feedback: <run_dir>/feedback/<WP>-<round>.md, what the reviewer printed.
 */
#ifndef KITTY_SUPERVISOR_REVIEW_H
#define KITTY_SUPERVISOR_REVIEW_H

#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"

struct kt_buffer;

enum {
	KT_REVIEW_FAILURES_MAX = 2,     /* of one WP's reviewer in one launch */
	KT_FEEDBACK_REASON_MAX = 4096,  /* bytes of feedback in a row's reason */
	KT_FEEDBACK_PROMPT_MAX = 32768, /* of one round in a prompt */
	KT_FEEDBACK_FILE_MAX = 1024 * 1024
};

/* What a review's log and prompt are called beside the implementer's: WP01-review-1.log. */
#define KT_REVIEW_SUFFIX "-review"

struct kt_review_history {
	long rounds;          /* reviews that asked for changes */
	struct kt_json *last; /* the latest such row; NULL: none */
};

/* log: committed rows. Release it. */
void kt_review_history_read(
	const char *log, size_t len, const char *wp_id, struct kt_review_history *out);
void kt_review_history_release(struct kt_review_history *history);

/* Where the feedback of a round is; gives. */
char *kt_feedback_path(const struct kt_mission *mission, const char *wp_id, long round);

/* Copies what the reviewer printed (a log file, at most KT_FEEDBACK_FILE_MAX of it) to the
 * feedback's place. Fills text with it. A reviewer that printed nothing says so. */
KT_MUST_CHECK enum kt_code kt_feedback_keep(
	const char *log_path, const char *path, struct kt_buffer *text, struct kt_error *err);

/* What that row asked for: its file, else its reason. At most KT_FEEDBACK_PROMPT_MAX bytes, cut
 * between characters. */
void kt_feedback_append(const struct kt_json *row, struct kt_buffer *out);

/* The same for a text: at most max bytes of it, cut between characters. Gives. */
char *kt_feedback_cut(const char *text, size_t len, size_t max);

/* What the last review of the work package asked for, with who and which round, for the next
 * attempt's prompt. NULL: none did. Gives. */
char *kt_feedback_text(const char *log, size_t len, const char *wp_id);

#endif
