#!/bin/sh
# The target where it is checked out: dirty, half merged, with untracked drafts equal and unequal; the
# user's stash, index, untracked files and hooks stay. Usage: merge_checkout.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
printf '1\n2\n3\n' >notes.txt
printf 'int shared;\n' >src/shared.c
git add . && git commit -q -m more
make_mission upsell 'WP01:src/a/**'
work WP01 a src/a/a.c "int a;"
printf 'int shared = 1;\n' >"$(lane a)/src/shared.c"
git -C "$(lane a)" commit -q -am "shared"
approve WP01
echo "#!/bin/sh" >.git/hooks/post-merge
echo 'touch "$HOME/hook-ran"' >>.git/hooks/post-merge
chmod +x .git/hooks/post-merge

say "a half-finished merge there stops before anything"
git checkout -q -b side && echo 9 >notes.txt && git commit -q -am side && git checkout -q main
echo 8 >notes.txt && git commit -q -am main8
git merge side >/dev/null 2>&1 && fail "no conflict"
freeze >"$BOX/before"
cp .git/MERGE_HEAD "$BOX/merge-head"
expect_exit 4 merge --json
one_object "$OUT"
expect_json "$OUT" error.code MERGE_CHECKOUT_BLOCKED
cmp .git/MERGE_HEAD "$BOX/merge-head" || fail "the user's merge was touched"
frozen
git merge --abort
git branch -q -D side

say "overlapping local changes stop it"
echo "int mine;" >src/shared.c
freeze >"$BOX/before"
expect_exit 4 merge --dry-run --json
expect_json "$OUT" error.code MERGE_CHECKOUT_BLOCKED
expect_exit 4 merge --json
json "$OUT" error.detail | grep -q 'src/shared.c' || fail "the file is not named"
frozen
git checkout -q src/shared.c

say "an untracked file where a new one must go stops it"
mkdir -p src/a && echo "mine" >src/a/a.c
freeze >"$BOX/before"
expect_exit 4 merge --json
json "$OUT" error.detail | grep -q 'src/a/a.c' || fail "the file is not named"
frozen
rm -r src/a
echo "src/a/" >.git/info/exclude
mkdir -p src/a && echo "ignored, mine" >src/a/a.c
expect_exit 4 merge --json
grep -q "ignored, mine" src/a/a.c || fail "an ignored file was overwritten"
rm -r src/a
: >.git/info/exclude

say "an edited draft stops it and is named"
cp "$DRAFTS/spec.md" "$BOX/spec"
echo "my edit" >>"$DRAFTS/spec.md"
freeze >"$BOX/before"
expect_exit 4 merge --json
expect_json "$OUT" error.code MERGE_CHECKOUT_BLOCKED
json "$OUT" error.detail | grep -q 'spec.md' || fail "the draft is not named"
frozen
cp "$BOX/spec" "$DRAFTS/spec.md"

say "what is in nobody's way stays, byte for byte: stash, staged hunk, untracked file; equal drafts go"
printf 'stashed\n' >>notes.txt && git stash -q
printf '1\n' >>notes.txt && git add notes.txt && printf '2\n' >>notes.txt
echo free >free.txt
echo "own" >"$DRAFTS/own-notes.txt"
stash=$(git rev-parse "stash@{0}")
staged=$(git diff --cached | sha256sum)
unstaged=$(git diff -- notes.txt | sha256sum)
expect_exit 0 merge --json
one_object "$OUT"
expect_json "$OUT" target.checkout "$REPO"
expect_eq "$(git rev-parse "stash@{0}")" "$stash"
expect_eq "$(git diff --cached | sha256sum)" "$staged" "the staged hunk"
expect_eq "$(git diff -- notes.txt | sha256sum)" "$unstaged" "the unstaged hunk"
grep -qx free free.txt || fail "an untracked file is gone"
grep -qx own "$DRAFTS/own-notes.txt" || fail "a file of the user's in the drafts is gone"
expect_eq "$(cat src/a/a.c)" "int a;"
[ -f "$DRAFTS/status.events.jsonl" ] || fail "the checkout did not follow"
expect_eq "$(git status --porcelain | LC_ALL=C sort | tr '\n' '|')" "?? free.txt|?? kitty-specs/$MISSION/own-notes.txt|MM notes.txt|"
[ ! -e "$HOME/hook-ran" ] || fail "a hook of the user's ran"
[ ! -e ".git/kitty/$MISSION/merge-drafts" ] || fail "set-aside drafts are left"
exit 0
