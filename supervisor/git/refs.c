/*
 * Reading refs: loose files first, then packed-refs, in the order that git guarantees to be safe
 * against a concurrent `git pack-refs`. Commands, supervisor. Read-only; the writer is ref_move.c.
 */
#include "supervisor/git/refs.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/files.h"

#define SYMBOLIC_DEPTH_MAX 5

bool kt_refs_name_is_good(const char *ref)
{
	size_t len = strlen(ref);

	if (strncmp(ref, "refs/", 5) != 0 || len > 1024 || ref[len - 1] == '/' ||
		ref[len - 1] == '.')
		return false;
	for (const char *at = ref; *at != '\0'; at++) {
		const char *slash = at[0] == '/' ? at : NULL;

		if ((unsigned char)*at <= ' ' || *at == 0x7f || strchr("~^:?*[\\", *at) != NULL)
			return false;
		if (strncmp(at, "..", 2) == 0 || strncmp(at, "@{", 2) == 0)
			return false;
		if (slash != NULL && (at[1] == '/' || at[1] == '.'))
			return false;
		if (strncmp(at, ".lock", 5) == 0 && (at[5] == '/' || at[5] == '\0'))
			return false;
	}
	return true;
}

/* 40 hex digits followed by `end`. */
static bool parse_id(const char *text, const char *ends, struct kt_oid *out)
{
	char digits[41];

	if (strlen(text) < 40 || (text[40] != '\0' && strchr(ends, text[40]) == NULL))
		return false;
	memcpy(digits, text, 40);
	digits[40] = '\0';
	return kt_oid_parse(digits, out);
}

bool kt_packed_refs_find(const char *text, const char *ref, struct kt_oid *out)
{
	char *needle = kt_format(" %s\n", ref);
	const char *at = strstr(text, needle);
	bool found = false;

	while (at != NULL && !found) {
		found = at - text >= 40 && parse_id(at - 40, " ", out) &&
			(at - text == 40 || at[-41] == '\n');
		at = strstr(at + 1, needle);
	}
	free(needle);
	return found;
}

static int read_packed(const char *common_dir, const char *ref, struct kt_oid *out)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = kt_format("%s/packed-refs", common_dir);
	int failure = kt_git_file_read(path, &text);

	if (failure == 0 && !kt_packed_refs_find(kt_buffer_text(&text), ref, out))
		failure = ENOENT;
	free(path);
	kt_buffer_release(&text);
	return failure;
}

/* Of a loose ref's file: is there none? A folder of refs may stand there, or a ref above it. */
static bool is_absence(int failure)
{
	return failure == ENOENT || failure == ENOTDIR || failure == EISDIR ||
	       failure == ENAMETOOLONG;
}

static int read_ref(const char *common_dir, const char *ref, struct kt_oid *out, int depth)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = kt_format("%s/%s", common_dir, ref), *line = NULL;
	int failure = kt_git_file_read(path, &text);

	if (failure != 0) {
		failure = is_absence(failure) ? read_packed(common_dir, ref, out) : failure;
		goto out;
	}
	line = text.data;
	line[strcspn(line, "\r\n")] = '\0';
	failure = ENOENT;
	if (strncmp(line, "ref: ", 5) != 0)
		failure = parse_id(line, " \t", out) ? 0 : ENOENT;
	else if (depth < SYMBOLIC_DEPTH_MAX && kt_refs_name_is_good(line + 5))
		failure = read_ref(common_dir, line + 5, out, depth + 1);
out:
	kt_buffer_release(&text);
	free(path);
	return failure;
}

int kt_refs_find(const char *common_dir, const char *ref, struct kt_oid *out)
{
	return kt_refs_name_is_good(ref) ? read_ref(common_dir, ref, out, 0) : ENOENT;
}

bool kt_refs_read(const char *common_dir, const char *ref, struct kt_oid *out)
{
	return kt_refs_find(common_dir, ref, out) == 0;
}

struct listed {
	char *name;
	struct kt_oid oid;
	bool is_packed;
};

struct listing {
	const char *common_dir, *prefix;
	struct listed *rows;
	size_t len;
};

/* Takes the name. NOLINTNEXTLINE(readability-non-const-parameter): it is freed as one */
static void list_add(struct listing *listing, char *name, const struct kt_oid *oid, bool is_packed)
{
	if ((listing->len & (listing->len + 1)) == 0)
		listing->rows = kt_realloc_array(
			listing->rows, 2 * (listing->len + 1), sizeof *listing->rows);
	listing->rows[listing->len++] = (struct listed){name, *oid, is_packed};
}

/* Could a ref below this folder have the prefix, or the other way round? */
static bool is_on_the_way(const struct listing *listing, const char *folder)
{
	size_t wanted = strlen(listing->prefix), len = strlen(folder);

	return strncmp(listing->prefix, folder, wanted < len ? wanted : len) == 0;
}

static void list_loose(struct listing *listing, const char *folder);

/* An entry of a folder of refs: a folder again, or a ref. */
static void list_entry(struct listing *listing, const char *folder, const char *entry)
{
	char *name = kt_format("%s/%s", folder, entry);
	char *path = kt_format("%s/%s", listing->common_dir, name);
	struct kt_oid oid;

	if (!is_on_the_way(listing, name))
		goto out;
	if (kt_git_is_folder(path))
		list_loose(listing, name);
	else if (strncmp(name, listing->prefix, strlen(listing->prefix)) == 0 &&
		 kt_refs_read(listing->common_dir, name, &oid))
		list_add(listing, kt_strdup(name), &oid, false);
out:
	free(path);
	free(name);
}

static void list_loose(struct listing *listing, const char *folder)
{
	char *path = kt_format("%s/%s", listing->common_dir, folder);
	DIR *entries = opendir(path);
	struct dirent *entry;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (entry = readdir(entries)) != NULL)
		if (entry->d_name[0] != '.')
			list_entry(listing, folder, entry->d_name);
	if (entries != NULL)
		(void)closedir(entries);
	free(path);
}

void kt_packed_refs_each(const char *text, const char *prefix, kt_ref_cb each, void *arg)
{
	size_t prefix_len = strlen(prefix);
	struct kt_oid oid;

	for (const char *line = text; *line != '\0'; line += strspn(line, "\n")) {
		size_t len = strcspn(line, "\n");

		/* A line without its end may be half a name; git refuses such a file. */
		if (line[len] == '\n' && len > 41 && parse_id(line, " ", &oid) &&
			len - 41 >= prefix_len && strncmp(line + 41, prefix, prefix_len) == 0) {
			char *name = kt_strndup(line + 41, len - 41);

			each(name, &oid, arg);
			free(name);
		}
		line += len;
	}
}

static void on_packed(const char *name, const struct kt_oid *oid, void *arg)
{
	list_add(arg, kt_strdup(name), oid, true);
}

static void list_packed(struct listing *listing)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = kt_format("%s/packed-refs", listing->common_dir);

	if (kt_git_file_read(path, &text) == 0)
		kt_packed_refs_each(kt_buffer_text(&text), listing->prefix, on_packed, listing);
	kt_buffer_release(&text);
	free(path);
}

static int compare_listed(const void *left, const void *right)
{
	const struct listed *one = left, *other = right;
	int order = strcmp(one->name, other->name);

	return order != 0 ? order : (int)one->is_packed - (int)other->is_packed;
}

void kt_refs_each(const char *common_dir, const char *prefix, kt_ref_cb each, void *arg)
{
	struct listing listing = {.common_dir = common_dir, .prefix = prefix};

	list_loose(&listing, "refs");
	list_packed(&listing);
	if (listing.len > 1)
		qsort(listing.rows, listing.len, sizeof *listing.rows, compare_listed);
	for (size_t i = 0; i < listing.len; i++)
		if (i == 0 || strcmp(listing.rows[i].name, listing.rows[i - 1].name) != 0)
			each(listing.rows[i].name, &listing.rows[i].oid, arg);
	for (size_t i = 0; i < listing.len; i++)
		free(listing.rows[i].name);
	free(listing.rows);
}
