#!/bin/sh
# Lanes that wrote what is not theirs: log edited, log deleted, another mission's file; refused with commit and
# path, and after the fix merged with the log unchanged by the lane. Usage: merge_poison.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
mkdir -p kitty-specs/other && echo '{}' >kitty-specs/other/notes.md
git add . && git commit -q -m other
make_mission upsell 'WP01:src/a/**'
work WP01 a src/a/a.c "int a;"
L=$(lane a)
STATUS=kitty-specs/$MISSION/status.events.jsonl

poisoned() {
	bad=$(git -C "$L" rev-parse HEAD)
	kitty agent tasks move-task WP01 --to approved --override-reason "test: past the gate" --agent claude --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "approve $1"
	before=$(tip)
	for command in "kitty agent tasks move-task WP01 --to done --mission $MISSION --json" "kitty merge --mission $MISSION --json" "kitty merge --mission $MISSION --dry-run --json"; do
		expect_exit 4 $command
		one_object "$OUT"
		expect_json "$OUT" error.code LANE_TOUCHES_KITTY_SPECS
		json "$OUT" error.detail | grep -q "$2" || fail "the path is not named"
		json "$OUT" error.detail | grep -q "$bad" || fail "the commit is not named"
	done
	expect_eq "$(tip)" "$before" "nothing was written"
	check_clean
}

undo() {
	git -C "$L" revert --no-edit HEAD >/dev/null 2>&1 || fail "revert of $1"
	kitty agent tasks move-task WP01 --to in_progress --reason "take it back" --agent claude --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "back"
}

say "the log edited with --sparse"
mkdir -p "$L/kitty-specs/$MISSION"
echo '{"forged": true}' >"$L/$STATUS"
git -C "$L" add --sparse "$STATUS"
git -C "$L" commit -q -m "forge the log"
poisoned edited "$STATUS"
undo edited

say "the log deleted"
rm -f "$L/$STATUS"
git -C "$L" rm -q --cached --sparse "$STATUS"
git -C "$L" commit -q -m "delete the log"
poisoned deleted "$STATUS"
undo deleted

say "another mission's file"
echo mine >"$L/kitty-specs/other/notes.md"
git -C "$L" add --sparse kitty-specs/other/notes.md
git -C "$L" commit -q -m "edit the other mission"
poisoned foreign kitty-specs/other/notes.md
undo foreign

say "after the fixes: merged, and the log is the coordination branch's alone"
rm -rf "$L/kitty-specs/$MISSION"
git -C "$L" checkout -q -- . 2>/dev/null
log_rows "$BRANCH" >"$BOX/log"
kitty agent tasks move-task WP01 --to approved --override-reason "test" --agent claude --mission "$MISSION" >"$OUT" 2>"$ERR" || fail approve
expect_exit 0 merge --json
log_rows main >"$BOX/merged"
head -c "$(wc -c <"$BOX/log")" "$BOX/merged" | cmp -s - "$BOX/log" || fail "the log was changed"
! grep -q forged "$BOX/merged" || fail "the forged row is in"
expect_eq "$(git cat-file blob main:kitty-specs/other/notes.md)" "{}"
exit 0
