/*
 * How a refused or rolled-back write is told: the quickstart's block, word for word, then the
 * code's line; with
 * --json the outcome with its error object.
 */
#ifndef KITTY_SUPERVISOR_CLI_DIAGNOSTICS_H
#define KITTY_SUPERVISOR_CLI_DIAGNOSTICS_H

#include <kitty/error.h>
#include <kitty/json.h>

struct kt_buffer;

/* Reports a failed write; gives the exit status. outcome may be NULL (nothing but err is known).
 * Borrows. */
int kt_fail_outcome(bool json, const struct kt_json *outcome, const struct kt_error *err);

/* The block for people, without the code's line: empty when nothing was rolled back. */
void kt_diagnostic_block(const struct kt_json *outcome, struct kt_buffer *out);

#endif
