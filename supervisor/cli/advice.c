/*
 * Next steps that name the mission. Process: every command. Never guesses: what is no command of
 * kitty's stays as it is.
 */
#include "supervisor/cli/advice.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"

#define WORDS_MAX 4 /* of a command's path, `kitty` not counted */

static bool takes_mission(const struct kt_command *command)
{
	for (const struct kt_option *o = command->options; o != NULL && o->name != NULL; o++)
		if (strcmp(o->name, "mission") == 0)
			return true;
	return false;
}

/* Where the command that starts at `at` ends: a sentence may name two. */
static size_t command_len(const char *at)
{
	return strcspn(at, ",;`");
}

/* Bytes from `at`, behind "kitty ", to the end of the path of a command that lacks its mission; 0:
 * there is none. */
static size_t path_len(const char *at)
{
	char *text = kt_strndup(at, command_len(at));
	const char *words[WORDS_MAX];
	const struct kt_command_row *row = NULL;
	size_t len = 0, used = 0, end = 0;
	char *rest = text;
	char *word = NULL;

	if (strstr(text, "--mission") == NULL && strstr(text, "--help") == NULL)
		while (len < WORDS_MAX && (word = strsep(&rest, " ")) != NULL && word[0] != '\0' &&
			word[0] != '-')
			words[len++] = word;
	if (len > 0)
		row = kt_command_find(len, words, &used);
	if (row != NULL && takes_mission(row->command))
		end = (size_t)(words[used - 1] - text) + strlen(words[used - 1]);
	free(text);
	return end;
}

char *kt_advice_for(const char *text, const char *slug)
{
	static const char name[] = "kitty ";
	struct kt_buffer out = KT_BUFFER_INIT;
	const char *found = NULL;
	char *copy = NULL;

	while (slug != NULL && (found = strstr(text, name)) != NULL) {
		size_t len = path_len(found + strlen(name));

		kt_buffer_append(&out, text, (size_t)(found - text) + strlen(name) + len);
		if (len > 0)
			kt_buffer_printf(&out, " --mission %s", slug);
		text = found + strlen(name) + len;
	}
	kt_buffer_puts(&out, text);
	copy = kt_strdup(kt_buffer_text(&out));
	kt_buffer_release(&out);
	return copy;
}
