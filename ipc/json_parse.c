/*
 * Text to tree: strict scan, then cJSON, then the repairs cJSON needs (exact numbers, duplicate
 * keys). Both programs. Never keeps a pointer into the text, never accepts what the scan refused.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/json_scan.h"
#include "ipc/json_tree.h"

/* Up to this many members every pair is compared; beyond it they are sorted first. */
#define PAIRWISE_MAX 24

struct repair {
	const struct kt_json_scan *scan;
	size_t next_number;
	unsigned flags;
	struct kt_error *err;
};

struct member {
	cJSON *node;
	size_t index;
};

static enum kt_code repair_node(struct repair *repair, cJSON *node);

static enum kt_code repair_number(struct repair *repair, cJSON *node)
{
	const struct kt_json_span *span = &repair->scan->numbers[repair->next_number++];
	char text[KT_NUMBER_TEXT_MAX];
	size_t size;

	if (!kt_number_canonical(repair->scan->text + span->start, span->len, text))
		return kt_error_set(repair->err, KT_E_JSON_INVALID,
			"byte %zu: a number beyond the range of a double", span->start);
	size = strlen(text) + 1;
	node->valuestring = cJSON_malloc(size);
	memcpy(node->valuestring, text, size);
	node->type = cJSON_Raw;
	return KT_E_OK;
}

/* The later value takes the earlier one's place, as in a Python dict. */
static enum kt_code merge_duplicate(
	struct repair *repair, cJSON *object, cJSON *earlier, cJSON *later)
{
	if (repair->flags & KT_JSON_NO_DUPLICATES)
		return kt_error_set(
			repair->err, KT_E_JSON_INVALID, "the key \"%.100s\" twice", later->string);
	(void)cJSON_DetachItemViaPointer(object, later);
	(void)cJSON_ReplaceItemViaPointer(object, earlier, later);
	return KT_E_OK;
}

static cJSON *find_later(const cJSON *earlier)
{
	for (cJSON *later = earlier->next; later != NULL; later = later->next)
		if (strcmp(earlier->string, later->string) == 0)
			return later;
	return NULL;
}

static enum kt_code merge_pairwise(struct repair *repair, cJSON *object)
{
	for (cJSON *node = object->child; node != NULL;) {
		cJSON *later = find_later(node);

		if (later == NULL) {
			node = node->next;
			continue;
		}
		if (merge_duplicate(repair, object, node, later) != KT_E_OK)
			return repair->err->code;
		node = later; /* stands where node stood: a third one may follow */
	}
	return KT_E_OK;
}

static int compare_members(const void *left, const void *right)
{
	const struct member *a = left, *b = right;
	int order = strcmp(a->node->string, b->node->string);

	return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static enum kt_code merge_sorted(struct repair *repair, cJSON *object, size_t count)
{
	struct member *members = kt_realloc_array(NULL, count, sizeof *members);
	enum kt_code code = KT_E_OK;
	size_t len = 0;

	for (cJSON *node = object->child; node != NULL; node = node->next, len++)
		members[len] = (struct member){node, len};
	qsort(members, len, sizeof *members, compare_members);
	for (size_t i = 1; i < len && code == KT_E_OK; i++)
		if (strcmp(members[i - 1].node->string, members[i].node->string) == 0)
			code = merge_duplicate(
				repair, object, members[i - 1].node, members[i].node);
	free(members);
	return code;
}

static enum kt_code repair_container(struct repair *repair, cJSON *container)
{
	size_t count = 0;

	for (cJSON *node = container->child; node != NULL; node = node->next, count++)
		if (repair_node(repair, node) != KT_E_OK)
			return repair->err->code;
	if (!cJSON_IsObject(container) || count < 2)
		return KT_E_OK;
	return count <= PAIRWISE_MAX ? merge_pairwise(repair, container)
				     : merge_sorted(repair, container, count);
}

static enum kt_code repair_node(struct repair *repair, cJSON *node)
{
	if (cJSON_IsNumber(node))
		return repair_number(repair, node);
	return node->child == NULL ? KT_E_OK : repair_container(repair, node);
}

static enum kt_code build(
	const struct kt_json_scan *scan, unsigned flags, struct kt_json **out, struct kt_error *err)
{
	struct repair repair = {scan, 0, flags, err};
	cJSON *tree = cJSON_ParseWithLength(scan->text, scan->len);
	enum kt_code code;

	/* What the scan lets through cJSON can read, and memory does not fail (json.c). */
	KT_BUG_UNLESS(tree != NULL);
	code = repair_node(&repair, tree);
	if (code != KT_E_OK) {
		cJSON_Delete(tree);
		return code;
	}
	KT_BUG_UNLESS(repair.next_number == scan->numbers_len);
	*out = kt_json_of(tree);
	return KT_E_OK;
}

enum kt_code kt_json_parse(
	const char *text, size_t len, unsigned flags, struct kt_json **out, struct kt_error *err)
{
	struct kt_json_scan scan;
	enum kt_code code;

	if (kt_json_scan(&scan, text, len))
		code = build(&scan, flags, out, err);
	else
		code = kt_error_set(err, KT_E_JSON_INVALID, "byte %zu: %s", scan.at, scan.reason);
	kt_json_scan_release(&scan);
	return code;
}
