#!/bin/sh
# The doctor is silent and verify holds at every stage of a mission, to the merge and after it.
# Usage: doctor_whole_mission.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
. "$KITTY_SOURCE/tests/support/doctor.sh"
sandbox
make_mission whole 'WP01:src/a/**' 'WP02:src/b/**:WP01'
well() {
	healthy
	expect_exit 0 kitty verify --mission "$MISSION" --json
	one_object "$OUT"
	expect_json "$OUT" ok true
}

say "at work, approved, integrated"
work WP01 a src/a/a.c "int a;"
well
approve WP01
well
expect_exit 0 kitty agent tasks move-task WP01 --to "done" --mission "$MISSION"
well

say "the target moves and is brought in"
echo "int c;" >src/c.c && git add src/c.c && git commit -q -m "on main"
expect_exit 0 kitty mission sync --mission "$MISSION"
well

say "the next one, the merge, and what is left of it"
# The plan puts a work package that depends on another in the same lane.
lane_of_second=$(kitty status --mission "$MISSION" --json >"$OUT" 2>"$ERR"; json "$OUT" work_packages.1.lane_id)
work WP02 "${lane_of_second#lane-}" src/b/b.c "int b;"
approve WP02
well
expect_exit 0 kitty merge --mission "$MISSION" --json
one_object "$OUT"
expect_exit 0 kitty verify --mission "$MISSION" --json
expect_json "$OUT" ok true
expect_exit 0 kitty doctor --json
expect_json "$OUT" findings '[]'
exit 0
