/*
 * The table of commands, and how words are looked up in it. Process: every command. Never prints.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"

const struct kt_command_row kt_commands[] = {
#define KT_COMMAND(path, name) {path, &kt_command_##name, false},
#define KT_ALIAS(path, name) {path, &kt_command_##name, true},
#include "supervisor/cli/commands.def"
#undef KT_COMMAND
#undef KT_ALIAS
};
const size_t kt_commands_len = sizeof kt_commands / sizeof kt_commands[0];

/* How many of the words spell out `path` from its start; *whole tells whether they spell all of it.
 */
static size_t words_match(const char *path, size_t words_len, const char *const *words, bool *whole)
{
	size_t used = 0;

	*whole = false;
	while (used < words_len) {
		size_t len = strcspn(path, " ");

		if (strlen(words[used]) != len || strncmp(path, words[used], len) != 0)
			return used;
		used++;
		path += len;
		if (*path == '\0') {
			*whole = true;
			return used;
		}
		path++;
	}
	return used;
}

const struct kt_command_row *kt_command_find(
	size_t words_len, const char *const *words, size_t *words_used)
{
	const struct kt_command_row *found = NULL;

	*words_used = 0;
	for (size_t i = 0; i < kt_commands_len; i++) {
		bool whole = false;
		size_t used = words_match(kt_commands[i].path, words_len, words, &whole);

		if (whole && used > *words_used) {
			found = &kt_commands[i];
			*words_used = used;
		}
	}
	return found;
}

bool kt_command_is_group(size_t words_len, const char *const *words)
{
	for (size_t i = 0; i < kt_commands_len; i++) {
		bool whole = false;

		if (words_len > 0 && !kt_commands[i].command->is_hidden &&
			words_match(kt_commands[i].path, words_len, words, &whole) == words_len &&
			!whole)
			return true;
	}
	return false;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

size_t kt_edit_distance(const char *left, const char *right)
{
	size_t right_len = strlen(right);
	size_t *row = kt_realloc_array(NULL, right_len + 1, sizeof *row);
	size_t distance = 0;

	for (size_t j = 0; j <= right_len; j++)
		row[j] = j;
	for (size_t i = 1; left[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= right_len; j++) {
			size_t above = row[j];
			size_t change = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);

			row[j] = min3(above + 1, row[j - 1] + 1, change);
			diagonal = above;
		}
	}
	distance = row[right_len];
	free(row);
	return distance;
}

/* The first `count` words of a path, in *text. */
static void path_head(const char *path, size_t count, struct kt_buffer *text)
{
	kt_buffer_clear(text);
	for (; *path != '\0'; path++) {
		if (*path == ' ' && --count == 0)
			return;
		kt_buffer_putc(text, *path);
	}
}

static size_t words_in(const char *path)
{
	size_t count = 1;

	for (; *path != '\0'; path++)
		count += *path == ' ';
	return count;
}

/* As many of the words as the path has, so that arguments do not count, and their distance to it.
 */
static size_t words_distance(
	const char *path, size_t words_len, const char *const *words, size_t *given_len)
{
	struct kt_buffer given = KT_BUFFER_INIT;
	struct kt_buffer head = KT_BUFFER_INIT;
	size_t count = words_in(path) < words_len ? words_in(path) : words_len;
	size_t distance = 0;

	for (size_t i = 0; i < count; i++)
		kt_buffer_printf(&given, "%s%s", i == 0 ? "" : " ", words[i]);
	path_head(path, count, &head);
	distance = kt_edit_distance(kt_buffer_text(&given), kt_buffer_text(&head));
	*given_len = given.len;
	kt_buffer_release(&given);
	kt_buffer_release(&head);
	return distance;
}

/* Ties go to the path that explains more of the words and asks for no further ones. */
static size_t path_distance(const char *path, size_t words_len, const char *const *words)
{
	size_t count = words_in(path) < words_len ? words_in(path) : words_len;
	size_t given_len = 0;

	return words_distance(path, words_len, words, &given_len) * 16 +
	       (words_in(path) - count) * 2 + (words_len - count);
}

/* A path of which more than half would have to change was not meant. */
static bool is_near(const char *path, size_t words_len, const char *const *words)
{
	size_t given_len = 0;

	return words_distance(path, words_len, words, &given_len) * 2 <= given_len;
}

/* "move-task" for "agent tasks move-task": the last word of a path stands for all of it. */
static const char *tail_find(const char *word)
{
	for (size_t i = 0; i < kt_commands_len; i++) {
		const char *last = strrchr(kt_commands[i].path, ' ');

		if (last != NULL && !kt_commands[i].command->is_hidden &&
			strcmp(last + 1, word) == 0)
			return kt_commands[i].path;
	}
	return NULL;
}

const char *kt_command_nearest(size_t words_len, const char *const *words)
{
	const char *nearest = words_len == 0 ? NULL : tail_find(words[0]);
	size_t least = SIZE_MAX;

	if (nearest != NULL)
		return nearest;
	for (size_t i = 0; i < kt_commands_len; i++) {
		size_t distance = 0;

		if (kt_commands[i].command->is_hidden)
			continue;
		distance = path_distance(kt_commands[i].path, words_len, words);
		if (distance < least) {
			least = distance;
			nearest = kt_commands[i].path;
		}
	}
	return nearest != NULL && is_near(nearest, words_len, words) ? nearest : NULL;
}

/* The words that are a group, "agent tasks" of "agent tasks mvoe WP01". */
static size_t group_len(size_t words_len, const char *const *words)
{
	size_t len = 0;

	while (len < words_len && kt_command_is_group(len + 1, words))
		len++;
	return len;
}

static void next_is_help(size_t words_len, const char *const *words, struct kt_error *err)
{
	struct kt_buffer next = KT_BUFFER_INIT;

	kt_buffer_puts(&next, "kitty help");
	for (size_t i = 0; i < words_len; i++)
		kt_buffer_printf(&next, " %s", words[i]);
	kt_error_next(err, "%s", kt_buffer_text(&next));
	kt_buffer_release(&next);
}

enum kt_code kt_command_unknown(size_t words_len, const char *const *words, struct kt_error *err)
{
	size_t group = group_len(words_len, words);
	struct kt_buffer name = KT_BUFFER_INIT;
	const char *nearest = NULL;

	if (words_len == 0)
		return kt_error_set(err, KT_E_USAGE, "no command is given");
	for (size_t i = 0; i < words_len && i <= group; i++)
		kt_buffer_printf(&name, "%s%.60s", i == 0 ? "" : " ", words[i]);
	nearest = kt_command_nearest(words_len, words);
	if (group == words_len && nearest != NULL)
		(void)kt_error_set(err, KT_E_USAGE,
			"`%s` is a group of commands, `%s` is one of them", kt_buffer_text(&name),
			nearest);
	else if (nearest != NULL)
		(void)kt_error_set(err, KT_E_USAGE, "there is no command `%s`; the nearest is `%s`",
			kt_buffer_text(&name), nearest);
	else
		(void)kt_error_set(
			err, KT_E_USAGE, "there is no command `%s`", kt_buffer_text(&name));
	if (group < words_len && nearest != NULL)
		kt_error_next(err, "kitty help %s", nearest);
	else
		next_is_help(group, words, err);
	kt_buffer_release(&name);
	return KT_E_USAGE;
}
