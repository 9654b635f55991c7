#!/bin/sh
# kitty-worker's command line: what it refuses and how it says so; a lane without a supervisor. Usage: worker_usage.sh
# <source root>, with KITTY_BIN naming the build folder.
# shellcheck source=tests/support/lib.sh
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox

say "help and version"
expect_exit 0 kitty-worker --help
expect_eq "$(head -n 1 "$OUT")" "Usage: kitty-worker [--mission MISSION] --lane LANE -- COMMAND [ARGUMENT...]"
[ ! -s "$ERR" ] || fail "help wrote to standard error"
expect "kitty-worker $(kitty --version | sed -n 's/^kitty //p')" kitty-worker --version
expect_exit 0 kitty-worker --lane a --help

# refused REASON ARGUMENT...: exit 2, the reason, the way to the help, nothing on standard output
refused() {
	reason=$1
	shift
	expect_exit 2 kitty-worker "$@"
	[ ! -s "$OUT" ] || fail "a refusal wrote to standard output: $*"
	grep -qF -e "$reason" "$ERR" || fail "no '$reason': $*"
	expect_eq "$(tail -n 1 "$ERR")" "next: kitty-worker --help"
	expect_eq "$(wc -l <"$ERR")" 2
}
say "arguments that are not understood"
refused '--lane is missing'
refused '--lane is missing' --mission x -- true
refused 'no command after --' --lane a
refused 'no command after --' --lane a --
refused '--mission is missing' --lane a --channel
refused '--lane takes a value' --lane
refused '--lane takes a value' --lane -- true
refused '--channel takes no value' --channel=yes
refused '--help takes no value' --help=me
refused 'unknown argument "--lanes"' --lanes a -- true
refused 'unknown argument "true"' true
refused 'unknown argument "--lan=a"' --lan=a -- true
refused '"../a" is no lane' --lane ../a -- true
refused '"" is no lane' --lane= -- true

say "no supervisor, no such mission, no repository"
expect_exit 7 kitty-worker --lane=a -- true
grep -q 'SUPERVISOR_ABSENT' "$ERR" || fail "no code"
make_mission lonely "WP01:a/**"
expect_exit 7 kitty-worker --mission "$MISSION" --lane a -- true
expect_exit 7 kitty-worker --mission nothing-like-it --lane a -- true
cd "$BOX" || exit 2
expect_exit 3 kitty-worker --lane a -- true
exit 0
