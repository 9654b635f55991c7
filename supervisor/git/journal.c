/*
 * The journal's file: appending and reading. Whoever commits for a mission, and `kitty doctor
 * --fix`. Must never make a commit fail, nor leave half a record for the next one to stand behind.
 */
#include "supervisor/git/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "supervisor/git/files.h"
#include "supervisor/git/sha1.h"

#define OLDER ".1"

static void put_records(const struct kt_batch *batch, struct kt_buffer *out)
{
	for (size_t i = 0; i < batch->len; i++) {
		const struct kt_batch_object *object = &batch->objects[i];

		if (object->type == KT_OBJECT_BLOB &&
			(!object->is_adopted || object->len > KT_JOURNAL_BLOB_MAX))
			continue;
		kt_buffer_printf(out, "%s %zu %s\n", kt_object_type_name(object->type), object->len,
			kt_oid_format(&object->oid).text);
		kt_buffer_append(out, kt_batch_bytes(batch, i), object->len);
		kt_buffer_putc(out, '\n');
	}
}

static void rotate(const char *path)
{
	char *older = kt_format("%s" OLDER, path);

	(void)rename(path, older);
	free(older);
}

void kt_journal_append(const char *path, const struct kt_batch *batch)
{
	struct kt_buffer records = KT_BUFFER_INIT;
	struct stat facts = {0};
	int fd = -1;

	put_records(batch, &records);
	if (stat(path, &facts) == 0 && facts.st_size >= KT_JOURNAL_BYTES) {
		rotate(path);
		facts.st_size = 0;
	}
	if (records.len > 0)
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && kt_fd_write(fd, records.data, records.len) != 0)
		(void)!ftruncate(fd, facts.st_size);
	if (fd >= 0)
		(void)close(fd);
	kt_buffer_release(&records);
}

/* ---- reading ---- */

enum { FILES = 2 };

struct kt_journal {
	struct kt_buffer files[FILES];
	struct kt_journal_object *objects; /* by id */
	size_t len, capacity;
};

/* The record that starts at `at`, if it is whole and its bytes have its id. */
static bool record_read(const char *at, const char *end, struct kt_journal_object *out)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));
	char line[80], hex[41] = "";
	size_t header = newline == NULL ? sizeof line : (size_t)(newline - at);
	struct kt_oid sum;

	if (header >= sizeof line)
		return false;
	memcpy(line, at, header);
	line[header] = '\0';
	/* A length that does not fit is none here. NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(line, "%7[a-z] %zu %40[0-9a-f]", out->type, &out->len, hex) != 3 ||
		!kt_oid_parse(hex, &out->oid) || out->len >= (size_t)(end - newline))
		return false;
	out->bytes = newline + 1;
	kt_object_hash(out->type, out->bytes, out->len, &sum);
	return kt_oid_equal(&sum, &out->oid);
}

static void object_take(struct kt_journal *journal, const struct kt_journal_object *object)
{
	if (journal->len == journal->capacity) {
		journal->capacity = journal->capacity * 2 + 64;
		journal->objects = kt_realloc_array(
			journal->objects, journal->capacity, sizeof *journal->objects);
	}
	journal->objects[journal->len++] = *object;
}

static void file_read(struct kt_journal *journal, const char *path, struct kt_buffer *file)
{
	struct kt_journal_object object;
	const char *at = NULL, *end = NULL;

	if (kt_git_file_read(path, file) == 0 && file->len > 0) {
		at = file->data;
		end = at + file->len;
	}
	while (at != NULL && at < end) {
		if (record_read(at, end, &object)) {
			object_take(journal, &object);
			at = object.bytes + object.len;
		}
		/* Behind the record's newline, or behind the line that begins none. */
		at = memchr(at, '\n', (size_t)(end - at));
		at = at == NULL ? NULL : at + 1;
	}
}

static int by_id(const void *left, const void *right)
{
	const struct kt_journal_object *one = left, *other = right;

	return memcmp(one->oid.bytes, other->oid.bytes, sizeof one->oid.bytes);
}

struct kt_journal *kt_journal_read(const char *path)
{
	struct kt_journal *journal = kt_alloc(sizeof *journal);
	char *older = kt_format("%s" OLDER, path);

	file_read(journal, older, &journal->files[0]);
	file_read(journal, path, &journal->files[1]);
	if (journal->len > 1)
		qsort(journal->objects, journal->len, sizeof *journal->objects, by_id);
	free(older);
	return journal;
}

void kt_journal_free(struct kt_journal *journal)
{
	if (journal == NULL)
		return;
	for (size_t i = 0; i < FILES; i++)
		kt_buffer_release(&journal->files[i]);
	free(journal->objects);
	free(journal);
}

const struct kt_journal_object *kt_journal_find(
	const struct kt_journal *journal, const struct kt_oid *oid)
{
	const struct kt_journal_object wanted = {.oid = *oid};

	if (journal->len == 0)
		return NULL;
	return bsearch(&wanted, journal->objects, journal->len, sizeof wanted, by_id);
}
