#!/bin/sh
# `git worktree add` killed between making one of its files and writing it: a registration beside which git refuses every
# worktree command. The next lane, this one and the repair go through all the same. Usage: half_made_lane.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
. "$KITTY_SOURCE/tests/support/making.sh"

sandbox
make_mission demo 'WP01:src/a/**' 'WP02:src/b/**'
cp -a "$REPO" "$BOX/saved"

# half FILE: where git was when it was killed; it writes them in this order
half() {
	rm -rf "$REPO"
	cp -a "$BOX/saved" "$REPO"
	cd "$REPO" || exit 2
	git worktree add -q --no-checkout --lock -b "$BRANCH-lane-a" "$(lane a)" main
	REGISTRATION=$REPO/.git/worktrees/$MISSION-lane-a
	found=
	for later in gitdir git HEAD commondir; do
		[ "$later" = git ] && later=$(lane a)/.git || later=$REGISTRATION/$later
		[ "$found" != yes ] || rm -f "$later"
		[ "${later##*/}" != "$1" ] || { : >"$later" && found=yes; }
	done
}

lane_is_whole() {
	expect_eq "$(git -C "$(lane "$1")" symbolic-ref --short HEAD)" "$BRANCH-lane-$1" "the branch of lane-$1"
	silent git -C "$(lane "$1")" status --porcelain
	[ -f "$(lane "$1")/src/main.c" ] || fail "lane-$1 is empty"
}

for file in gitdir .git HEAD commondir; do
	say "killed at $file: the lane itself"
	half $file
	expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
	lane_is_whole a
	expect_exit 0 kitty doctor
	say "killed at $file: another lane"
	half $file
	expect_exit 0 kitty implement WP02 --agent claude --mission "$MISSION"
	lane_is_whole b
	say "killed at $file: the repair"
	expect_exit 0 kitty agent worktree repair --mission "$MISSION"
	expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
	lane_is_whole a
	expect_exit 0 git worktree list
done

say "somebody else's worktree that is being made at this moment stays"
half commondir
mv "$REGISTRATION" .git/worktrees/elsewhere
echo ../.. >.git/worktrees/elsewhere/commondir
rm .git/worktrees/elsewhere/HEAD
expect_exit 0 kitty implement WP02 --agent claude --mission "$MISSION"
[ -d .git/worktrees/elsewhere ] || fail "it was removed"

say "the repair beside a lane that is being made at this moment"
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
making_begins
mv "$(lane a)/.git" "$BOX/link"
kitty agent worktree repair --mission "$MISSION" --json 8<&- >"$BOX/repair" 2>&1 &
repair=$!
until_one_waits
mv "$BOX/link" "$(lane a)/.git"
making_ends
wait "$repair" || fail "$(cat "$BOX/repair")"
expect_json "$BOX/repair" changed false
lane_is_whole a

say "the doctor beside a lane, and a coordination worktree, that is being made at this moment"
for worktree in "$(lane a)" "$COORD"; do
	making_begins
	mv "$worktree/.git" "$BOX/link"
	kitty doctor --mission "$MISSION" --json 8<&- >"$BOX/doctor" 2>&1 &
	doctor=$!
	until_one_waits
	mv "$BOX/link" "$worktree/.git"
	making_ends
	wait "$doctor" || fail "$(cat "$BOX/doctor")"
	expect_json "$BOX/doctor" errors 0
done
