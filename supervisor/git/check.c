/*
 * Repository shapes that kitty refuses, each with its code. Reads config files, stats
 * and HEAD; no git child, no libgit2. The owner rule is git's: safe.directory counts in system and
 * global scope only.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "supervisor/git/files.h"
#include "supervisor/git/gitconfig.h"
#include "supervisor/git/refs.h"
#include "supervisor/git/repository.h"

struct shape {
	enum kt_code refusal; /* the first one found */
	char *culprit;
	char *unknown; /* an unknown extension; counts in format 1 only, as in git */
	long format;
	bool is_bare;
};

/* value NULL: any value is meant. */
struct extension {
	const char *key, *value;
	enum kt_code code;
};

static const struct extension extensions[] = {
	{"extensions.noop", NULL, KT_E_OK},
	{"extensions.preciousobjects", NULL, KT_E_OK},
	{"extensions.partialclone", NULL, KT_E_OK},
	{"extensions.worktreeconfig", NULL, KT_E_OK},
	{"extensions.objectformat", "sha1", KT_E_OK},
	{"extensions.objectformat", NULL, KT_E_REPO_SHA256},
	{"extensions.compatobjectformat", NULL, KT_E_REPO_SHA256},
	{"extensions.refstorage", "files", KT_E_OK},
	{"extensions.refstorage", NULL, KT_E_REPO_REFTABLE},
	{"extensions.relativeworktrees", NULL, KT_E_REPO_EXTENSION},
};

static void judge_extension(struct shape *shape, const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
		const struct extension *row = &extensions[i];

		if (strcmp(key, row->key) != 0 ||
			(row->value != NULL && (value == NULL || strcmp(value, row->value) != 0)))
			continue;
		if (row->code != KT_E_OK && shape->refusal == KT_E_OK) {
			shape->refusal = row->code;
			shape->culprit = kt_format("%s=%s", key, value == NULL ? "true" : value);
		}
		return;
	}
	if (shape->unknown == NULL)
		shape->unknown = kt_strdup(key);
}

static void on_shape_key(const char *key, const char *value, void *arg)
{
	struct shape *shape = arg;

	if (strncmp(key, "extensions.", 11) == 0)
		judge_extension(shape, key, value);
	else if (strcmp(key, "core.bare") == 0)
		shape->is_bare = kt_gitconfig_is_true(value);
	else if (strcmp(key, "core.repositoryformatversion") == 0 && value != NULL)
		shape->format = strtol(value, NULL, 10);
}

static enum kt_code check_shape(const struct kt_repository *repo, struct kt_error *err)
{
	struct shape shape = {.refusal = KT_E_OK};
	char *path = kt_format("%s/config", repo->common_dir);
	enum kt_code code = KT_E_OK;

	(void)kt_gitconfig_file(path, on_shape_key, &shape);
	if (shape.is_bare)
		code = kt_error_set(err, KT_E_REPO_BARE, "%s", repo->common_dir);
	else if (shape.refusal != KT_E_OK)
		code = kt_error_set(err, shape.refusal, "%s in %s", shape.culprit, path);
	else if (shape.format > 1)
		code = kt_error_set(err, KT_E_REPO_EXTENSION,
			"core.repositoryformatversion=%ld in %s", shape.format, path);
	else if (shape.format == 1 && shape.unknown != NULL)
		code = kt_error_set(err, KT_E_REPO_EXTENSION, "%s in %s", shape.unknown, path);
	free(shape.culprit);
	free(shape.unknown);
	free(path);
	return code;
}

/* Remote file systems, by their magic numbers: O_EXCL, flock and fsync mean something else there.
 */
static enum kt_code check_place(const struct kt_repository *repo, struct kt_error *err)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} remote[] = {
		{0x6969UL, "NFS"},
		{0x517bUL, "SMB"},
		{0xff534d42UL, "CIFS"},
		{0xfe534d42UL, "SMB2"},
		{0x01021997UL, "9p"},
	};
	struct statfs facts;

	if (statfs(repo->common_dir, &facts) < 0)
		return KT_E_OK;
	for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++)
		if (((unsigned long)facts.f_type & 0xffffffffUL) == remote[i].magic)
			return kt_error_set(err, KT_E_REPO_UNSUPPORTED_PLACE, "%s lies on %s",
				repo->common_dir, remote[i].name);
	return KT_E_OK;
}

struct safety {
	const char *path;
	bool is_safe;
};

static void on_safe_directory(const char *key, const char *value, void *arg)
{
	struct safety *safety = arg;
	char *allowed, *real;
	size_t len;

	if (strcmp(key, "safe.directory") != 0)
		return;
	if (value == NULL || value[0] == '\0') {
		safety->is_safe = false;
		return;
	}
	allowed = kt_gitconfig_path(value);
	len = strlen(allowed);
	if (strcmp(allowed, "*") == 0) {
		safety->is_safe = true;
	} else if (len > 2 && strcmp(allowed + len - 2, "/*") == 0) {
		safety->is_safe |= strncmp(safety->path, allowed, len - 1) == 0;
	} else {
		real = kt_git_path_resolve("/", allowed);
		safety->is_safe |= strcmp(real, safety->path) == 0;
		free(real);
	}
	free(allowed);
}

static bool is_own(const char *path)
{
	const char *sudo_uid = getenv("SUDO_UID"); /* NOLINT(concurrency-mt-unsafe) */
	struct stat facts;
	uid_t user = geteuid();

	if (lstat(path, &facts) < 0 || facts.st_uid == user)
		return true;
	return user == 0 && sudo_uid != NULL && sudo_uid[0] != '\0' &&
	       (unsigned long)facts.st_uid == strtoul(sudo_uid, NULL, 10);
}

static enum kt_code check_owner(const struct kt_repository *repo, struct kt_error *err)
{
	const char *const paths[] = {
		repo->worktree, repo->git_dir, repo->common_dir, repo->primary};
	struct safety safety;

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		if (is_own(paths[i]))
			continue;
		safety = (struct safety){.path = repo->worktree};
		kt_gitconfig_protected(repo, on_safe_directory, &safety);
		if (safety.is_safe)
			return KT_E_OK;
		(void)kt_error_set(err, KT_E_REPO_OWNER, "%s belongs to another user", paths[i]);
		kt_error_next(err, "git config --global --add safe.directory %s", repo->worktree);
		return KT_E_REPO_OWNER;
	}
	return KT_E_OK;
}

static void on_any_branch(const char *ref, const struct kt_oid *oid, void *arg)
{
	(void)ref;
	(void)oid;
	*(bool *)arg = true;
}

static enum kt_code check_commits(const struct kt_repository *repo, struct kt_error *err)
{
	char *head = kt_head_read(repo->git_dir);
	struct kt_oid tip;
	bool has_commit = head == NULL || kt_refs_read(repo->common_dir, head, &tip);

	if (!has_commit)
		kt_refs_each(repo->common_dir, "refs/heads/", on_any_branch, &has_commit);
	free(head);
	return has_commit ? KT_E_OK : kt_error_set(err, KT_E_REPO_EMPTY, "%s", repo->primary);
}

enum kt_code kt_repository_check(const struct kt_repository *repo, struct kt_error *err)
{
	static enum kt_code (*const checks[])(const struct kt_repository *, struct kt_error *) = {
		check_shape,
		check_owner,
		check_place,
		check_commits,
	};
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; code == KT_E_OK && i < sizeof checks / sizeof checks[0]; i++)
		code = checks[i](repo, err);
	return code;
}
