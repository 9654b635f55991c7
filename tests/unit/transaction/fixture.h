/*
 * A finalised mission of two work packages in a sandbox repository, with a writer on it: what the
 * tests of the write path start from. Included by each of them once.
 */
#ifndef KITTY_TESTS_UNIT_TRANSACTION_FIXTURE_H
#define KITTY_TESTS_UNIT_TRANSACTION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/transaction/effects.h"
#include "supervisor/transaction/lock.h"
#include "supervisor/transaction/reader.h"
#include "supervisor/transaction/writer.h"
#include "support/sandbox.h"

#define SLUG "demo-01KSPTVW"
#define COORD ".worktrees/" SLUG "-coord"
#define LOG COORD "/kitty-specs/" SLUG "/status.events.jsonl"

struct fixture {
	struct kt_sandbox *box;
	struct kt_repository *repo;
	struct kt_mission *mission;
	struct kt_writer *writer;
	struct kt_buffer notices;
	struct kt_buffer committed; /* rows that on_committed saw */
	struct kt_json *last;       /* last outcome */
	size_t answers, successes;
	const char *program; /* stands in for kitty's own helpers; NULL: kitty */
	int hook_timeout_ms; /* 0: soon, for hooks that hang */
};

/* A command in the repository that must succeed. */
#define shell(f, ...) free(kt_sandbox_run((f)->box, __VA_ARGS__))
/* Its output without the last newline; gives. A pipeline may end with any status. */
#define ask(f, ...) kt_sandbox_run((f)->box, __VA_ARGS__)

#define assert_ask(f, expected, ...) \
	do { \
		char *answer_ = ask(f, __VA_ARGS__); \
		assert_string_equal(answer_, expected); \
		free(answer_); \
	} while (0)

static void on_notice(const char *line, void *arg)
{
	struct fixture *f = arg;

	kt_buffer_printf(&f->notices, "%s\n", line);
}

static void on_committed(const char *rows, size_t len, const struct kt_oid *commit, void *arg)
{
	struct fixture *f = arg;

	(void)commit;
	kt_buffer_append(&f->committed, rows, len);
}

static void on_outcome(const struct kt_json *outcome, void *arg)
{
	struct fixture *f = arg;

	kt_json_free(f->last);
	f->last = kt_json_copy(outcome);
	f->answers++;
	f->successes += kt_json_get(outcome, "receipt") != NULL ? 1 : 0;
}

static void open_writer(struct fixture *f, bool hold_lock)
{
	struct kt_writer_options options = {.repo = f->repo,
		.mission = f->mission,
		.holder_command = "test",
		/* Not this program, which would run its tests again, below itself. */
		.program = f->program != NULL ? f->program : KITTY_BINARY_DIR "/kitty",
		.hold_lock = hold_lock,
		.lock_timeout_ms = 300,
		.hook_timeout_ms = f->hook_timeout_ms ? f->hook_timeout_ms : 1500,
		.on_notice = on_notice,
		.on_committed = on_committed,
		.arg = f};
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
}

static const char meta[] =
	"{\n  \"created_at\": \"x\",\n  \"coordination_branch\": \"kitty/mission-" SLUG
	"\",\n  \"friendly_name\": \"Demo\",\n  \"mission_id\": "
	"\"01KSPTVW000000000000000000\",\n  \"mission_number\": null,\n  "
	"\"mission_slug\": \"" SLUG
	"\",\n  \"mission_type\": \"software-dev\",\n  \"slug\": \"demo\",\n  "
	"\"target_branch\": \"main\",\n  \"topology\": \"lanes_with_coord\"\n}\n";

static const char lanes[] =
	"{\"version\": 1, \"mission_slug\": \"" SLUG
	"\", \"mission_id\": \"01KSPTVW000000000000000000\", "
	"\"mission_branch\": \"kitty/mission-" SLUG "\", \"target_branch\": \"main\", \"lanes\": ["
	"{\"lane_id\": \"lane-a\", \"wp_ids\": [\"WP01\"]}, {\"lane_id\": \"lane-b\", \"wp_ids\": "
	"[\"WP02\"]}], "
	"\"computed_at\": \"x\", \"computed_from\": \"dependency_graph+ownership\"}\n";

static void write_file(struct fixture *f, const char *path, const char *text)
{
	char *full = kt_path_join(f->box->repo, path);
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(
		kt_file_write_atomic(full, text, strlen(text), 0644, false, &err), KT_E_OK);
	free(full);
}

static void write_wp(struct fixture *f, const char *id)
{
	char *path = kt_format("kitty-specs/" SLUG "/tasks/%s-x.md", id);
	char *text =
		kt_format("---\nwork_package_id: %s\ntitle: T\ndependencies: []\nowned_files:\n- "
			  "src/%s/**\nsubtasks: []\n---\nbody\n",
			id, id);

	write_file(f, path, text);
	free(path);
	free(text);
}

static inline void submit(struct fixture *f, struct kt_json *request, const char *lane)
{
	kt_writer_submit(f->writer, request, lane, on_outcome, f);
	kt_json_free(request);
}

static inline void finish(struct fixture *f)
{
	kt_writer_finish(f->writer);
}

static struct kt_json *move(const char *wp, enum kt_status to, const char *actor)
{
	struct kt_json *request = kt_request_new("test");

	(void)kt_request_add_move(request, wp, to, actor);
	return request;
}

static inline const char *last_code(const struct fixture *f)
{
	const char *code = kt_json_get_string(kt_json_get(f->last, "error"), "code");

	return code == NULL ? "OK" : code;
}

/* The refusal's code, or OK, of a request that nobody's lane makes. */
static inline const char *code_of(struct fixture *f, struct kt_json *request)
{
	submit(f, request, NULL);
	finish(f);
	return last_code(f);
}

static inline struct kt_json *op_of(struct kt_json *request)
{
	return kt_json_first(kt_json_get(request, "ops"));
}

/* A move that needs a reviewer's verdict, with one. */
static inline struct kt_json *reviewed(const char *wp, enum kt_status to, const char *actor)
{
	struct kt_json *request = move(wp, to, actor);
	struct kt_json *evidence = kt_json_new_object(), *review = kt_json_new_object();

	kt_json_set_string(review, "reviewer", "codex");
	kt_json_set_string(review, "verdict", "approved");
	kt_json_set_string(review, "reference", "r1");
	kt_json_set(evidence, "review", review);
	kt_json_set(op_of(request), "evidence", evidence);
	return request;
}

/* The next writer runs <root>/NAME in the place of kitty's own helpers. */
static inline void stand_in(struct fixture *f, const char *name)
{
	static char program[4096];

	(void)snprintf(program, sizeof program, "%s/%s", f->box->root, name);
	f->program = program;
}

/* Both work packages are claimed and in progress: four requests that wait for finish. */
static inline void submit_starts(struct fixture *f)
{
	static const char *const wps[] = {"WP01", "WP02"};

	for (size_t i = 0; i < 2; i++) {
		submit(f, move(wps[i], KT_STATUS_CLAIMED, "codex"), NULL);
		submit(f, move(wps[i], KT_STATUS_IN_PROGRESS, "codex"), NULL);
	}
}

static int setup(void **state)
{
	struct fixture *f = kt_alloc(sizeof *f);
	struct kt_error err = KT_ERROR_INIT;

	f->box = kt_sandbox_new();
	shell(f, "mkdir -p kitty-specs/" SLUG
		 "/tasks src && echo hi > src/a.txt && git add src && git commit -qm base");
	write_file(f, "kitty-specs/" SLUG "/meta.json", meta);
	write_file(f, "kitty-specs/" SLUG "/lanes.json", lanes);
	write_wp(f, "WP01");
	write_wp(f, "WP02");
	/* The plan goes to the coordination branch only, as finalize-tasks would bring it. */
	shell(f, "git branch -q kitty/mission-" SLUG " && git worktree add -q " COORD
		 " kitty/mission-" SLUG " && cp -r kitty-specs " COORD "/ && git -C " COORD
		 " add -A && git -C " COORD " commit -qm plan");
	assert_int_equal(kt_repository_find(f->box->repo, &f->repo, &err), KT_E_OK);
	if (kt_mission_resolve(f->repo, SLUG, f->box->repo, &f->mission, NULL, &err) != KT_E_OK)
		fail_msg("%s", err.detail);
	open_writer(f, true);
	for (int i = 1; i <= 2; i++) {
		char wp[8];

		(void)snprintf(wp, sizeof wp, "WP%02d", i);
		submit(f, move(wp, KT_STATUS_PLANNED, "finalize-tasks"), NULL);
	}
	finish(f);
	if (f->successes != 2) {
		struct kt_buffer text = KT_BUFFER_INIT;

		kt_json_write(f->last, KT_JSON_COMPACT, &text);
		fail_msg("seeding: %s", kt_buffer_text(&text));
	}
	f->answers = f->successes = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kt_writer_free(f->writer);
	kt_json_free(f->last);
	kt_buffer_release(&f->notices);
	kt_buffer_release(&f->committed);
	kt_mission_free(f->mission);
	kt_repository_free(f->repo);
	kt_sandbox_free(f->box);
	free(f);
	return 0;
}

static inline void expect_clean(struct fixture *f)
{
	assert_ask(f, "", "git -C " COORD " status --porcelain");
	assert_ask(
		f, "", "git fsck --full --strict 2>&1 | grep -v '^dangling\\|^Checking' || true");
	assert_ask(f, "same",
		"git show kitty/mission-" SLUG ":kitty-specs/" SLUG
		"/status.events.jsonl | cmp -s - " LOG " && echo same");
}

#endif
