/* zlib for packs: one stream for small objects, one kept between versions for a growing log.
 * Private. */
#ifndef KITTY_SUPERVISOR_GIT_DEFLATE_H
#define KITTY_SUPERVISOR_GIT_DEFLATE_H

#include "supervisor/git/pack.h"

/* Appends the compressed bytes to out. */
void kt_deflate(struct kt_deflater *deflater, const char *bytes, size_t len, struct kt_buffer *out);

/* Same, for a version of a log: `origin` (when it is the version compressed last) gives the first
 * origin_len bytes, which are not compressed again. */
void kt_deflate_grown(struct kt_deflater *deflater, const struct kt_batch_object *object,
	const char *bytes, struct kt_buffer *out);

#endif
