/*
 * What an agent prints: kept on disk as it comes, rotated and bounded, with the last line at hand.
 * Worker only.
 *
 * <folder>/<name> is the file being written; when it is full it becomes <name>.1, <name>.1 becomes
 * <name>.2, and so on; <folder>/current is a link to <name>. Bytes are kept as they are (any length
 * of line, any byte); only the last line is made fit to be shown: valid UTF-8, no control
 * characters, no terminal sequences, bounded.
 *
 * Life: kt_output_open -> kt_output_write... -> kt_output_close. A disk that is full costs the log,
 * never the agent: failed writes are counted and the bytes dropped.
 */
#ifndef KITTY_WORKER_OUTPUT_H
#define KITTY_WORKER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kitty/error.h>

#include "ipc/buffer.h"

enum {
	KT_OUTPUT_FILE_MAX = 10 << 20, /* bytes of one log file */
	KT_OUTPUT_KEEP = 3,            /* rotated files beside the current one */
	KT_OUTPUT_LINE_MAX = 400       /* bytes of the last line that are kept */
};

struct kt_output {
	char *folder, *name;
	int fd; /* -1: not open */
	size_t file_len, file_max;
	uint64_t total;   /* bytes that came */
	uint64_t dropped; /* of them not written */
	int write_errno;  /* of the first failure */
	/* The line that grows, and the last one that ended; raw bytes. */
	char line[KT_OUTPUT_LINE_MAX], last[KT_OUTPUT_LINE_MAX];
	size_t line_len, last_len;
	bool is_line_over; /* a lone CR came: the next byte starts the line anew */
};

/* file_max 0: KT_OUTPUT_FILE_MAX. Appends when the file is there. Errors: KT_E_IO, KT_E_NO_SPACE;
 * the object then still takes bytes and counts them. name must be one safe path segment:
 * KT_E_INVALID_ARGUMENT. */
KT_MUST_CHECK enum kt_code kt_output_open(struct kt_output *output, const char *folder,
	const char *name, size_t file_max, struct kt_error *err);
void kt_output_write(struct kt_output *output, const char *bytes, size_t len);
/* Appends the line to show: the growing one when it has text, else the last that ended. */
void kt_output_last_line(const struct kt_output *output, struct kt_buffer *out);
void kt_output_close(struct kt_output *output);

#endif
