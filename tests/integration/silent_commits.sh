#!/bin/sh
# The sequence that started it all (spec-kitty issue 1348): implement from a checkout of main first committed planning
# artifacts to main without a word, then had its transition refused, and left the event log on disk ahead of HEAD. The same
# steps here, for each topology: nothing reaches main, what is refused leaves no trace, and the same command succeeds once
# the refusal is gone. Usage: silent_commits.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/topology.sh"
outer_tmp=${TMPDIR:-/tmp}

# start_mission coord|legacy: a mission with two work packages, main checked out
start_mission() {
	case $1 in
	coord)
		make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
		;;
	legacy)
		old_mission legacy 099-upsell 'WP01:src/a/**' 'WP02:src/b/**'
		;;
	esac
	FOLDER=kitty-specs/$MISSION
}

# The branch that a work package's rows land on, and the worktree that has it checked out.
destination() { # LANE
	case $topology in
	coord) WHERE=$BRANCH HOLDER=$COORD ;;
	legacy) WHERE=kitty/mission-$MISSION-lane-$1 HOLDER=$REPO/.worktrees/$MISSION-lane-$1 ;;
	esac
}

main_state() {
	git rev-parse main HEAD
	cat .git/HEAD .git/logs/HEAD
	sha256sum .git/index
	find . \( -path ./.git -o -path ./.worktrees \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}

main_as_before() {
	main_state >"$BOX/main-now"
	cmp -s "$BOX/main" "$BOX/main-now" || { diff "$BOX/main" "$BOX/main-now" >&2; fail "main or its checkout changed"; }
}

# Wherever a log is checked out, it is the one that HEAD of that very worktree holds.
log_not_ahead() {
	for place in "$REPO" "$REPO"/.worktrees/*; do
		log=$place/$FOLDER/status.events.jsonl
		[ -f "$log" ] || continue
		[ "$place" != "$REPO" ] || [ "$topology" = legacy ] || fail "a log in the primary checkout"
		git -C "$place" cat-file blob "HEAD:$FOLDER/status.events.jsonl" 2>/dev/null | cmp -s - "$log" ||
			fail "the log in $place is not HEAD's"
	done
}

refused() { # LANE COMMAND...: a transition whose commit a hook refuses
	destination "$1"
	shift
	# A lane of the legacy kind is made before the claim that is to land on it; then it is what main is.
	tip_before=$(git rev-parse -q --verify "refs/heads/$WHERE" || git rev-parse main)
	[ -d "$HOLDER" ] && rows_in=$HOLDER || rows_in=$REPO
	rows_before=$(cat "$rows_in/$FOLDER"/status.* | sha256sum)
	expect_exit 8 "$@"
	grep -q "was rejected by pre-commit hook on branch $WHERE.\$" "$ERR" || fail "the branch is not named"
	grep -q '^status.events.jsonl restored to pre-emit state.$' "$ERR" || fail "no word on the log"
	expect_eq "$(git rev-parse -q --verify "refs/heads/$WHERE" || git rev-parse main)" "$tip_before" "$WHERE"
	expect_eq "$(cat "$HOLDER/$FOLDER"/status.* | sha256sum)" "$rows_before" "log and snapshot"
	log_not_ahead
	main_as_before
}

for topology in coord legacy; do
	sandbox
	say "$topology: a mission on a protected main, its plan edited since"
	start_mission $topology
	printf '\nAn afterthought.\n' >>"$DRAFTS/spec.md"
	echo "# Never committed" >"$DRAFTS/research.md"
	# The project's own guard, as its users had one: nothing is committed on main.
	hook pre-commit <<-'HOOK'
		#!/bin/sh
		[ "$(git symbolic-ref --short HEAD)" != main ] || { echo "main is protected"; exit 1; }
	HOOK
	main_state >"$BOX/main"

	say "$topology: implement from main touches neither main nor its checkout"
	destination a
	expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
	grep -qF -- "- $WHERE chore: WP01 claimed for implementation [claude] ✓" "$OUT" || fail "the commit is not told"
	main_as_before
	log_not_ahead
	! git log --all --format=%H -- "$FOLDER/research.md" | grep -q . || fail "a draft was committed by the way"

	say "$topology: every transition is refused: no row, no commit, no word in the log"
	hook pre-commit <<-'HOOK'
		#!/bin/sh
		echo "commits are frozen"
		exit 1
	HOOK
	refused a kitty agent tasks move-task WP01 --to in_progress --mission "$MISSION"
	refused b kitty agent action implement WP02 --agent codex --mission "$MISSION"
	refused b kitty implement WP02 --agent codex --mission "$MISSION"
	expect_exit 0 kitty status --mission "$MISSION" --json
	expect_json "$OUT" by_lane.claimed 1
	expect_json "$OUT" by_lane.planned 1

	say "$topology: the refusal is gone, and the same commands succeed, once each"
	rm .git/hooks/pre-commit
	expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --mission "$MISSION"
	expect_exit 0 kitty implement WP02 --agent codex --mission "$MISSION"
	log_not_ahead
	main_as_before
	expect_exit 0 kitty agent status history --mission "$MISSION" --json
	for move in claimed:2 in_progress:1; do
		expect_eq "$(grep -o "\"to_lane\": \"${move%:*}\"" "$OUT" | wc -l)" "${move#*:}" "moves to ${move%:*}"
	done
	expect_exit 0 kitty verify --mission "$MISSION" --json
	expect_json "$OUT" ok true
	git fsck --no-dangling >"$OUT" 2>&1 || fail "git fsck"
	cd / || exit 2
	rm -rf "$BOX"
	export TMPDIR="$outer_tmp"
done
exit 0
