# Matrices of hostile surroundings, on top of lib.sh and accept.sh; source it after them.
# shellcheck shell=sh
#
#   full                          true when the whole matrix is asked for (KITTY_FULL=1), else only its per-commit part
#   cell NAME                     names the cell that follows; false when only the per-commit part runs and "+" is not
#                                 before the name: such a cell is left out
#   cell_is ok|code|skipped       counts it: it worked, it gave its exact code, it could not be checked here (with a reason)
#   works COMMAND...              exit 0 and one JSON object; --json is added
#   gives EXIT CODE COMMAND...    exactly that refusal as one JSON object, and no byte in $BOX changed
#   expected WANT COMMAND...      WANT = ok or EXIT:CODE; one of the two above, and counted
#   keep, fresh                   remember the repository as it is; have it again so
#   matrix_end NUMBER TITLE       prints the counts; appends them to the file KITTY_MATRIX_COUNTS names

cells_ok=0 cells_code=0 cells_skipped=0 cells_left=0

full() { [ "${KITTY_FULL:-}" = 1 ]; }

cell() {
	case $1 in
	+*) ;;
	*) full || {
		cells_left=$((cells_left + 1))
		return 1
	} ;;
	esac
	say "${1#+}"
}

cell_is() {
	case $1 in
	ok) cells_ok=$((cells_ok + 1)) ;;
	code) cells_code=$((cells_code + 1)) ;;
	*)
		cells_skipped=$((cells_skipped + 1))
		echo "SKIPPED: $STEP: $2"
		;;
	esac
}

works() {
	expect_exit 0 "$@" --json
	one_object "$OUT"
}

gives_json() {
	expect_exit "$gives_exit" "$@" --json
	one_object "$OUT"
	expect_json "$OUT" error.code "$gives_code"
	[ -n "$(json "$OUT" error.next_step)" ] || fail "no next step"
}

gives() {
	gives_exit=$1
	gives_code=$2
	shift 2
	unchanged gives_json "$@"
}

expected() {
	want=$1
	shift
	case $want in
	ok) works "$@" && cell_is ok ;;
	*) gives "${want%%:*}" "${want#*:}" "$@" && cell_is code ;;
	esac
}

keep() {
	rm -rf "$BOX/kept"
	cp -a "$REPO" "$BOX/kept"
}
fresh() {
	cd "$BOX" || exit 2
	chmod -R u+w "$REPO"
	rm -rf "$REPO"
	cp -a "$BOX/kept" "$REPO"
	cd "$REPO" || exit 2
}

matrix_end() {
	line="matrix $1 ($2): $((cells_ok + cells_code)) runs, $cells_ok worked, $cells_code gave their exact code"
	[ $cells_skipped -eq 0 ] || line="$line, $cells_skipped skipped"
	[ $cells_left -eq 0 ] || line="$line; $cells_left more with KITTY_FULL=1"
	echo "$line"
	[ -z "${KITTY_MATRIX_COUNTS:-}" ] || echo "$line" >>"$KITTY_MATRIX_COUNTS"
	[ $((cells_ok + cells_code)) -gt 0 ] || fail "nothing was run"
}
