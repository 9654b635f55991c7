# Helpers of the acceptance scripts, on top of lib.sh; source it after: . "$KITTY_SOURCE/tests/support/accept.sh"
# shellcheck shell=sh
#
#   snapshot_of FOLDER            one line per entry: kind, mode, name, link target, SHA-256; its own bookkeeping left out
#   unchanged COMMAND...          runs it; $BOX (less what this script writes there) must be what it was
#   quietly COMMAND...            runs it into $OUT and $ERR
#   refused EXIT CODE COMMAND...  as text (two lines, the code, a next step) and as JSON (one object): nothing changed
#   next_step                     what the last refusal said to do next
#   paste                         runs that
#   skipped TEXT                  says that a part could not be checked here

# The lock and who holds it are the only files that a refused command may touch.
WATCHED=
snapshot_of() {
	(
		cd "$1" || exit 2
		find . \( -path './out*' -o -path './err*' -o -path './state.*' -o -path './object' -o -path './run' \
			-o -path '*/spec-kitty-locks' -o -path '*/kitty/*/holder' -o -path '*/kitty/worktrees.*' \) -prune \
			-o -printf '%y %m %p %l\n' | sort
		find . \( -path './out*' -o -path './err*' -o -path './state.*' -o -path './object' -o -path './run' \
			-o -path '*/spec-kitty-locks' -o -path '*/kitty/*/holder' -o -path '*/kitty/worktrees.*' \) -prune \
			-o -type f -print0 | sort -z | xargs -0 -r sha256sum
	) >"$2"
}

unchanged() {
	snapshot_of "${WATCHED:-$BOX}" "$BOX/state.before"
	"$@"
	unchanged_exit=$?
	snapshot_of "${WATCHED:-$BOX}" "$BOX/state.after"
	diff "$BOX/state.before" "$BOX/state.after" >"$BOX/state.diff" || fail "changed on disk: $(cat "$BOX/state.diff")"
	return "$unchanged_exit"
}

# For commands whose exit status is judged by the caller. (A redirection around `unchanged` would hide its words.)
quietly() { "$@" >"$OUT" 2>"$ERR"; }

next_step() { sed -n '$s/^next: //p' "$ERR"; }

# A name that the reader would have to replace first.
placeholder='(^|[^A-Z_])(WORKTREE|BRANCH|LANE_BRANCH|MISSION_FOLDER|REPOSITORY|COMMIT|NAME|PATH)([^A-Z_]|$)'

two_lines() { # CODE
	expect_eq "$(wc -l <"$ERR")" 2 "lines of the error"
	[ ! -s "$OUT" ] || fail "a refusal printed something on standard output"
	sed -n 1p "$ERR" | grep -qF " [$1]" || fail "no [$1] at the end of the first line"
	sed -n 1p "$ERR" | grep -q '^kitty: .*[a-z].*\]$' || fail "the first line is no summary"
	[ -n "$(next_step)" ] || fail "no next step"
	! next_step | grep -qE "$placeholder" || fail "the next step cannot be pasted: $(next_step)"
}

refused() {
	refused_exit=$1
	refused_code=$2
	shift 2
	unchanged refused_json "$@"
	unchanged expect_exit "$refused_exit" "$@"
	two_lines "$refused_code"
}

refused_json() {
	expect_exit "$refused_exit" "$@" --json
	one_object "$OUT"
	expect_eq "$(wc -l <"$OUT")" 1 "lines of JSON"
	expect_json "$OUT" error.code "$refused_code"
	for member in message next_step; do
		[ -n "$(json "$OUT" "error.$member")" ] || fail "no error.$member"
	done
}

paste() { expect_exit "${1:-0}" sh -c "$(next_step)"; }

skipped() { echo "SKIPPED: $*"; }
