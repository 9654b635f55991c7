# The lock of who makes or removes a worktree, or another one, held by the test; source it after lib.sh.
# shellcheck shell=sh
#
#   making_begins [FILE]     takes it (descriptor 8: start others with 8<&-)
#   until_one_waits [COUNT]  returns when that many kittys have the lock's file open, too
#   making_ends              releases it

making_begins() {
	MAKING=${1:-$(git rev-parse --path-format=absolute --git-common-dir)/kitty/worktrees.lock}
	[ -f "$MAKING" ] || fail "no lock at $MAKING"
	exec 8<"$MAKING"
	flock 8
}

until_one_waits() {
	for _ in $(seq 600); do
		# A helper process of kitty's is called after /proc/self/exe.
		waiting=$(grep -lx -e kitty -e exe /proc/[0-9]*/comm 2>"$BOX/gone" | while read -r comm; do
			find "${comm%/comm}/fd" -lname "$MAKING" 2>"$BOX/gone" || :
		done)
		[ "$(echo "$waiting" | grep -c .)" -lt "${1:-1}" ] || return 0
		sleep 0.05
	done
	fail "nobody waits for the lock"
}

making_ends() { exec 8<&-; }
