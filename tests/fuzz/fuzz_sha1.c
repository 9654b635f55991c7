/*
 * Our own SHA-1: fed in pieces of any size it is what it is in one piece, with and without the
 * processor's instructions, and the same as libgit2's for an object.
 */
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/sha1.h"

static void in_pieces(const uint8_t *bytes, size_t len, size_t piece, struct kt_oid *out)
{
	struct kt_sha1 sha;

	kt_sha1_init(&sha);
	for (size_t at = 0; at < len; at += piece)
		kt_sha1_update(&sha, bytes + at, len - at < piece ? len - at : piece);
	kt_sha1_final(&sha, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_oid whole, pieces, soft, object, blob;
	size_t piece = len == 0 ? 1 : (size_t)bytes[0] % 130 + 1;

	in_pieces(bytes, len, len + 1, &whole);
	in_pieces(bytes, len, piece, &pieces);
	kt_sha1_allow_hardware(false);
	in_pieces(bytes, len, piece, &soft);
	kt_object_hash("blob", bytes, len, &object);
	kt_sha1_allow_hardware(true);
	kt_blob_hash(bytes, len, &blob);
	KT_BUG_UNLESS(kt_oid_equal(&whole, &pieces) && kt_oid_equal(&whole, &soft));
	KT_BUG_UNLESS(kt_oid_equal(&object, &blob));
	return 0;
}
