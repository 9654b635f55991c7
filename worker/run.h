/*
 * A RUN request, decoded and made ready: which command, with which words, environment and input.
 * Pure but for kt_run_write_prompt.
 *
 * The prompt reaches the agent by standard input, as its last argument, or as a file whose path
 * replaces {prompt_file} in the argument list. SPEC_KITTY_SOCKET of the environment is set to the
 * worker's own lane socket.
 */
#ifndef KITTY_WORKER_RUN_H
#define KITTY_WORKER_RUN_H

#include <stddef.h>
#include <stdint.h>

#include <kitty/error.h>

struct kt_json;

struct kt_run {
	char *wp, *cwd, *log;
	char *prompt, *prompt_file; /* NULL: none */
	char **argv, **environment; /* NULL-terminated */
	char *marker;               /* element of environment; borrowed */
	const char *input;          /* prompt when it goes to standard input; borrowed */
	int64_t attempt, timeout_ms;
};

/* Gives. socket_path may be NULL. Errors: KT_E_INVALID_ARGUMENT naming the member. */
KT_MUST_CHECK enum kt_code kt_run_decode(const struct kt_json *body, const char *socket_path,
	struct kt_run **out, struct kt_error *err);
void kt_run_free(struct kt_run *run); /* NULL is fine */

/* The prompt as a file that only the user can read; nothing without prompt_file. */
KT_MUST_CHECK enum kt_code kt_run_write_prompt(const struct kt_run *run, struct kt_error *err);

#endif
