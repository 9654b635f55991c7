/*
 * The pack writer: one pack per batch. Supervisor and commands, at the barrier.
 * Must never make an index visible before its pack is on the disk, nor write into an existing pack.
 */
#include "supervisor/git/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "ipc/clock.h"
#include "supervisor/git/deflate.h"
#include "supervisor/git/files.h"
#include "supervisor/git/refs.h"
#include "supervisor/git/sha1.h"

enum { WRITES_MAX = 5 };

#define TYPE_OFS_DELTA 6U
#define GROWN_MIN 16384U /* below this a compressor's state is larger than what it saves */

struct entry {
	const struct kt_oid *oid;
	uint32_t offset, crc;
};

struct writer {
	const struct kt_batch *batch;
	struct kt_deflater *deflater;
	struct kt_buffer *out;
	struct entry *entries; /* by batch index */
};

static void put_number(struct kt_buffer *out, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		kt_buffer_putc(out, (char)(value >> shift & 255U));
}

/* Type and size: four bits of size in the first byte, seven in each that follows. */
static void put_entry_header(struct kt_buffer *out, unsigned type, size_t len)
{
	unsigned first = type << 4 | (unsigned)(len & 15U);

	for (len >>= 4; len > 0; len >>= 7) {
		kt_buffer_putc(out, (char)(first | 128U));
		first = (unsigned)(len & 127U);
	}
	kt_buffer_putc(out, (char)first);
}

/* The distance back to a delta's base, in git's "one more each round" form. */
static void put_distance(struct kt_buffer *out, uint32_t distance)
{
	unsigned char bytes[8];
	size_t at = sizeof bytes - 1;

	bytes[at] = (unsigned char)(distance & 127U);
	while ((distance >>= 7) > 0)
		bytes[--at] = (unsigned char)(128U | (--distance & 127U));
	kt_buffer_append(out, bytes + at, sizeof bytes - at);
}

static void put_delta_size(struct kt_buffer *out, size_t len)
{
	for (; len > 127; len >>= 7)
		kt_buffer_putc(out, (char)(128U | (len & 127U)));
	kt_buffer_putc(out, (char)len);
}

static void put_copy(struct kt_buffer *out, size_t offset, size_t len)
{
	while (len > 0) {
		size_t piece = len < 0xffffffU ? len : 0xffffffU;
		size_t mark = out->len;
		unsigned command = 128U;

		kt_buffer_putc(out, '\0');
		for (unsigned i = 0; i < 4; i++)
			if ((offset >> 8 * i & 255U) != 0) {
				kt_buffer_putc(out, (char)(offset >> 8 * i & 255U));
				command |= 1U << i;
			}
		for (unsigned i = 0; i < 3; i++)
			if ((piece >> 8 * i & 255U) != 0) {
				kt_buffer_putc(out, (char)(piece >> 8 * i & 255U));
				command |= 16U << i;
			}
		out->data[mark] = (char)command;
		offset += piece;
		len -= piece;
	}
}

static void put_insert(struct kt_buffer *out, const char *bytes, size_t len)
{
	while (len > 0) {
		size_t piece = len < 127 ? len : 127;

		kt_buffer_putc(out, (char)piece);
		kt_buffer_append(out, bytes, piece);
		bytes += piece;
		len -= piece;
	}
}

static size_t common_prefix(const char *left, const char *right, size_t len)
{
	size_t same = 0;

	while (len - same >= 64 && memcmp(left + same, right + same, 64) == 0)
		same += 64;
	while (same < len && left[same] == right[same])
		same++;
	return same;
}

static size_t common_suffix(
	const char *left, size_t left_len, const char *right, size_t right_len, size_t len)
{
	size_t same = 0;

	while (same < len && left[left_len - same - 1] == right[right_len - same - 1])
		same++;
	return same;
}

/* `object` from `base`: common beginning, what differs, common end. */
static void make_delta(
	const struct kt_batch *batch, size_t index, size_t base, struct kt_buffer *out)
{
	const char *wanted = kt_batch_bytes(batch, index), *given = kt_batch_bytes(batch, base);
	size_t len = batch->objects[index].len, base_len = batch->objects[base].len;
	size_t shorter = len < base_len ? len : base_len;
	bool is_prefix = batch->objects[index].bytes == NULL;
	size_t head = is_prefix ? len : common_prefix(wanted, given, shorter);
	size_t tail = common_suffix(wanted, len, given, base_len, shorter - head);

	put_delta_size(out, base_len);
	put_delta_size(out, len);
	put_copy(out, 0, head);
	put_insert(out, wanted + head, len - head - tail);
	put_copy(out, base_len - tail, tail);
}

static void put_full(struct writer *writer, size_t index)
{
	const struct kt_batch_object *object = &writer->batch->objects[index];
	const char *bytes = kt_batch_bytes(writer->batch, index);

	put_entry_header(writer->out, object->type, object->len);
	if (object->type == KT_OBJECT_BLOB && object->origin_len > 0 && object->len >= GROWN_MIN)
		kt_deflate_grown(writer->deflater, object, bytes, writer->out);
	else
		kt_deflate(writer->deflater, bytes, object->len, writer->out);
}

/* As a delta of the newest version where that pays, else in full. */
static void put_older(struct writer *writer, size_t index)
{
	size_t base = kt_batch_newest(writer->batch, index);
	struct kt_buffer delta = KT_BUFFER_INIT;

	make_delta(writer->batch, index, base, &delta);
	if (delta.len < writer->batch->objects[index].len / 2) {
		put_entry_header(writer->out, TYPE_OFS_DELTA, delta.len);
		put_distance(
			writer->out, writer->entries[index].offset - writer->entries[base].offset);
		kt_deflate(writer->deflater, delta.data, delta.len, writer->out);
	} else {
		put_full(writer, index);
	}
	kt_buffer_release(&delta);
}

static void put_object(struct writer *writer, size_t index, void (*put)(struct writer *, size_t))
{
	struct entry *entry = &writer->entries[index];

	KT_BUG_UNLESS(writer->out->len < INT32_MAX);
	entry->oid = &writer->batch->objects[index].oid;
	entry->offset = (uint32_t)writer->out->len;
	put(writer, index);
	entry->crc = (uint32_t)crc32_z(0, (const Bytef *)writer->out->data + entry->offset,
		writer->out->len - entry->offset);
}

static void put_sha1(struct kt_buffer *out, struct kt_oid *sum)
{
	struct kt_sha1 sha;

	kt_sha1_init(&sha);
	kt_sha1_update(&sha, out->data, out->len);
	kt_sha1_final(&sha, sum);
	kt_buffer_append(out, sum->bytes, sizeof sum->bytes);
}

static int compare_ids(const void *left, const void *right)
{
	return memcmp(((const struct entry *)left)->oid->bytes,
		((const struct entry *)right)->oid->bytes, 20);
}

static void build_index(
	struct entry *entries, size_t len, const struct kt_oid *pack_sum, struct kt_buffer *out)
{
	struct kt_oid sum;
	size_t seen = 0;

	qsort(entries, len, sizeof *entries, compare_ids);
	kt_buffer_append(out, "\377tOc", 4);
	put_number(out, 2);
	for (unsigned first = 0; first < 256; first++) {
		while (seen < len && entries[seen].oid->bytes[0] <= first)
			seen++;
		put_number(out, (uint32_t)seen);
	}
	for (size_t i = 0; i < len; i++)
		kt_buffer_append(out, entries[i].oid->bytes, 20);
	for (size_t i = 0; i < len; i++)
		put_number(out, entries[i].crc);
	for (size_t i = 0; i < len; i++)
		put_number(out, entries[i].offset);
	kt_buffer_append(out, pack_sum->bytes, 20);
	put_sha1(out, &sum);
}

void kt_pack_release(struct kt_pack *pack)
{
	kt_buffer_release(&pack->pack);
	kt_buffer_release(&pack->index);
}

void kt_pack_build(const struct kt_batch *batch, struct kt_deflater *deflater, struct kt_pack *out)
{
	struct writer writer = {batch, deflater, &out->pack,
		kt_realloc_array(NULL, batch->len, sizeof *writer.entries)};

	kt_buffer_clear(&out->pack);
	kt_buffer_clear(&out->index);
	kt_buffer_append(&out->pack, "PACK", 4);
	put_number(&out->pack, 2);
	put_number(&out->pack, (uint32_t)batch->len);
	/* Bases first: a delta names its base by the distance back. */
	for (size_t i = 0; i < batch->len; i++)
		if (batch->objects[i].newer == KT_BATCH_NONE)
			put_object(&writer, i, put_full);
	for (size_t i = 0; i < batch->len; i++)
		if (batch->objects[i].newer != KT_BATCH_NONE)
			put_object(&writer, i, put_older);
	put_sha1(&out->pack, &out->name);
	build_index(writer.entries, batch->len, &out->name, &out->index);
	free(writer.entries);
}

static char *file_path(const struct kt_pack *pack, const char *objects, const char *suffix)
{
	return kt_format("%s/pack/pack-%s.%s", objects, kt_oid_format(&pack->name).text, suffix);
}

bool kt_pack_is_there(const struct kt_pack *pack, const char *objects)
{
	char *packed = file_path(pack, objects, "pack"), *index = file_path(pack, objects, "idx");
	bool both = access(packed, F_OK) == 0 && access(index, F_OK) == 0;

	free(packed);
	free(index);
	return both;
}

/* A synced temporary file; git's prune removes leftovers of that name. 0 or an errno. */
static int write_temporary(const char *path, const struct kt_buffer *bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	int failure;

	if (fd < 0)
		return errno;
	failure = kt_fd_write(fd, bytes->data, bytes->len);
	if (failure == 0 && fsync(fd) < 0)
		failure = errno;
	if (close(fd) < 0 && failure == 0)
		failure = errno;
	return failure;
}

/* Not the pid: in a container the next process has the same one, and the leftovers of a killed one
 * are there. */
static void name_uniquely(char out[17])
{
	unsigned char bytes[8];

	kt_random_bytes(bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* 0 or an errno. */
static int write_once(
	const struct kt_pack *pack, const char *folder, const char *packed, const char *index)
{
	char unique[17];
	char *new_pack = NULL, *new_index = NULL;
	int failure = kt_git_folder_make(folder);

	name_uniquely(unique);
	new_pack = kt_format("%s/tmp_pack_kitty_%s", folder, unique);
	new_index = kt_format("%s/tmp_idx_kitty_%s", folder, unique);
	if (failure == 0)
		failure = write_temporary(new_pack, &pack->pack);
	if (failure == 0)
		failure = write_temporary(new_index, &pack->index);
	if (failure == 0 && (rename(new_pack, packed) < 0 || rename(new_index, index) < 0))
		failure = errno;
	if (failure == 0)
		failure = kt_folder_sync(folder);
	if (failure != 0) {
		(void)unlink(new_pack);
		(void)unlink(new_index);
	}
	free(new_index);
	free(new_pack);
	return failure;
}

enum kt_code kt_pack_write(const struct kt_pack *pack, const char *objects, struct kt_error *err)
{
	char *folder = kt_format("%s/pack", objects);
	char *packed = file_path(pack, objects, "pack"), *index = file_path(pack, objects, "idx");
	int failure = ENOENT;

	/* A `git prune --expire=now` takes temporary files of any age, ours included. */
	for (int i = 0; failure == ENOENT && i < WRITES_MAX; i++)
		failure = write_once(pack, folder, packed, index);
	free(index);
	free(packed);
	free(folder);
	return failure == 0 ? KT_E_OK : kt_git_failure(err, failure, "cannot store objects");
}
