#!/bin/bash
# Too few descriptors, too small a file, no process to be had: each command works or refuses with a code, and what was
# acknowledged is there, what was not is absent or there once. bash: dash's ulimit knows no -u. Usage: limits_of_the_process.sh
. "${KITTY_SOURCE:?}/tests/support/lib.sh"

sandbox
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
expect_exit 0 kitty agent status emit WP01 --to claimed --actor claude
expect_exit 0 kitty implement WP02 --agent claude

# under LIMIT... : one emit with these limits and an id of its own, then the truth about it.
number=0
worked=0
refused=0
codes=
under() {
	number=$((number + 1))
	id=$(printf '01K0000000000000000%07d' $number)
	to=blocked
	[ "$(kitty status --json | kitty-json-get work_packages.0.lane)" = blocked ] && to=in_progress
	before=$(tip)
	emit=(kitty agent status emit WP01 --to "$to" --reason limits --actor claude --event-id "$id")
	(
		# What the test's own parent left open (ctest: its log) would count.
		exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
		ulimit "$@" || exit 99
		# The search for leaks at a program's end wants descriptors of its own.
		export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
		exec "${emit[@]}" --json
	) 2>/dev/null | cat >"$OUT" # not into the file itself, which might not grow either
	status=${PIPESTATUS[0]}
	[ "$status" -ne 99 ] || fail "no ulimit $*"
	rows=$(git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" | grep -c "$id")
	if [ "$status" -eq 0 ]; then
		worked=$((worked + 1))
		expect_eq "$rows" 1 "rows of an acknowledged event"
	else
		refused=$((refused + 1))
		[ "$status" -lt 126 ] || fail "ended with $status"
		one_object "$OUT"
		code=$(json "$OUT" error.code) || fail "no code"
		codes="$codes $code"
		[ "$rows" -le 1 ] || fail "$rows rows of one event"
		[ "$(tip)" != "$before" ] || expect_eq "$rows" 0 "rows of a refused event"
	fi
	# The same command once the limit is gone: exactly one row, everything clean.
	expect_exit 0 "${emit[@]}"
	expect_eq "$(git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" | grep -c "$id")" 1 "rows at the end"
	check_clean
}

say "descriptors"
for few in 4 5 6 7 8 9 10 11 12 13 14 15 16 18 20 24 28 32; do
	say "$few descriptors"
	under -n $few
done
[ $worked -gt 0 ] || fail "nothing worked with 32 descriptors"
[ $refused -gt 0 ] || fail "four descriptors were enough"

say "the size of a file, in KiB"
for size in 0 1 2 4 8 16 64; do
	say "files of at most $size KiB"
	under -f $size
done

echo "$worked worked, $refused refused:$(echo "$codes" | tr ' ' '\n' | sed 1d | sort | uniq -c | tr '\n' ' ')"
