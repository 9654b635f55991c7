#!/bin/sh
# Before a work package goes to for_review its lane is asked: whatever command moves it, with a supervisor and without.
# A poisoned lane is refused with commit and path; files of others warn, or refuse when the configuration says so.
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
export BOX
mkdir -p kitty-specs/other && echo '{}' >kitty-specs/other/notes.md
git add . && git commit -q -m other
make_mission gate 'WP01:src/a/**' 'WP02:src/b/**'
work WP01 a src/a/a.c "int a;"
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --agent claude --mission "$MISSION"
L=$(lane a)
STATUS=kitty-specs/$MISSION/status.events.jsonl

# refused PATH COMMAND...: exit 4 (next and orchestrator-api: 1, their contracts have no other), commit and path are named, nothing is written
refused() {
	path=$1
	shift
	bad=$(git -C "$L" rev-parse HEAD)
	before=$(tip)
	expect_exit "$([ "$2" = agent ] && echo 4 || echo 1)" "$@"
	one_object "$OUT"
	grep -q LANE_TOUCHES_KITTY_SPECS "$OUT" || fail "$*: another code"
	grep -q "$bad" "$OUT" || fail "$*: the commit is not named"
	grep -q "$path" "$OUT" || fail "$*: the path is not named"
	expect_eq "$(tip)" "$before" "$*: something was written"
	check_clean
}

policy='{"orchestrator_id": "o", "orchestrator_version": "1", "agent_family": "claude", "approval_mode": "full_auto", "sandbox_mode": "workspace_write", "network_mode": "none", "dangerous_flags": []}'
only_moves() {
	refused "$1" kitty agent tasks move-task WP01 --to for_review --agent claude --mission "$MISSION" --json
	refused "$1" kitty next --mission "$MISSION" --agent claude --result success --json
	refused "$1" kitty orchestrator-api transition --mission "$MISSION" --wp WP01 --to for_review --actor claude --policy "$policy"
}

say "the log edited with --sparse"
mkdir -p "$L/kitty-specs/$MISSION"
echo '{"forged": true}' >"$L/$STATUS"
git -C "$L" add --sparse "$STATUS"
git -C "$L" commit -q -m "forge the log"
only_moves "$STATUS"

say "the next step that is printed takes it back"
kitty agent tasks move-task WP01 --to for_review --agent claude --mission "$MISSION" --json >"$OUT" 2>"$ERR"
json "$OUT" error.next_step >"$BOX/next.sh"
sh -e "$BOX/next.sh" >"$OUT" 2>&1 || fail "the next step does not work"
kitty doctor --mission "$MISSION" --json >"$OUT"
grep -q LANE_PROTECTED_FILES "$OUT" && fail "the doctor still finds it"

say "the log deleted"
git -C "$L" rm -q --cached --sparse "$STATUS"
git -C "$L" commit -q -m "delete the log"
only_moves "$STATUS"
git -C "$L" revert --no-edit HEAD >/dev/null 2>&1 || fail revert

say "another mission's file"
echo mine >"$L/kitty-specs/other/notes.md"
git -C "$L" add --sparse kitty-specs/other/notes.md
git -C "$L" commit -q -m "edit the other mission"
only_moves kitty-specs/other/notes.md
git -C "$L" revert --no-edit HEAD >/dev/null 2>&1 || fail revert

say "files of others warn, on standard error and in the answer"
mkdir -p "$L/src/b" && echo "int stray;" >"$L/src/b/stray.c"
git -C "$L" add -A && git -C "$L" commit -q -m "stray"
kitty doctor --mission "$MISSION" --json >"$OUT"
grep -q '"code": "LANE_OUTSIDE_OWNED_FILES"' "$OUT" || fail "the doctor does not find it"
mkdir -p .kittify
printf 'kitty:\n  owned_files: refuse\n' >.kittify/config.yaml
before=$(tip)
expect_exit 4 kitty agent tasks move-task WP01 --to for_review --agent claude --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code LANE_OUTSIDE_OWNED_FILES
json "$OUT" error.detail | grep -q "src/b/stray.c" || fail "the path is not named"
expect_eq "$(tip)" "$before"
printf 'kitty:\n  owned_files: warn\n' >.kittify/config.yaml
expect_exit 0 kitty agent tasks move-task WP01 --to for_review --agent claude --mission "$MISSION" --json
one_object "$OUT"
json "$OUT" warnings.0 | grep -q "do not own: src/b/stray.c" || fail "no warning in the answer"
grep -q "warning: .*src/b/stray.c" "$ERR" || fail "no warning on standard error"
approve WP01

log_rows "$BRANCH" | grep -q forged && fail "the forged row is in"

say "through a supervisor: the agent is told, and what it leaves behind is blocked with the reason"
cat >.kittify/config.yaml <<YAML
kitty:
  agents:
    coder:
      command: ["$BOX/agent"]
YAML
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
mkdir -p src/b && echo "int b;" >src/b/b.c && git add -A && git commit -q -m work
mkdir -p "kitty-specs/other" && echo mine >kitty-specs/other/notes.md
git add --sparse kitty-specs/other/notes.md && git commit -q -m "edit the other mission"
kitty agent tasks move-task WP02 --to for_review --json >"$BOX/told"
echo $? >"$BOX/told-exit"
[ -e "$BOX/repent" ] && git revert --no-edit HEAD >/dev/null 2>&1
exit 0
AGENT
chmod +x "$BOX/agent"
expect_exit 1 kitty launch --lanes b --agent coder --mission "$MISSION" --json
expect_eq "$(cat "$BOX/told-exit")" 4
expect_json "$BOX/told" error.code LANE_TOUCHES_KITTY_SPECS
json "$BOX/told" error.detail | grep -q kitty-specs/other/notes.md || fail "the agent is not told the path"
tail -n 1 "$LOG" >"$BOX/row"
expect_json "$BOX/row" to_lane blocked
json "$BOX/row" reason | grep -q "LANE_TOUCHES_KITTY_SPECS.*kitty-specs/other/notes.md" || fail "the reason: $(json "$BOX/row" reason)"
git -C "$(lane b)" revert --no-edit HEAD >/dev/null 2>&1 || fail revert
touch "$BOX/repent"
expect_exit 0 kitty launch --lanes b --agent coder --retry-blocked --mission "$MISSION" --json
expect_eq "$(cat "$BOX/told-exit")" 4
tail -n 1 "$LOG" >"$BOX/row"
expect_json "$BOX/row" to_lane for_review
check_clean

exit 0
