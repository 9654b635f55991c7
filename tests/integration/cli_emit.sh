#!/bin/sh
# agent status emit: receipts, conflicts, refusals, idempotence, the right repository. Usage: cli_emit.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**:WP01'

refused() { # EXIT CODE COMMAND...
	status=$1
	code=$2
	shift 2
	before=$(tip)
	log_before=$(sha256 "$LOG")
	expect_exit "$status" "$@" --json
	one_object "$OUT"
	expect_json "$OUT" error.code "$code"
	[ -n "$(json "$OUT" error.next_step)" ] || fail "no next step"
	expect_exit "$status" "$@"
	grep -q "\[$code\]\$" "$ERR" || fail "no $code on standard error"
	grep -q '^next: ' "$ERR" || fail "no next step on standard error"
	expect_eq "$(tip)" "$before" "a refused write moved the branch"
	expect_eq "$(sha256 "$LOG")" "$log_before" "a refused write changed the log"
}

say "a receipt"
before=$(tip)
expect_exit 0 kitty agent status emit WP01 --to claimed --actor claude --from planned --json
one_object "$OUT"
expect_json "$OUT" result success
expect_json "$OUT" receipt.commit_sha "$(tip)"
expect_json "$OUT" receipt.destination_ref "$BRANCH"
expect_json "$OUT" receipt.worktree_root "$COORD"
expect_json "$OUT" receipt.event_ids.# 1
expect_json "$OUT" receipt.is_noop false
expect_json "$OUT" moves.0.from_lane planned
expect_eq "$(git rev-list --count "$before..$BRANCH")" 1 "one event, one commit"
expect_eq "$(git log -1 --format=%s "$BRANCH")" "chore: WP01 claimed for implementation [claude]"
expect_eq "$(git log -1 --format='%an <%ae>' "$BRANCH")" "Test User <test@example.com>"
check_clean

say "the text form"
expect_exit 0 kitty agent status emit WP01 --to doing --actor claude --reason begin
grep -q '^WP01: claimed -> in_progress \[claude\]$' "$OUT" || fail "no line for the move"
grep -q "^committed $(tip | cut -c1-12) on $BRANCH\$" "$OUT" || fail "no line for the commit"

say "conflicts and refusals"
refused 5 WP_ALREADY_CLAIMED kitty agent status emit WP01 --to blocked --actor codex
refused 5 STATUS_CONFLICT kitty agent status emit WP02 --to claimed --actor codex --from claimed
refused 4 TRANSITION_REJECTED kitty agent status emit WP02 --to approved --actor codex
refused 4 TRANSITION_REJECTED kitty agent status emit WP02 --to genesis --actor codex --override-reason x
refused 3 WP_NOT_FOUND kitty agent status emit WP77 --to claimed --actor codex
refused 2 INVALID_ARGUMENT kitty agent status emit wp2 --to claimed --actor codex
refused 2 INVALID_ARGUMENT kitty agent status emit ../WP02 --to claimed --actor codex
refused 2 INVALID_ARGUMENT kitty agent status emit WP02 --to nonsense --actor codex
refused 2 INVALID_ARGUMENT kitty agent status emit WP02 --to claimed --actor codex --event-id nonsense
refused 2 INVALID_ARGUMENT kitty agent status emit WP02 --to claimed --actor codex --evidence '[1]'
refused 2 USAGE_ERROR kitty agent status emit WP02 --to claimed
refused 3 MISSION_NOT_FOUND kitty agent status emit WP02 --to claimed --actor c --mission nowhere

say "the same event id is the same event"
id=01J6XW9KQT7M0YB3N4R5CQZ2EX
expect_exit 0 kitty agent status emit WP02 --to claimed --actor codex --event-id $id --json
sha=$(json "$OUT" receipt.commit_sha)
expect_json "$OUT" receipt.event_ids.0 $id
before=$(tip)
expect_exit 0 kitty agent status emit WP02 --to claimed --actor codex --event-id $id --json
expect_json "$OUT" receipt.commit_sha "$sha"
expect_json "$OUT" receipt.is_noop true
expect_eq "$(tip)" "$before"
refused 5 EVENT_ID_CONFLICT kitty agent status emit WP02 --to blocked --actor codex --event-id $id

say "a named override is recorded"
expect_exit 0 kitty agent status emit WP03 --to for_review --actor ada --override-reason "done by hand" --json
tail -n 1 "$LOG" | grep -q '"force": true.*"reason": "done by hand"' || fail "the override is not recorded"

say "from a git hook, with git's variables on another repository"
git init -q "$BOX/other"
git -C "$BOX/other" commit -q --allow-empty -m other
other=$(git -C "$BOX/other" rev-parse HEAD)
export GIT_DIR="$BOX/other/.git" GIT_WORK_TREE="$BOX/other" GIT_INDEX_FILE="$BOX/other/.git/index"
expect_exit 0 kitty agent status emit WP01 --to blocked --actor claude --json
expect_exit 0 kitty status --json
expect_json "$OUT" mission.slug "$MISSION"
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
expect_eq "$(git log -1 --format=%s "$BRANCH")" "chore: WP01 in_progress -> blocked [claude]"
expect_eq "$(git -C "$BOX/other" rev-parse HEAD)" "$other"
expect_eq "$(git -C "$BOX/other" for-each-ref | wc -l)" 1

say "inside a hook of kitty's own commit writes are refused, reads are not"
export SPEC_KITTY_IN_HOOK=1
refused 4 HOOK_REENTRY_REFUSED kitty agent status emit WP01 --to in_progress --actor claude
expect_exit 0 kitty status
unset SPEC_KITTY_IN_HOOK

say "from a subfolder, a lane-less worktree and the coordination worktree"
mkdir -p src/deep
(cd src/deep && kitty agent status emit WP01 --to in_progress --actor claude --json) >"$OUT" 2>"$ERR" || fail "subfolder"
(cd "$COORD" && kitty agent status emit WP01 --to blocked --actor claude --json) >"$OUT" 2>"$ERR" || fail "coordination worktree"
kitty -C "$COORD/kitty-specs" agent status emit WP01 --to in_progress --actor claude --json >"$OUT" 2>"$ERR" || fail "-C"

say "a coordination worktree that is gone is made again"
rm -rf "$COORD"
expect_exit 0 kitty agent status emit WP01 --to blocked --actor claude --json
one_object "$OUT"
expect_eq "$(wc -l <"$ERR")" 1 "one line of warning"
check_clean

say "twenty at once on one work package: one success, nineteen conflicts"
i=0
while [ $i -lt 20 ]; do
	(
		kitty agent status emit WP01 --to in_progress --actor "agent$i" --from blocked --json >"$BOX/race.$i" 2>&1
		echo $? >"$BOX/code.$i"
	) &
	i=$((i + 1))
done
wait
expect_eq "$(cat "$BOX"/code.* | grep -cx 0)" 1 "successes"
expect_eq "$(cat "$BOX"/code.* | grep -cx 5)" 19 "conflicts"
i=0
while [ $i -lt 20 ]; do
	one_object "$BOX/race.$i"
	i=$((i + 1))
done
check_clean
exit 0
