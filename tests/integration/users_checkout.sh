#!/bin/sh
# What a user left open in the primary checkout: a half-finished merge with conflicts, a stash, partly staged hunks,
# untracked and ignored files, hooks of their own. Byte for byte the same after a whole mission, an aborted merge and a
# discard while another branch than the target is checked out; with the target checked out merge refuses before anything
# happened. Usage: users_checkout.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
sandbox

# Everything of the user's: the checkout's files, and in the git folder index, HEAD, merge, stash, hooks, configuration,
# reflogs. Written without git where git would refresh the index.
photo() {
	find . \( -path ./.git -o -path ./.worktrees \) -prune -o -printf '%y %m %p %l\n' | LC_ALL=C sort
	find . \( -path ./.git -o -path ./.worktrees \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	find .git -maxdepth 1 -type f ! -name FETCH_HEAD ! -name packed-refs ! -name gc.log -print0 |
		LC_ALL=C sort -z | xargs -0 sha256sum
	stat -c '%n %a %s %y %i' .git/index
	find .git/hooks .git/info .git/logs/refs/stash .git/logs/HEAD -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	for ref in HEAD side main refs/stash; do
		echo "$ref $(git rev-parse "$ref")"
	done
	git stash list
}

keep_photo() { photo >"$BOX/photo"; }
same_photo() {
	photo >"$BOX/photo-now"
	cmp -s "$BOX/photo" "$BOX/photo-now" || { diff "$BOX/photo" "$BOX/photo-now" >&2; fail "the user's checkout changed"; }
}

# leave_open BRANCH OTHER: a merge of OTHER into BRANCH, half resolved, and all the rest of it
leave_open() {
	git switch -q "$1"
	echo later >>partly.txt && git stash push -q -m "for later"
	git merge "$2" >"$BOX/merge-words" 2>&1 && fail "the merge has no conflict"
	echo "half resolved" >clash.txt
	echo staged >src/staged.c && git add src/staged.c
	sed -i 's/^2$/two/' partly.txt && git add partly.txt && sed -i 's/^9$/nine/' partly.txt
	chmod +x src/main.c
	echo mine >notes.txt
	echo "an ignored one" >build.o
	ln -s nowhere dangling
}

say "a project with two branches that conflict, and hooks of its own"
seq 10 >partly.txt
echo base >clash.txt
printf '*.o\n' >.gitignore
git add -A && git commit -q -m "Files"
git switch -q -c side && echo side >clash.txt && git commit -q -am "Side"
git switch -q main && git switch -q -c other && echo other >clash.txt && git commit -q -am "Other"
for name in pre-commit commit-msg post-commit post-merge post-checkout pre-push; do
	hook "$name" <<-HOOK
		#!/bin/sh
		# $name of the user's
		exit 0
	HOOK
done
expect_exit 0 kitty init
git switch -q main && git add -A && { git diff --cached --quiet || git commit -q -m "Set up"; }

# What kitty does once for a repository (its exclude line, git's per-worktree configuration) is done before the user begins.
make_mission first 'WP01:src/first/**'
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
FIRST=$MISSION
leave_open side other

mission_to_approval() { # FOLDER: a second mission, drafted, finalised, worked on, reviewed and approved, under the open merge
	draft_mission "$1" "WP01:src/$1/**" "WP02:src/${1}2/**:WP01"
	keep_photo_of_drafts
	kitty agent mission finalize-tasks --mission "$MISSION" --json >"$OUT" 2>"$ERR" || fail "finalize-tasks"
	keep_photo
	work WP01 a "src/$1/a.c" "int $1;"
	kitty agent tasks move-task WP01 --to for_review --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "for_review"
	expect_exit 0 kitty agent action review WP01 --agent codex --mission "$MISSION"
	same_photo
	approve WP01
	work WP02 b "src/${1}2/b.c" "int ${1}2;"
	approve WP02
	expect_exit 0 kitty status --mission "$MISSION"
	kitty doctor --json >"$OUT" 2>"$ERR"
	same_photo
}

# Nothing but the mission's own folder may differ from before it was created.
keep_photo_of_drafts() {
	photo | grep -vF "kitty-specs/$MISSION" >"$BOX/photo-without"
	cmp -s "$BOX/photo-user" "$BOX/photo-without" || { diff "$BOX/photo-user" "$BOX/photo-without" >&2; fail "mission create"; }
}

photo >"$BOX/photo-user"
say "a whole mission, to the merged target"
mission_to_approval alpha
expect_exit 0 merge --dry-run --json
same_photo
main_before=$(git rev-parse main)
expect_exit 0 merge --json
[ "$(git rev-parse main)" != "$main_before" ] || fail "main did not move"
git cat-file -e main:src/alpha2/b.c || fail "main lacks the lane's file"
# main is what the merge moves; all else is the user's.
sed "s/^main .*/main $(git rev-parse main)/" "$BOX/photo" >"$BOX/photo-moved" && mv "$BOX/photo-moved" "$BOX/photo"
same_photo
photo >"$BOX/photo-user"

say "a merge that stops at a conflict, and is aborted"
mission_to_approval beta
blob=$(echo "on main" | git hash-object -w --stdin)
tree=$(GIT_INDEX_FILE=$BOX/index sh -c "git read-tree main && git update-index --add --cacheinfo 100644,$blob,src/beta/a.c && git write-tree")
git update-ref refs/heads/main "$(git commit-tree -p main -m "The same file" "$tree")"
keep_photo
expect_exit 5 merge --interactive --json
expect_json "$OUT" error.code MERGE_CONFLICT
same_photo
expect_exit 0 merge --abort --json
one_object "$OUT"
same_photo
[ -s .git/MERGE_HEAD ] || fail "the user's own merge was aborted"

say "a discard"
expect_exit 0 kitty mission close --discard --mission "$MISSION" --json
one_object "$OUT"
same_photo
expect_exit 0 kitty mission close --discard --mission "$FIRST" --json
same_photo

say "the user goes on where they were"
git add clash.txt && git commit -q -m "Merged by hand" || fail "the half-finished merge cannot be finished"
expect_eq "$(git stash list)" "stash@{0}: On side: for later"
git status --porcelain >"$BOX/status"
grep -q '^?? notes.txt' "$BOX/status" || fail "the untracked file is gone"
git reset -q --hard && git clean -qfd

say "with the target checked out, merge refuses before anything happened"
git switch -q main && git reset -q --hard
make_mission gamma 'WP01:src/gamma/**'
work WP01 a src/gamma/a.c "int gamma;"
approve WP01
git switch -q -c trunk && echo trunk >clash.txt && git commit -q -am "Trunk" && git switch -q main
echo "main" >clash.txt && git commit -q -am "Clash on main"
leave_open main trunk
refs() { git for-each-ref; }
keep_photo
refs >"$BOX/refs"
for form in --json "--strategy squash --json" "--interactive --json" "--dry-run --json"; do
	# shellcheck disable=SC2086
	expect_exit 4 merge $form
	one_object "$OUT"
	expect_json "$OUT" error.code MERGE_CHECKOUT_BLOCKED
	same_photo
	refs | cmp -s - "$BOX/refs" || fail "a ref moved"
	git -C "$(lane a)" rev-parse HEAD >/dev/null || fail "the lane is gone"
done
expect_exit 0 kitty mission close --discard --mission "$MISSION" --json
same_photo
exit 0
