/*
 * The fixture's mission without a coordination branch: committed on main with its first rows, one
 * worktree per lane. Included once, after fixture.h.
 */
#ifndef KITTY_TESTS_UNIT_TRANSACTION_UNCOORDINATED_H
#define KITTY_TESTS_UNIT_TRANSACTION_UNCOORDINATED_H

#include "unit/transaction/fixture.h"

#define FOLDER "kitty-specs/" SLUG
#define LANE_A ".worktrees/" SLUG "-lane-a"
#define LANE_B ".worktrees/" SLUG "-lane-b"
#define BRANCH_A "kitty/mission-" SLUG "-lane-a"
#define BRANCH_B "kitty/mission-" SLUG "-lane-b"

/* Another mission struct, and a writer on it. */
static void resolve_again(struct fixture *f)
{
	struct kt_error err = KT_ERROR_INIT;

	kt_writer_free(f->writer);
	f->writer = NULL;
	kt_mission_free(f->mission);
	f->mission = NULL;
	if (kt_mission_resolve(f->repo, SLUG, f->box->repo, &f->mission, NULL, &err) != KT_E_OK)
		fail_msg("%s", err.detail);
	open_writer(f, false);
}

static int setup_uncoordinated(void **state, const char *topology)
{
	struct fixture *f = NULL;

	if (setup(state) != 0)
		return -1;
	f = *state;
	shell(f,
		"cp " COORD "/" FOLDER "/status.* " FOLDER "/ && git worktree remove --force " COORD
		" && git branch -qD kitty/mission-" SLUG
		" && sed -i -e '/coordination_branch/d' -e "
		"'/\"topology\"/d' -e 's/\"target_branch\": \"main\",*/\"target_branch\": "
		"\"main\"%s/' " FOLDER "/meta.json && git switch -q -c work && git add -f " FOLDER
		" && git commit -qm plan && git branch -qf main work && git worktree add -q "
		"-b " BRANCH_A " " LANE_A " && git worktree add -q -b " BRANCH_B " " LANE_B,
		topology);
	resolve_again(f);
	return 0;
}

#endif
