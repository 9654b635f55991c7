/*
 * Children that a step machine waits for. Runs in whichever process writes; never blocks.
 */
#include "supervisor/transaction/subprocess.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/clock.h"
#include "ipc/fd.h"
#include "ipc/file.h"

enum {
	OUTPUT_MAX = 16 << 20,
	LOOK_EVERY_MS = 250,
	GRACE_MS = 1000 /* a deadline that others wait for: from TERM to KILL */
};

enum kt_code kt_subprocess_prepare(struct kt_subprocess *process, struct kt_error *err)
{
	*process = (struct kt_subprocess)KT_SUBPROCESS_INIT;
	process->output_fd = memfd_create("kitty-output", MFD_CLOEXEC);
	return process->output_fd >= 0
		       ? KT_E_OK
		       : kt_error_sys(err, KT_E_SPAWN_FAILED, errno, "the output of a child");
}

enum kt_code kt_subprocess_start(struct kt_subprocess *process, const char *const *argv,
	char *const *envp, const char *cwd, int timeout_ms, struct kt_error *err)
{
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	enum kt_code code = kt_subprocess_prepare(process, err);

	if (code != KT_E_OK)
		return code;
	spec.path = argv[0];
	spec.argv = argv;
	spec.envp = (const char *const *)envp;
	spec.cwd = cwd;
	spec.stdout_fd = process->output_fd;
	spec.stderr_fd = process->output_fd;
	spec.new_group = true;
	process->deadline_ms = kt_clock_monotonic_ms() + timeout_ms;
	code = kt_child_start(&spec, &process->child, err);
	if (code != KT_E_OK)
		kt_subprocess_release(process);
	return code;
}

static bool is_too_loud(const struct kt_subprocess *process)
{
	struct stat facts = {0};

	(void)fstat(process->output_fd, &facts); /* of memory: cannot fail */
	return facts.st_size > OUTPUT_MAX;
}

bool kt_subprocess_poll(struct kt_subprocess *process, struct kt_child_status *status)
{
	int64_t now = kt_clock_monotonic_ms();

	/* Its leader may have obeyed, while the rest of the group did not. Before the reaping, as
	 * long as the group's number is certainly ours. */
	if (process->kill_at_ms != 0 && kt_fd_wait(process->child.pidfd, POLLIN, 0))
		kt_child_signal(&process->child, SIGKILL, true);
	if (kt_child_reap(&process->child, status)) {
		status->timed_out = process->has_timed_out;
		return true;
	}
	if (process->kill_at_ms == 0 && (now >= process->deadline_ms || is_too_loud(process))) {
		process->has_timed_out = true;
		process->kill_at_ms = now + GRACE_MS;
		kt_child_signal(&process->child, SIGTERM, true);
	} else if (process->kill_at_ms != 0 && now >= process->kill_at_ms) {
		kt_child_signal(&process->child, SIGKILL, true);
	}
	return false;
}

int64_t kt_subprocess_wake_ms(const struct kt_subprocess *process)
{
	int64_t look = kt_clock_monotonic_ms() + LOOK_EVERY_MS;
	int64_t end = process->kill_at_ms != 0 ? process->kill_at_ms : process->deadline_ms;

	return look < end ? look : end;
}

void kt_subprocess_output(const struct kt_subprocess *process, size_t max, struct kt_buffer *out)
{
	ssize_t got = 0;

	if (process->output_fd < 0)
		return;
	kt_buffer_reserve(out, max);
	got = pread(process->output_fd, out->data + out->len, max, 0);
	if (got > 0)
		out->len += (size_t)got;
	out->data[out->len] = '\0';
}

void kt_subprocess_release(struct kt_subprocess *process)
{
	struct kt_child_status status = {false, 0, 0, false};

	if (process->child.pid > 0) {
		kt_child_signal(&process->child, SIGKILL, true);
		kt_child_wait(&process->child, KT_AGENT_GRACE_MS, &status);
	}
	kt_child_release(&process->child);
	if (process->output_fd >= 0)
		(void)close(process->output_fd);
	*process = (struct kt_subprocess)KT_SUBPROCESS_INIT;
}
