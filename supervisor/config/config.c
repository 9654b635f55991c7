/*
 * .kittify/config.yaml to struct kt_config. Used by kitty only. Never writes the file and looks at
 * nothing outside `kitty:` and `protection:`, which are the only sections that are ours.
 */
#include "supervisor/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "supervisor/config/settings.h"

static const struct kt_setting settings[] = {
#define KT_SETTING(key, reader, member, min, max, unit, standard, help) \
	{key, kt_setting_read_##reader, offsetof(struct kt_config, member), min, max, unit, \
		standard, help},
#include "supervisor/config/config.def"
	/* Not settings of their own rows: kept here so that the keys are known. */
	{"agents", NULL, 0, 0, 0, 1, "", ""},
	{"sinks", NULL, 0, 0, 0, 1, "", ""},
};

static const struct kt_setting agent_settings[] = {
#define KT_AGENT_SETTING(key, reader, member, min, max, unit, standard, help) \
	{key, kt_setting_read_##reader, offsetof(struct kt_agent, member), min, max, unit, \
		standard, help},
#include "supervisor/config/config.def"
};

#define SETTINGS_LEN (sizeof(settings) / sizeof(settings[0]))
#define ROWS_LEN (SETTINGS_LEN - 2) /* without the keys that are no rows */
#define AGENT_SETTINGS_LEN (sizeof(agent_settings) / sizeof(agent_settings[0]))
#define AGENTS_MAX 64

static void strings_free(char **strings)
{
	for (char **item = strings; item != NULL && *item != NULL; item++)
		free(*item);
	free(strings);
}

void kt_config_free(struct kt_config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->agents_len; i++) {
		free(config->agents[i].name);
		strings_free(config->agents[i].argv);
		strings_free(config->agents[i].environment);
	}
	free(config->agents);
	kt_sinks_free(config);
	free(config->default_agent);
	free(config->review);
	strings_free(config->protected_branches);
	free(config);
}

const struct kt_agent *kt_config_find_agent(const struct kt_config *config, const char *name)
{
	for (size_t i = 0; i < config->agents_len; i++) {
		if (strcmp(config->agents[i].name, name) == 0)
			return &config->agents[i];
	}
	return NULL;
}

static bool has_placeholder(char *const *argv)
{
	for (; *argv != NULL; argv++) {
		if (strcmp(*argv, "{prompt_file}") == 0)
			return true;
	}
	return false;
}

static void agent_check(
	struct kt_reading *reading, const struct kt_yaml *node, struct kt_agent *agent)
{
	if (agent->environment == NULL)
		agent->environment = kt_alloc(sizeof(*agent->environment));
	if (agent->argv == NULL)
		agent->argv = kt_alloc(sizeof(*agent->argv));
	if (kt_yaml_is_null(kt_yaml_find(node, "command")))
		kt_reading_problem(reading, node->key_line, node->key_column,
			"the agent \"%s\" has no command", agent->name);
	else if (agent->argv[0] == NULL || agent->argv[0][0] == '\0')
		kt_reading_problem(reading, node->line, node->column,
			"the command of the agent \"%s\" is empty", agent->name);
	else if (agent->prompt_by == KT_PROMPT_FILE && !has_placeholder(agent->argv))
		kt_reading_problem(reading, node->line, node->column,
			"the agent \"%s\" has prompt: file, but no {prompt_file} in its command",
			agent->name);
}

static void agent_read(
	struct kt_reading *reading, const struct kt_yaml *node, struct kt_agent *agent)
{
	agent->name = kt_strdup(node->key);
	if (node->kind != KT_YAML_MAP) {
		kt_reading_problem(reading, node->line, node->column,
			"an agent is a map with a command, for example {command: [claude, -p]}");
		return;
	}
	kt_settings_read(reading, agent_settings, AGENT_SETTINGS_LEN, node, agent);
	kt_settings_refuse_unknown(reading, agent_settings, AGENT_SETTINGS_LEN, node, "an agent");
	agent_check(reading, node, agent);
}

static void agents_read(
	struct kt_reading *reading, const struct kt_yaml *node, struct kt_config *config)
{
	if (kt_yaml_is_null(node))
		return;
	if (node->kind != KT_YAML_MAP || node->len > AGENTS_MAX) {
		kt_reading_problem(reading, node->line, node->column,
			"agents: a map of at most %d agents is wanted", AGENTS_MAX);
		return;
	}
	config->agents = kt_alloc((node->len + 1) * sizeof(*config->agents));
	for (size_t i = 0; i < node->len; i++) {
		const struct kt_yaml *item = node->items[i];

		if (kt_agent_name_is_valid(item->key))
			agent_read(reading, item, &config->agents[config->agents_len++]);
		else
			kt_reading_problem(reading, item->key_line, item->key_column,
				"\"%.60s\" is no name for an agent (small letters, digits, _ and "
				"-)",
				item->key);
	}
}

/* An agent that another key names must be there. */
static void agent_known_check(struct kt_reading *reading, const struct kt_yaml *section,
	const struct kt_config *config, const char *key, const char *name)
{
	const struct kt_yaml *node = kt_yaml_find(section, key);

	if (name != NULL && kt_config_find_agent(config, name) == NULL)
		kt_reading_problem(reading, node->line, node->column,
			"%s: there is no agent \"%s\" in agents", key, name);
}

static void section_read(
	struct kt_reading *reading, const struct kt_yaml *section, struct kt_config *config)
{
	if (!kt_yaml_is_null(section) && section->kind != KT_YAML_MAP) {
		kt_reading_problem(
			reading, section->line, section->column, "kitty: a map is wanted");
		section = NULL;
	}
	if (kt_yaml_is_null(section))
		section = NULL;
	kt_settings_read(reading, settings, ROWS_LEN, section, config);
	kt_settings_refuse_unknown(reading, settings, SETTINGS_LEN, section, "kitty");
	agents_read(reading, kt_yaml_find(section, "agents"), config);
	agent_known_check(reading, section, config, "default_agent", config->default_agent);
	agent_known_check(reading, section, config, "review", config->review);
	kt_sinks_read(reading, kt_yaml_find(section, "sinks"), config);
}

static void protection_read(
	struct kt_reading *reading, const struct kt_yaml *node, struct kt_config *config)
{
	static const struct kt_setting row = {
		"protected_branches", kt_setting_read_list, 0, 0, 0, 1, "", ""};
	const struct kt_yaml *branches;

	if (kt_yaml_is_null(node))
		return;
	if (node->kind != KT_YAML_MAP) {
		kt_reading_problem(
			reading, node->line, node->column, "protection: a map is wanted");
		return;
	}
	branches = kt_yaml_find(node, row.key);
	if (branches == NULL)
		return;
	/* A null here is an error too: was it meant to protect nothing, or the defaults? */
	row.read(reading, &row, branches, &config->protected_branches);
	config->has_protected = config->protected_branches != NULL;
}

static void root_read(
	struct kt_reading *reading, const struct kt_yaml *root, struct kt_config *config)
{
	if (!kt_yaml_is_null(root) && root->kind != KT_YAML_MAP) {
		kt_reading_problem(reading, root->line, root->column, "a map of keys is wanted");
		return;
	}
	section_read(reading, kt_yaml_find(root, "kitty"), config);
	protection_read(reading, kt_yaml_find(root, "protection"), config);
	if (config->protected_branches == NULL)
		config->protected_branches = kt_alloc(sizeof(*config->protected_branches));
}

/* "line 3, column 7: reason" of the YAML reader as a problem line like all others. */
static void syntax_problem(struct kt_reading *reading, const struct kt_error *inner)
{
	const char *colon = strstr(inner->detail, ": ");
	long line = 1, column = 1;
	char *end;

	if (colon != NULL && strncmp(inner->detail, "line ", 5) == 0) {
		line = strtol(inner->detail + 5, &end, 10);
		if (strncmp(end, ", column ", 9) == 0)
			column = strtol(end + 9, NULL, 10);
	}
	kt_reading_problem(reading, line, column, "%s", colon == NULL ? inner->detail : colon + 2);
}

static enum kt_code reading_result(const struct kt_reading *reading, struct kt_error *err)
{
	const char *text = kt_buffer_text(reading->problems);

	if (reading->count == 0)
		return KT_E_OK;
	if (reading->count == 1)
		return kt_error_set(
			err, KT_E_CONFIG_INVALID, "%.*s", (int)strcspn(text, "\n"), text);
	return kt_error_set(err, KT_E_CONFIG_INVALID, "%.*s (and %zu more)",
		(int)strcspn(text, "\n"), text, reading->count - 1);
}

static void text_read(
	struct kt_reading *reading, const struct kt_buffer *text, struct kt_config *config)
{
	struct kt_error inner = KT_ERROR_INIT;
	struct kt_yaml *root = NULL;

	if (kt_yaml_parse(kt_buffer_text(text), text->len, 1, &root, &inner) != KT_E_OK)
		syntax_problem(reading, &inner);
	else
		root_read(reading, root, config);
	kt_yaml_free(root);
}

/* Reads at most one byte more than the YAML reader accepts, so that it can say what is wrong. */
static enum kt_code file_read(const char *path, struct kt_buffer *text, struct kt_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum kt_code code = KT_E_OK;
	char chunk[8192];

	if (fd < 0 && errno == ENOENT)
		return KT_E_OK;
	if (fd < 0)
		return kt_error_sys(err, KT_E_IO, errno, "%s", path);
	while (text->len <= KT_YAML_MAX) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got == 0)
			break;
		if (got > 0) {
			kt_buffer_append(text, chunk, (size_t)got);
		} else if (errno != EINTR) {
			code = kt_error_sys(err, KT_E_IO, errno, "%s", path);
			break;
		}
	}
	close(fd);
	return code;
}

enum kt_code kt_config_load(
	const char *path, struct kt_config **out, struct kt_buffer *problems, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT, own = KT_BUFFER_INIT;
	struct kt_reading reading = {.file = path, .problems = &own};
	struct kt_config *config = kt_alloc(sizeof(*config));
	enum kt_code code;

	code = file_read(path, &text, err);
	if (code == KT_E_OK) {
		text_read(&reading, &text, config);
		code = reading_result(&reading, err);
	}
	if (problems != NULL)
		kt_buffer_append(problems, kt_buffer_text(&own), own.len);
	if (code == KT_E_OK)
		*out = config;
	else
		kt_config_free(config);
	kt_buffer_release(&text);
	kt_buffer_release(&own);
	return code;
}

static void template_settings(struct kt_buffer *out)
{
	static const char agent[] =
		"  agents:                       # commands that work on a work package\n"
		"    claude:\n"
		"      command: [claude, -p]\n"
		"      prompt: stdin\n"
		"      timeout: 45m\n"
		"      capacity: 2\n"
		"    # codex:\n"
		"    #   command: [codex, exec, '{prompt_file}']\n"
		"    #   prompt: file\n"
		"    #   environment: {NAME: value}\n"
		"  default_agent: claude\n";

	kt_buffer_puts(out, "kitty:\n");
	kt_buffer_puts(out, agent);
	for (size_t i = 0; i < ROWS_LEN; i++) {
		if (settings[i].standard[0] != '\0')
			kt_buffer_printf(out, "  # %s\n  %s: %s\n", settings[i].help,
				settings[i].key, settings[i].standard);
	}
	kt_buffer_puts(out, "\n  # What an agent may say:\n");
	for (size_t i = 0; i < AGENT_SETTINGS_LEN; i++)
		kt_buffer_printf(
			out, "  #   %-12s %s\n", agent_settings[i].key, agent_settings[i].help);
	kt_buffer_puts(out,
		"\n  # Where committed events go, each in order and at least once:\n"
		"  # sinks:\n"
		"  #   - {name: chat, kind: command, command: [./notify.sh], timeout: 10s}\n"
		"  #   - {name: journal, kind: file, path: events.jsonl}\n");
}

const char *kt_config_template(void)
{
	static char *text;
	struct kt_buffer out = KT_BUFFER_INIT;

	if (text != NULL)
		return text;
	kt_buffer_puts(&out, "# Settings of kitty for this project. Keys outside of `kitty:` and\n"
			     "# `protection:` belong to other programs and are left alone.\n");
	template_settings(&out);
	kt_buffer_puts(&out,
		"\n# Branches that kitty never commits to (globs). Without this list: main,\n"
		"# master and the branch that origin/HEAD names.\n"
		"# protection:\n"
		"#   protected_branches: [main, 'release/*']\n");
	text = kt_buffer_take(&out);
	return text;
}
