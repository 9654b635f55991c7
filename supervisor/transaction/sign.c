/*
 * Sign: with `sign: true` the built commit is replaced by git's signed copy of it before the swap.
 * Runs in whichever process writes and never blocks: the signer is a child with a deadline. A
 * signature that cannot be had refuses the request; an unsigned commit is never swapped in instead.
 */
#include "supervisor/git/sign.h"

#include <kitty/limits.h>

#include "ipc/clock.h"
#include "supervisor/transaction/writer_private.h"

enum { OUTPUT_MAX = 4096 };

enum step kt_step_before_swap(const struct kt_writer *writer)
{
	return writer->options.sign ? STEP_SIGN : STEP_SWAP;
}

static enum turn wait_for_signer(struct kt_writer *writer)
{
	writer->wait =
		(struct kt_wait){writer->child.child.pidfd, kt_subprocess_wake_ms(&writer->child)};
	return TURN_WAIT;
}

static enum turn start(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;
	int timeout = writer->options.hook_timeout_ms ? writer->options.hook_timeout_ms
						      : KT_HOOK_TIMEOUT_MS;
	enum kt_code code = kt_commit_barrier(writer->store, &err);

	if (code == KT_E_OK)
		code = kt_subprocess_prepare(&writer->child, &err);
	writer->child.deadline_ms = kt_clock_monotonic_ms() + timeout;
	if (code == KT_E_OK)
		code = kt_sign_start(writer->store, writer->to.worktree, &writer->new_tip,
			writer->child.output_fd, &writer->child.child, &err);
	if (code == KT_E_OK)
		return wait_for_signer(writer);
	kt_subprocess_release(&writer->child);
	return kt_hooks_fail(writer, &err);
}

enum turn kt_step_sign(struct kt_writer *writer)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	struct kt_child_status status = {0};
	struct kt_error err = KT_ERROR_INIT;
	struct kt_oid made = {{0}};
	enum kt_code code = KT_E_OK;

	if (writer->child.child.pid <= 0)
		return start(writer);
	if (!kt_subprocess_poll(&writer->child, &status))
		return wait_for_signer(writer);
	kt_subprocess_output(&writer->child, OUTPUT_MAX, &output);
	kt_subprocess_release(&writer->child);
	code = kt_sign_finish(
		writer->store, &writer->new_tip, kt_buffer_text(&output), &status, &made, &err);
	kt_buffer_release(&output);
	if (code != KT_E_OK)
		return kt_hooks_fail(writer, &err);
	/* A batch of its own: the last commit is the only one. */
	kt_hooks_judged(writer)->commit = writer->new_tip = made;
	writer->step = STEP_SWAP;
	return TURN_NEXT;
}
