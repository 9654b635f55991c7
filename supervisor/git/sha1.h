/*
 * SHA-1 of bytes that kitty itself made or is about to check. Several times faster than libgit2's
 * collision-detecting one, which matters because every event hashes the whole log; where the
 * processor has SHA instructions they are used. Does not detect collision attacks: git does, at
 * fsck and fetch.
 */
#ifndef KITTY_SUPERVISOR_GIT_SHA1_H
#define KITTY_SUPERVISOR_GIT_SHA1_H

#include <stddef.h>
#include <stdint.h>

#include "supervisor/git/oid.h"

struct kt_sha1 {
	uint32_t state[5];
	uint64_t total;
	unsigned char pending[64];
};

void kt_sha1_init(struct kt_sha1 *sha);
void kt_sha1_update(struct kt_sha1 *sha, const void *bytes, size_t len);
void kt_sha1_final(struct kt_sha1 *sha, struct kt_oid *out);

/* Id of an object: SHA-1 of "<type> <len>\0" and the content. */
void kt_object_hash(const char *type, const void *bytes, size_t len, struct kt_oid *out);

/* For tests: false leaves the processor's SHA instructions alone. */
void kt_sha1_allow_hardware(bool allow);

#endif
