/*
 * The tree: making, changing and asking JSON values over cJSON. Both programs.
 * Must never use cJSON's case-insensitive look-up or its numbers, and never let a string in that
 * is not UTF-8: foreign bytes become U+FFFD here, so every tree can be written.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/json_tree.h"
#include "ipc/utf8.h"

/* cJSON returns NULL only when there is no memory. */
static struct kt_json *made(cJSON *node)
{
	if (node == NULL)
		kt_out_of_memory();
	return kt_json_of(node);
}

static void *never_null(size_t size)
{
	return kt_realloc_array(NULL, size, 1);
}

/* Not every call of cJSON says that memory was missing: a key that could not be copied is a member
 * that is not there. */
__attribute__((constructor)) static void give_memory(void)
{
	cJSON_Hooks hooks = {never_null, free};

	cJSON_InitHooks(&hooks);
}

void kt_json_free(struct kt_json *value)
{
	if (value != NULL)
		cJSON_Delete(&value->node);
}

struct kt_json *kt_json_copy(const struct kt_json *value)
{
	cJSON *copy = cJSON_Duplicate(&value->node, true);

	/* The copy of a member is a value of its own: in an array its old name would be printed. */
	if (copy != NULL && copy->string != NULL) {
		if ((copy->type & cJSON_StringIsConst) == 0)
			cJSON_free(copy->string);
		copy->type &= ~cJSON_StringIsConst;
		copy->string = NULL;
	}
	return made(copy);
}

enum kt_json_type kt_json_type(const struct kt_json *value)
{
	switch (value->node.type & 0xFF) {
	case cJSON_False:
	case cJSON_True:
		return KT_JSON_BOOL;
	case cJSON_Raw:
		return KT_JSON_NUMBER;
	case cJSON_String:
		return KT_JSON_STRING;
	case cJSON_Array:
		return KT_JSON_ARRAY;
	case cJSON_Object:
		return KT_JSON_OBJECT;
	default:
		return KT_JSON_NULL;
	}
}

bool kt_json_is(const struct kt_json *value, enum kt_json_type type)
{
	return value != NULL && kt_json_type(value) == type;
}

bool kt_json_is_truthy(const struct kt_json *value)
{
	if (value == NULL || cJSON_IsNull(&value->node) || cJSON_IsFalse(&value->node))
		return false;
	if (cJSON_IsRaw(&value->node))
		return strtod(value->node.valuestring, NULL) != 0.0;
	if (cJSON_IsString(&value->node))
		return value->node.valuestring[0] != '\0';
	return cJSON_IsTrue(&value->node) || value->node.child != NULL;
}

struct kt_json *kt_json_new_null(void)
{
	return made(cJSON_CreateNull());
}

struct kt_json *kt_json_new_bool(bool value)
{
	return made(cJSON_CreateBool(value));
}

struct kt_json *kt_json_new_int(int64_t value)
{
	char text[KT_NUMBER_TEXT_MAX];

	(void)snprintf(text, sizeof text, "%" PRId64, value);
	return made(cJSON_CreateRaw(text));
}

struct kt_json *kt_json_new_double(double value)
{
	char text[KT_NUMBER_TEXT_MAX];

	KT_BUG_UNLESS(isfinite(value));
	kt_number_repr(value, text);
	return made(cJSON_CreateRaw(text));
}

struct kt_json *kt_json_new_string(const char *text)
{
	return text == NULL ? kt_json_new_null() : kt_json_new_string_len(text, strlen(text));
}

static void append_repaired(struct kt_buffer *out, const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t step = text[at] == '\0' ? 0 : kt_utf8_length(text + at, len - at);

		if (step == 0)
			kt_buffer_puts(out, "\xEF\xBF\xBD");
		else
			kt_buffer_append(out, text + at, step);
		at += step == 0 ? 1 : step;
	}
}

struct kt_json *kt_json_new_string_len(const char *text, size_t len)
{
	struct kt_buffer clean = KT_BUFFER_INIT;
	struct kt_json *value;

	append_repaired(&clean, text, len);
	value = made(cJSON_CreateString(kt_buffer_text(&clean)));
	kt_buffer_release(&clean);
	return value;
}

struct kt_json *kt_json_new_array(void)
{
	return made(cJSON_CreateArray());
}

struct kt_json *kt_json_new_object(void)
{
	return made(cJSON_CreateObject());
}

static cJSON *find_member(const struct kt_json *object, const char *key)
{
	if (!kt_json_is(object, KT_JSON_OBJECT))
		return NULL;
	for (cJSON *node = object->node.child; node != NULL; node = node->next)
		if (strcmp(node->string, key) == 0)
			return node;
	return NULL;
}

void kt_json_set(struct kt_json *object, const char *key, struct kt_json *value)
{
	cJSON *old = find_member(object, key);

	KT_BUG_UNLESS(kt_json_is(object, KT_JSON_OBJECT) && value != NULL);
	if (old == NULL) {
		KT_BUG_UNLESS(cJSON_AddItemToObject(&object->node, key, &value->node));
		return;
	}
	value->node.string = old->string;
	old->string = NULL;
	(void)cJSON_ReplaceItemViaPointer(&object->node, old, &value->node);
}

void kt_json_set_string(struct kt_json *object, const char *key, const char *text)
{
	kt_json_set(object, key, kt_json_new_string(text));
}

void kt_json_set_int(struct kt_json *object, const char *key, int64_t value)
{
	kt_json_set(object, key, kt_json_new_int(value));
}

void kt_json_set_bool(struct kt_json *object, const char *key, bool value)
{
	kt_json_set(object, key, kt_json_new_bool(value));
}

void kt_json_remove(struct kt_json *object, const char *key)
{
	cJSON *node = find_member(object, key);

	if (node != NULL)
		cJSON_Delete(cJSON_DetachItemViaPointer(&object->node, node));
}

struct kt_json *kt_json_get(const struct kt_json *object, const char *key)
{
	return kt_json_of(find_member(object, key));
}

const char *kt_json_get_string(const struct kt_json *object, const char *key)
{
	return kt_json_string(kt_json_get(object, key));
}

bool kt_json_get_int(const struct kt_json *object, const char *key, int64_t *out)
{
	return kt_json_int(kt_json_get(object, key), out);
}

bool kt_json_get_bool(const struct kt_json *object, const char *key, bool fallback)
{
	const cJSON *node = find_member(object, key);

	return node != NULL && cJSON_IsBool(node) ? cJSON_IsTrue(node) : fallback;
}

void kt_json_append(struct kt_json *array, struct kt_json *value)
{
	KT_BUG_UNLESS(kt_json_is(array, KT_JSON_ARRAY) && value != NULL);
	KT_BUG_UNLESS(cJSON_AddItemToArray(&array->node, &value->node));
}

size_t kt_json_size(const struct kt_json *value)
{
	size_t count = 0;

	for (const struct kt_json *c = kt_json_first(value); c != NULL; c = kt_json_next(c))
		count++;
	return count;
}

struct kt_json *kt_json_first(const struct kt_json *value)
{
	return value == NULL ? NULL : kt_json_of(value->node.child);
}

struct kt_json *kt_json_next(const struct kt_json *value)
{
	return kt_json_of(value->node.next);
}

const char *kt_json_key(const struct kt_json *value)
{
	return value->node.string;
}

const char *kt_json_string(const struct kt_json *value)
{
	return kt_json_is(value, KT_JSON_STRING) ? value->node.valuestring : NULL;
}

const char *kt_json_number_text(const struct kt_json *value)
{
	return kt_json_is(value, KT_JSON_NUMBER) ? value->node.valuestring : NULL;
}

bool kt_json_int(const struct kt_json *value, int64_t *out)
{
	const char *text = kt_json_number_text(value);
	char *end = NULL;
	long long number;

	if (text == NULL)
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*out = number;
	return true;
}

/* Integers of any size are compared as text; as soon as one is a float, both are. */
static bool numbers_equal(const char *left, const char *right)
{
	if (strcmp(left, right) == 0)
		return true;
	if (strpbrk(left, ".e") == NULL && strpbrk(right, ".e") == NULL)
		return false;
	return strtod(left, NULL) == strtod(right, NULL);
}

static bool objects_equal(const struct kt_json *left, const struct kt_json *right)
{
	const struct kt_json *same_place = kt_json_first(right);

	for (struct kt_json *c = kt_json_first(left); c != NULL; c = kt_json_next(c)) {
		const struct kt_json *other = same_place;

		if (strcmp(kt_json_key(c), kt_json_key(other)) != 0)
			other = kt_json_get(right, kt_json_key(c));
		if (other == NULL || !kt_json_equal(c, other))
			return false;
		same_place = kt_json_next(same_place);
	}
	return true;
}

static bool arrays_equal(const struct kt_json *left, const struct kt_json *right)
{
	const struct kt_json *other = kt_json_first(right);

	for (struct kt_json *c = kt_json_first(left); c != NULL; c = kt_json_next(c)) {
		if (!kt_json_equal(c, other))
			return false;
		other = kt_json_next(other);
	}
	return true;
}

bool kt_json_equal(const struct kt_json *left, const struct kt_json *right)
{
	if (left == NULL || right == NULL)
		return left == right;
	if (kt_json_type(left) != kt_json_type(right))
		return false;
	switch (kt_json_type(left)) {
	case KT_JSON_BOOL:
		return cJSON_IsTrue(&left->node) == cJSON_IsTrue(&right->node);
	case KT_JSON_NUMBER:
		return numbers_equal(left->node.valuestring, right->node.valuestring);
	case KT_JSON_STRING:
		return strcmp(left->node.valuestring, right->node.valuestring) == 0;
	case KT_JSON_ARRAY:
		return kt_json_size(left) == kt_json_size(right) && arrays_equal(left, right);
	case KT_JSON_OBJECT:
		return kt_json_size(left) == kt_json_size(right) && objects_equal(left, right);
	case KT_JSON_NULL:
		break;
	}
	return true;
}
