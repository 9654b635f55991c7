/*
 * Private to supervisor/config: one row of config.def, and how values are read.
 */
#ifndef KITTY_SUPERVISOR_CONFIG_SETTINGS_H
#define KITTY_SUPERVISOR_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "supervisor/config/yaml_tree.h"

struct kt_buffer;

/* Collects every problem of one file. */
struct kt_reading {
	const char *file;
	struct kt_buffer *problems; /* "FILE:LINE:COLUMN: text" lines */
	size_t count;
};

void kt_reading_problem(struct kt_reading *reading, long line, long column, const char *format, ...)
	KT_PRINTF(4, 5);

struct kt_setting;

/* Stores the value in the member, or says what is wrong with it. */
typedef void (*kt_setting_read)(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member);

struct kt_setting {
	const char *key;
	kt_setting_read read;
	size_t offset; /* of the member */
	long long min, max, unit;
	const char *standard; /* the default, as text in the file */
	const char *help;
};

/* Fills the members of `object` from a map: defaults first. `place` names the section in messages.
 */
void kt_settings_read(struct kt_reading *reading, const struct kt_setting *rows, size_t rows_len,
	const struct kt_yaml *map, void *object);
void kt_settings_refuse_unknown(struct kt_reading *reading, const struct kt_setting *rows,
	size_t rows_len, const struct kt_yaml *map, const char *place);

/* Readers, one per type in config.def. */
void kt_setting_read_name(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_count(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_duration(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_bytes(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_subtasks(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_owned(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_prompt(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_boolean(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_list(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_environment(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);

void kt_setting_read_sink_kind(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);
void kt_setting_read_text(
	struct kt_reading *, const struct kt_setting *, const struct kt_yaml *, void *);

struct kt_config;
/* The list `sinks:`; node may be NULL. */
void kt_sinks_read(
	struct kt_reading *reading, const struct kt_yaml *node, struct kt_config *config);
void kt_sinks_free(struct kt_config *config);

bool kt_agent_name_is_valid(const char *name); /* [a-z0-9][a-z0-9_-]*, bounded */

/* Numbers with units: "1h30m" in milliseconds, "10MiB" in bytes. False when the text has no such
 * form. */
bool kt_duration_parse(const char *text, long long *milliseconds);
bool kt_bytes_parse(const char *text, long long *bytes);

#endif
