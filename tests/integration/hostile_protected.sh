#!/bin/sh
# Protected branches: no command moves one, whatever protects it and whatever is checked out where; only merge's second
# stage moves a target, and only from where it was seen. Usage: hostile_protected.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
sandbox
echo 1 >notes.txt && git add . && git commit -q -m notes
make_mission upsell 'WP01:src/a/**'
git add kitty-specs && git commit -q -m drafts # so that what is dirty is the user's
work WP01 a src/a/a.c "int a;"
keep

protect() { # PATTERN...
	mkdir -p .kittify
	printf 'protection:\n  protected_branches: [%s]\n' "$(printf '"%s", ' "$@" | sed 's/, $//')" >.kittify/config.yaml
}
others() { git for-each-ref --format='%(refname) %(objectname)' refs/heads refs/tags refs/remotes | grep -v "refs/heads/$BRANCH "; }
# Every ref but the mission's stays, and the checkout's bytes, HEAD and index.
held() {
	others >"$BOX/refs"
	git status --porcelain >"$BOX/status"
	head=$(cat .git/HEAD) index=$(git ls-files -s | sha256sum)
	"$@"
	others | cmp -s - "$BOX/refs" || fail "a branch moved: $(others | diff "$BOX/refs" -)"
	git status --porcelain | cmp -s - "$BOX/status" || fail "the checkout changed"
	expect_eq "$(cat .git/HEAD) $(git ls-files -s | sha256sum)" "$head $index" "HEAD and index"
}
emit() { expected "$1" kitty agent status emit WP01 --to in_progress --actor claude --mission "$MISSION"; }
commit_to() { # WANT BRANCH: safe-commit of a changed file there
	expected "$1" kitty safe-commit --to-branch "$2" -m "A change" notes.txt
}

row() { # NAME: fresh, or left out
	cell "$1" || return 1
	fresh
	echo changed >>notes.txt
}
row "+main is protected by default" && held commit_to 4:SAFE_COMMIT_PROTECTED_BRANCH main
row "master is, too" && git branch -q -m main master && held commit_to 4:SAFE_COMMIT_PROTECTED_BRANCH master
row "+what origin/HEAD names is, too" && git switch -q -c trunk && git update-ref refs/remotes/origin/trunk HEAD &&
	git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/trunk && held commit_to 4:SAFE_COMMIT_PROTECTED_BRANCH trunk
row "another branch is not" && git switch -q -c feature && commit_to ok feature
row "configured exactly" && protect release && git switch -q -c release && held commit_to 4:SAFE_COMMIT_PROTECTED_BRANCH release
row "+configured by a pattern" && protect 'release/*' && git switch -q -c release/1.0 && held commit_to 4:SAFE_COMMIT_PROTECTED_BRANCH release/1.0
row "a pattern that does not fit" && protect 'release/*' && git switch -q -c releases && commit_to ok releases
row "a pattern is no regular expression" && protect 'r.lease' && git switch -q -c release && commit_to ok release
row "+configured instead of the default" && protect release && commit_to ok main
row "written in full" && held commit_to 4:SAFE_COMMIT_DESTINATION_REF_SHAPE refs/heads/main
row "HEAD is no branch" && held commit_to 4:SAFE_COMMIT_HEAD_MISMATCH HEAD
row "a branch that is not checked out" && git branch -q side && held commit_to 4:SAFE_COMMIT_HEAD_MISMATCH side
row "+the coordination branch protected: nothing is written" && protect 'kitty/*' && held emit 4:BOOKKEEPING_POLICY_REFUSED
row "main checked out and dirty: moves do not touch it" && echo dirty >>notes.txt && git add notes.txt && echo more >>notes.txt &&
	held emit ok
row "main checked out in another worktree" && git switch -q -c aside && git worktree add -q "$BOX/main" main &&
	held emit ok && silent git -C "$BOX/main" status --porcelain && git worktree remove --force "$BOX/main"
row "main half merged" && git rev-parse HEAD >.git/MERGE_HEAD && held emit ok && expect_eq "$(cat .git/MERGE_HEAD)" "$(git rev-parse HEAD)"
row "a tag of the coordination branch's name" && git tag "$BRANCH" main && held emit ok
row "a tag of the target's name" && git tag main "$BRANCH" && approve WP01 && before=$(git rev-parse refs/heads/main) &&
	expected ok merge --keep-worktrees && git merge-base --is-ancestor "$before" refs/heads/main &&
	git cat-file -e refs/heads/main:src/a/a.c
if row "+the target moved after the lane was made: merged on top of it"; then
	approve WP01
	echo 2 >notes.txt && git commit -q -am "Moved"
	moved=$(git rev-parse main)
	expected ok merge --keep-worktrees
	git merge-base --is-ancestor "$moved" main || fail "the target's commit is lost"
	git cat-file -e main:src/a/a.c || fail "the work is not there"
fi
if row "the target's branch is gone"; then
	approve WP01
	git switch -q --detach && git branch -q -D main
	others >"$BOX/refs"
	expect_exit 3 merge --json
	expect_json "$OUT" error.code TARGET_BRANCH_NOT_FOUND
	others | cmp -s - "$BOX/refs" || fail "a branch moved"
	cell_is code
fi
matrix_end 25 "protected branches"
exit 0
