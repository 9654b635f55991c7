#!/bin/sh
# A merge after a writer that was killed between its commit and the files of the coordination worktree: what that one left
# undone is finished, not taken for somebody's local change. Usage: merge_heals.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
. "$KITTY_SOURCE/tests/support/topology.sh"
sandbox
make_mission half 'WP01:src/a/**'
work WP01 a src/a/a.c work
approve WP01
before=$(tip)
expect_exit 0 kitty agent tasks move-task WP01 --to "done" --mission "$MISSION"

say "the worktree as the killed writer left it: log and snapshot new, the lane's files not there yet"
git -C "$COORD" rm -q -r src/a
printf '%s' "$before" >".git/kitty/$MISSION/synced"
[ -n "$(git -C "$COORD" status --porcelain)" ] || fail "the worktree is clean"
say "the dry run says what the real one does, and heals nothing"
half_synced=$(git -C "$COORD" status --porcelain)
dry() { kitty merge --mission "$MISSION" --dry-run --json; }
expect_exit 0 dry
printf wo >"$COORD/src/a.half"
mkdir -p "$COORD/src/a"
mv "$COORD/src/a.half" "$COORD/src/a/a.c"
expect_exit 0 dry
echo "somebody's" >"$COORD/src/a/a.c"
expect_exit 4 dry
expect_json "$OUT" error.code MERGE_CHECKOUT_BLOCKED
rm "$COORD/src/a/a.c"
ln -s nowhere "$COORD/src/a/a.c"
expect_exit 4 dry
rm -r "$COORD/src/a"
echo mine >"$COORD/src/b.txt"
expect_exit 4 dry
json "$OUT" error.detail | grep -q 'src/b.txt' || fail "the file is not named"
rm "$COORD/src/b.txt"
mv ".git/kitty/$MISSION/synced" "$BOX/synced"
expect_exit 4 dry
printf 'no commit' >".git/kitty/$MISSION/synced"
expect_exit 4 dry
mv "$BOX/synced" ".git/kitty/$MISSION/synced"
expect_eq "$(git -C "$COORD" status --porcelain)" "$half_synced" "the worktree after the dry runs"
say "and the real one finishes it"
expect_exit 0 kitty merge --mission "$MISSION" --json
expect_json "$OUT" result success
expect_eq "$(git show main:src/a/a.c)" work "the work in main"

say "a person's change there still stops the merge"
make_mission whole 'WP01:src/b/**'
work WP01 a src/b/b.c work
approve WP01
echo mine >"$COORD/src/main.c"
main=$(git rev-parse main)
expect_exit 4 kitty merge --mission "$MISSION" --json
expect_json "$OUT" error.code MERGE_CHECKOUT_BLOCKED
expect_eq "$(git rev-parse main)" "$main" main
expect_eq "$(cat "$COORD/src/main.c")" mine "the change"

say "a checkout that holds the log itself, left one row behind: the next merge, with nothing to do, brings it up"
close_box
sandbox
old_mission single_branch plain 'WP01:src/a/**'
work WP01 a src/a/a.c work
approve WP01
expect_exit 0 kitty merge --mission "$MISSION" --json
silent git status --porcelain --untracked-files=no
git show "HEAD~1:kitty-specs/$MISSION/status.events.jsonl" >"$LOG"
git show "HEAD~1:kitty-specs/$MISSION/status.json" >"$DRAFTS/status.json"
git add "kitty-specs/$MISSION"
lagging=$(git status --porcelain)
[ -n "$lagging" ] || fail "the checkout is clean"
say "without the record of a dead writer it is a person's own doing"
expect_exit 0 kitty merge --mission "$MISSION" --json
expect_eq "$(git status --porcelain)" "$lagging" "the checkout"
say "with it, it is finished"
printf '999999 1 %s %s\n' "$(cat /proc/sys/kernel/random/boot_id)" "$(git rev-parse HEAD)" \
	>".git/kitty/$MISSION/intent"
expect_exit 0 kitty merge --mission "$MISSION" --json
silent git status --porcelain
git show "HEAD:kitty-specs/$MISSION/status.events.jsonl" | cmp -s - "$LOG" || fail "the log is not the committed one"
expect_eq "$(wc -c <".git/kitty/$MISSION/intent")" 0 "the record"

say "while somebody holds the index, it says so and the record stays; then doctor sees it, and the next merge finishes it"
git show "HEAD~1:kitty-specs/$MISSION/status.events.jsonl" >"$LOG"
git show "HEAD~1:kitty-specs/$MISSION/status.json" >"$DRAFTS/status.json"
git add "kitty-specs/$MISSION"
printf '999999 1 %s %s\n' "$(cat /proc/sys/kernel/random/boot_id)" "$(git rev-parse HEAD)" \
	>".git/kitty/$MISSION/intent"
: >.git/index.lock
touch -d '-1 minute' .git/index.lock
expect_exit 0 kitty merge --mission "$MISSION" --json
grep -q 'lags.*index.lock' "$ERR" || fail "nothing is said: $(cat "$ERR")"
[ -s ".git/kitty/$MISSION/intent" ] || fail "the record is gone"
rm .git/index.lock
expect_exit 1 kitty doctor --mission "$MISSION" --json
grep -q CHECKOUT_STATUS_FILES_DIFFER "$OUT" || fail "doctor does not see it: $(cat "$OUT")"
expect_exit 0 kitty merge --mission "$MISSION" --json
silent git status --porcelain
expect_exit 0 kitty doctor --mission "$MISSION"
