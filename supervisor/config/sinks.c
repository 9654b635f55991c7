/*
 * `kitty.sinks` of .kittify/config.yaml. Used by kitty only.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/config/config.h"
#include "supervisor/config/settings.h"

static const struct kt_setting rows[] = {
#define KT_SINK_SETTING(key, reader, member, min, max, unit, standard, help) \
	{key, kt_setting_read_##reader, offsetof(struct kt_sink_config, member), min, max, unit, \
		standard, help},
#include "supervisor/config/config.def"
};

#define ROWS_LEN (sizeof(rows) / sizeof(rows[0]))
#define SINKS_MAX 16

void kt_setting_read_sink_kind(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	if (node->kind == KT_YAML_SCALAR && strcmp(node->text, "command") == 0)
		*(bool *)member = false;
	else if (node->kind == KT_YAML_SCALAR && strcmp(node->text, "file") == 0)
		*(bool *)member = true;
	else
		kt_reading_problem(
			reading, node->line, node->column, "%s: %s", setting->key, setting->help);
}

void kt_setting_read_text(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	if (node->kind != KT_YAML_SCALAR || node->text[0] == '\0') {
		kt_reading_problem(
			reading, node->line, node->column, "%s: a text is wanted", setting->key);
		return;
	}
	free(*(char **)member);
	*(char **)member = kt_strdup(node->text);
}

static void sink_free(struct kt_sink_config *sink)
{
	for (char **item = sink->argv; item != NULL && *item != NULL; item++)
		free(*item);
	free(sink->argv);
	free(sink->path);
	free(sink->name);
}

void kt_sinks_free(struct kt_config *config)
{
	for (size_t i = 0; i < config->sinks_len; i++)
		sink_free(&config->sinks[i]);
	free(config->sinks);
}

static void sink_check(struct kt_reading *reading, const struct kt_yaml *node,
	const struct kt_config *config, const struct kt_sink_config *sink)
{
	bool has_command = sink->argv != NULL && sink->argv[0] != NULL && sink->argv[0][0] != '\0';

	if (sink->name == NULL)
		kt_reading_problem(reading, node->line, node->column, "a sink has no name");
	else if (sink->is_file && sink->path == NULL)
		kt_reading_problem(reading, node->line, node->column,
			"the sink \"%s\" of kind file has no path", sink->name);
	else if (!sink->is_file && !has_command)
		kt_reading_problem(reading, node->line, node->column,
			"the sink \"%s\" of kind command has no command", sink->name);
	else if ((sink->is_file && sink->argv != NULL) || (!sink->is_file && sink->path != NULL))
		kt_reading_problem(reading, node->line, node->column,
			"the sink \"%s\" is of kind %s; `%s` does not belong to it", sink->name,
			sink->is_file ? "file" : "command", sink->is_file ? "command" : "path");
	for (size_t i = 0; sink->name != NULL && &config->sinks[i] != sink; i++)
		if (config->sinks[i].name != NULL && strcmp(config->sinks[i].name, sink->name) == 0)
			kt_reading_problem(reading, node->line, node->column,
				"the name \"%s\" is another sink's, too", sink->name);
}

static void sink_read(
	struct kt_reading *reading, const struct kt_yaml *node, struct kt_config *config)
{
	struct kt_sink_config *sink = &config->sinks[config->sinks_len++];

	if (node->kind != KT_YAML_MAP) {
		kt_reading_problem(reading, node->line, node->column,
			"a sink is a map, for example {name: journal, kind: file, path: "
			"events.jsonl}");
		return;
	}
	kt_settings_read(reading, rows, ROWS_LEN, node, sink);
	kt_settings_refuse_unknown(reading, rows, ROWS_LEN, node, "a sink");
	sink_check(reading, node, config, sink);
}

void kt_sinks_read(struct kt_reading *reading, const struct kt_yaml *node, struct kt_config *config)
{
	if (kt_yaml_is_null(node))
		return;
	if (node->kind != KT_YAML_LIST || node->len > SINKS_MAX) {
		kt_reading_problem(reading, node->line, node->column,
			"sinks: a list of at most %d sinks is wanted", SINKS_MAX);
		return;
	}
	config->sinks = kt_alloc((node->len + 1) * sizeof(*config->sinks));
	for (size_t i = 0; i < node->len; i++)
		sink_read(reading, node->items[i], config);
}
