/*
 * Deliveries as a power cut, a neighbour and a sink that refuses would see them. The flushes go
 * through this test (linker's --wrap).
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/fanout/outbox.h"

static const char LOG[] = "{\"event_id\": \"A\", \"to_lane\": \"planned\"}\n"
			  "{\"event_id\": \"B\", \"to_lane\": \"claimed\"}\n";

/* Names of what was flushed at that moment, one a line. */
static struct kt_buffer flushed;

static void note_flush(int fd)
{
	char link[64], path[4096];
	ssize_t len;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path);
	if (len > 0)
		kt_buffer_printf(&flushed, "%.*s\n", (int)len, path);
}

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names */
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fsync(int fd)
{
	note_flush(fd);
	return __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
	note_flush(fd);
	return __real_fdatasync(fd);
}

/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

struct box {
	char *folder, *state, *lock;
	struct kt_sink sink;
	struct kt_outbox outbox;
};

static enum kt_code load(void *arg, const char **log, size_t *len, struct kt_error *err)
{
	(void)arg;
	(void)err;
	*log = LOG;
	*len = sizeof LOG - 1;
	return KT_E_OK;
}

static int setup(void **state)
{
	char template[] = "/tmp/kitty-test-XXXXXX";
	struct box *box = kt_alloc(sizeof *box);

	assert_non_null(mkdtemp(template));
	box->folder = kt_strdup(template);
	box->state = kt_path_join(template, "run/outbox.json");
	box->lock = kt_path_join(template, "run/outbox.lock");
	box->sink = (struct kt_sink){.name = "sink", .path = "rows", .timeout_ms = 10000};
	box->outbox = (struct kt_outbox){.sinks = &box->sink,
		.sinks_len = 1,
		.load = load,
		.state_path = box->state,
		.lock_path = box->lock,
		.folder = box->folder,
		.mission_slug = "demo",
		.mission_id = "id"};
	*state = box;
	return 0;
}

static int teardown(void **state)
{
	struct box *box = *state;
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_folder_remove_tree(box->folder, &err), KT_E_OK);
	kt_buffer_release(&flushed);
	free(box->folder);
	free(box->state);
	free(box->lock);
	free(box);
	return 0;
}

/* Its row of the report, which is given. */
static struct kt_json *deliver(struct box *box, const struct kt_json **row)
{
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_outbox_deliver(&box->outbox, &report, &err), KT_E_OK);
	*row = kt_json_first(kt_json_get(report, "sinks"));
	assert_non_null(*row);
	return report;
}

static int64_t delivered(const struct kt_json *row)
{
	int64_t count = -1;

	assert_true(kt_json_get_int(row, "delivered", &count));
	return count;
}

static void a_row_is_on_the_disk_before_the_cursor_passes_it(void **state)
{
	struct box *box = *state;
	const struct kt_json *row = NULL;
	struct kt_json *report = deliver(box, &row);
	const char *rows = strstr(kt_buffer_text(&flushed), "/rows\n");
	const char *cursor = strstr(kt_buffer_text(&flushed), "/outbox.json.");

	assert_int_equal(delivered(row), 2);
	assert_string_equal(kt_json_get_string(row, "cursor"), "B");
	assert_true(rows != NULL && cursor != NULL && rows < cursor);
	kt_json_free(report);
}

static void what_a_sink_refuses_is_offered_again(void **state)
{
	static const char *const argv[] = {"sh", "-c", "exit 3", NULL};
	struct box *box = *state;
	const struct kt_json *row = NULL;
	struct kt_json *report;

	box->sink.argv = argv;
	report = deliver(box, &row);
	assert_int_equal(delivered(row), 0);
	assert_null(kt_json_get_string(row, "cursor"));
	kt_json_free(report);
	box->sink.argv = NULL;
	report = deliver(box, &row);
	assert_int_equal(delivered(row), 2);
	kt_json_free(report);
}

static void while_another_process_delivers_nothing_goes_out_twice(void **state)
{
	struct box *box = *state;
	const struct kt_json *row = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *report;
	char *run = kt_path_parent(box->lock);
	int fd;

	assert_int_equal(kt_folder_make(run, 0700, &err), KT_E_OK);
	fd = open(box->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	box->outbox.budget_ms = 50;
	report = deliver(box, &row);
	assert_true(kt_json_get_bool(report, "busy", false));
	assert_int_equal(delivered(row), 0);
	kt_json_free(report);
	(void)close(fd);
	free(run);
}

static void a_sinks_command_is_led_to_no_repository_of_the_callers(void **state)
{
	static const char *const argv[] = {"sh", "-c", "env >seen", NULL};
	static const char *const names[] = {"GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE",
		"SPEC_KITTY_SOCKET", "SPEC_KITTY_LANE", "SPEC_KITTY_WP"};
	struct box *box = *state;
	const struct kt_json *row = NULL;
	struct kt_buffer seen = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	char *path = kt_path_join(box->folder, "seen");
	struct kt_json *report;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(setenv(names[i], "/elsewhere", 1), 0);
	box->sink.argv = argv;
	report = deliver(box, &row);
	assert_int_equal(delivered(row), 2);
	assert_int_equal(kt_file_read(path, 1 << 20, &seen, &err), KT_E_OK);
	assert_non_null(strstr(kt_buffer_text(&seen), "SPEC_KITTY_EVENT_ID=B\n"));
	assert_null(strstr(kt_buffer_text(&seen), "/elsewhere"));
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(unsetenv(names[i]), 0);
	kt_json_free(report);
	kt_buffer_release(&seen);
	free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_is_on_the_disk_before_the_cursor_passes_it),
		TEST(what_a_sink_refuses_is_offered_again),
		TEST(while_another_process_delivers_nothing_goes_out_twice),
		TEST(a_sinks_command_is_led_to_no_repository_of_the_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
