/*
 * kitty-power: power loss without root, modelled. An operation is traced once; then, for every
 * moment of it, folders are made as a power cut could have left them, with up to three unsynced
 * effects missing, and checked: what was acknowledged is committed, the next run finishes, the
 * history holds (P1 to P5). Ends with the negative control: when syncs are ignored, something must
 * be found broken.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "power_model.h"
#include "scene.h"

enum { DROPPED_MAX = 3 };

static const char *const names[] = {
	"emit", "batch", "heal", "annotation", "emit-hooks", "single-emit", "legacy-emit"};

struct run {
	struct kt_scene scene;
	struct kt_effects effects;
	bool is_control;
	size_t states, broken;
	uint64_t seed;
};

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	return *seed ^= *seed << 17;
}

static char *trace_path(const struct run *run)
{
	return kt_format("%s/faults.trace", run->scene.box);
}

static void trace(struct run *run)
{
	struct kt_faults *order = run->scene.faults;
	char *path = trace_path(run);

	kt_scene_restore(&run->scene);
	memset(order, 0, sizeof *order);
	(void)snprintf(order->programs, sizeof order->programs, "kitty,kitty-crash-batch");
	(void)snprintf(order->trace_root, sizeof order->trace_root, "%s/repo", run->scene.box);
	if (kt_scene_run(&run->scene, run->scene.operation->run, NULL).status != 0) {
		(void)fprintf(stderr, "kitty-power: %s fails\n", run->scene.operation->name);
		exit(2);
	}
	memset(order, 0, sizeof *order);
	kt_effects_read(path, run->is_control, &run->effects);
	free(path);
}

/* After the cut the system was started again: every lock is from before that. */
static const char checks[] =
	"if [ '%s' = all ]; then { %s\n}; fi\n"
	"find .git -name '*.lock' -not -path './.git/kitty/*' -not -path '*/spec-kitty-locks/*' "
	"-exec touch -d @1 {} +\n(%s) >$BOX/again 2>&1 || fail \"the next run does not "
	"finish: $(tail -c 400 $BOX/again)\"\n{ %s\n}\nkitty verify --mission $MISSION "
	">$BOX/verdict "
	"2>&1 || fail \"$(cat $BOX/verdict)\"\n[ -z \"$(git -C $COORD status --porcelain)\" ] || "
	"fail "
	"dirty\n";

static void tell(
	const struct run *run, size_t prefix, const size_t *dropped, size_t len, const char *why)
{
	(void)printf("BROKEN %s, cut after effect %zu of %zu%s\n", run->scene.operation->name,
		prefix, run->effects.len, len > 0 ? ", without" : "");
	for (size_t i = 0; i < len; i++)
		(void)printf("  %zu %c %s %s\n", dropped[i], run->effects.effects[dropped[i]].kind,
			run->effects.effects[dropped[i]].path,
			run->effects.effects[dropped[i]].other);
	(void)printf("%s", why);
	(void)fflush(stdout);
}

static void state_check(struct run *run, size_t prefix, const size_t *dropped, size_t len)
{
	const struct kt_operation *operation = run->scene.operation;
	struct kt_buffer why = KT_BUFFER_INIT;
	char *script = kt_format(checks, prefix == run->effects.len ? "all" : "", operation->check,
		operation->run, operation->check);

	kt_scene_restore(&run->scene);
	kt_effects_apply(&run->effects, prefix, dropped, len);
	run->states++;
	if (kt_scene_script(&run->scene, script, &why) != 0) {
		run->broken++;
		if (!run->is_control)
			tell(run, prefix, dropped, len, kt_buffer_text(&why));
	}
	kt_buffer_release(&why);
	free(script);
}

/* Every single loose effect, and as many seeded pairs and triples. */
static void prefix_check(struct run *run, size_t prefix, long stride)
{
	size_t *loose = kt_realloc_array(NULL, prefix + 1, sizeof *loose);
	size_t len = 0, dropped[DROPPED_MAX];

	for (size_t i = 0; i < prefix; i++)
		if (kt_effect_is_loose(&run->effects, i, prefix))
			loose[len++] = i;
	if (next(&run->seed) % (uint64_t)stride == 0)
		state_check(run, prefix, NULL, 0);
	for (size_t i = 0; i < len; i++)
		for (size_t size = 1; size <= DROPPED_MAX && size <= len; size++) {
			dropped[0] = loose[i];
			for (size_t k = 1; k < size; k++)
				dropped[k] = loose[next(&run->seed) % len];
			if (next(&run->seed) % (uint64_t)stride == 0)
				state_check(run, prefix, dropped, size);
		}
	free(loose);
}

static const struct kt_operation *operation_named(const char *name)
{
	for (size_t i = 0; i < kt_operations_len; i++)
		if (strcmp(kt_operations[i].name, name) == 0)
			return &kt_operations[i];
	exit(2);
}

static void operation_check(struct run *run, const char *name, long stride)
{
	size_t states = run->states, broken = run->broken;

	kt_scene_open(&run->scene, operation_named(name));
	trace(run);
	if (run->effects.len < 20) {
		(void)printf(
			"BROKEN: only %zu effects of %s were traced\n", run->effects.len, name);
		run->broken++;
	}
	for (size_t prefix = run->is_control ? run->effects.len : 1; prefix <= run->effects.len;
		prefix++)
		prefix_check(run, prefix, stride);
	(void)printf("%-12s %4zu effects, %6zu states, %zu broken%s\n", name, run->effects.len,
		run->states - states, run->broken - broken,
		run->is_control ? " (syncs ignored)" : "");
	(void)fflush(stdout);
	kt_effects_release(&run->effects);
	kt_scene_close(&run->scene, false);
}

static long number_of(const char *name, long fallback)
{
	const char *text = getenv(name);
	long value = text == NULL ? fallback : strtol(text, NULL, 10);

	return value < 1 ? 1 : value;
}

int main(void)
{
	long stride = number_of("KITTY_CRASH_STRIDE", 40);
	struct run run = {.seed = (uint64_t)number_of("KITTY_CRASH_SEED", 1) * 0x9e3779b97f4a7c15U};
	struct run control = {.is_control = true, .seed = 7};

	kt_scene_setup();
	(void)printf("seed %ld, stride %ld\n", number_of("KITTY_CRASH_SEED", 1), stride);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		operation_check(&run, names[i], stride);
	operation_check(&control, "emit", stride > 4 ? 4 : stride);
	(void)printf("%zu states, %zu broken; control: %zu of %zu broken\n", run.states, run.broken,
		control.broken, control.states);
	if (control.broken == 0)
		(void)printf("the control found nothing: this proves nothing\n");
	return run.broken > 0 || control.broken == 0 ? 1 : 0;
}
