/*
 * Dependency graph by adjacency matrix: at most a thousand nodes. Used by kitty only. Pure.
 */
#include "supervisor/mission/graph.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"

void kt_graph_init(struct kt_graph *graph, size_t len)
{
	graph->len = len;
	graph->direct = kt_alloc(len * len * sizeof(*graph->direct));
	graph->reach = kt_alloc(len * len * sizeof(*graph->reach));
}

void kt_graph_release(struct kt_graph *graph)
{
	free(graph->direct);
	free(graph->reach);
	memset(graph, 0, sizeof(*graph));
}

void kt_graph_add(struct kt_graph *graph, size_t from, size_t to)
{
	graph->direct[from * graph->len + to] = true;
}

bool kt_graph_has(const struct kt_graph *graph, size_t from, size_t to)
{
	return graph->direct[from * graph->len + to];
}

bool kt_graph_reaches(const struct kt_graph *graph, size_t from, size_t to)
{
	return graph->reach[from * graph->len + to];
}

bool kt_graph_is_ordered(const struct kt_graph *graph, size_t left, size_t right)
{
	return kt_graph_reaches(graph, left, right) || kt_graph_reaches(graph, right, left);
}

static void close_from(struct kt_graph *graph, size_t from, size_t *stack)
{
	bool *reach = graph->reach + from * graph->len;
	size_t depth = 0;

	stack[depth++] = from;
	while (depth > 0) {
		size_t node = stack[--depth];

		for (size_t to = 0; to < graph->len; to++) {
			if (!kt_graph_has(graph, node, to) || reach[to])
				continue;
			reach[to] = true;
			stack[depth++] = to;
		}
	}
}

void kt_graph_close(struct kt_graph *graph)
{
	/* Each node is pushed at most once, and the start once more. */
	size_t *stack = kt_realloc_array(NULL, graph->len + 1, sizeof(*stack));

	for (size_t from = 0; from < graph->len; from++)
		close_from(graph, from, stack);
	free(stack);
}

static bool is_free(const struct kt_graph *graph, const size_t *nodes, size_t len,
	const bool *placed, size_t at)
{
	for (size_t i = 0; i < len; i++) {
		if (!placed[i] && i != at && kt_graph_has(graph, nodes[at], nodes[i]))
			return false;
	}
	return !kt_graph_has(graph, nodes[at], nodes[at]);
}

static int compare_index(const void *left, const void *right)
{
	size_t left_index = *(const size_t *)left, right_index = *(const size_t *)right;

	return left_index < right_index ? -1 : left_index > right_index;
}

bool kt_graph_sort(const struct kt_graph *graph, size_t *nodes, size_t len)
{
	bool *placed = kt_alloc(len * sizeof(*placed));
	size_t *sorted = kt_realloc_array(NULL, len, sizeof(*sorted));
	size_t count = 0;

	qsort(nodes, len, sizeof(*nodes), compare_index);
	while (count < len) {
		size_t at = 0;

		while (at < len && (placed[at] || !is_free(graph, nodes, len, placed, at)))
			at++;
		if (at == len)
			break;
		placed[at] = true;
		sorted[count++] = nodes[at];
	}
	if (count == len && len > 0)
		memcpy(nodes, sorted, len * sizeof(*nodes));
	free(placed);
	free(sorted);
	return count == len;
}

struct search {
	const struct kt_graph *graph;
	size_t start;
	size_t *parent, *queue;
	bool *seen;
	size_t head, tail;
};

static void visit_next(struct search *search)
{
	size_t node = search->queue[search->head++];

	for (size_t to = 0; to < search->graph->len; to++) {
		if (!kt_graph_has(search->graph, node, to) || search->seen[to] ||
			to == search->start)
			continue;
		search->seen[to] = true;
		search->parent[to] = node;
		search->queue[search->tail++] = to;
	}
}

/* From the node that closes the cycle back to the start, written from the end. */
static size_t write_cycle(const struct search *search, size_t last, size_t *out)
{
	size_t len = 1;

	for (size_t node = last; node != search->start; node = search->parent[node])
		len++;
	for (size_t at = len, node = last; node != search->start; node = search->parent[node])
		out[--at] = node;
	out[0] = search->start;
	return len;
}

size_t kt_graph_cycle(const struct kt_graph *graph, size_t start, size_t *out)
{
	struct search search = {.graph = graph, .start = start};
	size_t len = 0;

	search.parent = kt_realloc_array(NULL, graph->len, sizeof(*search.parent));
	search.queue = kt_realloc_array(NULL, graph->len + 1, sizeof(*search.queue));
	search.seen = kt_alloc(graph->len * sizeof(*search.seen));
	search.queue[search.tail++] = start;
	while (search.head < search.tail && !kt_graph_has(graph, search.queue[search.head], start))
		visit_next(&search);
	if (search.head < search.tail)
		len = write_cycle(&search, search.queue[search.head], out);
	free(search.parent);
	free(search.queue);
	free(search.seen);
	return len;
}
