/*
 * The one place that starts libgit2. Every program here has one thread, so a flag is enough.
 */
#include "supervisor/git/libgit2_start.h"

#include <errno.h>
#include <stdbool.h>

#include <git2.h>

#include <kitty/attributes.h>

#include "supervisor/git/refs.h"

enum { MAPPED_WINDOW = 1 << 20, MAPPED_MAX = 4 << 20 }; /* bytes */

void kt_libgit2_start(void)
{
	static bool is_started;

	if (is_started)
		return;
	KT_BUG_UNLESS(git_libgit2_init() > 0);
	/* Objects are cached and verified above libgit2 (git_store.c). */
	(void)git_libgit2_opts(GIT_OPT_ENABLE_CACHING, 0);
	(void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	/* Packs stay mapped until this much is: after a restart there are hundreds, one per batch.
	 */
	(void)git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)MAPPED_WINDOW);
	(void)git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)MAPPED_MAX);
	is_started = true;
}

enum kt_code kt_libgit2_failure(struct kt_error *err, const char *what)
{
	int sys_errno = errno;
	const git_error *last = git_error_last();
	const char *message = last == NULL || last->message == NULL ? "no message" : last->message;

	if (last != NULL && (last->klass == GIT_ERROR_OS || last->klass == GIT_ERROR_FILESYSTEM) &&
		(sys_errno == ENOSPC || sys_errno == EROFS || sys_errno == EDQUOT))
		return kt_git_failure(err, sys_errno, what);
	return kt_error_set(err, KT_E_GIT_FAILED, "%s: %s", what, message);
}
