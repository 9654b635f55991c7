#!/bin/sh
# The harness in small: four lanes, supervisors killed three times while they run, every promise checked; then the kept
# repository is damaged in one way after another, and the checker must name the promise each time: a checker that
# finds nothing wrong proves nothing. Usage: stress.sh <source root>, with KITTY_BIN naming the build folder.
# The damages are written down as scripts for eval, on purpose:
# shellcheck disable=SC2016,SC2034
bin=${KITTY_BIN:?}
stress=$bin/kitty-stress
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export TMPDIR="$work"
fail() {
	echo "$*"
	exit 1
}

"$stress" --lanes 4 --events 6 --seed 7 --kill-supervisor 3 --json --no-baseline >"$work/killed.json" || {
	cat "$work/killed.json"
	fail "a promise broke under kills"
}
grep -q '"kills": 3' "$work/killed.json" || fail "not three kills: $(cat "$work/killed.json")"
"$stress" --lanes 3 --events 5 --seed 8 --keep >"$work/kept.txt" 2>&1 || {
	cat "$work/kept.txt"
	fail "a promise broke"
}
kept=$(sed -n 's/^kept: //p' "$work/kept.txt")
[ -d "$kept/repo" ] || fail "nothing was kept"
"$stress" --check "$kept" >/dev/null || fail "the kept repository does not pass"

HOME="$kept/home"
export HOME GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@x
slug=$(sed -n 's/.*"mission_slug": *"\([^"]*\)".*/\1/p' "$kept/facts.json")
branch=$(sed -n 's/.*"coordination_branch": *"\([^"]*\)".*/\1/p' "$kept/facts.json" | head -n 1)
folder=kitty-specs/$slug

# damage PROMISE SCRIPT: runs the script in a copy's repository and expects the checker to name the promise.
damage() {
	promise=$1
	copy=$kept.copy
	rm -rf "$copy"
	cp -a "$kept" "$copy"
	# The copy's worktrees must point at the copy.
	sed -i "s#$kept#$copy#" "$copy"/repo/.worktrees/*/.git "$copy"/repo/.git/worktrees/*/gitdir
	sed -i "s#$kept/repo#$copy/repo#g" "$copy/facts.json"
	(cd "$copy/repo" && coord=.worktrees/$slug-coord && export coord && eval "$2") >"$work/damage.log" 2>&1 || {
		cat "$work/damage.log"
		fail "could not damage $promise: $2"
	}
	if "$stress" --check "$copy" >"$work/verdict.txt" 2>&1; then
		cat "$work/verdict.txt"
		fail "not noticed ($promise): $2"
	fi
	grep -q "^$promise *broken" "$work/verdict.txt" || {
		cat "$work/verdict.txt"
		fail "$promise not named after: $2"
	}
}

# The promise holds in the undamaged copy too: only the damage makes the difference.
damage P1 'printf "A 5 01ARZ3NDEKTSV4RRFFQ69G5FAV 1 0000000000000000000000000000000000000000\n" | sed "s/^A 5/S 5/; p; s/^S 5/A 5/" >>../records/WP01.record'
damage P1 'sed -i "s/\(^A 2 .*\) [0-9a-f]*$/\1 0000000000000000000000000000000000000000/" ../records/WP02.record'
damage P2 'sed -i "s/^  *\"seed\": 8/  \"seed\": 9/" ../facts.json'
damage P3 'echo "{}" >>$coord/$folder/status.events.jsonl'
damage P3 ': >.git/index.lock'
damage P4 'cd $coord && sed -i 1d $folder/status.events.jsonl && git commit -q -a -m edited'
damage P4 'cd $coord && git rm -q $folder/status.events.jsonl && git commit -q -m deleted'
damage P5 'cd $coord && sed -i "s/\"event_count\": /\"event_count\": 1/" $folder/status.json && git commit -q -a -m edited'
damage P6 'awk "/^[SA] 1 /{sub(/ 1 /,\" X \")} /^[SA] 2 /{sub(/ 2 /,\" 1 \")} /^[SA] X /{sub(/ X /,\" 2 \")} {print}" ../records/WP03.record | sort -k2,2n -s >../records/new && mv ../records/new ../records/WP03.record'
damage P13 'echo x >src/part01.c; git add src/part01.c'
damage P13 'git config user.name Other'
damage P13 'echo x >src/part01.c; git stash -q'
damage P14 'cd .worktrees/$slug-lane-a && mkdir -p $folder && echo x >$folder/status.json && git add --sparse -f $folder/status.json && git commit -q -m smuggled'
damage P14 'printf "%040d\n" 1 >".git/refs/heads/$branch-lane-broken"'

# P9: a process that carries the mission's mark. It says when it is up: before, it is a copy of this shell.
mkfifo "$work/up" "$work/end"
SPEC_KITTY_SUPERVISOR="$slug:1:1" sh -c 'echo up >"$1"; read -r end <"$2"' sh "$work/up" "$work/end" &
read -r state <"$work/up"
"$stress" --check "$kept" >"$work/verdict.txt" 2>&1
echo end >"$work/end"
wait
grep -q '^P9 *broken' "$work/verdict.txt" || fail "a surviving process was not noticed ($state)"
