/*
 * The loop of the fault tests: an operation with every call of seams.def failing once. Included by
 * each of them once, after fixture.h.
 */
#ifndef KITTY_TESTS_UNIT_TRANSACTION_EVERYWHERE_H
#define KITTY_TESTS_UNIT_TRANSACTION_EVERYWHERE_H

#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

#define REF "refs/heads/kitty/mission-" SLUG
#define ROWS "kitty-specs/" SLUG "/status.events.jsonl"

enum { POINTS_MAX = 400 };

struct operation {
	void (*prepare)(struct fixture *f); /* before each point; NULL: nothing */
	void (*run)(struct fixture *f, const char *id);
	bool hold_lock; /* the writer stays, as in the supervisor */
	/* Where its rows go; NULL: the coordination branch and its worktree. */
	const char *ref, *worktree;
};

static inline struct kt_json *note(const char *wp, const char *id)
{
	struct kt_json *request = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object(), *op = NULL;

	kt_json_set_string(delta, "note", "once");
	op = kt_request_add_annotation(request, wp, "claude", delta);
	if (id != NULL)
		kt_json_set_string(op, "event_id", id);
	return request;
}

/* Rows with that id on the branch, then whether the working log is the branch's, then what git
 * status says of tracked files: one line. */
static char *observe(struct fixture *f, const struct operation *operation, const char *id)
{
	const char *worktree = operation->worktree == NULL ? COORD : operation->worktree;

	return ask(f,
		"git show %s:" ROWS " >../rows; grep -c %s ../rows; cmp -s ../rows %s/" ROWS
		" && echo same; git -C %s status --porcelain --untracked-files=no",
		operation->ref == NULL ? REF : operation->ref, id, worktree, worktree);
}

static void expect_there_once(
	struct fixture *f, const struct operation *operation, const char *id, const char *struck)
{
	char *seen = observe(f, operation, id);

	if (strcmp(seen, "1\nsame") != 0)
		fail_msg("after %s: %s", struck, seen);
	free(seen);
}

static const char *outcome_name(const struct fixture *f)
{
	return kt_json_get(f->last, "receipt") != NULL ? "OK" : last_code(f);
}

/* One point. NULL: the operation has fewer calls than that. */
static const char *fail_once(
	struct fixture *f, const struct operation *operation, const char *id, unsigned nth)
{
	const char *struck = NULL;
	char *seen = NULL, *code = NULL;

	if (operation->prepare != NULL)
		operation->prepare(f);
	kt_seam_fail(NULL, nth, KT_E_GIT_FAILED);
	operation->run(f, id);
	struck = kt_seam_end();
	code = kt_strdup(outcome_name(f));
	/* Refused means refused: only the branch could say otherwise, and it does not. */
	seen = observe(f, operation, id);
	if (strcmp(code, "OUTCOME_UNKNOWN") != 0 &&
		seen[0] != (strcmp(code, "OK") == 0 ? '1' : '0'))
		fail_msg("%s after call %u (%s), and the branch says %s", code, nth,
			struck == NULL ? "none" : struck, seen);
	free(seen);
	free(code);
	if (!operation->hold_lock) {
		kt_writer_free(f->writer);
		open_writer(f, false);
	}
	operation->run(f, id);
	if (strcmp(outcome_name(f), "OK") != 0)
		fail_msg("again after call %u (%s): %s: %s", nth, struck == NULL ? "none" : struck,
			last_code(f), kt_json_get_string(kt_json_get(f->last, "error"), "detail"));
	expect_there_once(f, operation, id, struck);
	return struck;
}

static void fail_everywhere(struct fixture *f, const struct operation *operation)
{
	const char *struck = "";
	unsigned nth = 1;

	kt_writer_free(f->writer);
	open_writer(f, operation->hold_lock);
	for (; struck != NULL && nth < POINTS_MAX; nth++) {
		char id[27];

		(void)snprintf(id, sizeof id, "01KSPTVW00000000000000%04u", nth);
		struck = fail_once(f, operation, id, nth);
	}
	assert_null(struck);
	assert_true(nth > 10);
}

#endif
