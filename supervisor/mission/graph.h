/*
 * Private to supervisor/mission: who depends on whom, by index. Pure.
 */
#ifndef KITTY_SUPERVISOR_MISSION_GRAPH_H
#define KITTY_SUPERVISOR_MISSION_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

struct kt_graph {
	size_t len;
	bool *direct; /* [from * len + to]: from depends on to */
	bool *reach;  /* the same, transitively; filled by kt_graph_close */
};

void kt_graph_init(struct kt_graph *graph, size_t len);
void kt_graph_release(struct kt_graph *graph);
void kt_graph_add(struct kt_graph *graph, size_t from, size_t to);
void kt_graph_close(struct kt_graph *graph);
bool kt_graph_has(const struct kt_graph *graph, size_t from, size_t to);
bool kt_graph_reaches(const struct kt_graph *graph, size_t from, size_t to);
bool kt_graph_is_ordered(const struct kt_graph *graph, size_t left, size_t right);

/* Sorts `nodes` so that each stands behind those of them it depends on directly; ties by index.
 * False: a cycle. */
bool kt_graph_sort(const struct kt_graph *graph, size_t *nodes, size_t len);

/* Shortest way from start back to itself, written as indexes (start first, not repeated); 0: none.
 */
size_t kt_graph_cycle(const struct kt_graph *graph, size_t start, size_t *out);

#endif
