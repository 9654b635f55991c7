/*
 * kitty-crash: runs each operation with one fault at each of the calls that change files, one at a
 * time, and checks every promise afterwards. Must leave no process and no file behind, and must
 * fail when a single point is broken.
 *
 *   kitty-crash                          a seeded sample (stride 90)
 *   kitty-crash --stride 1 --jobs 2      all of it
 */
#include "enumerate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char USAGE[] =
	"usage: kitty-crash [--stride N] [--seed N] [--jobs N] [--operation NAME] [--layer "
	"preload|children|strace|memory]\n"
	"                   [--fault NAME] [--point N] [--keep] [--list]\n"
	"KITTY_CRASH_STRIDE and KITTY_CRASH_SEED are the defaults of --stride and --seed.\n"
	"exit: 0 every promise held at every point, 1 one is broken, 2 it could not run\n";

const char *const kt_layer_names[KT_LAYERS] = {"preload", "children", "strace", "memory"};

#define ALL 63
#define ROOM (KT_CALL_OPEN | KT_CALL_WRITE | KT_CALL_NAME | KT_CALL_SYNC)
#define RIGHTS (KT_CALL_OPEN | KT_CALL_NAME | KT_CALL_REMOVE | KT_CALL_ATTRIBUTE)

const struct kt_fault_row kt_fault_rows[] = {
	{"kill", KT_FAULT_KILL, 0, false, ALL, 1, "signal=SIGKILL"},
	{"kill-group", KT_FAULT_KILL_GROUP, 0, false, ALL, 4, NULL},
	{"EIO", KT_FAULT_ERRNO, EIO, false, ALL, 4, "error=EIO"},
	{"EIO-on", KT_FAULT_ERRNO, EIO, true, ALL, 4, NULL},
	{"ENOSPC", KT_FAULT_ERRNO, ENOSPC, false, ROOM, 4, "error=ENOSPC"},
	{"ENOSPC-on", KT_FAULT_ERRNO, ENOSPC, true, ROOM, 4, NULL},
	{"EDQUOT", KT_FAULT_ERRNO, EDQUOT, false, ROOM, 10, NULL},
	{"EDQUOT-on", KT_FAULT_ERRNO, EDQUOT, true, ROOM, 10, NULL},
	{"EMFILE", KT_FAULT_ERRNO, EMFILE, false, KT_CALL_OPEN, 10, NULL},
	{"EMFILE-on", KT_FAULT_ERRNO, EMFILE, true, KT_CALL_OPEN, 10, NULL},
	{"EACCES", KT_FAULT_ERRNO, EACCES, false, RIGHTS, 10, NULL},
	{"EACCES-on", KT_FAULT_ERRNO, EACCES, true, RIGHTS, 10, NULL},
	{"EROFS", KT_FAULT_ERRNO, EROFS, false, ALL & ~KT_CALL_SYNC, 10, NULL},
	{"EROFS-on", KT_FAULT_ERRNO, EROFS, true, ALL & ~KT_CALL_SYNC, 10, NULL},
	{"short", KT_FAULT_SHORT, ENOSPC, false, KT_CALL_WRITE, 4, NULL},
	{"short-full", KT_FAULT_SHORT, ENOSPC, true, KT_CALL_WRITE, 4, NULL},
	{"fsync", KT_FAULT_ERRNO, EIO, false, KT_CALL_SYNC, 1, NULL},
	{"fsync-on", KT_FAULT_ERRNO, EIO, true, KT_CALL_SYNC, 1, NULL},
	{"ENOMEM", KT_FAULT_ERRNO, ENOMEM, false, KT_CALL_MEMORY, 40, NULL},
	{"ENOMEM-on", KT_FAULT_ERRNO, ENOMEM, true, KT_CALL_MEMORY, 120, NULL},
};
const size_t kt_fault_rows_len = sizeof kt_fault_rows / sizeof kt_fault_rows[0];

bool kt_fault_is_kill(const struct kt_fault_row *row)
{
	return row->fault == KT_FAULT_KILL || row->fault == KT_FAULT_KILL_GROUP;
}

bool kt_layer_is_in_git(enum kt_layer layer)
{
	return layer == KT_LAYER_CHILDREN || layer == KT_LAYER_STRACE;
}

/* ---- results: shared by the jobs ---- */

enum { OPERATIONS_MAX = 32 };

struct cell {
	atomic_long calls, crashes, faults, broken, unreached, by_hand;
};

static struct results {
	struct cell cells[OPERATIONS_MAX][KT_LAYERS];
	atomic_long skipped; /* layers that cannot run here */
} * results;

static struct cell *cell_of(const struct kt_point *point)
{
	return &results->cells[point->scene->operation - kt_operations][point->layer];
}

/* ---- points ---- */

/* A number that depends on the seed and the names only. */
static uint64_t mix(uint64_t seed, const char *text)
{
	uint64_t value = seed ^ 0xcbf29ce484222325U;

	for (; *text != '\0'; text++)
		value = (value ^ (unsigned char)*text) * 0x100000001b3U;
	value ^= value >> 29;
	return value * 0xbf58476d1ce4e5b9U;
}

static long stride_of(const struct kt_options *options, const struct kt_point *point)
{
	bool is_all = point->scene->operation->is_core && point->layer == KT_LAYER_PRELOAD;
	long thin = is_all || point->fault->thin == 0 ? 1 : point->fault->thin;

	return options->point > 0 ? 1 : options->stride * thin;
}

static long first_of(const struct kt_options *options, const struct kt_point *point, long stride)
{
	uint64_t value = mix(options->seed, point->fault->name);

	value = mix(value, point->scene->operation->name) >> 7;
	return 1 + (long)(value % (uint64_t)stride);
}

static void visit(const struct kt_options *options, const struct kt_point *point)
{
	static unsigned turn;
	struct cell *cell = cell_of(point);

	if (options->point > 0 ? point->at != options->point
			       : turn++ % options->jobs != options->job)
		return;
	switch (kt_point_run(point)) {
	case KT_POINT_NOT_REACHED:
		cell->unreached++;
		return;
	case KT_POINT_BROKEN:
		cell->broken++;
		break;
	case KT_POINT_BY_HAND:
		cell->by_hand++;
		break;
	case KT_POINT_HOLDS:
		break;
	}
	if (kt_fault_is_kill(point->fault))
		cell->crashes++;
	else
		cell->faults++;
}

static bool is_wanted(const struct kt_options *options, const struct kt_fault_row *row)
{
	return options->fault == NULL || strcmp(options->fault, row->name) == 0;
}

/* The calls of a fault-free run, and that it is right at all. */
static long count_calls(struct kt_point *point, unsigned char *kinds)
{
	const struct kt_scene *scene = point->scene;
	struct kt_buffer why = KT_BUFFER_INIT;
	struct kt_scene_end end;
	long calls = 0;

	kt_scene_restore(scene);
	kt_order(scene, point->layer, NULL, 0);
	end = kt_scene_run(scene, point->run == NULL ? scene->operation->run : point->run,
		kt_shim(scene, point->layer));
	calls = atomic_load(&scene->faults->calls);
	memcpy(kinds, scene->faults->seen, KT_FAULTS_CALLS_MAX);
	if (end.status != 0 || !kt_point_check(point, 0, &why)) {
		(void)printf("BROKEN %s without any fault: exit %d\n%s", scene->operation->name,
			end.status, kt_buffer_text(&why));
		cell_of(point)->broken++;
		calls = 0;
	}
	kt_buffer_release(&why);
	return calls < KT_FAULTS_CALLS_MAX ? calls : KT_FAULTS_CALLS_MAX - 1;
}

static void enumerate_calls(const struct kt_options *options, struct kt_point *point, long thin)
{
	unsigned char *kinds = kt_alloc(KT_FAULTS_CALLS_MAX);
	long calls = count_calls(point, kinds);

	if (options->job == 0)
		cell_of(point)->calls += calls;
	for (size_t i = 0; i < kt_fault_rows_len; i++) {
		long seen = 0, stride = 0, first = 0;

		point->fault = &kt_fault_rows[i];
		if (!is_wanted(options, point->fault))
			continue;
		stride = stride_of(options, point) * thin;
		first = first_of(options, point, stride);
		for (point->at = 1; point->at <= calls; point->at++)
			if ((kinds[point->at] & point->fault->kinds) != 0 &&
				++seen % stride == first % stride)
				visit(options, point);
	}
	free(kinds);
}

/* Crashes inside recovery: the operation is killed at every n-th call, what that leaves is saved,
 * and the next run is struck. */
static void enumerate_recovery(const struct kt_options *options, struct kt_scene *scene)
{
	struct kt_point point = {.scene = scene, .layer = KT_LAYER_PRELOAD};
	unsigned char *kinds = kt_alloc(KT_FAULTS_CALLS_MAX);
	long calls = count_calls(&point, kinds);
	long step = options->stride == 1 ? 3 : 9;

	for (long outer = 2; outer <= calls; outer += step) {
		free(scene->saved);
		scene->saved = kt_strdup("saved");
		kt_scene_restore(scene);
		kt_order(scene, KT_LAYER_PRELOAD, &kt_fault_rows[0], outer);
		(void)kt_scene_run(scene, scene->operation->run, NULL);
		free(scene->saved);
		scene->saved = kt_strdup("torn");
		kt_scene_save(scene);
		enumerate_calls(options, &point, 4);
	}
	free(kinds);
}

static void enumerate_strace(const struct kt_options *options, struct kt_point *point)
{
	struct kt_strace_points points = {NULL, 0};
	char *shim = kt_strace_open(point->scene);

	if (shim == NULL) {
		(void)printf("SKIPPED %s, layer strace: tracing is not allowed here\n",
			point->scene->operation->name);
		results->skipped++;
		return;
	}
	kt_strace_count(point->scene, shim, &points);
	if (options->job == 0)
		cell_of(point)->calls += (long)points.len;
	for (size_t i = 0; i < kt_fault_rows_len; i++) {
		long stride = 0, first = 0;

		point->fault = &kt_fault_rows[i];
		if (!is_wanted(options, point->fault) || point->fault->inject == NULL)
			continue;
		stride = stride_of(options, point);
		first = first_of(options, point, stride);
		for (point->at = first; point->at <= (long)points.len; point->at += stride) {
			point->order = points.orders[point->at - 1];
			visit(options, point);
		}
	}
	kt_strace_release(&points);
	free(shim);
}

static void enumerate_operation(
	const struct kt_options *options, const struct kt_operation *operation)
{
	struct kt_scene scene;
	struct kt_point point = {.scene = &scene};

	kt_scene_open(&scene, operation);
	for (int layer = 0; layer < KT_LAYERS; layer++) {
		if ((options->layer >= 0 && options->layer != layer) ||
			(kt_layer_is_in_git((enum kt_layer)layer) && !operation->spawns_git) ||
			(layer == KT_LAYER_MEMORY && operation->is_recovery))
			continue;
		point = (struct kt_point){.scene = &scene, .layer = (enum kt_layer)layer};
		if (operation->is_recovery)
			enumerate_recovery(options, &scene);
		else if (layer == KT_LAYER_STRACE)
			enumerate_strace(options, &point);
		else
			enumerate_calls(options, &point, 1);
	}
	kt_scene_close(&scene, options->keeps);
}

static void enumerate_all(const struct kt_options *options)
{
	for (size_t i = 0; i < kt_operations_len; i++)
		if (options->operation == NULL ||
			strcmp(options->operation, kt_operations[i].name) == 0)
			enumerate_operation(options, &kt_operations[i]);
}

/* ---- report ---- */

static void report_row(const char *name, const char *layer, const struct cell *cell, long sums[5])
{
	if (cell->calls + cell->broken == 0)
		return;
	(void)printf("%-22s %-9s %6ld %8ld %8ld %9ld %7ld %6ld\n", name, layer, cell->calls,
		cell->crashes, cell->faults, cell->unreached, cell->by_hand, cell->broken);
	sums[0] += cell->crashes;
	sums[1] += cell->faults;
	sums[2] += cell->unreached;
	sums[3] += cell->by_hand;
	sums[4] += cell->broken;
}

static long report(void)
{
	long sums[5] = {0, 0, 0, 0, 0};

	(void)printf("%-22s %-9s %6s %8s %8s %9s %7s %6s\n", "operation", "layer", "calls",
		"crashes", "faults", "unreached", "by hand", "broken");
	for (size_t i = 0; i < kt_operations_len; i++)
		for (int layer = 0; layer < KT_LAYERS; layer++)
			report_row(kt_operations[i].name, kt_layer_names[layer],
				&results->cells[i][layer], sums);
	(void)printf("%-22s %-9s %6s %8ld %8ld %9ld %7ld %6ld\n", "sum", "", "", sums[0], sums[1],
		sums[2], sums[3], sums[4]);
	if (results->skipped > 0)
		(void)printf("skipped: strace, in %ld operations: tracing is not allowed here\n",
			results->skipped);
	return sums[4];
}

/* ---- options ---- */

static void usage(void)
{
	(void)fputs(USAGE, stderr);
	exit(2);
}

static long number(const char *text, long min)
{
	char *end = NULL;
	long value = text == NULL ? -1 : strtol(text, &end, 10);

	if (text == NULL || *text == '\0' || *end != '\0' || value < min)
		usage();
	return value;
}

static int layer_named(const char *name)
{
	for (int i = 0; i < KT_LAYERS; i++)
		if (strcmp(kt_layer_names[i], name) == 0)
			return i;
	usage();
	return -1;
}

static void list(void)
{
	for (size_t i = 0; i < kt_operations_len; i++)
		(void)printf("%s\n", kt_operations[i].name);
	exit(0);
}

static void take(struct kt_options *options, const char *name, const char *value)
{
	if (value == NULL)
		usage();
	else if (strcmp(name, "--stride") == 0)
		options->stride = number(value, 1);
	else if (strcmp(name, "--seed") == 0)
		options->seed = (uint64_t)number(value, 0);
	else if (strcmp(name, "--jobs") == 0)
		options->jobs = (unsigned)number(value, 1);
	else if (strcmp(name, "--point") == 0)
		options->point = number(value, 1);
	else if (strcmp(name, "--operation") == 0)
		options->operation = value;
	else if (strcmp(name, "--fault") == 0)
		options->fault = value;
	else if (strcmp(name, "--layer") == 0)
		options->layer = layer_named(value);
	else
		usage();
}

static void parse(int argc, char **argv, struct kt_options *options)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--keep") == 0)
			options->keeps = true;
		else if (strcmp(argv[i], "--list") == 0)
			list();
		else
			take(options, argv[i], argv[i + 1]), i++;
	}
}

int main(int argc, char **argv)
{
	const char *stride = getenv("KITTY_CRASH_STRIDE"), *seed = getenv("KITTY_CRASH_SEED");
	struct kt_options options = {.layer = -1, .jobs = 1, .seed = 1, .stride = 90};
	int status = 0, worst = 0;

	if (stride != NULL)
		options.stride = number(stride, 1);
	if (seed != NULL)
		options.seed = (uint64_t)number(seed, 0);
	parse(argc, argv, &options);
	results = mmap(
		NULL, sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED)
		return 2;
	(void)printf("seed %llu, stride %ld\n", (unsigned long long)options.seed, options.stride);
	(void)fflush(stdout);
	for (options.job = 0; options.job < options.jobs; options.job++)
		if (fork() == 0) {
			kt_scene_setup();
			enumerate_all(&options);
			exit(0);
		}
	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			worst = 2;
	if (report() > 0)
		return 1;
	return worst;
}
