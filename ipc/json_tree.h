/*
 * Private to the JSON files of ipc/: how a kt_json is a cJSON node.
 *
 * Every number is a cJSON_Raw node that holds the text Python would print for it; cJSON's own
 * numbers are doubles and lose 64-bit integers. Every string is valid UTF-8 without NUL.
 */
#ifndef KITTY_IPC_JSON_TREE_H
#define KITTY_IPC_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include <kitty/json.h>

struct kt_json {
	cJSON node; /* first, so that both pointers are the same */
};

static inline struct kt_json *kt_json_of(cJSON *node)
{
	return (struct kt_json *)(void *)node;
}

#define KT_NUMBER_TEXT_MAX 64 /* cJSON reads numbers through a buffer of this size */

/*
 * The canonical text of a number that follows JSON's grammar: integers as they are (-0 is 0),
 * the rest as Python's repr() of the double. False when it is no finite double.
 */
bool kt_number_canonical(const char *text, size_t len, char out[KT_NUMBER_TEXT_MAX]);

/* Python's repr() of a finite double: shortest digits that read back as the same value. */
void kt_number_repr(double value, char out[KT_NUMBER_TEXT_MAX]);

#endif
