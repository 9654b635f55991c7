/*
 * The wrappers behind seams.h. Test programs only; every call that is not to fail is passed on.
 */
#include "unit/transaction/seams.h"

#include <errno.h>
#include <string.h>

#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/hooks.h"
#include "supervisor/git/sign.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/transaction/lock.h"
#include "supervisor/transaction/writer_private.h"

enum moment { MOMENT_NEVER, MOMENT_BEFORE, MOMENT_AFTERWARDS };

static struct {
	const char *name; /* NULL: any */
	unsigned left;    /* calls until it fails; 0: none will */
	bool is_lasting;
	enum moment moment;
	enum kt_code code;
	int sys_errno;
	const char *struck;
} fault;

/* When this call has to fail; counts it. */
static enum moment strikes(const char *name)
{
	if (fault.left == 0 || (fault.name != NULL && strcmp(fault.name, name) != 0))
		return MOMENT_NEVER;
	if (fault.left > 1) {
		fault.left--;
		return MOMENT_NEVER;
	}
	if (!fault.is_lasting)
		fault.left = 0;
	fault.struck = name;
	return fault.moment;
}

static enum kt_code strike(const char *name, struct kt_error *err)
{
	(void)kt_error_set(err, fault.code, "the test wants %s to fail", name);
	err->sys_errno = fault.sys_errno;
	return err->code;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming,misc-no-recursion,bugprone-macro-parentheses):
 * the linker's names */
#define SEAM(name, parameters, arguments) \
	enum kt_code __real_##name parameters; \
	enum kt_code __wrap_##name parameters; \
	enum kt_code __wrap_##name parameters \
	{ \
		enum moment moment = strikes(#name); \
		enum kt_code code = KT_E_OK; \
\
		if (moment != MOMENT_BEFORE) \
			code = __real_##name arguments; \
		return moment == MOMENT_NEVER || code != KT_E_OK ? code : strike(#name, err); \
	}
#include "unit/transaction/seams.def"
#undef SEAM
/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming,misc-no-recursion,bugprone-macro-parentheses)
 */

static void arm(const char *name, unsigned nth, enum kt_code code)
{
	memset(&fault, 0, sizeof fault);
	fault.name = name;
	fault.left = nth;
	fault.moment = MOMENT_BEFORE;
	fault.code = code;
}

void kt_seam_fail(const char *name, unsigned nth, enum kt_code code)
{
	arm(name, nth, code);
}

void kt_seam_fail_afterwards(const char *name, unsigned nth, enum kt_code code, int sys_errno)
{
	arm(name, nth, code);
	fault.moment = MOMENT_AFTERWARDS;
	fault.sys_errno = sys_errno;
}

void kt_seam_fail_from(const char *name, unsigned nth, enum kt_code code)
{
	arm(name, nth, code);
	fault.is_lasting = true;
}

const char *kt_seam_end(void)
{
	const char *struck = fault.struck;

	memset(&fault, 0, sizeof fault);
	return struck;
}
