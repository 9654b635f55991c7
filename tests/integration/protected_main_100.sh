#!/bin/sh
# A hundred runs of implement and a hundred of review from a checkout of the protected main, each followed by a verdict
# that sends the work back: main's commit, its reflog, the index and every file of the checkout stay byte for byte what
# they were. Usage: protected_main_100.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
# The user has work open: staged, changed since, untracked.
echo staged >src/staged.c && git add src/staged.c
echo "// more" >>src/staged.c
echo "// changed" >>src/main.c
echo mine >notes.txt
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**' 'WP04:src/d/**'
echo "Once more." >"$BOX/review.md"

# No git command here that would refresh the index.
main_state() {
	git rev-parse main
	cat .git/HEAD .git/logs/HEAD .git/logs/refs/heads/main
	find . \( -path ./.git -o -path ./.worktrees \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	sha256sum .git/index
	stat -c '%n %a %s %y' .git/index src/* notes.txt
}

quiet() { "$@" >"$OUT" 2>"$ERR" || fail "exit $?: $*"; }

main_state >"$BOX/main"
before=$(git rev-parse main)
for round in $(seq 25); do
	for pair in WP01:a WP02:b WP03:c WP04:d; do
		wp=${pair%:*} lane=$REPO/.worktrees/$MISSION-lane-${pair#*:}
		say "round $round: implement $wp"
		quiet kitty implement "$wp" --agent claude --mission "$MISSION"
		grep -qF -- "- $BRANCH chore: $wp claimed for implementation [claude] ✓" "$OUT" || fail "nothing was claimed"
		main_state | cmp -s - "$BOX/main" || fail "main's checkout changed"
		mkdir -p "$lane/src/${pair#*:}"
		echo "$round" >"$lane/src/${pair#*:}/work.c"
		git -C "$lane" add -A
		git -C "$lane" commit -q -m "Round $round" || fail "commit in the lane"
		quiet kitty agent tasks move-task "$wp" --to for_review --mission "$MISSION"
		say "round $round: review $wp"
		quiet kitty agent action review "$wp" --agent codex --mission "$MISSION"
		grep -qF -- "- $BRANCH chore:" "$OUT" || fail "the review recorded nothing"
		main_state | cmp -s - "$BOX/main" || fail "main's checkout changed"
		quiet kitty agent tasks move-task "$wp" --to planned --review-feedback-file "$BOX/review.md" --mission "$MISSION"
	done
done

say "afterwards"
main_state >"$BOX/main-now"
cmp -s "$BOX/main" "$BOX/main-now" || { diff "$BOX/main" "$BOX/main-now" >&2; fail "main's checkout changed"; }
expect_eq "$(git rev-parse main)" "$before" "main"
expect_eq "$(git rev-list --count "main..$BRANCH" --grep '^chore: WP.. claimed for implementation \[claude\]$')" 100 "claims"
expect_eq "$(grep -c '"to_lane": "in_review"' "$LOG")" 100 "reviews"
expect_eq "$(git log --oneline main | wc -l)" 1 "commits on main"
check_clean
expect_exit 0 kitty verify --mission "$MISSION"
exit 0
