/*
 * Reader of git's configuration syntax (git-config(1), "Syntax", "Includes"). Commands and
 * supervisor; read-only. Must never fail a query because a file is odd: a malformed file ends where
 * it is malformed, git itself complains.
 */
#include "supervisor/git/gitconfig.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/git/files.h"
#include "supervisor/git/repository.h"

#define INCLUDE_DEPTH_MAX 10

struct parser {
	const char *at;
	struct kt_buffer section, key, value;
	kt_gitconfig_cb each;
	void *arg;
};

static char lower(char byte)
{
	return (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
}

static const char *variable(const char *name)
{
	return getenv(name); /* NOLINT(concurrency-mt-unsafe): no threads */
}

static void skip_line(struct parser *parser)
{
	parser->at += strcspn(parser->at, "\n");
}

static bool is_section_char(char byte)
{
	return isalnum((unsigned char)byte) || byte == '-' || byte == '.';
}

/* The quoted part of [section "sub"]; at its first quote. */
static bool parse_subsection(struct parser *parser)
{
	kt_buffer_putc(&parser->section, '.');
	for (parser->at++; *parser->at != '"'; parser->at++) {
		if (*parser->at == '\\')
			parser->at++;
		if (*parser->at == '\0' || *parser->at == '\n')
			return false;
		kt_buffer_putc(&parser->section, *parser->at);
	}
	parser->at++;
	return true;
}

/* [section], [section "sub"] or the old [section.sub]; at '['. */
static bool parse_section(struct parser *parser)
{
	kt_buffer_clear(&parser->section);
	for (parser->at++; is_section_char(*parser->at); parser->at++)
		kt_buffer_putc(&parser->section, lower(*parser->at));
	parser->at += strspn(parser->at, " \t");
	if (*parser->at == '"' && !parse_subsection(parser))
		return false;
	return *parser->at++ == ']';
}

/* What stands after a backslash in a value; false when that is not allowed. */
static bool parse_escape(struct parser *parser)
{
	static const char names[] = "ntb\\\"", bytes[] = "\n\t\b\\\"";
	const char *name;

	if (parser->at[0] == '\r' && parser->at[1] == '\n')
		parser->at++;
	if (*parser->at == '\n')
		return true;
	name = *parser->at == '\0' ? NULL : strchr(names, *parser->at);
	if (name == NULL)
		return false;
	kt_buffer_putc(&parser->value, bytes[name - names]);
	return true;
}

/* One piece of a value: a quote, an escape, or a byte. *solid follows what may not be trimmed. */
static bool parse_piece(struct parser *parser, bool *quoted, size_t *solid)
{
	if (*parser->at == '\\') {
		parser->at++;
		if (!parse_escape(parser))
			return false;
		*solid = parser->value.len;
		return true;
	}
	if (*parser->at == '"')
		*quoted = !*quoted;
	else
		kt_buffer_putc(&parser->value, *parser->at);
	if (*quoted || !isspace((unsigned char)*parser->at))
		*solid = parser->value.len;
	return true;
}

/* A value up to the end of its line; blanks at its end count only inside quotes. */
static bool parse_value(struct parser *parser)
{
	bool quoted = false;
	size_t solid = 0;

	kt_buffer_clear(&parser->value);
	parser->at += strspn(parser->at, " \t");
	for (; *parser->at != '\0' && *parser->at != '\n'; parser->at++) {
		if (!quoted && (*parser->at == '#' || *parser->at == ';')) {
			skip_line(parser);
			break;
		}
		if (!parse_piece(parser, &quoted, &solid))
			return false;
	}
	kt_buffer_puts(&parser->value, "");
	parser->value.len = solid;
	parser->value.data[solid] = '\0';
	return !quoted;
}

static void read_key(struct parser *parser)
{
	kt_buffer_clear(&parser->key);
	kt_buffer_append(&parser->key, parser->section.data, parser->section.len);
	kt_buffer_putc(&parser->key, '.');
	for (; isalnum((unsigned char)*parser->at) || *parser->at == '-'; parser->at++)
		kt_buffer_putc(&parser->key, lower(*parser->at));
	parser->at += strspn(parser->at, " \t\r");
}

static bool parse_key(struct parser *parser)
{
	bool has_value;

	read_key(parser);
	has_value = *parser->at == '=';
	if (has_value)
		parser->at++;
	if (has_value && !parse_value(parser))
		return false;
	if (!has_value && (*parser->at == '#' || *parser->at == ';'))
		skip_line(parser);
	if (*parser->at != '\n' && *parser->at != '\0')
		return false;
	parser->each(kt_buffer_text(&parser->key),
		has_value ? kt_buffer_text(&parser->value) : NULL, parser->arg);
	return true;
}

static bool parse(struct parser *parser)
{
	bool good = true;

	if (strncmp(parser->at, "\xef\xbb\xbf", 3) == 0)
		parser->at += 3;
	while (good) {
		parser->at += strspn(parser->at, " \t\r\n");
		if (*parser->at == '\0')
			return true;
		if (*parser->at == '#' || *parser->at == ';')
			skip_line(parser);
		else if (*parser->at == '[')
			good = parse_section(parser);
		else
			good = parser->section.len > 0 && isalpha((unsigned char)*parser->at) &&
			       parse_key(parser);
	}
	return false;
}

bool kt_gitconfig_text(const char *text, kt_gitconfig_cb each, void *arg)
{
	struct parser parser = {.at = text, .each = each, .arg = arg};
	bool good = parse(&parser);

	kt_buffer_release(&parser.section);
	kt_buffer_release(&parser.key);
	kt_buffer_release(&parser.value);
	return good;
}

bool kt_gitconfig_file(const char *path, kt_gitconfig_cb each, void *arg)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	bool good = kt_git_file_read(path, &text) == 0 &&
		    kt_gitconfig_text(kt_buffer_text(&text), each, arg);

	kt_buffer_release(&text);
	return good;
}

bool kt_gitconfig_is_true(const char *value)
{
	static const char *const words[] = {"true", "yes", "on"};

	if (value == NULL)
		return true;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return strtol(value, NULL, 0) != 0;
}

char *kt_gitconfig_path(const char *value)
{
	const char *home = variable("HOME");

	if (strncmp(value, "~/", 2) == 0 && home != NULL)
		return kt_format("%s%s", home, value + 1);
	return kt_strdup(value);
}

/* One file of a scope, with the files it includes. */
struct reading {
	const struct kt_repository *repo;
	kt_gitconfig_cb each;
	void *arg;
	char *folder; /* of the file being read */
	int depth;
};

static bool is_same_char(char pattern, char text, bool fold)
{
	if (pattern == '?')
		return text != '/';
	return pattern == text || (fold && lower(pattern) == lower(text));
}

static bool matches(const char *pattern, const char *text, bool fold);

/* At one or more asterisks: two of them cross slashes. */
static bool matches_star(const char *pattern, const char *text, bool fold)
{
	bool crosses = pattern[1] == '*';

	pattern += strspn(pattern, "*");
	while (!matches(pattern, text, fold)) {
		if (*text == '\0' || (!crosses && *text == '/'))
			return false;
		text++;
	}
	return true;
}

/* git's wildmatch with WM_PATHNAME, as far as includeIf needs it: ?, *, ** and plain text. */
static bool matches(const char *pattern, const char *text, bool fold)
{
	for (; *pattern != '\0'; pattern++, text++) {
		if (strncmp(pattern, "**/", 3) == 0 && matches(pattern + 3, text, fold))
			return true;
		if (*pattern == '*')
			return matches_star(pattern, text, fold);
		if (*text == '\0' || !is_same_char(*pattern, *text, fold))
			return false;
	}
	return *text == '\0';
}

static bool matches_git_dir(const struct reading *reading, const char *pattern, bool fold)
{
	struct kt_buffer full = KT_BUFFER_INIT;
	char *expanded = kt_gitconfig_path(pattern);
	bool found;

	if (strncmp(expanded, "./", 2) == 0)
		kt_buffer_printf(&full, "%s%s", reading->folder, expanded + 1);
	else
		kt_buffer_printf(&full, "%s%s", expanded[0] == '/' ? "" : "**/", expanded);
	if (full.len > 0 && full.data[full.len - 1] == '/')
		kt_buffer_puts(&full, "**");
	found = matches(kt_buffer_text(&full), reading->repo->git_dir, fold);
	free(expanded);
	kt_buffer_release(&full);
	return found;
}

static bool matches_branch(const struct reading *reading, const char *pattern)
{
	char *head = kt_head_read(reading->repo->git_dir);
	size_t len = strlen(pattern);
	char *full = kt_format("%s%s", pattern, len > 0 && pattern[len - 1] == '/' ? "**" : "");
	bool found = head != NULL && strncmp(head, "refs/heads/", 11) == 0 &&
		     matches(full, head + 11, false);

	free(head);
	free(full);
	return found;
}

/* Is this key an include whose condition holds? */
static bool is_include(const struct reading *reading, const char *key)
{
	size_t len = strlen(key);
	char *condition;
	bool holds = false;

	if (strcmp(key, "include.path") == 0)
		return true;
	if (len < 15 || strncmp(key, "includeif.", 10) != 0 || strcmp(key + len - 5, ".path") != 0)
		return false;
	condition = kt_strndup(key + 10, len - 15);
	if (strncmp(condition, "gitdir:", 7) == 0)
		holds = matches_git_dir(reading, condition + 7, false);
	else if (strncmp(condition, "gitdir/i:", 9) == 0)
		holds = matches_git_dir(reading, condition + 9, true);
	else if (strncmp(condition, "onbranch:", 9) == 0)
		holds = matches_branch(reading, condition + 9);
	free(condition);
	return holds;
}

static void read_scope(const struct reading *outer, const char *path);

static void on_key(const char *key, const char *value, void *arg)
{
	const struct reading *reading = arg;
	char *expanded, *path;

	reading->each(key, value, reading->arg);
	if (value == NULL || reading->depth >= INCLUDE_DEPTH_MAX || !is_include(reading, key))
		return;
	expanded = kt_gitconfig_path(value);
	path = kt_git_path_resolve(reading->folder, expanded);
	read_scope(reading, path);
	free(path);
	free(expanded);
}

static void read_scope(const struct reading *outer, const char *path)
{
	struct reading reading = *outer;

	reading.folder = kt_path_parent(path);
	reading.depth = outer->depth + 1;
	(void)kt_gitconfig_file(path, on_key, &reading);
	free(reading.folder);
}

static void read_user_scopes(const struct reading *reading)
{
	const char *global = variable("GIT_CONFIG_GLOBAL"), *system = variable("GIT_CONFIG_SYSTEM");
	const char *no_system = variable("GIT_CONFIG_NOSYSTEM"), *home = variable("HOME");
	const char *xdg = variable("XDG_CONFIG_HOME");
	char *path;

	if (no_system == NULL || !kt_gitconfig_is_true(no_system))
		read_scope(reading, system != NULL ? system : "/etc/gitconfig");
	if (global != NULL) {
		read_scope(reading, global);
		return;
	}
	if (xdg != NULL && xdg[0] == '\0')
		xdg = NULL;
	if (home == NULL && xdg == NULL)
		return;
	path = xdg != NULL ? kt_format("%s/git/config", xdg)
			   : kt_format("%s/.config/git/config", home);
	read_scope(reading, path);
	free(path);
	if (home == NULL)
		return;
	path = kt_format("%s/.gitconfig", home);
	read_scope(reading, path);
	free(path);
}

void kt_gitconfig_protected(const struct kt_repository *repo, kt_gitconfig_cb each, void *arg)
{
	struct reading reading = {.repo = repo, .each = each, .arg = arg};

	read_user_scopes(&reading);
}

static void on_worktree_extension(const char *key, const char *value, void *arg)
{
	if (strcmp(key, "extensions.worktreeconfig") == 0)
		*(bool *)arg = kt_gitconfig_is_true(value);
}

void kt_gitconfig_all(const struct kt_repository *repo, kt_gitconfig_cb each, void *arg)
{
	struct reading reading = {.repo = repo, .each = each, .arg = arg};
	char *path = kt_format("%s/config", repo->common_dir);
	bool has_worktree = false;

	read_user_scopes(&reading);
	read_scope(&reading, path);
	(void)kt_gitconfig_file(path, on_worktree_extension, &has_worktree);
	free(path);
	if (!has_worktree)
		return;
	path = kt_format("%s/config.worktree", repo->git_dir);
	read_scope(&reading, path);
	free(path);
}
