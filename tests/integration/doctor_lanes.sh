#!/bin/sh
# Every row of the recovery table of lanes, the sparse policy and the lane gate: named, repaired by the printed command,
# nothing lost, and a second repair is a no-op. Usage: doctor_lanes.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/doctor.sh"
sandbox
printf '*.o\n' >.gitignore && git add .gitignore && git commit -q -m ignore
make_mission lanes "WP01:src/a/**" "WP02:src/b/**"
folder=kitty-specs/$MISSION
lane=$REPO/.worktrees/$MISSION-lane-a
branch=$BRANCH-lane-a
expect_exit 0 kitty implement WP01 --mission "$MISSION"
mkdir -p "$lane/src/a" && echo work >"$lane/src/a/work" && git -C "$lane" add src && git -C "$lane" commit -q -m work
healthy

registration() { sed -n 's/^gitdir: //p' "$lane/.git"; }
second_is_noop() {
	expect_exit 0 kitty agent worktree repair --mission "$MISSION" --json
	one_object "$OUT"
	expect_json "$OUT" changed false
	expect_json "$OUT" actions '[]'
}
# The lane is as a lane must be, with its work.
lane_is_good() {
	expect_eq "$(git -C "$lane" symbolic-ref HEAD)" "refs/heads/$branch"
	[ "$(cat "$lane/src/a/work")" = work ] || fail "the committed work is not there"
	[ ! -e "$lane/$folder/status.events.jsonl" ] || fail "the lane has a log"
	expect_eq "$(git -C "$lane" ls-files -t "$folder/status.json" | cut -c1)" S "skip bit"
}
repaired() {
	found "$@"
	expect_eq "$NEXT" "kitty agent worktree repair --mission $MISSION"
	cured "$1"
	second_is_noop
	healthy
	lane_is_good
}
rescued() { # PATH CONTENT: in the newest rescue of the lane
	ref=$(git for-each-ref --sort=-refname --format='%(refname)' "refs/kitty/rescue/$MISSION/lane-a" | head -n 1)
	[ -n "$ref" ] || fail "nothing was rescued"
	expect_eq "$(git cat-file blob "$ref:$1")" "$2" "the rescued $1"
}
unfinished() { echo "$1" >"$lane/src/a/new" && echo "$1" >>"$lane/src/main.c"; }
work=$(git rev-parse "$branch")

say "branch there, worktree gone, registered"
rm -rf "$lane"
repaired LANE_WORKTREE_MISSING 0
say "branch there, worktree gone, not registered"
gone=$(registration)
rm -rf "$lane" "$gone"
repaired LANE_WORKTREE_MISSING 0
say "branch there, folder without git dir, registered"
unfinished one
rm "$lane/.git"
repaired LANE_WORKTREE_BROKEN
rescued src/a/new one
say "branch there, folder without registration"
unfinished two
rm -r "$(registration)"
repaired LANE_WORKTREE_BROKEN
rescued src/a/new two
say "what is ignored is moved aside, not lost"
echo object >"$lane/big.o"
rm "$lane/.git"
repaired LANE_WORKTREE_BROKEN
find "$REPO/.git/kitty/$MISSION/rescue" -name big.o | grep -q . || fail "the ignored file is lost"
say "branch there, on another branch, clean and with unfinished files"
git -C "$lane" switch -q -c aside
repaired LANE_HEAD_MISMATCH
git -C "$lane" switch -q aside
echo three >"$lane/src/a/new"
repaired LANE_HEAD_MISMATCH
expect_eq "$(cat "$lane/src/a/new")" three "unfinished files are carried over"
rm "$lane/src/a/new"
say "detached, with a commit of its own"
git -C "$lane" switch -q --detach
git -C "$lane" commit -q --allow-empty -m detached
detached=$(git -C "$lane" rev-parse HEAD)
repaired LANE_HEAD_MISMATCH
git for-each-ref --format='%(objectname)' refs/kitty/rescue | grep -q "$detached" || fail "the detached commit is lost"
say "a merge under way is somebody's work: left, and its command ends it"
git -C "$lane" rev-parse HEAD >"$(registration)/MERGE_HEAD"
found LANE_BUSY 0
expect_exit 1 kitty agent worktree repair --json
one_object "$OUT"
expect_json "$OUT" actions.0.error.code LANE_BUSY
cured LANE_BUSY
healthy
say "branch gone, worktree there: its reflog knows the tip"
unfinished four
git update-ref -d "refs/heads/$branch"
repaired LANE_BRANCH_MISSING
expect_eq "$(git rev-parse "$branch")" "$work"
rescued src/a/new four
expect_eq "$(cat "$lane/src/a/new")" four "the files stay where they are"
git -C "$lane" restore . && rm "$lane/src/a/new"
say "branch gone, on another branch"
git -C "$lane" switch -q aside
git update-ref -d "refs/heads/$branch"
kitty internal lane-inspect --mission "$MISSION" --lane lane-a >/dev/null 2>&1
repaired_tip=$(sed -n 's/.*"last_tip": "\(.*\)".*/\1/p' ".git/kitty/$MISSION/lanes/lane-a.json")
[ -n "$repaired_tip" ] || fail "no record"
found LANE_BRANCH_MISSING
cured LANE_BRANCH_MISSING
second_is_noop
healthy
git -C "$lane" reset -q --hard "$work"
say "branch and worktree gone, record known"
expect_exit 0 kitty implement WP01 --mission "$MISSION"
git worktree remove --force --force "$lane"
git branch -q -D "$branch"
found LANE_BRANCH_MISSING
cured LANE_BRANCH_MISSING
second_is_noop
git -C "$lane" reset -q --hard "$work"
lane_is_good
say "branch gone, folder broken, record known"
unfinished five
rm "$lane/.git"
git branch -q -D "$branch" 2>/dev/null || git update-ref -d "refs/heads/$branch"
found LANE_WORKTREE_BROKEN
cured LANE_WORKTREE_BROKEN
second_is_noop
rescued src/a/new five
git -C "$lane" reset -q --hard "$work"
lane_is_good
say "branch gone, nothing known: kept, then as if never made"
unfinished six
rm ".git/kitty/$MISSION/lanes/lane-a.json" "$lane/.git"
git update-ref -d "refs/heads/$branch"
found LANE_WORKTREE_HUSK 0
cured LANE_WORKTREE_HUSK
second_is_noop
rescued src/a/new six
[ ! -e "$lane" ] || fail "the folder is still there"
say "branch gone, nothing known, worktree linked and without reflog"
expect_exit 0 kitty implement WP01 --mission "$MISSION"
mkdir -p "$lane/src/a" && unfinished seven
rm ".git/kitty/$MISSION/lanes/lane-a.json" "$(registration)/logs/HEAD"
git update-ref -d "refs/heads/$branch"
found LANE_BRANCH_MISSING
cured LANE_BRANCH_MISSING
second_is_noop
rescued src/a/new seven
say "a stale registration alone"
expect_exit 0 kitty implement WP01 --mission "$MISSION"
rm -rf "$lane" ".git/kitty/$MISSION/lanes/lane-a.json"
git update-ref -d "refs/heads/$branch"
fault LANE_REGISTRATION_STALE 0
second_is_noop
say "a folder of a lane that the plan does not know"
mkdir -p ".worktrees/$MISSION-lane-zz" && echo x >".worktrees/$MISSION-lane-zz/x"
fault LANE_WORKTREE_HUSK 0
git for-each-ref --format='%(refname)' refs/kitty/rescue | grep -q lane-zz || fail "its file was not kept"
say "a sibling mission's folders are not touched"
mkdir -p ".worktrees/$MISSION-lane-ab-other/x" ".worktrees/${MISSION}x-lane-a"
healthy
second_is_noop
rm -r ".worktrees/$MISSION-lane-ab-other" ".worktrees/${MISSION}x-lane-a"

expect_exit 0 kitty implement WP01 --mission "$MISSION"
mkdir -p "$lane/src/a" && echo work >"$lane/src/a/work" && git -C "$lane" add src && git -C "$lane" commit -q -m work
healthy
say "sparse policy: patterns, switched off, skip bit, a copy of the log"
echo '/*' >"$(registration)/info/sparse-checkout"
repaired LANE_SPARSE_CHECKOUT_DRIFT 0
git -C "$lane" sparse-checkout disable
repaired LANE_SPARSE_CHECKOUT_DRIFT 0
git -C "$lane" update-index --no-skip-worktree "$folder/status.json"
repaired LANE_SPARSE_CHECKOUT_DRIFT 0
mkdir -p "$lane/$folder"
echo '{"mine": 1}' >"$lane/$folder/status.events.jsonl"
repaired DECOY_LOG
find "$REPO/.git/kitty/$MISSION/quarantine" -name 'lane-a-status*' -exec grep -l mine {} + | grep -q . || fail "the copy is lost"

say "the lane gate: edited log, deleted log, another mission's file, a planning file; the command takes it back"
gate() {
	git -C "$lane" commit -q --no-verify -m poison
	poison=$(git -C "$lane" rev-parse --short=12 HEAD)
	found LANE_PROTECTED_FILES
	i=$(kitty doctor --json >"$OUT" && true; finding_index LANE_PROTECTED_FILES)
	json "$OUT" "findings.$i.evidence" | grep -q "$poison" || fail "the commit is not named"
	json "$OUT" "findings.$i.evidence" | grep -qF "$1" || fail "the path is not named"
	cured LANE_PROTECTED_FILES
	healthy
	lane_is_good
	silent git diff --name-only "$(tip)" "$branch" -- kitty-specs
}
mkdir -p "$lane/$folder"
git show "$BRANCH:$folder/status.events.jsonl" | sed '$d' >"$lane/$folder/status.events.jsonl"
git -C "$lane" add --sparse "$folder/status.events.jsonl"
gate "$folder/status.events.jsonl"
git -C "$lane" rm -q --sparse --cached "$folder/status.events.jsonl"
gate "$folder/status.events.jsonl"
mkdir -p "$lane/kitty-specs/other-01AAAAAA" && echo x >"$lane/kitty-specs/other-01AAAAAA/spec.md"
git -C "$lane" add kitty-specs/other-01AAAAAA
gate kitty-specs/other-01AAAAAA/spec.md
echo more >>"$lane/$folder/plan.md"
git -C "$lane" add "$folder/plan.md"
gate "$folder/plan.md"

say "lanes of finished work are not missed"
git worktree remove --force --force "$lane"
expect_exit 0 kitty agent status emit WP01 --to canceled --actor operator --reason "not needed" --mission "$MISSION"
healthy
expect_exit 0 kitty verify
exit 0
