#!/bin/sh
# Two lanes to a merged main: integration is one commit with two parents, then target, closed ref, teardown.
# Usage: merge_happy.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
work WP01 a src/a/a.c "int a;"
work WP02 b src/b/b.c "int b;"

say "nothing is merged before it is approved"
expect_exit 4 merge --json
one_object "$OUT"
expect_json "$OUT" error.code MERGE_NOT_READY
json "$OUT" error.detail | grep -q 'WP01 is claimed' || fail "the open work package is not named"

say "the approving row names the lane's commit"
approve WP01
tip_a=$(git -C "$(lane a)" rev-parse HEAD)
tail -n 1 "$LOG" | grep -q "\"approved_commit\": \"$tip_a\"" || fail "no approved_commit"

say "what came after the approval is not integrated"
echo "int later;" >"$(lane a)/src/a/later.c"
git -C "$(lane a)" add -A
git -C "$(lane a)" commit -q -m later

say "move-task --to done integrates: one commit, two parents, the row and the files together"
before=$(tip)
log_rows "$BRANCH" >"$BOX/log-before"
expect_exit 0 kitty agent tasks move-task WP01 --to "done" --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" new_lane "done"
expect_eq "$(git rev-list --first-parent --count "$before..$BRANCH")" 1
expect_eq "$(git rev-parse "$BRANCH^1")" "$before"
expect_eq "$(git rev-parse "$BRANCH^2")" "$tip_a"
git cat-file -e "$BRANCH:src/a/a.c" || fail "the lane's file is not there"
not_in "$BRANCH" src/a/later.c "an unapproved commit was integrated"
tail -n 1 "$LOG" | grep -q '"merge_phase": "lane_integrated", "target_branch": "main"' || fail "no lane_integrated"
log_rows "$BRANCH" | head -c "$(wc -c <"$BOX/log-before")" | cmp -s - "$BOX/log-before" || fail "the log was rewritten"
[ -f "$COORD/src/a/a.c" ] || fail "the coordination worktree did not follow"
check_clean

say "again: done already"
expect_exit 4 kitty agent tasks move-task WP01 --to "done" --mission "$MISSION" --json
expect_json "$OUT" error.code TRANSITION_REJECTED

git -C "$(lane a)" reset -q --hard HEAD^
say "the dry run says what the merge does, and moves nothing"
approve WP02
freeze >"$BOX/before"
objects=$(git count-objects -v | grep -E '^(count|in-pack)')
expect_exit 0 merge --dry-run --json
one_object "$OUT"
expect_json "$OUT" dry_run true
expect_json "$OUT" integrated.0.wp_id WP02
predicted=$(json "$OUT" target.tree)
frozen
expect_eq "$(git count-objects -v | grep -E '^(count|in-pack)')" "$objects" "the dry run wrote objects"
expect_exit 0 merge --dry-run
grep -q '^WP02: would be integrated' "$OUT" || fail "no line for WP02"

say "the merge"
git checkout -q -b elsewhere
coordination=$(tip)
expect_exit 0 merge --json
one_object "$OUT"
expect_json "$OUT" integrated.# 1
expect_json "$OUT" integrated.0.wp_id WP02
expect_json "$OUT" kept.# 0
expect_eq "$(json "$OUT" target.after)" "$(git rev-parse main)"
git cat-file -e main:src/a/a.c && git cat-file -e main:src/b/b.c || fail "code is missing"
closed=$(git rev-parse "refs/kitty/closed/$MISSION")
expect_eq "$(git rev-parse main^2)" "$closed"
git merge-base --is-ancestor "$coordination" "$closed" || fail "the closed ref lost history"
expect_eq "$(log_rows main | grep -c '"to_lane": "done"')" 2 "one done per work package"
log_rows main >"$BOX/main-log"
log_rows "refs/kitty/closed/$MISSION" | cmp -s - "$BOX/main-log" || fail "the log differs"
git cat-file blob "main:kitty-specs/$MISSION/meta.json" >"$BOX/meta"
expect_json "$BOX/meta" mission_number 1
expect_json "$BOX/meta" baseline_merge_commit "$(git rev-parse main^1)"
[ -n "$predicted" ] || fail "no prediction"
expect_eq "$(git rev-parse 'main:src')" "$(git rev-parse "refs/kitty/closed/$MISSION:src")"
expect_eq "$(git for-each-ref refs/heads --format='%(refname:short)' | sort | tr '\n' ' ')" "elsewhere main "
[ ! -e "$COORD" ] && [ ! -e "$(lane a)" ] && [ ! -e "$(lane b)" ] || fail "a worktree is left"
expect_eq "$(git worktree list | wc -l)" 1
git fsck --no-dangling >"$BOX/fsck" 2>&1 || fail "fsck"

say "again: nothing to do"
main=$(git rev-parse main)
expect_exit 0 merge --json
expect_json "$OUT" is_noop true
expect_eq "$(git rev-parse main)" "$main"
exit 0
