/*
 * One point of kitty-crash: the operation with one fault, then without, then every promise. What is
 * said to have succeeded must be there before anything is run again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enumerate.h"

void kt_order(
	const struct kt_scene *scene, enum kt_layer layer, const struct kt_fault_row *row, long at)
{
	struct kt_faults *faults = scene->faults;

	memset(faults, 0, sizeof *faults);
	(void)snprintf(faults->programs, sizeof faults->programs, "%s",
		!kt_layer_is_in_git(layer)   ? "kitty,kitty-crash-batch"
		: layer == KT_LAYER_CHILDREN ? "git"
					     : "");
	faults->is_memory = layer == KT_LAYER_MEMORY;
	if (row == NULL)
		return;
	faults->fault = (int)row->fault;
	faults->sys_errno = row->sys_errno;
	faults->persists = row->persists;
	faults->kinds = row->kinds;
	faults->at = at;
}

const char *kt_shim(const struct kt_scene *scene, enum kt_layer layer)
{
	return layer == KT_LAYER_CHILDREN ? scene->shim : NULL;
}

/* What was acknowledged before the end must be committed before anything heals. */
static const char acknowledged[] =
	"if [ -s $BOX/acknowledged ]; then log_rows $BRANCH >$BOX/rows; while read -r id; do grep "
	"-q $id $BOX/rows || fail \"acknowledged $id is not committed\"; done <$BOX/acknowledged; "
	"fi\n";

#define AGE_LOCKS \
	"find .git -name '*.lock' -not -path './.git/kitty/*' -not -path '*/spec-kitty-locks/*' " \
	"-exec " \
	"touch -d '-1 minute' {} +\n"

/* After a success, the same again is only the next start: files that could not be written after the
 * commit are brought up to it then. Its answer is its own business. */
static const char after_success[] =
	"STEP='end state after exit 0'\n{ %s\n}\n" AGE_LOCKS "(%s) >$BOX/next 2>&1\n";

static const char after_failure[] = "STEP='run again'\n(%s) >$BOX/again 2>&1 || fail \"the plain "
				    "re-run failed: $(tail -c 600 $BOX/again)\"\n";

/* Where not even unlink works, a lock of ours stays behind without an owner: it is broken when it
 * is old; in a person's checkout kitty breaks no lock but its own, and doctor does. */
static const char after_kept_lock[] =
	"STEP='run again'\n(%s) >$BOX/again 2>&1 || { grep -q '_LOCKED' $BOX/again && " AGE_LOCKS
	"(%s) >$BOX/again 2>&1; } || { grep -q '_LOCKED' $BOX/again && kitty doctor --fix "
	">$BOX/fixed 2>&1; (%s) >$BOX/again 2>&1; } || fail \"the plain re-run failed: $(tail -c "
	"600 $BOX/again)\"\n";

/* kitty lived, its git was killed: the locks that git leaves name no owner. They are broken once
 * they are old, or by doctor. */
static const char after_lost_child[] =
	"STEP='run again'\n" AGE_LOCKS "(%s) >$BOX/again 2>&1 || { kitty doctor --fix >$BOX/fixed "
	"2>&1; (%s) >>$BOX/again 2>&1; } || { %s && echo >$BOX/hand && (%s) >>$BOX/again 2>&1; } "
	"|| fail \"the re-run failed: $(tail -c 600 "
	"$BOX/again)\"\n";

/* The same after a success that lags behind its commit because of such a lock. */
static const char after_lagging[] =
	"STEP='end state after exit 0'\n{ %s\n}\n" AGE_LOCKS "{ (%s) >$BOX/next 2>&1 && ! grep -q "
	"lags $BOX/next; } || { kitty doctor --fix >$BOX/fixed 2>&1; (%s) >$BOX/next 2>&1; }\n";

/* What did not stop anybody may still lie there. */
static const char last_locks[] = AGE_LOCKS "kitty doctor --fix >$BOX/fixed 2>&1\n";

static bool may_leave_locks(const struct kt_fault_row *fault)
{
	return fault != NULL && fault->persists && (fault->kinds & KT_CALL_REMOVE) != 0;
}

bool kt_point_check(const struct kt_point *point, int status, struct kt_buffer *out)
{
	const struct kt_operation *operation = point->scene->operation;
	const char *again = point->again;
	char *rerun = NULL, *script = NULL;
	int result = 0;

	if (again == NULL)
		again = operation->again == NULL ? operation->run : operation->again;
	if (status == 0 && kt_layer_is_in_git(point->layer))
		rerun = kt_format(after_lagging, operation->check, again, again);
	else if (status == 0)
		rerun = kt_format(after_success, operation->check, again);
	else if (point->layer == KT_LAYER_PRELOAD && may_leave_locks(point->fault))
		rerun = kt_format(after_kept_lock, again, again, again);
	else if (!kt_layer_is_in_git(point->layer))
		rerun = kt_format(after_failure, again);
	else
		rerun = kt_format(after_lost_child, again, again,
			operation->manual == NULL ? "false" : operation->manual, again);
	if (kt_layer_is_in_git(point->layer)) {
		char *run = rerun;

		rerun = kt_format("%s%s", run, last_locks);
		free(run);
	}
	script = kt_format(
		"rm -f $BOX/again $BOX/next $BOX/hand\n%s%sSTEP='end state'\n{ "
		"%s\n}\nSTEP='after'\n%s\nSTEP=promises\nkitty-check $REPO "
		"$MISSION --before $BOX/before $(set -f; for ref in %s; do echo --moved $ref; "
		"done) >$BOX/verdict 2>&1 || fail \"$(grep -v "
		"'^P[0-9]* *[h-]' "
		"$BOX/verdict)\"\nSTEP=doctor\nkitty doctor >$BOX/doctor 2>&1 || fail \"$(cat "
		"$BOX/doctor)\"\n",
		acknowledged, rerun, operation->check,
		operation->after == NULL ? ":" : operation->after,
		operation->moved == NULL ? "" : operation->moved);
	result = kt_scene_script(point->scene, script, out);
	free(script);
	free(rerun);
	return result == 0;
}

static void tell(const struct kt_point *point, const struct kt_scene_end *end, const char *what,
	const char *why)
{
	struct kt_buffer line = KT_BUFFER_INIT;

	kt_buffer_printf(&line, "BROKEN %s, layer %s, %s at %ld%s%s (%s), exit %d%s\n%s",
		point->scene->operation->name, kt_layer_names[point->layer], point->fault->name,
		point->at, point->order == NULL ? "" : " = ",
		point->order == NULL ? "" : point->order, what, end->status,
		end->was_stuck ? ", had to be killed" : "", why);
	kt_buffer_printf(&line,
		"  again: kitty-crash --operation %s --layer %s --fault '%s' --point %ld --keep\n",
		point->scene->operation->name, kt_layer_names[point->layer], point->fault->name,
		point->at);
	(void)fputs(kt_buffer_text(&line), stdout);
	(void)fflush(stdout);
	kt_buffer_release(&line);
}

enum kt_verdict_of_point kt_point_run(const struct kt_point *point)
{
	const struct kt_scene *scene = point->scene;
	struct kt_buffer why = KT_BUFFER_INIT;
	struct kt_scene_end end = {0, false};
	bool struck = false, holds = false;
	char what[sizeof scene->faults->what];

	kt_scene_restore(scene);
	if (point->layer == KT_LAYER_STRACE) {
		char *shim = kt_format("%s/shim", scene->box);

		kt_order(scene, point->layer, NULL, 0);
		end = kt_strace_run(scene, shim, point->order, point->fault->inject, &struck);
		(void)snprintf(what, sizeof what, "%s", point->order);
		free(shim);
	} else {
		kt_order(scene, point->layer, point->fault, point->at);
		end = kt_scene_run(scene, point->run == NULL ? scene->operation->run : point->run,
			kt_shim(scene, point->layer));
		struck = atomic_load(&scene->faults->struck) > 0;
		(void)snprintf(what, sizeof what, "%s", scene->faults->what);
		kt_order(scene, point->layer, NULL, 0);
	}
	holds = kt_point_check(point, end.status, &why) && !end.was_stuck;
	if (!kt_fault_is_kill(point->fault) && end.status > 128) {
		kt_buffer_puts(&why, "ended by a signal\n");
		holds = false;
	}
	if (!holds)
		tell(point, &end, what, kt_buffer_text(&why));
	kt_buffer_release(&why);
	if (!holds)
		return KT_POINT_BROKEN;
	if (kt_scene_script(scene, "[ -f $BOX/hand ]", NULL) == 0)
		return KT_POINT_BY_HAND;
	return struck ? KT_POINT_HOLDS : KT_POINT_NOT_REACHED;
}
