#!/bin/sh
# kitty merge --interactive on a terminal: the user's editor on the conflicted files, then --resume; killed or left
# in between nothing is lost. Usage: merge_interactive.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
command -v script >/dev/null || exit 77
sandbox
printf '1\n2\n3\n' >"shared file.txt"
git add . && git commit -q -m shared
make_mission upsell 'WP01:src/a/**'
work WP01 a "shared file.txt" "one of a"
approve WP01
printf 'one of main\n' >"shared file.txt"
git commit -q -am main
git checkout -q -b elsewhere

cat >"$BOX/editor" <<'EDITOR'
#!/bin/sh
[ -t 0 ] || exit 1
for file; do
	sed -i -e '/^<<<<<<<\|^=======\|^>>>>>>>/d' "$file"
done
EDITOR
chmod +x "$BOX/editor"

say "an editor that solves nothing leaves the conflict open"
main=$(git rev-parse main)
GIT_EDITOR=true script -qec "kitty merge --mission $MISSION --interactive" /dev/null >"$OUT" 2>&1
[ $? -eq 5 ] || fail "exit status"
expect_exit 5 merge --resume --json
refusal=$(json "$OUT" error.detail)
expect_exit 5 merge --dry-run --json
expect_eq "$(json "$OUT" error.detail)" "$refusal" "what the dry run says of it"
expect_eq "$(git rev-parse main)" "$main"
git worktree list | grep -q merge-scratch || fail "the scratch worktree is gone"

say "opened again, solved in the editor, resumed"
expect_exit 0 merge --abort
GIT_EDITOR="$BOX/editor" script -qec "kitty merge --mission $MISSION --interactive" /dev/null >"$OUT" 2>&1
[ $? -eq 5 ] || fail "exit status"
expect_eq "$(git rev-parse main)" "$main" "nothing moves before --resume"
freeze >"$BOX/before"
expect_exit 0 merge --dry-run --json
frozen
removed=$(json "$OUT" removed)
expect_exit 0 merge --resume --json
expect_eq "$(json "$OUT" removed)" "$removed" "what the dry run said is removed"
git cat-file blob "main:shared file.txt" >"$BOX/shared"
grep -q 'one of a' "$BOX/shared" && grep -q 'one of main' "$BOX/shared" || fail "one side is lost"
! git worktree list | grep -q merge-scratch || fail "the scratch worktree is left"

say "the dry run judges the resolution that stands in the scratch worktree, not what was approved"
sandbox
echo base >src/both.txt
git add . && git commit -q -m base
make_mission both 'WP01:src/a/**' 'WP02:src/b/**'
work WP01 a src/both.txt "one of a"
work WP02 b src/both.txt "one of b"
approve WP01
approve WP02
expect_exit 5 merge --interactive --json
scratch=$(json "$OUT" scratch)
grep -q '^<<<<<<<' "$scratch/src/both.txt" || fail "no conflict"
printf 'one of a\none of b\n' >"$scratch/src/both.txt"
echo poison >"$scratch/kitty-specs/$MISSION/plan.md"
git -C "$scratch" add --sparse src "kitty-specs/$MISSION/plan.md"
expect_exit 4 merge --dry-run --json
expect_json "$OUT" error.code LANE_TOUCHES_KITTY_SPECS
json "$OUT" error.detail | grep -q plan.md || fail "the path is not named"
git -C "$scratch" checkout -q MERGE_HEAD -- "kitty-specs/$MISSION/plan.md"
expect_exit 0 merge --dry-run --json
removed=$(json "$OUT" removed)
expect_exit 0 merge --resume --json
expect_eq "$(json "$OUT" removed)" "$removed" "what the dry run said is removed"
expect_eq "$(git show main:src/both.txt | paste -sd,)" "one of a,one of b" "the resolution"
