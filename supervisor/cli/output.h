/*
 * What a command prints. Text or JSON; errors in the two-line form on standard error, or, with
 * --json, as the one object on standard output. Nothing else writes to standard output.
 */
#ifndef KITTY_SUPERVISOR_CLI_OUTPUT_H
#define KITTY_SUPERVISOR_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include <kitty/attributes.h>
#include <kitty/error.h>
#include <kitty/json.h>

/* One line (or more) of text on standard output. */
void kt_print(const char *format, ...) KT_PRINTF(1, 2);
/* A remark for people on standard error: "kitty: ..." */
void kt_print_notice(const char *format, ...) KT_PRINTF(1, 2);

/* The one JSON object, indented on a terminal, on one line elsewhere. Borrows. */
void kt_print_json(const struct kt_json *object);

/* Reports the error in the form asked for; gives its exit status. */
int kt_fail(bool json, const struct kt_error *err);
/* The same with further members beside "error" in the JSON form. Takes extra (may be NULL). */
int kt_fail_with(bool json, const struct kt_error *err, struct kt_json *extra);

/* The "error" object of --json. Gives. */
struct kt_json *kt_error_json(const struct kt_error *err);

/* May standard output be coloured? (a terminal, no NO_COLOR, no --no-color) */
bool kt_output_has_colour(void);
void kt_output_set_colour(bool allowed);
/* The command that runs, for next steps that name its help. path is borrowed. */
void kt_output_set_command(const char *path);

/* The mission that --mission named, for next steps that need it as well; the text is copied. */
void kt_output_set_mission(const char *slug);
/* The error's next step as this user can paste it. Gives. */
char *kt_next_step(const struct kt_error *err);
/* The same for an "error" object that came from elsewhere. */
void kt_output_advise(struct kt_json *error);

/* One line of foreign text, control characters replaced. */
void kt_print_safe(FILE *stream, const char *text);

/* Flushes standard output; an exit status other than 0 when that failed although `status` is 0. To
 * be called last: when the reader has gone away (`kitty status | head -1`) it does not return but
 * ends the process by SIGPIPE, silently, as git and cat do. The command has done its work by then:
 * until here the signal is ignored. */
int kt_output_finish(int status);

#endif
