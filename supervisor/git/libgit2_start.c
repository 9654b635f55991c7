/*
 * The one place that starts libgit2. Every program here has one thread, so a flag is enough.
 */
#include "supervisor/git/libgit2_start.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <git2.h>
#include <git2/sys/alloc.h>

#include <kitty/attributes.h>

#include "ipc/buffer.h"
#include "supervisor/git/refs.h"

enum { MAPPED_WINDOW = 1 << 20, MAPPED_MAX = 4 << 20 }; /* bytes */

/*
 * libgit2 1.5 reads through NULL when it has no memory to remember an error in, so it gets memory
 * that does not fail, like everything else here. Later versions have a smaller table and keep
 * theirs.
 */
#if LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR < 6
static void *get(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return kt_realloc_array(NULL, size, 1);
}

static void *get_array(size_t count, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return kt_realloc_array(NULL, count, size);
}

static void *get_zeroed(size_t count, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	if (size != 0 && count > SIZE_MAX / size)
		kt_out_of_memory();
	return kt_alloc(count * size);
}

static void *get_more(void *old, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return kt_realloc_array(old, size, 1);
}

static void *get_more_of(void *old, size_t count, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return kt_realloc_array(old, count, size);
}

static char *copy(const char *text, const char *file, int line)
{
	(void)file, (void)line;
	return kt_strdup(text);
}

static char *copy_bytes(const char *bytes, size_t len, const char *file, int line)
{
	(void)file, (void)line;
	return kt_strndup(bytes, len);
}

static char *copy_text(const char *text, size_t len, const char *file, int line)
{
	return copy_bytes(text, strnlen(text, len), file, line);
}

static void give_memory(void)
{
	git_allocator table = {.gmalloc = get,
		.gcalloc = get_zeroed,
		.gstrdup = copy,
		.gstrndup = copy_text,
		.gsubstrdup = copy_bytes,
		.grealloc = get_more,
		.greallocarray = get_more_of,
		.gmallocarray = get_array,
		.gfree = free};

	(void)git_libgit2_opts(GIT_OPT_SET_ALLOCATOR, &table);
}
#else
static void give_memory(void)
{
}
#endif

void kt_libgit2_start(void)
{
	static bool is_started;

	if (is_started)
		return;
	give_memory();
	if (git_libgit2_init() <= 0)
		kt_out_of_memory();
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
	return kt_error_set(err,
		last != NULL && last->klass == GIT_ERROR_NOMEMORY ? KT_E_OUT_OF_MEMORY
								  : KT_E_GIT_FAILED,
		"%s: %s", what, message);
}
