#!/bin/sh
# A merge after a writer that was killed between its commit and the files of the coordination worktree: what that one left
# undone is finished, not taken for somebody's local change. Usage: merge_heals.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
make_mission half 'WP01:src/a/**'
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
lane=.worktrees/$MISSION-lane-a
mkdir -p "$lane/src/a"
echo work >"$lane/src/a/a.c"
git -C "$lane" add src
git -C "$lane" commit -q -m "Work"
for to in for_review approved; do
	expect_exit 0 kitty agent tasks move-task WP01 --to $to --mission "$MISSION"
done
before=$(tip)
expect_exit 0 kitty agent tasks move-task WP01 --to "done" --mission "$MISSION"

say "the worktree as the killed writer left it: log and snapshot new, the lane's files not there yet"
git -C "$COORD" rm -q -r src/a
printf '%s' "$before" >".git/kitty/$MISSION/synced"
[ -n "$(git -C "$COORD" status --porcelain)" ] || fail "the worktree is clean"
expect_exit 0 kitty merge --mission "$MISSION" --json
expect_json "$OUT" result success
expect_eq "$(git show main:src/a/a.c)" work "the work in main"

say "a person's change there still stops the merge"
make_mission whole 'WP01:src/b/**'
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
lane=.worktrees/$MISSION-lane-a
mkdir -p "$lane/src/b"
echo work >"$lane/src/b/b.c"
git -C "$lane" add src
git -C "$lane" commit -q -m "Work"
for to in for_review approved; do
	expect_exit 0 kitty agent tasks move-task WP01 --to $to --mission "$MISSION"
done
echo mine >"$COORD/src/main.c"
main=$(git rev-parse main)
expect_exit 4 kitty merge --mission "$MISSION" --json
expect_json "$OUT" error.code MERGE_CHECKOUT_BLOCKED
expect_eq "$(git rev-parse main)" "$main" main
expect_eq "$(cat "$COORD/src/main.c")" mine "the change"
