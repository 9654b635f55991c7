#!/bin/sh
# A work package is sent back three times and then approved: no override is needed, the history keeps every verdict with
# who gave it, the last one counts, and the holder's name survives. Usage: review_rounds.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
sandbox
make_mission upsell 'WP01:src/a/**'
export SPEC_KITTY_MISSION="$MISSION"
for round in 1 2 3 4; do
	say "round $round"
	expect_exit 0 kitty implement WP01 --agent claude
	mkdir -p "$(lane a)/src/a" && echo "$round" >"$(lane a)/src/a/a.c"
	git -C "$(lane a)" add -A && git -C "$(lane a)" commit -q -m "Round $round"
	expect_exit 0 kitty agent tasks move-task WP01 --to for_review
	expect_exit 0 kitty agent action review WP01 --agent "reviewer$round"
	if [ "$round" -lt 4 ]; then
		echo "Complaint $round" >"$BOX/review.md"
		# Named as one stands; read from elsewhere.
		(cd "$BOX" && kitty -C "$REPO" agent tasks move-task WP01 --to planned --agent "reviewer$round" \
			--review-feedback-file ../review.md) >"$OUT" 2>"$ERR" || fail "sent back"
		expect_exit 0 kitty agent action implement WP01 --agent claude --json
		grep -q "Complaint $round" "$(json "$OUT" prompt_file)" || fail "the next attempt is not told what was wrong"
	else
		expect_exit 0 kitty agent tasks move-task WP01 --to approved --agent "reviewer$round"
	fi
done

say "the history"
expect_exit 0 kitty agent status history --wp WP01 --json
cp "$OUT" "$BOX/history"
! grep -q '"force": true' "$BOX/history" || fail "an override was used"
expect_eq "$(grep -o '"verdict": "changes_requested"' "$LOG" | wc -l)" 3 "rejections in the log"
expect_eq "$(grep -o '"to_lane": "in_review"' "$LOG" | wc -l)" 4 "reviews in the log"
for round in 1 2 3 4; do
	grep '"to_lane": "in_review"' "$LOG" | grep -q "\"actor\": \"reviewer$round\"" || fail "reviewer$round is forgotten"
done
expect_exit 0 kitty status --json
expect_json "$OUT" by_lane.approved 1
expect_exit 0 merge --json
expect_eq "$(git cat-file blob main:src/a/a.c)" 4
exit 0
