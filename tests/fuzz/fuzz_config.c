/*
 * A configuration file with anything in it: loaded, or refused with at least one line of problems.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_config *config = NULL;
	struct kt_buffer problems = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	int fd = memfd_create("config", MFD_CLOEXEC);
	char path[64];

	KT_BUG_UNLESS(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (kt_config_load(path, &config, &problems, &err) == KT_E_OK)
		kt_config_free(config);
	else
		KT_BUG_UNLESS(problems.len > 0 || err.detail[0] != '\0');
	kt_buffer_release(&problems);
	(void)close(fd);
	return 0;
}
