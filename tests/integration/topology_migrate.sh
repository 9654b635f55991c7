#!/bin/sh
# The steps of docs/migration.md, as they stand there. Usage: topology_migrate.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/topology.sh"

# The commands of one section of the page, with the mission's name put in.
steps() { # HEADING
	awk -v heading="## $1" '$0 == heading {on = 1; next} /^## / {on = 0} on && /^```/ {code = !code; next} on && code' \
		"$KITTY_SOURCE/docs/migration.md" | sed "s/MISSION/$MISSION/g"
}

sandbox
old_mission lanes 099-name 'WP01:src/a/**' 'WP02:src/b/**'
expect_exit 0 kitty implement WP01 --agent claude
mkdir -p .worktrees/099-name-lane-a/src/a
echo work >.worktrees/099-name-lane-a/src/a/file
git -C .worktrees/099-name-lane-a add -A
git -C .worktrees/099-name-lane-a commit -q -m "Work of WP01"
cp "$LOG" "$BOX/log"

say "the page's commands"
steps "From the checked-out branch to a coordination branch" >"$BOX/steps"
[ -s "$BOX/steps" ] || fail "no commands in docs/migration.md"
sh -e "$BOX/steps" >"$OUT" 2>"$ERR" || fail "a step failed"

say "the mission has a coordination branch, its history and its lanes"
expect_exit 0 kitty status --mission "$MISSION" --json
expect_json "$OUT" mission.coordination_branch kitty/mission-099-name
expect_json "$OUT" by_lane.claimed 1
git show kitty/mission-099-name:kitty-specs/099-name/status.events.jsonl >"$BOX/new"
head -c "$(wc -c <"$BOX/log")" "$BOX/new" | cmp -s - "$BOX/log" || fail "the log was not carried over byte for byte"
for to in in_progress for_review approved; do
	expect_exit 0 kitty agent tasks move-task WP01 --to $to --mission "$MISSION"
done
expect_exit 0 kitty implement WP02 --agent claude --mission "$MISSION"
[ ! -e .worktrees/099-name-lane-b/kitty-specs/099-name/status.events.jsonl ] || fail "the new lane carries the log"
expect_exit 0 kitty agent tasks move-task WP02 --to blocked --reason "not wanted" --mission "$MISSION"
expect_exit 0 kitty agent tasks move-task WP02 --to canceled --reason "not wanted" --mission "$MISSION"
expect_exit 0 kitty verify --mission "$MISSION"
expect_exit 0 kitty doctor --mission "$MISSION" --json
expect_json "$OUT" errors 0

say "and is merged like any other"
expect_exit 0 kitty merge --mission "$MISSION"
expect_eq "$(git show main:src/a/file)" work "the work in main"
git fsck --full >"$OUT" 2>&1 || fail "git fsck"
