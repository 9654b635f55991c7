#!/bin/sh
# One log, one reader: a copy of the log planted in the primary checkout and in a lane, and a snapshot that is stale, torn
# or gone, change no answer of any query; the doctor names the copies. Usage: decoy_logs.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
sandbox
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**:WP01'
work WP01 a src/a/a.c "int a;"
export SPEC_KITTY_MISSION="$MISSION"

answers() { # of every query, from the primary checkout and the lane
	for place in "$REPO" "$(lane a)"; do
		for query in status "agent tasks list-tasks" "agent status history" "agent status materialize --stdout" \
			"agent status validate" "next --agent claude" "agent context resolve --action implement" "mission list" \
			"orchestrator-api mission-state --mission $MISSION" "orchestrator-api list-ready --mission $MISSION" \
			"merge --dry-run"; do
			# shellcheck disable=SC2086
			(cd "$place" && kitty $query --json) 2>&1 | sed 's/"timestamp": "[^"]*"//; s/"correlation_id": "[^"]*"//
				s/"timestamp":"[^"]*"//; s/"correlation_id":"[^"]*"//'
		done
	done
}
answers >"$BOX/truth"
grep -q '"claimed"' "$BOX/truth" || fail "the answers say nothing"

same_answers() {
	answers >"$BOX/answers"
	cmp -s "$BOX/truth" "$BOX/answers" || { diff "$BOX/truth" "$BOX/answers" >&2; fail "another answer"; }
}

say "a decoy in the primary checkout and in the lane"
decoy() { # FOLDER
	mkdir -p "$1"
	sed 's/"to_lane": "claimed"/"to_lane": "canceled"/' "$LOG" >"$1/status.events.jsonl"
	sed 's/"claimed"/"canceled"/' "${LOG%/*}/status.json" >"$1/status.json"
}
decoy "$DRAFTS"
decoy "$(lane a)/kitty-specs/$MISSION"
same_answers
kitty doctor --json >"$OUT" 2>"$ERR"
grep -qF "$DRAFTS/status.events.jsonl" "$OUT" || grep -qF "kitty-specs/$MISSION/status.events.jsonl" "$OUT" || fail "the primary's copy is not named"
grep -qF "$MISSION-lane-a" "$OUT" || fail "the lane's copy is not named"

say "commands that write do not look at it either"
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress
rm "$DRAFTS"/status.* "$(lane a)/kitty-specs/$MISSION"/status.*
tail -n 1 "$LOG" | grep -q '"from_lane": "claimed"' || fail "the row goes on from the decoy"
check_clean
answers >"$BOX/truth"

say "a snapshot that is stale, torn, of another version or gone"
snapshot=${LOG%/*}/status.json
cp "$snapshot" "$BOX/snapshot"
sed -i 's/"in_progress"/"done"/g' "$snapshot" && same_answers
head -c 100 "$BOX/snapshot" >"$snapshot" && same_answers
echo '{"schema_version": 99}' >"$snapshot" && same_answers
rm "$snapshot" && same_answers

say "the next command that writes makes it again"
expect_exit 0 kitty agent tasks add-history WP01 --note "a word"
check_clean
exit 0
