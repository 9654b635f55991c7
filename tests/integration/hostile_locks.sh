#!/bin/sh
# Nine lock files that git may leave, each with a dead owner, a living one, just made and two days old, under a move and
# under the making of a lane: it works or is refused with the lock's code; a lock is broken only when kitty needs it and
# nobody can own it, never a living owner's. Usage: hostile_locks.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
sandbox
kitty init >"$OUT" || fail init
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
expect_exit 0 kitty implement WP01 --agent claude
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor claude
own=.git/worktrees/$MISSION-coord
keep
mkfifo "$BOX/pipe"

lock_of() {
	case $1 in
	coord-index) echo "$own/index.lock" ;;
	coord-head) echo "$own/HEAD.lock" ;;
	branch) echo ".git/refs/heads/$BRANCH.lock" ;;
	lane-index) echo ".git/worktrees/$MISSION-lane-a/index.lock" ;;
	*) echo ".git/$1.lock" ;;
	esac
}
# What comes of a move, of a lane, and of the lock.
outcome() { # LOCK OWNER
	case $1:$2 in
	coord-index:dead | coord-index:old | branch:dead | branch:old) echo ok ok broken ;;
	# The branch decides: the move is committed, the worktree follows with the next command.
	coord-index:*) echo lags 6:INDEX_LOCKED kept ;;
	branch:*) echo 6:REF_LOCKED 6:REF_LOCKED kept ;;
	*) echo ok ok kept ;;
	esac
}
owner_begins() { # alive: a git process at work in this repository
	case $1 in
	dead) touch -d '1 minute ago' "$lock" ;;
	old) touch -d '2 days ago' "$lock" ;;
	alive)
		touch -d '1 minute ago' "$lock"
		git cat-file --batch <"$BOX/pipe" >/dev/null &
		owner=$!
		exec 7>"$BOX/pipe"
		;;
	esac
}
owner_ends() {
	[ "$1" = alive ] || return 0
	exec 7>&-
	wait "$owner"
}
committed() { git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl"; }
command_under() { # WANT COMMAND...
	under_want=$1
	shift
	before=$(tip)
	case $under_want in
	ok) works "$@" ;;
	lags)
		works "$@"
		grep -q 'committed, but the worktree lags' "$ERR" || fail "nothing is said of the worktree"
		;;
	*)
		expect_exit "${under_want%%:*}" "$@" --json
		one_object "$OUT"
		expect_json "$OUT" error.code "${under_want#*:}"
		expect_eq "$(tip)" "$before" "the branch"
		cell_is code
		return
		;;
	esac
	[ "$(tip)" != "$before" ] || fail "nothing was committed"
	cell_is ok
}

under_lock() { # LOCK OWNER
	cell "$3$1, owner $2" || return 0
	fresh
	lock=$(lock_of "$1")
	: >"$lock"
	# shellcheck disable=SC2046 # three words
	set -- "$1" "$2" $(outcome "$1" "$2")
	owner_begins "$2"
	command_under "$3" kitty agent status emit WP01 --to blocked --actor claude --reason locked --mission "$MISSION"
	command_under "$4" kitty implement WP02 --agent claude --mission "$MISSION"
	case $5 in
	kept) [ -e "$lock" ] || fail "the lock was broken" ;;
	*) [ ! -e "$lock" ] || fail "the lock is still there" ;;
	esac
	owner_ends "$2"
	rm -f "$lock"
	works kitty agent tasks add-history WP01 --note after --agent claude --mission "$MISSION"
	check_clean
}

for name in index coord-index branch packed-refs HEAD coord-head config lane-index shallow; do
	for state in dead alive new old; do
		case $name:$state in
		index:alive | coord-index:dead | coord-index:alive | branch:old | branch:alive | packed-refs:dead | config:alive) under_lock $name $state + ;;
		*) under_lock $name $state ;;
		esac
	done
done
matrix_end 27 "lock files x owners x two commands"
exit 0
