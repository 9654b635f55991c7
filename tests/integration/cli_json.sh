#!/bin/sh
# With --json every command prints exactly one object on standard output, also when it fails at once; the error has all
# its members. Asked of every command of the table. Usage: cli_json.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox

each() { # FUNCTION: for every command path
	kitty help --json | tr ',{' '\n\n' | sed -n 's/^ *"\([a-z -]*\)": ".*/\1/p' >"$BOX/commands"
	[ "$(wc -l <"$BOX/commands")" -ge 15 ] || fail "the list of commands is short"
	while read -r path; do
		"$1" "$path" </dev/null || exit 1
	done <"$BOX/commands"
}

error_whole() { # COMMAND
	[ -s "$OUT" ] || fail "$1: nothing on standard output"
	one_object "$OUT"
	# orchestrator-api answers in the envelope of its contract.
	case $1 in
	orchestrator-api*) members='error_code data.message data.next_step' ;;
	*) members='error.code error.message error.detail error.next_step' ;;
	esac
	for member in $members; do
		json "$OUT" "$member" >/dev/null || fail "$1: no $member"
	done
}

outside() {
	say "$1, outside a repository"
	# shellcheck disable=SC2086
	(cd / && timeout 20 kitty $1 --json) >"$OUT" 2>"$ERR"
	got=$?
	case $1 in
	help | version | 'orchestrator-api contract-version') expect_eq $got 0 ;;
	*)
		case $1:$got in orchestrator-api*:1 | *:2 | *:3) ;; *) fail "$1: exit $got" ;; esac
		error_whole "$1"
		;;
	esac
}

without_mission() {
	say "$1, without a mission"
	# shellcheck disable=SC2086
	timeout 20 kitty $1 --json --mission nowhere >"$OUT" 2>"$ERR"
	got=$?
	case $1:$got in
	orchestrator-api*:1 | *:2 | *:3) error_whole "$1" ;;
	*) fail "$1: exit $got" ;;
	esac
}

nonsense() {
	say "$1 --nonsense"
	# shellcheck disable=SC2086
	timeout 20 kitty $1 --json --nonsense >"$OUT" 2>"$ERR"
	expect_eq $? 2 "exit status"
	error_whole "$1"
	expect_json "$OUT" "${members%% *}" USAGE_ERROR
}

helped() {
	say "$1 --help"
	# shellcheck disable=SC2086
	expect_exit 0 timeout 20 kitty $1 --help
	grep -q "^usage: kitty $1" "$OUT" || fail "no usage line"
}

each outside
each without_mission
each nonsense
each helped
exit 0
