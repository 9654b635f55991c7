/*
 * Lists of strings for the mission layer; used by kitty only. Never opens a file.
 */
#include "supervisor/mission/names.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/mission/mission.h"

void kt_strings_free(char **strings)
{
	for (char **item = strings; item != NULL && *item != NULL; item++)
		free(*item);
	free(strings);
}

size_t kt_strings_len(char *const *strings)
{
	size_t len = 0;

	while (strings != NULL && strings[len] != NULL)
		len++;
	return len;
}

bool kt_strings_have(char *const *strings, const char *text)
{
	for (char *const *item = strings; item != NULL && *item != NULL; item++) {
		if (strcmp(*item, text) == 0)
			return true;
	}
	return false;
}

void kt_list_push(struct kt_list *list, char *text)
{
	list->items = kt_realloc_array(list->items, list->len + 2, sizeof(*list->items));
	list->items[list->len++] = text;
	list->items[list->len] = NULL;
}

void kt_list_add(struct kt_list *list, const char *text)
{
	kt_list_push(list, kt_strdup(text));
}

static int compare_text(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

void kt_list_sort(struct kt_list *list)
{
	if (list->len > 1)
		qsort(list->items, list->len, sizeof(*list->items), compare_text);
}

bool kt_list_has(const struct kt_list *list, const char *text)
{
	return kt_strings_have(list->items, text);
}

char **kt_list_take(struct kt_list *list)
{
	char **items = list->items;

	if (items == NULL)
		items = kt_alloc(sizeof(*items));
	list->items = NULL;
	list->len = 0;
	return items;
}

void kt_list_release(struct kt_list *list)
{
	kt_strings_free(list->items);
	list->items = NULL;
	list->len = 0;
}
