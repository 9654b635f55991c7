/*
 * A trace of the writer (supervisor/transaction/trace.c), read back.
 */
#ifndef KITTY_TESTS_MODEL_TRACE_H
#define KITTY_TESTS_MODEL_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "model/model.h"

enum { TRACE_REQUESTS_MAX = MODEL_EVENTS, TRACE_ID_MAX = 40 };

struct trace_request {
	char id[TRACE_ID_MAX]; /* of its first event; empty: not known yet, or it has none */
	char verdict;
};

struct trace_line {
	long pid;
	enum model_step from, to;
	char tip[41], new_tip[41];
	struct trace_request request[TRACE_REQUESTS_MAX];
	uint8_t requests_len;
	bool is_last; /* of its process */
};

struct trace {
	struct trace_line *lines;
	size_t len;
};

/* False, with a message on standard error, when a line is none. Lines of a step that the model does
 * not have (sync) are joined with the next one of their process. */
bool kt_trace_read(const char *path, struct trace *out);
void kt_trace_free(struct trace *trace);

#endif
