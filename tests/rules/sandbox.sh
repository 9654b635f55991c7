#!/bin/sh
# The sandbox of the scripts: it goes whatever the script did in it, and what is left running or lying about fails the run.
# Usage: sandbox.sh <source root>
# shellcheck disable=SC2016 # what is in single quotes is for the script that is tried
set -eu
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*" >&2; exit 1; }

# ends STATUS TEXT: a script that does TEXT in a sandbox ends with that status, and the sandbox is gone.
ends() {
	mkdir -p "$work/scripts"
	cp "$root/scripts/common.sh" "$work/scripts"
	printf '%s\n' '. "$(dirname "$0")/common.sh"' 'sandbox_start try' "$2" >"$work/scripts/try"
	status=0
	TMPDIR=$work bash "$work/scripts/try" >"$work/said" 2>&1 || status=$?
	[ "$status" = "$1" ] || fail "$2: exit $status instead of $1: $(cat "$work/said")"
	for left in "$work"/kitty-try.*; do [ ! -e "$left" ] || fail "$2: $left stays"; done
}

ends 0 ':'
ends 3 'exit 3'
ends 0 'rm -rf "$sandbox/tmp"'
ends 1 'touch "$TMPDIR/forgotten"'
grep -q '/forgotten$' "$work/said" || fail "the file is not named"
# A process has the mark from its exec on.
ends 1 'sleep 600 & echo $! >"$HOME/../../pid"; until [ "$(cat "/proc/$!/comm")" = sleep ]; do sleep 0.02; done'
grep -q 'sleep 600' "$work/said" || fail "the process is not named"
lives() { grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$(cat "$work/pid")/status" 2>"$work/gone"; }
for _ in $(seq 200); do # its end comes after the signal
	lives || exit 0
	sleep 0.05
done
fail "the process lives"
