/*
 * What the parts of kitty-crash share: the options, the table of faults, one point and its verdict.
 *
 * enumerate.c      options, the loops over operations, layers, faults and points, the table
 * point.c          one point: restore, run with the fault, run again, check
 * strace_layer.c   the third layer
 */
#ifndef KITTY_TESTS_CRASH_ENUMERATE_H
#define KITTY_TESTS_CRASH_ENUMERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "scene.h"

enum kt_layer {
	KT_LAYER_PRELOAD,  /* libc calls of kitty itself, libgit2's included */
	KT_LAYER_CHILDREN, /* libc calls of git's children, the same library */
	KT_LAYER_STRACE,   /* system calls of git's children, by ptrace */
	KT_LAYER_MEMORY,   /* allocations of kitty itself and of the libraries in it */
	KT_LAYERS
};
extern const char *const kt_layer_names[KT_LAYERS];

struct kt_fault_row {
	const char *name;
	enum kt_fault fault;
	int sys_errno;
	bool persists;
	int kinds;
	long thin;          /* operations that are no core ones visit every n-th point only */
	const char *inject; /* strace's word for it; NULL: not in that layer */
};
extern const struct kt_fault_row kt_fault_rows[];
extern const size_t kt_fault_rows_len;

bool kt_fault_is_kill(const struct kt_fault_row *row);
bool kt_layer_is_in_git(enum kt_layer layer);

struct kt_options {
	const char *operation; /* NULL: all */
	const char *fault;     /* NULL: all */
	int layer;             /* -1: all */
	long point;            /* 0: all */
	long stride;
	uint64_t seed;
	unsigned jobs, job;
	bool keeps, lists;
};

/* One point, for the messages. */
struct kt_point {
	const struct kt_scene *scene;
	enum kt_layer layer;
	const struct kt_fault_row *fault;
	long at;
	const char *order; /* strace: what the shim is told */
	const char *run, *again;
};

/* The order for scene->faults. */
void kt_order(
	const struct kt_scene *scene, enum kt_layer layer, const struct kt_fault_row *row, long at);

/* kitty hands its git children a chosen environment; a shim puts the library back into it. NULL:
 * none needed. Borrows. */
const char *kt_shim(const struct kt_scene *scene, enum kt_layer layer);

enum kt_verdict_of_point {
	KT_POINT_HOLDS,
	KT_POINT_BROKEN,
	KT_POINT_NOT_REACHED,
	KT_POINT_BY_HAND /* holds, after a person did what the refusal named */
};

/* Runs it and checks everything; prints what is broken and how to see it again. */
enum kt_verdict_of_point kt_point_run(const struct kt_point *point);

/* After a run that ended with `status`: runs again if that was a failure, and checks. True: all
 * holds. out: what is wrong. */
bool kt_point_check(const struct kt_point *point, int status, struct kt_buffer *out);

/* ---- the third layer ---- */

struct kt_strace_points {
	char **orders; /* "<invocation of git> <system call> <number>" */
	size_t len;
};

/* NULL when strace may not trace here; else the folder of the shim. Gives. */
char *kt_strace_open(const struct kt_scene *scene);
/* Runs the operation once under strace and finds the calls of git that change something. */
void kt_strace_count(const struct kt_scene *scene, const char *shim, struct kt_strace_points *out);
struct kt_scene_end kt_strace_run(const struct kt_scene *scene, const char *shim, const char *order,
	const char *inject, bool *struck);
void kt_strace_release(struct kt_strace_points *points);

#endif
