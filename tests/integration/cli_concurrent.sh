#!/bin/sh
# Twenty commands at once without a supervisor: 20 claims, 20 lanes, one coordination worktree, one commit each.
# Usage: cli_concurrent.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
set --
i=1
while [ $i -le 20 ]; do
	set -- "$@" "$(printf 'WP%02d:src/w%02d/**' $i $i)"
	i=$((i + 1))
done
make_mission swarm "$@"
before=$(tip)

all() { # LABEL COMMAND with % for the WP: twenty at once
	label=$1
	shift
	i=1
	while [ $i -le 20 ]; do
		wp=$(printf 'WP%02d' $i)
		(
			# shellcheck disable=SC2046
			"$@" "$wp" >"$BOX/$label.$wp" 2>"$BOX/$label.$wp.err"
			echo $? >"$BOX/$label.$wp.code"
		) &
		i=$((i + 1))
	done
	wait
}

say "twenty implements on twenty work packages"
implement() { kitty implement "$1" --agent claude --json; }
all implement implement
expect_eq "$(cat "$BOX"/implement.*.code | grep -cx 0)" 20 "successes"
for file in "$BOX"/implement.WP??; do one_object "$file"; done
expect_eq "$(git rev-list --count "$before..$BRANCH")" 20 "one commit each"
expect_eq "$(find .worktrees -maxdepth 1 -name "$MISSION-lane-*" | wc -l)" 20 "lanes"
expect_eq "$(find .worktrees -maxdepth 1 -name '*-coord' | wc -l)" 1 "coordination worktrees"
expect_eq "$(grep -c '"to_lane": "claimed"' "$LOG")" 20 "claims"
check_clean
for lane in .worktrees/"$MISSION"-lane-*; do
	silent git -C "$lane" status --porcelain
done

say "twenty emits on twenty work packages"
before=$(tip)
emit() { kitty agent status emit "$1" --to in_progress --actor claude --json; }
all emit emit
expect_eq "$(cat "$BOX"/emit.*.code | grep -cx 0)" 20 "successes"
expect_eq "$(git rev-list --count "$before..$BRANCH")" 20 "one commit each"
expect_eq "$(cat "$BOX"/emit.WP?? | tr ',' '\n' | grep -c '"commit_sha"')" 20
check_clean

say "every commit holds exactly its own row"
git rev-list --reverse "$before..$BRANCH" | while read -r commit; do
	git diff --numstat "$commit^" "$commit" -- "kitty-specs/$MISSION/status.events.jsonl" | grep -q '^1	0	' ||
		fail "$commit adds another number of rows than one"
done || exit 1
expect_exit 0 kitty agent status validate --dir "$COORD/kitty-specs/$MISSION"
! grep -q warning "$OUT" || fail "the snapshot is stale"
exit 0
