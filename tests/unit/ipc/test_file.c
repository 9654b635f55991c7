/*
 * Files and folders, buffers, clocks and log lines.
 */
#include <errno.h>
#include <fcntl.h>
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
#include "ipc/clock.h"
#include "ipc/file.h"
#include "ipc/log.h"

static char *sandbox;

static char *in_sandbox(const char *name)
{
	return kt_path_join(sandbox, name);
}

static void write_text(const char *path, const char *text)
{
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_file_write_atomic(path, text, strlen(text), 0644, true, &err), KT_E_OK);
}

static void a_written_file_reads_back_with_its_exact_mode(void **state)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	char *path = in_sandbox("file");
	struct stat found;

	(void)state;
	write_text(path, "first");
	assert_int_equal(kt_file_write_atomic(path, "a\0b", 3, 0606, false, &err), KT_E_OK);
	kt_buffer_puts(&out, ">");
	assert_int_equal(kt_file_read(path, 3, &out, &err), KT_E_OK);
	assert_int_equal(out.len, 4);
	assert_memory_equal(out.data, ">a\0b", 5);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 0777, 0606);
	kt_buffer_release(&out);
	free(path);
}

static void a_file_above_the_limit_is_refused_and_nothing_is_appended(void **state)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	char *path = in_sandbox("large");

	(void)state;
	write_text(path, "12345");
	assert_int_equal(kt_file_read(path, 4, &out, &err), KT_E_LIMIT);
	assert_int_equal(out.len, 0);
	/* A file of /proc says it has no size. */
	assert_int_equal(kt_file_read("/proc/self/status", 100, &out, &err), KT_E_LIMIT);
	assert_int_equal(out.len, 0);
	assert_int_equal(kt_file_read("/proc/self/status", 1 << 20, &out, &err), KT_E_OK);
	assert_true(out.len > 100);
	kt_buffer_release(&out);
	free(path);
}

static void only_regular_files_are_read(void **state)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	char *fifo = in_sandbox("fifo"), *absent = in_sandbox("absent");

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(kt_file_read(fifo, 10, &out, &err), KT_E_IO);
	assert_int_equal(kt_file_read(sandbox, 10, &out, &err), KT_E_IO);
	assert_int_equal(kt_file_read(absent, 10, &out, &err), KT_E_IO);
	assert_int_equal(err.sys_errno, ENOENT);
	free(fifo);
	free(absent);
}

static void writing_replaces_a_link_and_leaves_no_temporary_file(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	char *folder = in_sandbox("links"), *target = kt_path_join(folder, "target");
	char *link = kt_path_join(folder, "link"), *below = kt_path_join(link, "x");
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	assert_int_equal(kt_folder_make(folder, 0755, &err), KT_E_OK);
	write_text(target, "kept");
	assert_int_equal(symlink("target", link), 0);
	write_text(link, "new");
	assert_int_equal(kt_file_read(target, 10, &out, &err), KT_E_OK);
	assert_string_equal(kt_buffer_text(&out), "kept");
	assert_int_equal(kt_file_write_atomic(below, "x", 1, 0600, false, &err), KT_E_IO);
	assert_int_equal(unlink(link) + unlink(target) + rmdir(folder), 0);
	kt_buffer_release(&out);
	free(below);
	free(link);
	free(target);
	free(folder);
}

static void folders_are_made_with_their_parents_and_a_file_in_the_way_is_told(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	char *deep = in_sandbox("a/b/c"), *file = in_sandbox("a/b/file"),
	     *below = in_sandbox("a/b/file/d"), *slash = in_sandbox("a/e/");

	(void)state;
	assert_int_equal(kt_folder_make(deep, 0700, &err), KT_E_OK);
	assert_int_equal(kt_folder_make(deep, 0700, &err), KT_E_OK);
	assert_true(kt_folder_exists(deep));
	assert_int_equal(kt_folder_flush(deep, &err), KT_E_OK);
	write_text(file, "");
	assert_int_equal(kt_folder_make(below, 0700, &err), KT_E_IO);
	assert_int_equal(err.sys_errno, ENOTDIR);
	assert_int_equal(kt_folder_make(slash, 0700, &err), KT_E_OK);
	free(deep);
	free(file);
	free(below);
	free(slash);
}

static void a_removed_tree_takes_nothing_outside_with_it(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	char *tree = in_sandbox("tree/x/y"), *top = in_sandbox("tree"),
	     *outside = in_sandbox("outside"), *kept = in_sandbox("outside/kept"),
	     *link = in_sandbox("tree/x/link"), *dangling = in_sandbox("tree/dangling");

	(void)state;
	assert_int_equal(kt_folder_make(tree, 0700, &err), KT_E_OK);
	assert_int_equal(kt_folder_make(outside, 0700, &err), KT_E_OK);
	write_text(kept, "kept");
	assert_int_equal(symlink(outside, link), 0);
	assert_int_equal(symlink("nowhere", dangling), 0);
	assert_true(kt_file_exists(dangling));
	assert_int_equal(kt_folder_remove_tree(top, &err), KT_E_OK);
	assert_false(kt_file_exists(top));
	assert_true(kt_file_exists(kept));
	assert_int_equal(kt_folder_remove_tree(top, &err), KT_E_OK);
	free(tree);
	free(top);
	free(outside);
	free(kept);
	free(link);
	free(dangling);
}

static void assert_joined(const char *folder, const char *name, const char *expected)
{
	char *path = kt_path_join(folder, name);

	assert_string_equal(path, expected);
	free(path);
}

static void assert_parent(const char *path, const char *expected)
{
	char *parent = kt_path_parent(path);

	assert_string_equal(parent, expected);
	free(parent);
}

static void paths_are_joined_and_parted(void **state)
{
	(void)state;
	assert_joined("/a", "b", "/a/b");
	assert_joined("/a/", "b", "/a/b");
	assert_joined("", "b", "b");
	assert_joined("/a", "/b", "/b");
	assert_parent("/a/b", "/a");
	assert_parent("/a", "/");
	assert_parent("a", ".");
}

static void errno_is_mapped_to_its_code(void **state)
{
	(void)state;
	assert_int_equal(kt_error_from_errno(ENOSPC), KT_E_NO_SPACE);
	assert_int_equal(kt_error_from_errno(EDQUOT), KT_E_NO_SPACE);
	assert_int_equal(kt_error_from_errno(EROFS), KT_E_READ_ONLY);
	assert_int_equal(kt_error_from_errno(EACCES), KT_E_IO);
}

static void a_full_disk_is_told_as_such(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(kt_file_write_all(fd, "x", 1), -1);
	assert_int_equal(kt_error_from_errno(errno), KT_E_NO_SPACE);
	(void)close(fd);
}

static void a_fixed_clock_stands_or_steps_and_comes_back(void **state)
{
	int64_t real = kt_clock_wall_us();

	(void)state;
	kt_clock_fix(1000, 5);
	assert_int_equal(kt_clock_wall_us(), 1000);
	assert_int_equal(kt_clock_wall_us(), 1005);
	kt_clock_fix(-1, 0);
	assert_true(kt_clock_wall_us() >= real);
	assert_true(kt_clock_monotonic_ms() > 0);
}

static void no_time_is_left_when_a_deadline_has_passed(void **state)
{
	(void)state;
	assert_int_equal(kt_clock_left_ms(1500, 1000), 500);
	assert_int_equal(kt_clock_left_ms(1000, 1000), 0);
	assert_int_equal(kt_clock_left_ms(999, 1000), 0);
}

static void fixed_randomness_repeats_and_real_does_not(void **state)
{
	unsigned char first[16], second[16];

	(void)state;
	kt_random_fix(7);
	kt_random_bytes(first, sizeof first);
	kt_random_fix(7);
	kt_random_bytes(second, sizeof second);
	assert_memory_equal(first, second, sizeof first);
	kt_random_fix(0);
	kt_random_bytes(first, sizeof first);
	kt_random_bytes(second, sizeof second);
	assert_memory_not_equal(first, second, sizeof first);
}

static void a_buffer_grows_is_consumed_and_stays_a_c_string(void **state)
{
	struct kt_buffer buffer = KT_BUFFER_INIT;

	(void)state;
	assert_string_equal(kt_buffer_text(&buffer), "");
	for (int i = 0; i < 1000; i++)
		kt_buffer_printf(&buffer, "%03d", i);
	assert_int_equal(buffer.len, 3000);
	kt_buffer_consume(&buffer, 2997);
	assert_string_equal(kt_buffer_text(&buffer), "999");
	kt_buffer_clear(&buffer);
	assert_string_equal(kt_buffer_text(&buffer), "");
	kt_buffer_release(&buffer);
}

/* Runs one log call with standard error in a file and gives what was written. */
static char *logged(enum kt_log_level level, const char *text)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error failure = KT_ERROR_INIT, err = KT_ERROR_INIT;
	char *path = in_sandbox("log");
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)kt_error_sys(&failure, KT_E_IO, ENOENT, "x\ny");
	assert_true(saved >= 0 && fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	kt_log_failure(level, &failure, "%s", text);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(fd);
	(void)close(saved);
	assert_int_equal(kt_file_read(path, 1 << 20, &out, &err), KT_E_OK);
	free(path);
	return kt_buffer_take(&out);
}

static void a_log_line_is_one_line_with_foreign_text_escaped(void **state)
{
	char *line;

	(void)state;
	kt_log_open("kitty-worker", "lane-a");
	(void)unsetenv("SPEC_KITTY_LOG"); /* then it is `warn` */
	line = logged(KT_LOG_WARN, "a \"b\"\n\x1b[31m\xff");
	assert_memory_equal(line, "time=", 5);
	assert_non_null(strstr(line, " level=warn program=kitty-worker pid="));
	assert_non_null(strstr(line, " lane=lane-a msg=\"a \\\"b\\\"\\n\\u001b[31m\\ufffd\""));
	assert_non_null(
		strstr(line, " code=IO_ERROR errno=2 why=\"x\\ny: No such file or directory\"\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	free(line);
	line = logged(KT_LOG_INFO, "quiet");
	assert_string_equal(line, "");
	free(line);
}

static int make_sandbox(void **state)
{
	char template[] = "/tmp/kitty-test-XXXXXX";

	(void)state;
	sandbox = kt_strdup(mkdtemp(template));
	return sandbox == NULL ? -1 : 0;
}

static int remove_sandbox(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = kt_folder_remove_tree(sandbox, &err);

	(void)state;
	free(sandbox);
	return code == KT_E_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_written_file_reads_back_with_its_exact_mode),
		cmocka_unit_test(a_file_above_the_limit_is_refused_and_nothing_is_appended),
		cmocka_unit_test(only_regular_files_are_read),
		cmocka_unit_test(writing_replaces_a_link_and_leaves_no_temporary_file),
		cmocka_unit_test(folders_are_made_with_their_parents_and_a_file_in_the_way_is_told),
		cmocka_unit_test(a_removed_tree_takes_nothing_outside_with_it),
		cmocka_unit_test(paths_are_joined_and_parted),
		cmocka_unit_test(errno_is_mapped_to_its_code),
		cmocka_unit_test(a_full_disk_is_told_as_such),
		cmocka_unit_test(a_fixed_clock_stands_or_steps_and_comes_back),
		cmocka_unit_test(no_time_is_left_when_a_deadline_has_passed),
		cmocka_unit_test(fixed_randomness_repeats_and_real_does_not),
		cmocka_unit_test(a_buffer_grows_is_consumed_and_stays_a_c_string),
		cmocka_unit_test(a_log_line_is_one_line_with_foreign_text_escaped),
	};

	return cmocka_run_group_tests(tests, make_sandbox, remove_sandbox);
}
