/*
 * The journal of trees and commits: what was appended is found by its id, whatever stands between.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/git/journal.h"

#define LONG_LINE \
	"a line of more than eighty bytes, which no header of any record here can be, ever at " \
	"all\n"

struct place {
	char folder[64];
	char *path, *older;
};

static int setup(void **state)
{
	struct place *place = kt_alloc(sizeof *place);

	memcpy(place->folder, "/tmp/kitty-test-XXXXXX", sizeof "/tmp/kitty-test-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->path = kt_format("%s/journal", place->folder);
	place->older = kt_format("%s/journal.1", place->folder);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;
	struct kt_error ignored = KT_ERROR_INIT;

	(void)!kt_folder_remove_tree(place->folder, &ignored);
	free(place->path);
	free(place->older);
	free(place);
	return 0;
}

static struct kt_oid append(const char *path, enum kt_object_type type, const char *bytes)
{
	const struct kt_object object = {.type = type, .bytes = bytes, .len = strlen(bytes)};
	struct kt_batch batch = {NULL, 0, 0};
	struct kt_oid oid;

	kt_batch_add(&batch, &object, &oid);
	kt_journal_append(path, &batch);
	kt_batch_release(&batch);
	return oid;
}

static void assert_holds(
	const char *path, const struct kt_oid *oid, const char *type, const char *bytes)
{
	struct kt_journal *journal = kt_journal_read(path);
	const struct kt_journal_object *found = kt_journal_find(journal, oid);

	assert_non_null(found);
	assert_string_equal(found->type, type);
	assert_int_equal(found->len, strlen(bytes));
	assert_memory_equal(found->bytes, bytes, strlen(bytes));
	kt_journal_free(journal);
}

static void assert_lacks(const char *path, const struct kt_oid *oid)
{
	struct kt_journal *journal = kt_journal_read(path);

	assert_null(kt_journal_find(journal, oid));
	kt_journal_free(journal);
}

static void add_bytes(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static void trees_and_commits_are_found_and_blobs_are_not_kept(void **state)
{
	struct place *place = *state;
	struct kt_oid commit = append(place->path, KT_OBJECT_COMMIT, "tree x\n\nmessage\n");
	struct kt_oid tree = append(place->path, KT_OBJECT_TREE, "100644 a\n\nb");
	struct kt_oid blob = append(place->path, KT_OBJECT_BLOB, "a log");

	assert_holds(place->path, &commit, "commit", "tree x\n\nmessage\n");
	assert_holds(place->path, &tree, "tree", "100644 a\n\nb");
	assert_lacks(place->path, &blob);
}

static void no_journal_holds_nothing(void **state)
{
	struct place *place = *state;
	struct kt_oid oid = {{1}};

	assert_lacks(place->path, &oid);
}

/* A record of another length, of another id, without an end; a line that is too long; zeros. */
static void what_is_torn_is_passed_over(void **state)
{
	static const struct {
		const char *bytes;
	} torn[] = {{"commit 300 0123456789012345678901234567890123456789\ntree"},
		{"tree 3 0123456789012345678901234567890123456789\nabc\n"}, {"tree\n"}, {"\n\n"},
		{"commit 99999999999999999999999999 0123456789012345678901234567890123456789\n"},
		{LONG_LINE}};
	static const char zeros[100] = "";
	struct place *place = *state;
	struct kt_oid oids[6];

	for (size_t i = 0; i < 6; i++) {
		char *bytes = kt_format("tree %zu\n", i);

		add_bytes(place->path, torn[i].bytes, strlen(torn[i].bytes));
		oids[i] = append(place->path, KT_OBJECT_COMMIT, bytes);
		free(bytes);
	}
	add_bytes(place->path, zeros, sizeof zeros);
	/* The record behind a beginning without a line end is lost with it: none before, none
	 * after. */
	for (size_t i = 1; i < 6; i++) {
		char *bytes = kt_format("tree %zu\n", i);

		assert_holds(place->path, &oids[i], "commit", bytes);
		free(bytes);
	}
}

static void a_full_journal_becomes_the_older_one(void **state)
{
	struct place *place = *state;
	struct kt_oid first = append(place->path, KT_OBJECT_COMMIT, "first\n"), second;
	struct stat facts;

	assert_int_equal(truncate(place->path, KT_JOURNAL_BYTES), 0);
	second = append(place->path, KT_OBJECT_COMMIT, "second\n");
	assert_holds(place->path, &first, "commit", "first\n");
	assert_holds(place->path, &second, "commit", "second\n");
	assert_int_equal(stat(place->older, &facts), 0);
	assert_int_equal(facts.st_size, KT_JOURNAL_BYTES);
	assert_int_equal(stat(place->path, &facts), 0);
	assert_true(facts.st_size < 100);
	/* The next time the oldest goes. */
	assert_int_equal(truncate(place->path, KT_JOURNAL_BYTES), 0);
	(void)append(place->path, KT_OBJECT_COMMIT, "third\n");
	assert_lacks(place->path, &first);
	assert_holds(place->path, &second, "commit", "second\n");
}

static void a_journal_that_cannot_be_written_is_left_as_it_was(void **state)
{
	struct place *place = *state;
	struct kt_oid oid;
	struct stat facts;

	assert_int_equal(symlink("elsewhere", place->path), 0);
	oid = append(place->path, KT_OBJECT_COMMIT, "x\n");
	assert_lacks(place->path, &oid);
	assert_int_equal(lstat(place->path, &facts), 0);
	assert_true(S_ISLNK(facts.st_mode));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			trees_and_commits_are_found_and_blobs_are_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(no_journal_holds_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_torn_is_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_full_journal_becomes_the_older_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_journal_that_cannot_be_written_is_left_as_it_was, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
