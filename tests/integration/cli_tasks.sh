#!/bin/sh
# status from everywhere, move-task, mark-status. Usage: cli_tasks.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
SUBTASKS="T001 T002" make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**:WP01'
kitty implement WP01 --agent claude >/dev/null 2>&1 || fail implement
LANE=$REPO/.worktrees/$MISSION-lane-a

say "the same answer from everywhere"
expect_exit 0 kitty status --json
one_object "$OUT"
cp "$OUT" "$BOX/answer"
expect_json "$OUT" mission.slug "$MISSION"
expect_json "$OUT" mission.tip "$(tip)"
expect_json "$OUT" total_wps 2
expect_json "$OUT" by_lane.claimed 1
expect_json "$OUT" work_packages.0.id WP01
expect_json "$OUT" work_packages.0.lane claimed
expect_json "$OUT" work_packages.0.agent claude
expect_json "$OUT" work_packages.0.lane_id lane-a
expect_json "$OUT" work_packages.0.holder.actor claude
expect_json "$OUT" work_packages.1.dependencies '["WP01"]'
expect_json "$OUT" work_packages.1.waits_for.0 "WP01 is claimed"
expect_json "$OUT" supervisor null
expect_json "$OUT" lanes.0.branch "$BRANCH-lane-a"
for place in "$REPO/src" "$LANE" "$LANE/src" "$COORD" "$COORD/kitty-specs/$MISSION"; do
	kitty -C "$place" status --json >"$OUT" 2>"$ERR" || fail "status in $place"
	cmp -s "$OUT" "$BOX/answer" || fail "another answer in $place"
done
expect_exit 0 kitty agent tasks status --mission "$MISSION" --json
cmp -s "$OUT" "$BOX/answer" || fail "another answer from agent tasks status"
expect_exit 0 kitty st
grep -q 'WP01 *claimed' "$OUT" || fail "no line for WP01"
! grep -q "$(printf '\033')" "$OUT" || fail "colours without a terminal"

say "queries work on a repository that cannot be written"
before=$(find "$REPO" -type f | wc -l)
expect_exit 0 kitty status
expect_eq "$(find "$REPO" -type f | wc -l)" "$before" "a query made files"

say "mark-status"
expect_exit 0 kitty agent tasks mark-status T001 --status done --wp WP01 --json
one_object "$OUT"
expect_json "$OUT" result success
tail -n 1 "$LOG" | grep -q '"delta": {"subtasks": {"T001": "done"}}' || fail "no annotation"
expect_exit 2 kitty agent tasks mark-status T001 --status done --json
one_object "$OUT"
json "$OUT" error.detail | grep -q 'WP01 and WP02' || fail "the ambiguity is not explained"
expect_exit 2 kitty agent tasks mark-status T999 --status done
expect_exit 2 kitty agent tasks mark-status T001 --status perhaps --wp WP01

say "mark-status and add-history again with the same event id are the same events"
id=01ARYZ6S410000000000000009
expect_exit 0 kitty agent tasks mark-status T001 --status "done" --wp WP01 --event-id $id --json
first=$(json "$OUT" receipt.commit_sha)
rows=$(wc -l <"$LOG")
expect_exit 0 kitty agent tasks mark-status T001 --status "done" --wp WP01 --event-id $id --json
expect_json "$OUT" receipt.commit_sha "$first"
expect_json "$OUT" receipt.is_noop true
expect_exit 5 kitty agent tasks mark-status T001 --status pending --wp WP01 --event-id $id --json
expect_json "$OUT" error.code EVENT_ID_CONFLICT
expect_exit 2 kitty agent tasks mark-status T001 --status "done" --wp WP01 --event-id nonsense
expect_eq "$(wc -l <"$LOG")" "$rows" "rows after the repetitions"
id=01ARYZ6S4100000000000000A0
expect_exit 0 kitty agent tasks add-history WP01 --note "seen" --event-id $id --json
first=$(json "$OUT" receipt.commit_sha)
tail -n 1 "$LOG" | grep -q '"note": "- \[2016-07-30T22:36:16Z\] claude: seen"' || fail "the note's time"
expect_exit 0 kitty agent tasks add-history WP01 --note "seen" --event-id $id --json
expect_json "$OUT" receipt.commit_sha "$first"
expect_eq "$(wc -l <"$LOG")" $((rows + 1)) "rows after the second note"

say "open subtasks keep a work package from review"
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --json
one_object "$OUT"
expect_json "$OUT" old_lane claimed
expect_json "$OUT" new_lane in_progress
expect_exit 4 kitty agent tasks move-task WP01 --to for_review --json
expect_json "$OUT" error.code TRANSITION_REJECTED
expect_exit 0 kitty agent tasks mark-status T002 --status done --wp WP01

say "from inside the lane"
(cd "$LANE" && kitty agent tasks move-task WP01 --to for_review --note "please look") >"$OUT" 2>"$ERR" || fail "move-task in the lane"
grep -q '^WP01: in_progress -> for_review \[claude\]$' "$OUT" || fail "no line for the move"
check_clean

say "through the statuses in between, in one commit"
before=$(tip)
expect_exit 0 kitty agent tasks move-task WP01 --to approved --reviewer Ada --approval-ref "PR 7" --json
expect_json "$OUT" moves.# 2
expect_eq "$(git rev-list --count "$before..$BRANCH")" 1

say "the dependent work package may start now"
expect_exit 0 kitty implement WP02 --agent codex --json
expect_exit 0 kitty agent tasks move-task WP02 --to in_progress --agent codex
expect_exit 5 kitty agent tasks move-task WP02 --to blocked --agent claude --json
expect_json "$OUT" error.code WP_ALREADY_CLAIMED
expect_exit 0 kitty agent tasks mark-status T001 T002 --status "done" --wp WP02
expect_exit 0 kitty agent tasks move-task WP02 --to for_review

say "sent back with a review"
expect_exit 2 kitty agent tasks move-task WP02 --to planned --json
expect_json "$OUT" error.code INVALID_ARGUMENT
: >"$BOX/empty"
expect_exit 2 kitty agent tasks move-task WP02 --to planned --review-feedback-file "$BOX/empty"
echo "Tests are missing." >"$BOX/review.md"
expect_exit 0 kitty agent tasks move-task WP02 --to planned --review-feedback-file "$BOX/review.md" --json
expect_json "$OUT" new_lane planned
grep -q '"subtasks": {"T001": "planned", "T002": "planned"}' "$LOG" || fail "the subtasks are not open again"
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --reason "one more thing"
expect_exit 3 kitty agent tasks move-task WP77 --to claimed
check_clean
expect_exit 0 kitty agent status validate --dir "$COORD/kitty-specs/$MISSION"
exit 0
