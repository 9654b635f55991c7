/*
 * Reads the rows of config.def from a YAML map. Used by kitty only. Never stops at the first
 * problem: people correct a file once.
 */
#include "supervisor/config/settings.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/config/config.h"

void kt_reading_problem(struct kt_reading *reading, long line, long column, const char *format, ...)
{
	va_list args;

	kt_buffer_printf(reading->problems, "%s:%ld:%ld: ", reading->file, line, column);
	va_start(args, format);
	kt_buffer_vprintf(reading->problems, format, args);
	va_end(args);
	kt_buffer_putc(reading->problems, '\n');
	reading->count++;
}

static void complain(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, const char *wanted)
{
	kt_reading_problem(reading, node->line, node->column, "%s: %s", setting->key, wanted);
}

static const char *scalar_text(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, const char *wanted)
{
	if (node->kind == KT_YAML_SCALAR)
		return node->text;
	complain(reading, setting, node, wanted);
	return NULL;
}

bool kt_agent_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 64 || name[0] == '_' || name[0] == '-')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

void kt_setting_read_name(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	const char *wanted = "an agent's name is wanted (small letters, digits, _ and -)";
	const char *text = scalar_text(reading, setting, node, wanted);

	if (text == NULL)
		return;
	if (!kt_agent_name_is_valid(text)) {
		complain(reading, setting, node, wanted);
		return;
	}
	free(*(char **)member);
	*(char **)member = kt_strdup(text);
}

static bool in_range(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, long long value)
{
	if (value >= setting->min && value <= setting->max)
		return true;
	kt_reading_problem(reading, node->line, node->column,
		"%s: \"%.40s\" is out of bounds (default %s)", setting->key, node->text,
		setting->standard);
	return false;
}

void kt_setting_read_count(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	const char *wanted = "a whole number is wanted";
	const char *text = scalar_text(reading, setting, node, wanted);
	long long value;

	if (text == NULL)
		return;
	if (!node->is_plain || kt_yaml_resolve(text) != KT_YAML_INTEGER) {
		complain(reading, setting, node, wanted);
		return;
	}
	value = strtoll(text, NULL, 10);
	if (in_range(reading, setting, node, value))
		*(size_t *)member = (size_t)value;
}

void kt_setting_read_duration(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	const char *wanted = "a time with its unit is wanted, for example 30s, 5m or 1h30m";
	const char *text = scalar_text(reading, setting, node, wanted);
	long long value;

	if (text == NULL)
		return;
	if (!kt_duration_parse(text, &value)) {
		complain(reading, setting, node, wanted);
		return;
	}
	/* Rounded up: half a second of time-out must not become "none". */
	value = (value + setting->unit - 1) / setting->unit;
	if (in_range(reading, setting, node, value))
		*(long *)member = (long)value;
}

void kt_setting_read_bytes(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	const char *wanted = "a size with its unit is wanted, for example 512KiB or 10MiB";
	const char *text = scalar_text(reading, setting, node, wanted);
	long long value;

	if (text == NULL)
		return;
	if (!kt_bytes_parse(text, &value))
		complain(reading, setting, node, wanted);
	else if (in_range(reading, setting, node, value))
		*(size_t *)member = (size_t)value;
}

/* Index of the node's text in a NULL-terminated table of words; -1 after a complaint. */
static int choose(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, const char *const *words)
{
	const char *text = scalar_text(reading, setting, node, setting->help);

	if (text == NULL)
		return -1;
	for (int i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	kt_reading_problem(reading, node->line, node->column, "%s: \"%.40s\" is not possible; %s",
		setting->key, text, setting->help);
	return -1;
}

void kt_setting_read_subtasks(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	static const char *const words[] = {"record", "require", NULL};
	int choice = choose(reading, setting, node, words);

	if (choice >= 0)
		*(bool *)member = choice == 1;
}

void kt_setting_read_owned(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	static const char *const words[] = {"warn", "refuse", NULL};
	int choice = choose(reading, setting, node, words);

	if (choice >= 0)
		*(bool *)member = choice == 1;
}

void kt_setting_read_prompt(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	static const char *const words[] = {"stdin", "argument", "file", NULL};
	int choice = choose(reading, setting, node, words);

	if (choice >= 0)
		*(enum kt_prompt_by *)member = (enum kt_prompt_by)choice;
}

void kt_setting_read_boolean(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	const char *wanted = "true or false is wanted";
	const char *text = scalar_text(reading, setting, node, wanted);
	enum kt_yaml_plain plain;

	if (text == NULL)
		return;
	plain = node->is_plain ? kt_yaml_resolve(text) : KT_YAML_TEXT;
	if (plain != KT_YAML_TRUE && plain != KT_YAML_FALSE)
		complain(reading, setting, node, wanted);
	else
		*(bool *)member = plain == KT_YAML_TRUE;
}

void kt_setting_read_list(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	char **items;

	if (node->kind != KT_YAML_LIST) {
		complain(reading, setting, node, "a list is wanted, for example [one, two]");
		return;
	}
	items = kt_alloc((node->len + 1) * sizeof(*items));
	for (size_t i = 0, len = 0; i < node->len; i++) {
		if (node->items[i]->kind == KT_YAML_SCALAR)
			items[len++] = kt_strdup(node->items[i]->text);
		else
			complain(reading, setting, node->items[i], "a text is wanted in the list");
	}
	*(char ***)member = items;
}

static bool is_variable_name(const char *name)
{
	size_t len =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	return len > 0 && name[len] == '\0' && !(name[0] >= '0' && name[0] <= '9');
}

/* Variables that kitty itself sets, or that would send git elsewhere. */
static bool is_reserved_name(const char *name)
{
	return strncmp(name, "GIT_", 4) == 0 || strncmp(name, "SPEC_KITTY_", 11) == 0;
}

void kt_setting_read_environment(struct kt_reading *reading, const struct kt_setting *setting,
	const struct kt_yaml *node, void *member)
{
	char **items;

	if (node->kind != KT_YAML_MAP) {
		complain(reading, setting, node, "a map is wanted, for example {NAME: value}");
		return;
	}
	items = kt_alloc((node->len + 1) * sizeof(*items));
	for (size_t i = 0, len = 0; i < node->len; i++) {
		const struct kt_yaml *item = node->items[i];

		if (!is_variable_name(item->key))
			complain(reading, setting, item, "not a variable's name");
		else if (is_reserved_name(item->key))
			complain(reading, setting, item,
				"GIT_ and SPEC_KITTY_ variables are kitty's own");
		else if (item->kind != KT_YAML_SCALAR)
			complain(reading, setting, item, "a variable's value is one text");
		else
			items[len++] = kt_format("%s=%s", item->key, item->text);
	}
	*(char ***)member = items;
}

static void *member_of(void *object, const struct kt_setting *setting)
{
	return (char *)object + setting->offset;
}

static void set_default(struct kt_reading *reading, const struct kt_setting *setting, void *object)
{
	char text[32];
	struct kt_yaml node = {.kind = KT_YAML_SCALAR, .text = text, .is_plain = true};
	size_t before = reading->count;

	if (setting->standard[0] == '\0')
		return;
	KT_BUG_UNLESS(strlen(setting->standard) < sizeof(text));
	memcpy(text, setting->standard, strlen(setting->standard) + 1);
	setting->read(reading, setting, &node, member_of(object, setting));
	KT_BUG_UNLESS(reading->count == before);
}

void kt_settings_read(struct kt_reading *reading, const struct kt_setting *rows, size_t rows_len,
	const struct kt_yaml *map, void *object)
{
	for (size_t i = 0; i < rows_len; i++) {
		const struct kt_yaml *node = kt_yaml_find(map, rows[i].key);

		set_default(reading, &rows[i], object);
		if (!kt_yaml_is_null(node))
			rows[i].read(reading, &rows[i], node, member_of(object, &rows[i]));
	}
}

static bool is_known(const struct kt_setting *rows, size_t rows_len, const char *key)
{
	for (size_t i = 0; i < rows_len; i++) {
		if (strcmp(rows[i].key, key) == 0)
			return true;
	}
	return false;
}

void kt_settings_refuse_unknown(struct kt_reading *reading, const struct kt_setting *rows,
	size_t rows_len, const struct kt_yaml *map, const char *place)
{
	for (size_t i = 0; map != NULL && i < map->len; i++) {
		const struct kt_yaml *item = map->items[i];
		struct kt_buffer known = KT_BUFFER_INIT;

		if (is_known(rows, rows_len, item->key))
			continue;
		for (size_t row = 0; row < rows_len; row++)
			kt_buffer_printf(&known, "%s%s", row == 0 ? "" : ", ", rows[row].key);
		kt_reading_problem(reading, item->key_line, item->key_column,
			"unknown key \"%.60s\" in %s (known: %s)", item->key, place,
			kt_buffer_text(&known));
		kt_buffer_release(&known);
	}
}
