/*
 * verify on a long history, made by the writer itself: it must hold (kitty-bench says how quickly).
 * KITTY_VERIFY_EVENTS in the environment asks for another length (10000: the documented one).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/file.h"
#include "supervisor/transaction/writer.h"
#include "supervisor/verify.h"
#include "support/sandbox.h"

#define SLUG "long-01KSPTVW"
#define COORD ".worktrees/" SLUG "-coord"
#define WPS 10

struct fixture {
	struct kt_sandbox *box;
	struct kt_repository *repo;
	struct kt_mission *mission;
	struct kt_writer *writer;
	size_t answers, successes, progress;
	char last[640];
};

static const char meta[] =
	"{\n  \"created_at\": \"x\",\n  \"coordination_branch\": \"kitty/mission-" SLUG
	"\",\n  \"friendly_name\": \"Long\",\n  \"mission_id\": "
	"\"01KSPTVW000000000000000000\",\n  \"mission_number\": null,\n  "
	"\"mission_slug\": \"" SLUG
	"\",\n  \"mission_type\": \"software-dev\",\n  \"slug\": \"long\",\n  "
	"\"target_branch\": \"main\",\n  \"topology\": \"lanes_with_coord\"\n}\n";

static void on_outcome(const struct kt_json *outcome, void *arg)
{
	struct fixture *f = arg;
	struct kt_error err = KT_ERROR_INIT;

	f->answers++;
	if (kt_outcome_code(outcome, &err) == KT_E_OK)
		f->successes++;
	else
		(void)snprintf(
			f->last, sizeof f->last, "%s: %s", kt_error_text(err.code), err.detail);
}

static void on_progress(size_t done, size_t total, void *arg)
{
	struct fixture *f = arg;

	assert_true(done <= total);
	f->progress++;
}

static void lanes_write(struct fixture *f)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_buffer_puts(&text, "{\"version\": 1, \"mission_slug\": \"" SLUG
			      "\", \"mission_id\": \"01KSPTVW000000000000000000\", "
			      "\"mission_branch\": \"kitty/mission-" SLUG
			      "\", \"target_branch\": \"main\", \"lanes\": [{\"lane_id\": "
			      "\"lane-a\", \"wp_ids\": [");
	for (int i = 1; i <= WPS; i++)
		kt_buffer_printf(&text, "%s\"WP%02d\"", i == 1 ? "" : ", ", i);
	kt_buffer_puts(&text, "]}], \"computed_at\": \"x\", \"computed_from\": \"x\"}\n");
	kt_sandbox_write(f->box, "kitty-specs/" SLUG "/lanes.json", kt_buffer_text(&text));
	kt_buffer_release(&text);
}

static void wp_write(struct fixture *f, int number)
{
	char *path = kt_format("kitty-specs/" SLUG "/tasks/WP%02d-x.md", number);
	char *text = kt_format("---\nwork_package_id: WP%02d\ntitle: T\ndependencies: []\n"
			       "owned_files:\n- src/%d/**\nsubtasks: []\n---\nbody\n",
		number, number);

	kt_sandbox_write(f->box, path, text);
	free(path);
	free(text);
}

static int setup(void **state)
{
	struct fixture *f = kt_alloc(sizeof *f);
	struct kt_error err = KT_ERROR_INIT;
	struct kt_writer_options options = {.holder_command = "test", .hold_lock = true};

	f->box = kt_sandbox_new();
	free(kt_sandbox_run(f->box, "mkdir -p kitty-specs/" SLUG "/tasks"));
	kt_sandbox_write(f->box, "kitty-specs/" SLUG "/meta.json", meta);
	lanes_write(f);
	for (int i = 1; i <= WPS; i++)
		wp_write(f, i);
	free(kt_sandbox_run(f->box,
		"git branch -q kitty/mission-" SLUG " && git worktree add -q " COORD
		" kitty/mission-" SLUG " && cp -r kitty-specs " COORD "/ && git -C " COORD
		" add -A && git -C " COORD " commit -qm plan"));
	assert_int_equal(kt_repository_find(f->box->repo, &f->repo, &err), KT_E_OK);
	assert_int_equal(
		kt_mission_resolve(f->repo, SLUG, f->box->repo, &f->mission, NULL, &err), KT_E_OK);
	options.repo = f->repo;
	options.mission = f->mission;
	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kt_writer_free(f->writer);
	kt_mission_free(f->mission);
	kt_repository_free(f->repo);
	kt_sandbox_free(f->box);
	free(f);
	return 0;
}

static void move(struct fixture *f, int wp, enum kt_status to, const char *actor)
{
	char id[16];
	struct kt_json *request = kt_request_new("test"), *op;

	(void)snprintf(id, sizeof id, "WP%02d", wp);
	op = kt_request_add_move(request, id, to, actor);
	kt_json_set_string(op, "reason", "back and forth, as real missions do it at length");
	kt_writer_submit(f->writer, request, NULL, on_outcome, f);
	kt_json_free(request);
}

static void history_make(struct fixture *f, size_t events)
{
	for (int wp = 1; wp <= WPS; wp++)
		move(f, wp, KT_STATUS_PLANNED, "finalize-tasks");
	kt_writer_finish(f->writer);
	for (size_t made = WPS; made < events; made += WPS) {
		bool is_even = made / WPS % 2 == 0;

		for (int wp = 1; wp <= WPS; wp++)
			move(f, wp, is_even ? KT_STATUS_IN_PROGRESS : KT_STATUS_BLOCKED,
				"operator");
		kt_writer_finish(f->writer);
	}
}

static void a_long_history_is_verified(void **state)
{
	struct fixture *f = *state;
	/* No threads. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	const char *wanted = getenv("KITTY_VERIFY_EVENTS");
	size_t events = wanted == NULL ? 2000 : strtoul(wanted, NULL, 10);
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int64_t count = 0;

	history_make(f, events);
	if (f->successes != f->answers)
		fail_msg("%s", f->last);
	assert_int_equal(
		kt_verify_run(f->repo, f->mission, on_progress, f, &report, &err), KT_E_OK);
	if (!kt_json_get_bool(report, "ok", false)) {
		struct kt_buffer text = KT_BUFFER_INIT;

		kt_json_write(report, KT_JSON_COMPACT, &text);
		fail_msg("%s", kt_buffer_text(&text));
	}
	assert_true(kt_json_get_int(report, "events", &count) && count == (int64_t)events);
	assert_true(kt_json_get_int(report, "commits", &count) && count == (int64_t)events);
	assert_true(f->progress > 0);
	kt_json_free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_long_history_is_verified, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
