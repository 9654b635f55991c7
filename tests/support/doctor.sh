# Helpers of the doctor's scripts, on top of lib.sh; source it after: . "$KITTY_SOURCE/tests/support/doctor.sh"
# shellcheck shell=sh
#
#   healthy [OPTIONS]      the doctor finds nothing at all
#   found CODE [EXIT]      it finds CODE (exit 1 for errors, else 0 is given); NEXT is the printed command
#   cured CODE             NEXT is run verbatim, and CODE is not found any more
#   fault CODE [EXIT]      found and cured

healthy() {
	expect_exit 0 kitty doctor "$@" --json
	one_object "$OUT"
	expect_json "$OUT" findings '[]'
}

# Index of the finding with that code in $OUT; nothing when there is none.
finding_index() {
	finding_count=$(json "$OUT" 'findings.#')
	i=0
	while [ "$i" -lt "$finding_count" ]; do
		[ "$(json "$OUT" "findings.$i.code")" = "$1" ] && echo "$i" && return
		i=$((i + 1))
	done
}

found() {
	expect_exit "${2:-1}" kitty doctor --json
	one_object "$OUT"
	i=$(finding_index "$1")
	[ -n "$i" ] || fail "$1 is not found"
	for member in severity evidence next_step; do
		[ -n "$(json "$OUT" "findings.$i.$member")" ] || fail "$1 has no $member"
	done
	expect_json "$OUT" "findings.$i.fixed" false
	NEXT=$(json "$OUT" "findings.$i.next_step")
	export NEXT
	expect_exit "${2:-1}" kitty doctor
	grep -qF "next: $NEXT" "$OUT" || fail "the command is not printed: $NEXT"
	! echo "$NEXT" | grep -qE '(WORKTREE|BRANCH|MISSION_FOLDER|COMMIT|\{mission\}|\{root\}|\{common\})' || fail "not to be pasted: $NEXT"
}

cured() {
	expect_exit 0 sh -c "$NEXT"
	kitty doctor --json >"$OUT" 2>"$ERR"
	[ -n "$(json "$OUT" 'findings.#')" ] || fail "the doctor did not say what it found"
	[ -z "$(finding_index "$1")" ] || fail "$1 is still found after: $NEXT"
}

fault() {
	found "$@"
	cured "$1"
}
