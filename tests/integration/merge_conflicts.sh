#!/bin/sh
# Conflicts move nothing: between lanes, with a moved target; the way out is what the message says.
# Usage: merge_conflicts.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
printf '1\n2\n3\n4\n5\n' >shared.txt
git add . && git commit -q -m shared
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
work WP01 a src/a/a.c "int a;"
sed -i s/3/three-a/ "$(lane a)/shared.txt"
git -C "$(lane a)" commit -q -am "three of a"
work WP02 b src/b/b.c "int b;"
sed -i s/3/three-b/ "$(lane b)/shared.txt"
git -C "$(lane b)" commit -q -am "three of b"
approve WP01
approve WP02

say "stage 1: the dry run says it, the run says it, nothing moves"
freeze >"$BOX/before"
expect_exit 5 merge --dry-run --json
one_object "$OUT"
expect_json "$OUT" error.code MERGE_CONFLICT
expect_json "$OUT" conflict.wp_id WP02
frozen
expect_exit 5 merge --json
one_object "$OUT"
expect_json "$OUT" error.code MERGE_CONFLICT
expect_json "$OUT" conflict.files '["shared.txt"]'
expect_json "$OUT" conflict.stage lane
json "$OUT" conflict.theirs.commits.0 | grep -q 'three of b' || fail "the lane's commit is not named"
json "$OUT" conflict.ours.commits.0 | grep -q 'three of a' || fail "the other side's commit is not named"
json "$OUT" error.next_step | grep -q "interactive" || fail "no way out"
json "$OUT" conflict.resolve.0 | grep -q "git -C $(lane b) merge $BRANCH" || fail "the lane is not named"
frozen
expect_exit 5 merge
grep -q '^conflict: shared.txt$' "$ERR" || fail "the file is not named"

say "the API tells the same conflict"
expect_exit 1 spec-kitty orchestrator-api merge-mission --mission "$MISSION"
one_object "$OUT"
expect_json "$OUT" success false
expect_json "$OUT" error_code PREFLIGHT_FAILED
expect_json "$OUT" data.conflict.files '["shared.txt"]'
expect_json "$OUT" data.conflict.wp_id WP02
json "$OUT" data.errors.0 | grep -q 'conflict in shared.txt' || fail "the error names no file"
frozen

say "the first one alone integrates; the second one's refusal leaves the branch as it is"
expect_exit 0 kitty agent tasks move-task WP01 --to "done" --mission "$MISSION"
before=$(tip)
expect_exit 5 kitty agent tasks move-task WP02 --to "done" --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code MERGE_CONFLICT
expect_json "$OUT" conflict.files '["shared.txt"]'
json "$OUT" error.next_step | grep -q "git -C $(lane b) merge $BRANCH" || fail "no way out"
expect_eq "$(tip)" "$before"
check_clean

say "resolved in the lane, as told: approved again, integrated"
expect_exit 1 sh -c "$(json "$OUT" error.next_step)"
[ ! -s "$ERR" ] || fail "the next step is not a command to paste"
git -C "$(lane b)" rev-parse -q --verify MERGE_HEAD >/dev/null || fail "git sees no conflict"
sed -i -e '/^<<<<<<<\|^=======\|^>>>>>>>/d' "$(lane b)/shared.txt"
git -C "$(lane b)" commit -q -am "both threes"
expect_exit 0 kitty agent tasks move-task WP02 --to in_progress --reason "resolve the conflict" --agent claude --mission "$MISSION"
expect_exit 0 kitty agent tasks move-task WP02 --to approved --agent claude --mission "$MISSION"
expect_exit 0 kitty agent tasks move-task WP02 --to "done" --agent claude --mission "$MISSION"
git cat-file blob "$BRANCH:shared.txt" >"$BOX/shared"
grep -q three-a "$BOX/shared" && grep -q three-b "$BOX/shared" || fail "one side is lost"

say "stage 2: the target moved with a conflicting commit"
sed -i s/3/three-main/ shared.txt
git commit -q -am "three of main"
freeze >"$BOX/before"
expect_exit 5 merge --dry-run --json
expect_json "$OUT" conflict.stage target
frozen
for strategy in merge squash rebase; do
	expect_exit 5 merge --strategy "$strategy" --json
	one_object "$OUT"
	expect_json "$OUT" error.code MERGE_CONFLICT
	expect_json "$OUT" conflict.files '["shared.txt"]'
	json "$OUT" conflict.ours.commits.0 | grep -q 'three of main' || fail "the target's commit is not named"
	frozen
done

say "--interactive without a terminal opens the worktree and says how to go on"
main=$(git rev-parse main)
expect_exit 5 merge --interactive --json
one_object "$OUT"
SCRATCH=$(json "$OUT" scratch)
[ -d "$SCRATCH" ] || fail "no scratch worktree"
grep -q '^<<<<<<<' "$SCRATCH/shared.txt" || fail "no conflict in it"
json "$OUT" error.next_step | grep -q -- --resume || fail "no next step"
expect_eq "$(git rev-parse main)" "$main"
expect_exit 5 merge --resume --json
json "$OUT" error.detail | grep -q 'not resolved yet' || fail "an open conflict was taken"

say "aborted: the worktree is gone, nothing has moved"
expect_exit 0 merge --abort --json
one_object "$OUT"
[ ! -e "$SCRATCH" ] || fail "the scratch worktree is left"
frozen
expect_exit 4 merge --abort --json
expect_json "$OUT" error.code MERGE_NO_STATE
expect_exit 4 merge --resume --json
expect_json "$OUT" error.code MERGE_NO_STATE

say "resolved in the scratch worktree, resumed: both changes are in"
expect_exit 5 merge --interactive --json
expect_exit 5 merge --strategy squash --json
expect_json "$OUT" error.code MERGE_STATE_CONFLICT
sed -i -e '/^<<<<<<<\|^=======\|^>>>>>>>/d' "$SCRATCH/shared.txt"
git -C "$SCRATCH" add shared.txt
expect_exit 0 merge --resume --json
git cat-file blob main:shared.txt >"$BOX/shared"
for text in three-a three-b three-main; do
	grep -q "$text" "$BOX/shared" || fail "$text is lost"
done
git merge-base --is-ancestor "$main" main || fail "the target's own commit is lost"
[ ! -e "$SCRATCH" ] || fail "the scratch worktree is left"
silent git for-each-ref refs/kitty/merge
silent git status --porcelain
expect_eq "$(log_rows main | grep -c '"to_lane": "done"')" 2
exit 0
