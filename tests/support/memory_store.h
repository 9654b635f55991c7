/*
 * A store in memory that fails on demand: refs, blobs, trees and commits good enough for the tests
 * of the transaction. Uses the same path and commit code as the real one; only bytes and refs are
 * its own.
 *
 *   struct kt_store *store = kt_memory_store_new();
 *   kt_memory_store_fail(store, KT_MEMORY_BARRIER, 2, KT_E_NO_SPACE);   second barrier from now
 * fails kt_store_close(store);
 */
#ifndef KITTY_TESTS_SUPPORT_MEMORY_STORE_H
#define KITTY_TESTS_SUPPORT_MEMORY_STORE_H

#include "supervisor/git/commit.h"

enum kt_memory_call {
	KT_MEMORY_READ,
	KT_MEMORY_ADD,
	KT_MEMORY_BARRIER,
	KT_MEMORY_MOVE,
	/* The ref moves, and yet the call fails: what a killed git or a failed fsync looks like. */
	KT_MEMORY_MOVE_AFTERWARDS,
	KT_MEMORY_CALL_COUNT
};

struct kt_store *kt_memory_store_new(void);

/* The nth call of that kind from now on (1: the next) fails with code; 0 takes it back. */
void kt_memory_store_fail(
	struct kt_store *store, enum kt_memory_call call, unsigned nth, enum kt_code code);
/* How often that kind was called. */
unsigned kt_memory_store_calls(const struct kt_store *store, enum kt_memory_call call);

/* Puts a ref without ceremony, as a foreign process would. */
void kt_memory_store_set_ref(struct kt_store *store, const char *ref, const struct kt_oid *commit);

#endif
