#!/bin/sh
# kitty implement: the quickstart's lines, resuming, conflicts, lanes, and commands run in the lane.
# Usage: cli_implement.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
kitty init >/dev/null || fail init
SUBTASKS="T001 T002" make_mission checkout-upsell-flow 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**:WP01' 'WP04:src/d/**' 'WP05:src/e/**'
head_before=$(git rev-parse HEAD)
status_before=$(git status --porcelain)

say "the quickstart's four lines"
before=$(tip)
expect "[implement] WP01 claimed for lane-a
[implement] Commits recorded:
- $BRANCH chore: WP01 claimed for implementation [claude] ✓
[implement] Agent ready in .worktrees/$MISSION-lane-a/" kitty implement WP01 --agent claude
expect_eq "$(git rev-list --count "$before..$BRANCH")" 1 "one commit"
check_clean
LANE=$REPO/.worktrees/$MISSION-lane-a
expect_eq "$(git -C "$LANE" symbolic-ref --short HEAD)" "$BRANCH-lane-a"
[ ! -e "$LANE/kitty-specs/$MISSION/status.events.jsonl" ] || fail "the log is in the lane"
[ ! -e "$LANE/kitty-specs/$MISSION/status.json" ] || fail "the snapshot is in the lane"
[ -f "$LANE/src/main.c" ] || fail "the lane has no sources"
silent git -C "$LANE" status --porcelain
tail -n 1 "$LOG" | grep -q '"policy_metadata": {"agent": "claude"}' || fail "no claim metadata"

say "the same agent again: the same receipt"
before=$(tip)
expect_exit 0 kitty implement WP01 --agent claude --json
one_object "$OUT"
expect_json "$OUT" receipt.is_noop true
expect_json "$OUT" receipt.commit_sha "$before"
expect_json "$OUT" status resumed
expect_eq "$(tip)" "$before"

say "another agent: a conflict that names the holder"
expect_exit 5 kitty implement WP01 --agent codex
grep -q 'held by claude.*\[WP_ALREADY_CLAIMED\]$' "$ERR" || fail "the holder is not named"
expect_exit 5 kitty implement WP01 --agent codex --json
one_object "$OUT"
expect_json "$OUT" error.code WP_ALREADY_CLAIMED

say "the second lane, as JSON"
expect_exit 0 kitty implement WP02 --agent opencode --json
one_object "$OUT"
expect_json "$OUT" commits.0.destination_ref "$BRANCH"
expect_json "$OUT" commits.0.message "chore: WP02 claimed for implementation [opencode]"
expect_json "$OUT" commits.0.outcome committed
expect_json "$OUT" commits.0.sha "$(tip)"
expect_json "$OUT" commits.0.wp_id WP02
expect_json "$OUT" workspace_path "$REPO/.worktrees/$MISSION-lane-b"
expect_json "$OUT" lane_id lane-b
expect_json "$OUT" status created

say "what cannot be claimed leaves nothing behind"
before=$(tip)
expect_exit 4 kitty implement WP03 --agent claude --json
one_object "$OUT"
expect_json "$OUT" error.code DEPENDENCIES_NOT_SATISFIED
json "$OUT" error.detail | grep -q 'WP01 is claimed' || fail "the dependency is not named"
expect_exit 3 kitty implement WP99 --json
expect_json "$OUT" error.code WP_NOT_FOUND
expect_exit 2 kitty implement nonsense --json
expect_json "$OUT" error.code INVALID_ARGUMENT
expect_eq "$(tip)" "$before"
[ ! -e "$REPO/.worktrees/$MISSION-lane-c" ] || fail "a lane was made for nothing"

say "with a command: files are committed to the lane, the subtasks done, for_review"
# shellcheck disable=SC2016
expect_exit 0 kitty implement WP01 --agent claude -- sh -c 'mkdir -p src/a && echo "int a;" >src/a/a.c && echo "$SPEC_KITTY_WP $SPEC_KITTY_LANE $SPEC_KITTY_MISSION" && kitty status >/dev/null && test -s "$SPEC_KITTY_PROMPT"'
grep -qx "WP01 lane-a $MISSION" "$OUT" || fail "the command's environment or output is lost"
grep -qx '\[implement\] WP01 is for_review' "$OUT" || fail "no closing line"
silent git -C "$LANE" status --porcelain
git -C "$LANE" log -1 --format=%s%b | grep -q WP01 || fail "the commit does not name the WP"
expect_eq "$(git -C "$LANE" log -1 --format=%an)" claude
expect_exit 0 kitty status --json
expect_json "$OUT" by_lane.for_review 1
check_clean
grep -q '"subtasks": {"T001": "done", "T002": "done"}' "$LOG" || fail "the subtasks are not recorded"

say "a command that fails: blocked with the reason, the files untouched"
expect_exit 1 kitty implement WP02 --agent opencode -- sh -c 'mkdir -p src/b && echo half >src/b/half.c; exit 3'
[ -f "$REPO/.worktrees/$MISSION-lane-b/src/b/half.c" ] || fail "the command's file is gone"
tail -n 1 "$LOG" | grep -q '"reason": "exit status 3".*"to_lane": "blocked"' || fail "no reason in the log"
grep -qx '\[implement\] WP02 is blocked: exit status 3' "$OUT" || fail "the reason is not said"

say "a command without work: blocked; with --json one object and the command's output on standard error"
expect_exit 1 kitty implement WP04 --agent claude --json -- sh -c 'echo noise'
one_object "$OUT"
expect_json "$OUT" outcome blocked
expect_json "$OUT" reason "agent exited 0 without work"
grep -qx noise "$ERR" || fail "the command's output is lost"
tail -n 1 "$LOG" | grep -q 'without work' || fail "no reason in the log"

say "a command that cannot be run"
expect_exit 1 kitty implement WP05 --agent claude -- /no/such/program
tail -n 1 "$LOG" | grep -q 'SPAWN_FAILED' || fail "no reason in the log"
check_clean

say "open subtasks block where the configuration wants them done; those that are done are not recorded again"
expect_exit 0 kitty agent status emit WP04 --to in_progress --actor claude
sed 's/subtasks: record/subtasks: require/' .kittify/config.yaml >"$BOX/config" && cp .kittify/config.yaml "$BOX/config.before" && cp "$BOX/config" .kittify/config.yaml
expect_exit 1 kitty implement WP04 --agent claude -- sh -c 'mkdir -p src/d && echo d >src/d/d.c && kitty agent tasks mark-status T001 --wp WP04 --status done'
grep -q '^\[implement\] WP04 is blocked: agent exited 0 with open subtasks: T002$' "$OUT" || fail "the open subtask is not named"
cp "$BOX/config.before" .kittify/config.yaml
expect_exit 0 kitty agent status emit WP04 --to in_progress --actor claude
expect_exit 0 kitty implement WP04 --agent claude -- sh -c 'echo more >>src/d/d.c'
tail -n 2 "$LOG" | grep -q '"subtasks": {"T002": "done"}' || fail "what was done is recorded again"

say "an agent does not get its neighbour's lane"
SPEC_KITTY_MISSION=$MISSION SPEC_KITTY_LANE=lane-a SPEC_KITTY_SOCKET=/nowhere expect_exit 4 kitty implement WP03 --agent claude --json
expect_json "$OUT" error.code LANE_FOREIGN_WP
[ ! -e "$REPO/.worktrees/$MISSION-lane-c" ] || fail "a lane was made for an agent of another one"

say "the primary checkout is as before"
expect_eq "$(git rev-parse HEAD)" "$head_before"
expect_eq "$(git status --porcelain)" "$status_before"
git fsck --no-dangling >/dev/null 2>&1 || fail fsck
exit 0
