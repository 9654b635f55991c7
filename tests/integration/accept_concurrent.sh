#!/bin/sh
# Twenty commands at once without a supervisor, the race for the first coordination worktree included; twenty actors on one
# work package; a coordination worktree that was deleted. Usage: accept_concurrent.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/making.sh"
sandbox
set --
i=1
while [ $i -le 20 ]; do
	set -- "$@" "$(printf 'WP%02d:src/w%02d/**' $i $i)"
	i=$((i + 1))
done
make_mission swarm "$@"

numbers='01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20'
# LABEL COMMAND: "COMMAND NN" twenty times; all wait for one gate, so that they really start together.
together() {
	label=$1
	shift
	mkfifo "$BOX/gate"
	for nn in $numbers; do
		(
			read -r _ <"$BOX/gate"
			"$@" "$nn" >"$BOX/$label.$nn" 2>"$BOX/$label.$nn.err"
			echo $? >"$BOX/$label.$nn.exit"
		) &
	done
	for nn in $numbers; do echo go; done >"$BOX/gate.text"
	# Opened for reading and writing it neither waits for readers nor ends before all have read.
	exec 9<>"$BOX/gate"
	cat "$BOX/gate.text" >&9
	wait
	exec 9<&-
	rm "$BOX/gate"
}

exits() { cat "$BOX/$1".??.exit | grep -cx "$2"; }

all_succeeded() { # LABEL
	for nn in $numbers; do
		[ "$(cat "$BOX/$1.$nn.exit")" = 0 ] || fail "$1 $nn: $(cat "$BOX/$1.$nn" "$BOX/$1.$nn.err")"
		one_object "$BOX/$1.$nn"
		cat "$BOX/$1.$nn.err"
	done >"$BOX/said"
}

# Every commit since then is one row longer than its parent, and holds nothing but log and snapshot.
one_row_each() { # COMMIT COUNT
	expect_eq "$(git rev-list --count "$1..$BRANCH")" "$2" "one commit each"
	for commit in $(git rev-list "$1..$BRANCH"); do
		git diff --numstat "$commit^" "$commit" >"$BOX/numstat"
		expect_eq "$(wc -l <"$BOX/numstat")" 2 "paths in $commit"
		grep -q "^1	0	kitty-specs/$MISSION/status.events.jsonl$" "$BOX/numstat" ||
			fail "$commit: $(cat "$BOX/numstat")"
		git cat-file blob "$commit:kitty-specs/$MISSION/status.events.jsonl" >"$BOX/log.new"
		git cat-file blob "$commit^:kitty-specs/$MISSION/status.events.jsonl" >"$BOX/log.old"
		head -c "$(wc -c <"$BOX/log.old")" "$BOX/log.new" | cmp -s - "$BOX/log.old" || fail "$commit rewrites the log"
	done
}

sound() {
	check_clean
	expect_eq "$(git fsck --full --strict 2>&1 | grep -v '^dangling\|^notice' || true)" "" "git fsck"
	expect_eq "$(git status --porcelain | grep -v ' kitty-specs/$' || true)" "" "the primary checkout"
	find .git -name '*.lock' ! -name '*.status.lock' ! -name worktrees.lock | grep . && fail "a git lock is left"
	expect_eq "$(git worktree list --porcelain | grep -c '^prunable')" 0 "stale registrations"
	expect_exit 0 kitty agent status validate --dir "$COORD/kitty-specs/$MISSION"
	kitty agent status materialize --dir "$COORD/kitty-specs/$MISSION" --stdout | cmp -s - "${LOG%/*}/status.json" ||
		fail "the snapshot is not what the log says"
}

# A lane as the reference wants it: its own branch, everything checked out but the status files, nothing to commit.
lane_complete() { # FOLDER
	lane=${1##*-lane-}
	expect_eq "$(git -C "$1" symbolic-ref HEAD)" "refs/heads/kitty/mission-$MISSION-lane-$lane" "$1"
	silent git -C "$1" status --porcelain --ignored
	expect_eq "$(git -C "$1" config --bool core.sparseCheckout)" true "$1"
	expect_eq "$(git -C "$1" config --bool core.sparseCheckoutCone)" false "$1"
	printf '/*\n!kitty-specs/%s/status.events.jsonl\n!kitty-specs/%s/status.json\n' "$MISSION" "$MISSION" |
		cmp -s - "$(git -C "$1" rev-parse --path-format=absolute --git-path info/sparse-checkout)" || fail "patterns of $1"
	[ ! -e "$1/kitty-specs/$MISSION/status.events.jsonl" ] || fail "$1 holds the log"
	[ ! -e "$1/kitty-specs/$MISSION/status.json" ] || fail "$1 holds the snapshot"
	[ -f "$1/kitty-specs/$MISSION/meta.json" ] || fail "$1 lacks the planning files"
	cmp -s "$1/src/main.c" src/main.c || fail "$1 lacks the code"
	expect_eq "$(git -C "$1" ls-files -t | grep '^S' | tr '\n' ' ')" \
		"S kitty-specs/$MISSION/status.events.jsonl S kitty-specs/$MISSION/status.json " "$1: left out"
	git merge-base --is-ancestor "$planned" "$(git -C "$1" rev-parse HEAD)" || fail "$1 is older than the plan"
}

[ ! -d "$COORD" ] || git worktree remove --force --force "$COORD"
rm -rf .worktrees
planned=$(tip)

say "twenty implements, none of which finds a worktree"
implement() { kitty implement "WP$1" --agent claude --json; }
together implement implement
all_succeeded implement
expect_eq "$(find .worktrees -mindepth 1 -maxdepth 1 -name "$MISSION-lane-*" | wc -l)" 20 "lanes"
expect_eq "$(find .worktrees -mindepth 1 -maxdepth 1 -name '*-coord' | wc -l)" 1 "coordination worktrees"
expect_eq "$(git worktree list | wc -l)" 22 "worktrees"
expect_eq "$(grep -c '"to_lane": "claimed"' "$LOG")" 20 "claims"
one_row_each "$planned" 20
for lane_folder in .worktrees/"$MISSION"-lane-*; do lane_complete "$REPO/$lane_folder"; done
for nn in $numbers; do json "$BOX/implement.$nn" receipt.commit_sha || json "$BOX/implement.$nn" commit_sha; done | sort -u >"$BOX/commits"
expect_eq "$(wc -l <"$BOX/commits")" 20 "receipts"
git rev-list "$planned..$BRANCH" | sort | cmp -s - "$BOX/commits" || fail "a receipt names a commit that is not there"
sound

say "twenty emits on twenty work packages"
before=$(tip)
emit() { kitty agent status emit "WP$1" --to in_progress --actor claude --json; }
together emit emit
all_succeeded emit
one_row_each "$before" 20
sound

say "the same claims again: the same receipts, no commit"
before=$(tip)
together again implement
all_succeeded again
expect_eq "$(tip)" "$before" "the branch"

say "twenty actors on one work package: one wins"
make_mission duel 'WP01:src/a/**' 'WP02:src/b/**'
[ ! -d "$COORD" ] || git worktree remove --force --force "$COORD"
before=$(tip)
claim() { kitty agent status emit WP01 --to claimed --actor "agent-$1" --mission "$MISSION" --json; }
together claim claim
expect_eq "$(exits claim 0)" 1 "successes: $(cat "$BOX"/claim.??.err)"
expect_eq "$(exits claim 5)" 19 "conflicts: $(cat "$BOX"/claim.??)"
for nn in $numbers; do
	one_object "$BOX/claim.$nn"
	[ "$(cat "$BOX/claim.$nn.exit")" = 0 ] || expect_json "$BOX/claim.$nn" error.code WP_ALREADY_CLAIMED
done
one_row_each "$before" 1
sound

say "the same with implement"
before=$(tip)
rm -rf "$COORD"
duel() { kitty implement WP02 --agent "agent-$1" --mission "$MISSION" --json; }
together duel duel
expect_eq "$(exits duel 0)" 1 "successes: $(cat "$BOX"/duel.??.err)"
expect_eq "$(exits duel 5)" 19 "conflicts: $(cat "$BOX"/duel.??)"
for nn in $numbers; do
	one_object "$BOX/duel.$nn"
	[ "$(cat "$BOX/duel.$nn.exit")" = 0 ] || expect_json "$BOX/duel.$nn" error.code WP_ALREADY_CLAIMED
done
one_row_each "$before" 1
expect_eq "$(cat "$BOX"/duel.??.err | grep -c 'warning.*worktree')" 1 "one warning of the worktree that was gone"
expect_eq "$(find .worktrees -mindepth 1 -maxdepth 1 -name "$MISSION-lane-*" | wc -l)" 1 "lanes"
planned=$before
lane_complete "$(find "$REPO/.worktrees" -mindepth 1 -maxdepth 1 -name "$MISSION-lane-*")"
sound

say "rm -rf of the coordination worktree: one line, and everything goes on"
rm -rf "$COORD"
expect_exit 0 kitty status --mission "$MISSION"
[ ! -d "$COORD" ] || fail "a query made a worktree"
before=$(tip)
expect_exit 0 kitty agent status emit WP02 --to in_progress --actor "$(json "$(grep -lx 0 "$BOX"/duel.??.exit | sed 's/.exit$//')" agent)" --mission "$MISSION"
expect_eq "$(wc -l <"$ERR")" 1 "lines on standard error"
grep -q '^kitty: warning: .*worktree' "$ERR" || fail "no warning"
one_row_each "$before" 1
sound
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor "$(sed -n 's/.*"actor": "\(agent-..\)".*"wp_id": "WP01".*/\1/p' "$LOG")" --mission "$MISSION"
[ ! -s "$ERR" ] || fail "it warned twice"

say "a coordination worktree without its .git file is set aside, whole, and made again"
rm "$COORD/.git"
echo mine >"$COORD/mine.txt"
holder=$(sed -n 's/.*"actor": "\(agent-..\)".*"wp_id": "WP01".*/\1/p' "$LOG" | head -n 1)
expect_exit 0 kitty agent status emit WP01 --to blocked --actor "$holder" --reason wait --mission "$MISSION"
expect_eq "$(cat "$(find ".git/kitty/$MISSION/quarantine" -name mine.txt)")" mine "what stood there"
[ ! -e "$COORD/mine.txt" ] || fail "the old folder is still there"
sound

say "its registration is gone: made again"
rm -rf "$(git -C "$COORD" rev-parse --path-format=absolute --git-dir)" "$COORD"
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor "$holder" --mission "$MISSION"
sound
say "a worktree that another process is making at this moment stays where it is"
# The instant between the folder that git makes and its .git file, held as long as the maker holds the lock.
making_begins
mv "$COORD/.git" "$BOX/link"
kitty agent status emit WP01 --to blocked --actor "$holder" --reason wait --mission "$MISSION" 8<&- >"$BOX/late" 2>&1 &
late=$!
until_one_waits
[ -d "$COORD" ] || fail "taken away while it was being made"
mv "$BOX/link" "$COORD/.git"
making_ends
wait "$late" || fail "$(cat "$BOX/late")"
expect_eq "$(cat "$BOX/late" | grep -c 'made again')" 0 "a worktree that was there all the time"
sound
exit 0
