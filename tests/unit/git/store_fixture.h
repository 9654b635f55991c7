/*
 * A sandbox repository with its store open: what the tests of the object store start from. Included
 * by each of them once.
 */
#ifndef KITTY_TESTS_UNIT_GIT_STORE_FIXTURE_H
#define KITTY_TESTS_UNIT_GIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "supervisor/git/store.h"
#include "support/sandbox.h"

struct fixture {
	struct kt_sandbox *box;
	struct kt_repository *repo;
	struct kt_store *store;
	struct kt_oid commit; /* the one that the commands named */
	struct kt_error err;
};

/* The commands run before the store is opened; what they print is a commit's id. */
static inline struct fixture *open_store(const char *commands)
{
	struct fixture *it = kt_alloc(sizeof *it);
	char *printed = NULL;

	it->box = kt_sandbox_new();
	printed = kt_sandbox_run(it->box, "%s", commands);
	assert_true(kt_oid_parse(printed, &it->commit));
	free(printed);
	assert_int_equal(kt_repository_find(it->box->repo, &it->repo, &it->err), KT_E_OK);
	assert_int_equal(kt_store_open(it->repo, &it->store, &it->err), KT_E_OK);
	return it;
}

static inline int tear_down(void **state)
{
	struct fixture *it = *state;

	kt_store_close(it->store);
	kt_repository_free(it->repo);
	kt_sandbox_free(it->box);
	free(it);
	return 0;
}

#endif
