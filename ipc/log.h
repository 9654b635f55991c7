/*
 * One line per fact on standard error: `time=12.345 level=info program=kitty lane=lane-a
 * msg="..."`. Time is monotonic seconds. Written with one write call, so lines of several processes
 * on one descriptor do not mix. Wiring logs (both programs); layers below it return errors instead.
 *
 * The level comes from SPEC_KITTY_LOG (error, warn, info, debug; default warn), read at the first
 * line.
 */
#ifndef KITTY_IPC_LOG_H
#define KITTY_IPC_LOG_H

#include <stdbool.h>

#include <kitty/error.h>

enum kt_log_level { KT_LOG_ERROR, KT_LOG_WARN, KT_LOG_INFO, KT_LOG_DEBUG };

void kt_log_open(
	const char *program, const char *lane); /* both borrowed for ever; lane may be NULL */
bool kt_log_is_on(enum kt_log_level level);

/* msg is escaped where it holds quotes, control characters or bytes that are not UTF-8. */
void kt_log(enum kt_log_level level, const char *format, ...) KT_PRINTF(2, 3);

/* Adds code= and errno= and the error's detail as why="...". */
void kt_log_failure(enum kt_log_level level, const struct kt_error *err, const char *format, ...)
	KT_PRINTF(3, 4);

#endif
