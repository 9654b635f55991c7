/*
 * What the real run would heal before it looks: a dry run may not touch the coordination worktree,
 * so it tells what a killed writer left undone there from somebody's local change. Runs in kitty
 * merge --dry-run. Must never write.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ipc/file.h"
#include "supervisor/git/store.h"
#include "supervisor/merge_private.h"

enum { OID_LEN = 40, RECORD_MAX = 512, FILE_MAX = 1 << 30 };

/* One path as it was at the last sync, is at the tip, and stands there. */
struct versions {
	struct kt_buffer old, new, file;
	bool has_old, has_new, is_missing, is_readable;
};

/* The commit that the worktree was last brought to (supervisor/transaction/intent.c). */
static bool synced_read(const struct kt_mission *mission, struct kt_oid *out)
{
	char *path = kt_path_join(mission->run_dir, "synced");
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_known =
		kt_file_read(path, RECORD_MAX, &text, &ignored) == KT_E_OK && text.len >= OID_LEN;

	if (is_known) {
		text.data[OID_LEN] = '\0';
		is_known = kt_oid_parse(text.data, out);
	}
	kt_buffer_release(&text);
	free(path);
	return is_known;
}

static enum kt_code versions_read(struct kt_merge_run *run, const struct kt_oid *since,
	const char *path, struct versions *out, struct kt_error *err)
{
	char *full = kt_path_join(run->options->mission->coord_worktree, path);
	struct kt_store *store = NULL;
	struct kt_error unreadable = KT_ERROR_INIT;
	struct stat facts;
	enum kt_code code = kt_store_open(run->options->repo, &store, err);

	if (code == KT_E_OK)
		code = kt_store_blob_read(store, since, path, &out->has_old, NULL, &out->old, err);
	if (code == KT_E_OK)
		code = kt_store_blob_read(
			store, &run->tip, path, &out->has_new, NULL, &out->new, err);
	out->is_missing = lstat(full, &facts) != 0 && errno == ENOENT;
	out->is_readable = !out->is_missing && S_ISREG(facts.st_mode) &&
			   kt_file_read(full, FILE_MAX, &out->file, &unreadable) == KT_E_OK;
	kt_store_close(store);
	free(full);
	return code;
}

static bool begins_with(const struct kt_buffer *whole, const struct kt_buffer *part)
{
	return part->len <= whole->len &&
	       memcmp(kt_buffer_text(whole), kt_buffer_text(part), part->len) == 0;
}

static bool is_left_behind(const struct versions *v)
{
	bool is_same = v->has_old == v->has_new &&
		       v->old.len == v->new.len &&begins_with(&v->new, &v->old);

	if (is_same || v->is_missing)
		return !is_same;
	return v->is_readable &&
	       ((v->has_old && v->file.len == v->old.len && begins_with(&v->old, &v->file)) ||
		       (v->has_new && begins_with(&v->new, &v->file)));
}

bool kt_merge_will_heal(struct kt_merge_run *run, const char *path)
{
	struct versions v = {.old = KT_BUFFER_INIT, .new = KT_BUFFER_INIT, .file = KT_BUFFER_INIT};
	struct kt_oid since = {{0}};
	struct kt_error ignored = KT_ERROR_INIT;
	bool will = synced_read(run->options->mission, &since) &&
		    versions_read(run, &since, path, &v, &ignored) == KT_E_OK && is_left_behind(&v);

	kt_buffer_release(&v.old);
	kt_buffer_release(&v.new);
	kt_buffer_release(&v.file);
	return will;
}
