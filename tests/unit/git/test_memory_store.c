/*
 * The memory store behaves as the real one does, and fails when told to; SHA-1 in both of its
 * forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/git/sha1.h"
#include "support/memory_store.h"

static const char ref[] = "refs/heads/coord";

static enum kt_code build(struct kt_store *store, const struct kt_oid *parent, const char *text,
	struct kt_oid *commit, struct kt_error *err)
{
	struct kt_change change = {.path = "a/log", .bytes = text, .len = strlen(text)};
	struct kt_commit_plan plan = {.parents = parent,
		.parents_len = parent == NULL ? 0 : 1,
		.changes = &change,
		.changes_len = 1,
		.author = {"a", "b", 1},
		.committer = {"a", "b", 1},
		.message = text};

	return kt_commit_build(store, &plan, commit, NULL, err);
}

static void a_chain_can_be_built_swapped_and_read(void **state)
{
	struct kt_store *store = kt_memory_store_new();
	struct kt_error err = KT_ERROR_INIT;
	struct kt_oid first, second, zero = {{0}}, tip;
	struct kt_buffer text = KT_BUFFER_INIT;
	bool found = false, is_below = false;

	(void)state;
	assert_int_equal(build(store, NULL, "one", &first, &err), KT_E_OK);
	assert_int_equal(build(store, &first, "one two", &second, &err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(store, &err), KT_E_OK);
	assert_int_equal(kt_commit_swap(store, ref, &zero, &second, "x", &err), KT_E_OK);
	assert_int_equal(kt_commit_swap(store, ref, &zero, &second, "x", &err), KT_E_REF_MOVED);
	assert_int_equal(kt_store_ref_read(store, ref, &tip, &err), KT_E_OK);
	assert_true(kt_oid_equal(&tip, &second));
	assert_int_equal(
		kt_store_blob_read(store, &tip, "a/log", &found, NULL, &text, &err), KT_E_OK);
	assert_string_equal(kt_buffer_text(&text), "one two");
	assert_int_equal(kt_store_is_ancestor(store, &first, &tip, &is_below, &err), KT_E_OK);
	assert_true(is_below);
	assert_int_equal(kt_store_ref_read(store, "refs/heads/none", &tip, &err),
		KT_E_DESTINATION_REF_NOT_FOUND);
	kt_buffer_release(&text);
	kt_store_close(store);
}

static void the_nth_call_fails_and_the_next_does_not(void **state)
{
	struct kt_store *store = kt_memory_store_new();
	struct kt_error err = KT_ERROR_INIT;
	struct kt_oid commit, zero = {{0}}, tip;

	(void)state;
	kt_memory_store_fail(store, KT_MEMORY_ADD, 2, KT_E_NO_SPACE);
	assert_int_equal(build(store, NULL, "one", &commit, &err), KT_E_NO_SPACE);
	kt_commit_forget(store);
	assert_int_equal(build(store, NULL, "one", &commit, &err), KT_E_OK);
	kt_memory_store_fail(store, KT_MEMORY_BARRIER, 1, KT_E_READ_ONLY);
	assert_int_equal(kt_commit_barrier(store, &err), KT_E_READ_ONLY);
	assert_int_equal(kt_commit_barrier(store, &err), KT_E_OK);
	kt_memory_store_fail(store, KT_MEMORY_MOVE_AFTERWARDS, 1, KT_E_GIT_FAILED);
	assert_int_equal(kt_commit_swap(store, ref, &zero, &commit, "x", &err), KT_E_GIT_FAILED);
	assert_int_equal(kt_store_ref_read(store, ref, &tip, &err), KT_E_OK);
	assert_true(kt_oid_equal(&tip, &commit));
	assert_int_equal(kt_memory_store_calls(store, KT_MEMORY_BARRIER), 2);
	kt_store_close(store);
}

static void sha1_is_the_same_with_and_without_the_processors_help(void **state)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;

	(void)state;
	for (size_t len = 0; len < 300; len++) {
		struct kt_oid plain, quick;

		kt_sha1_allow_hardware(false);
		kt_blob_hash(kt_buffer_text(&bytes), len, &plain);
		kt_sha1_allow_hardware(true);
		kt_blob_hash(kt_buffer_text(&bytes), len, &quick);
		assert_true(kt_oid_equal(&plain, &quick));
		if (len == 0)
			assert_string_equal(kt_oid_format(&plain).text,
				"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
		kt_buffer_putc(&bytes, (char)(len * 131 + 7));
	}
	kt_buffer_release(&bytes);
}

static void only_forty_digits_are_an_id(void **state)
{
	struct kt_oid oid;

	(void)state;
	assert_true(kt_oid_parse("e69de29bb2d1d6434b8b29ae775ad8c2e48C5391", &oid));
	assert_string_equal(kt_oid_format(&oid).text, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
	assert_false(kt_oid_parse("e69de29bb2d1d6434b8b29ae775ad8c2e48c539", &oid));
	assert_false(kt_oid_parse("e69de29bb2d1d6434b8b29ae775ad8c2e48c53911", &oid));
	assert_false(kt_oid_parse("e69de29bb2d1d6434b8b29ae775ad8c2e48c539g", &oid));
	assert_false(kt_oid_parse("", &oid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_can_be_built_swapped_and_read),
		cmocka_unit_test(the_nth_call_fails_and_the_next_does_not),
		cmocka_unit_test(sha1_is_the_same_with_and_without_the_processors_help),
		cmocka_unit_test(only_forty_digits_are_an_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
