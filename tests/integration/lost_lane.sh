#!/bin/sh
# A lane whose worktree and branch are gone while its work package is under way, and after it was approved: nothing is cut
# anew, implement and merge refuse and name the last commit, and repair brings the work back. Usage: lost_lane.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
sandbox
make_mission upsell 'WP01:src/a/**'
work WP01 a src/a/a.c "int a;"
work_tip=$(git -C "$(lane a)" rev-parse HEAD)

lose() {
	git worktree unlock "$(lane a)" 2>/dev/null
	git worktree remove --force "$(lane a)"
	git branch -q -D "$BRANCH-lane-a"
}
nothing_new() {
	! git rev-parse -q --verify "refs/heads/$BRANCH-lane-a" >/dev/null || fail "the branch was cut anew"
	[ ! -d "$(lane a)/src" ] || fail "the lane was made anew"
}

say "under way: refused, and the last commit is named"
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
lose
before=$(tip)
refused_naming() { # COMMIT COMMAND...
	last_commit=$1 # not `wanted`: expect_exit has a variable of that name
	shift
	expect_exit 4 "$@" --mission "$MISSION" --json
	one_object "$OUT"
	expect_json "$OUT" error.code LANE_BRANCH_MISSING
	json "$OUT" error.detail | grep -q "$last_commit" || fail "the last commit $last_commit is not named"
	nothing_new
	expect_eq "$(tip)" "$before" "the coordination branch"
}
refused_naming "$work_tip" kitty implement WP01 --agent claude
refused_naming "$work_tip" kitty agent action implement WP01 --agent claude

say "the printed next step brings the work back"
expect_exit 0 sh -c "$(json "$OUT" error.next_step)"
expect_eq "$(git rev-parse "$BRANCH-lane-a")" "$work_tip" "the lane's branch"
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
expect_exit 0 kitty agent tasks move-task WP01 --to for_review --agent claude --mission "$MISSION"

say "for review, and gone"
lose
before=$(tip)
refused_naming "$work_tip" kitty agent action review WP01 --agent codex
expect_exit 0 sh -c "$(json "$OUT" error.next_step)"
expect_exit 0 kitty agent action review WP01 --agent codex --mission "$MISSION"
work_tip=$(git rev-parse "$BRANCH-lane-a")
expect_exit 0 kitty agent tasks move-task WP01 --to approved --agent codex --mission "$MISSION"

say "approved, and gone: the very commit that was approved is merged"
lose
main=$(git rev-parse main)
cp -a "$REPO" "$BOX/copy"
expect_exit 0 merge --json
one_object "$OUT"
expect_json "$OUT" integrated.0.commit "$work_tip"
git merge-base --is-ancestor "$work_tip" main || fail "merged without the approved commit"
git cat-file -e main:src/a/a.c || fail "the work is not in main"

say "approved, gone, and pruned: the merge refuses, nothing moves"
rm -rf "$REPO" && mv "$BOX/copy" "$REPO" && cd "$REPO" || fail "the copy"
git reflog expire --expire=now --all
git gc -q --prune=now
! git cat-file -e "$work_tip" 2>/dev/null || fail "the commit was not pruned"
expect_exit 4 merge --json
one_object "$OUT"
expect_json "$OUT" error.code MERGE_RESULT_UNVERIFIED
json "$OUT" error.detail | grep -q "$work_tip" || fail "the commit is not named"
expect_eq "$(git rev-parse main)" "$main" "main"
! log_rows "$BRANCH" | grep -q '"to_lane": "done"' || fail "done without the code"
exit 0
