/*
 * Private to supervisor/mission: lists of strings, and parts of names that only this folder needs.
 */
#ifndef KITTY_SUPERVISOR_MISSION_NAMES_H
#define KITTY_SUPERVISOR_MISSION_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define KT_SEGMENT_MAX 200    /* bytes of one folder name: worktree names add up to 20 more */
#define KT_WP_ID_MAX 12       /* bytes of a WP id */
#define KT_LANE_LETTERS_MAX 8 /* "planning" is the longest */

/* A growing NULL-terminated array of owned strings. */
struct kt_list {
	char **items; /* NULL until the first push */
	size_t len;
};

#define KT_LIST_INIT \
	{ \
		NULL, 0 \
	}

void kt_list_push(struct kt_list *list, char *text);      /* takes */
void kt_list_add(struct kt_list *list, const char *text); /* borrows */
void kt_list_sort(struct kt_list *list);
bool kt_list_has(const struct kt_list *list, const char *text);
char **kt_list_take(struct kt_list *list); /* gives a NULL-terminated array, never NULL */
void kt_list_release(struct kt_list *list);

size_t kt_strings_len(char *const *strings); /* NULL counts as empty */
bool kt_strings_have(char *const *strings, const char *text);

/* The mid8 that ends a folder's name; borrows from slug; NULL when there is none. */
const char *kt_name_tail8(const char *slug);
/* The folder's name without its mid8; gives. */
char *kt_name_human(const char *slug);

#endif
