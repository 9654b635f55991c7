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

enum moment { MOMENT_NEVER, MOMENT_BEFORE, MOMENT_AFTERWARDS, MOMENT_ACTION };

struct fault {
	const char *name; /* NULL: any */
	unsigned left;    /* calls until it fails; 0: none will */
	bool is_lasting;
	enum moment moment;
	enum kt_code code;
	int sys_errno;
	void (*action)(void *);
	void *arg;
};

static struct fault fault, second;
static const char *struck;

/* The fault that this call has to meet; counts it. */
static struct fault strikes(const char *name)
{
	static const struct fault none;
	struct fault now = fault;

	if (fault.left == 0 || (fault.name != NULL && strcmp(fault.name, name) != 0))
		return none;
	if (fault.left > 1) {
		fault.left--;
		return none;
	}
	struck = name;
	if (!fault.is_lasting) {
		fault = second;
		second = none;
	}
	if (now.moment != MOMENT_ACTION)
		return now;
	now.action(now.arg);
	return none;
}

static enum kt_code strike(const struct fault *now, const char *name, struct kt_error *err)
{
	(void)kt_error_set(err, now->code, "the test wants %s to fail", name);
	err->sys_errno = now->sys_errno;
	return err->code;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming,misc-no-recursion,bugprone-macro-parentheses):
 * the linker's names */
#define SEAM(name, parameters, arguments) \
	enum kt_code __real_##name parameters; \
	enum kt_code __wrap_##name parameters; \
	enum kt_code __wrap_##name parameters \
	{ \
		const struct fault now = strikes(#name); \
		enum kt_code code = KT_E_OK; \
\
		if (now.moment != MOMENT_BEFORE) \
			code = __real_##name arguments; \
		return now.moment == MOMENT_NEVER || code != KT_E_OK ? code \
								     : strike(&now, #name, err); \
	}
#include "unit/transaction/seams.def"
#undef SEAM
/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming,misc-no-recursion,bugprone-macro-parentheses)
 */

static void arm(const char *name, unsigned nth, enum kt_code code)
{
	(void)kt_seam_end();
	fault = (struct fault){.name = name, .left = nth, .moment = MOMENT_BEFORE, .code = code};
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

void kt_seam_then(const char *name, unsigned nth, enum kt_code code)
{
	second = (struct fault){.name = name, .left = nth, .moment = MOMENT_BEFORE, .code = code};
}

void kt_seam_before(const char *name, unsigned nth, void (*action)(void *), void *arg)
{
	arm(name, nth, KT_E_OK);
	fault.moment = MOMENT_ACTION;
	fault.action = action;
	fault.arg = arg;
}

const char *kt_seam_end(void)
{
	const char *last = struck;

	memset(&fault, 0, sizeof fault);
	memset(&second, 0, sizeof second);
	struck = NULL;
	return last;
}
