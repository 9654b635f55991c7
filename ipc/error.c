/*
 * The table of errors.def as data. Both programs. Never prints.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kitty/error.h>

#include "ipc/buffer.h"

struct row {
	const char *text;
	int exit_status;
	enum kt_retry retry;
	const char *summary;
	const char *next_step;
};

static const struct row rows[KT_E_COUNT] = {
	[KT_E_OK] = {"OK", KT_EXIT_OK, KT_RETRY_NEVER, "no error", ""},
#define KT_ERROR(name, text, exit_status, retry, summary, next_step) \
	[KT_E_##name] = {text, exit_status, KT_RETRY_##retry, summary, next_step},
#include <kitty/errors.def>
#undef KT_ERROR
};

static const struct row *row_get(enum kt_code code)
{
	return &rows[(unsigned)code < KT_E_COUNT ? code : KT_E_INTERNAL];
}

enum kt_code kt_error_set(struct kt_error *err, enum kt_code code, const char *format, ...)
{
	va_list args;

	*err = (struct kt_error)KT_ERROR_INIT;
	err->code = code;
	va_start(args, format);
	(void)vsnprintf(err->detail, sizeof err->detail, format, args);
	va_end(args);
	return code;
}

enum kt_code kt_error_sys(
	struct kt_error *err, enum kt_code code, int sys_errno, const char *format, ...)
{
	va_list args;
	size_t len;

	*err = (struct kt_error)KT_ERROR_INIT;
	err->code = code;
	err->sys_errno = sys_errno;
	va_start(args, format);
	(void)vsnprintf(err->detail, sizeof err->detail, format, args);
	va_end(args);
	len = strlen(err->detail);
	(void)snprintf(err->detail + len, sizeof err->detail - len, ": %s",
		strerrordesc_np(sys_errno) == NULL ? "unknown error" : strerrordesc_np(sys_errno));
	return code;
}

void kt_error_next(struct kt_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->next_step, sizeof err->next_step, format, args);
	va_end(args);
}

void kt_error_next_git(struct kt_error *err, const char *folder, const char *format, ...)
{
	char *word = kt_shell_word(folder);
	size_t used = 0;
	va_list args;

	(void)snprintf(err->next_step, sizeof err->next_step, "git -C %s ", word);
	used = strlen(err->next_step);
	va_start(args, format);
	(void)vsnprintf(err->next_step + used, sizeof err->next_step - used, format, args);
	va_end(args);
	free(word);
}

const char *kt_error_text(enum kt_code code)
{
	return row_get(code)->text;
}

const char *kt_error_summary(enum kt_code code)
{
	return row_get(code)->summary;
}

const char *kt_error_next_step(const struct kt_error *err)
{
	return err->next_step[0] != '\0' ? err->next_step : row_get(err->code)->next_step;
}

int kt_error_exit(enum kt_code code)
{
	return row_get(code)->exit_status;
}

enum kt_retry kt_error_retry(enum kt_code code)
{
	return row_get(code)->retry;
}

enum kt_code kt_error_from_text(const char *text)
{
	for (unsigned i = 0; text != NULL && i < KT_E_COUNT; i++)
		if (strcmp(rows[i].text, text) == 0)
			return (enum kt_code)i;
	return KT_E_INTERNAL;
}
