#!/bin/sh
# launch on a terminal: live lines that show what runs, the second Ctrl-C that does not wait, a supervisor.log that
# has grown large. Usage: launch_terminal.sh <source root>
# shellcheck source=tests/support/lib.sh
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
command -v script >/dev/null || exit 77
sandbox
make_mission seen "WP01:a/**" "WP02:b/**"
export BOX
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
trap '' TERM INT
[ -e "$BOX/stubborn" ] && { touch "$BOX/up-$SPEC_KITTY_WP"; while :; do sleep 300; done; }
printf 'here is \033[31m%s\n' "$SPEC_KITTY_WP"
while [ ! -e "$BOX/go" ]; do sleep 0.05; done
mkdir -p a b
echo x >a/x
[ "$SPEC_KITTY_WP" = WP01 ] || { rm -r a; echo x >b/x; }
AGENT
chmod +x "$BOX/agent"
# Until FILE holds a line like PATTERN: 60 s at most, on a machine with everything to do.
wait_for() {
	for _ in $(seq 600); do
		grep -q "$2" "$1" 2>/dev/null && return 0
		sleep 0.1
	done
	fail "no '$2' in: $(cat "$1")"
}
folder=$(git rev-parse --path-format=absolute --git-common-dir)/kitty/$MISSION

say "a supervisor.log of ten megabytes makes room, three old ones stay"
mkdir -p "$folder"
chmod 700 "$folder"
truncate -s 10M "$folder/supervisor.log"
for old in 1 2 3; do echo "old $old" >"$folder/supervisor.log.$old"; done

say "what runs stands in live lines, what agents print cannot steer the terminal"
TERM=xterm script -qfec "stty cols 100 rows 30; kitty launch --lanes a,b -- '$BOX/agent'" "$BOX/typescript" \
	</dev/null >/dev/null 2>&1 &
pid=$!
wait_for "$BOX/typescript" 'lane-a  *WP01  *in_progress .*here is WP01'
wait_for "$BOX/typescript" 'lane-b  *WP02  *in_progress .*here is WP02'
touch "$BOX/go"
wait "$pid"
expect_eq $? 0
wait_for "$BOX/typescript" 'lane-a  *WP01  *for_review '
! grep -qF "$(printf "\033[31m")" "$BOX/typescript" || fail "the agent coloured the terminal"
grep -qF "$(printf '\033[2A')" "$BOX/typescript" || fail "nothing was drawn again: $(cat -v "$BOX/typescript")"
expect_eq "$(stat -c %s "$folder/supervisor.log.1")" 10485760
expect_eq "$(cat "$folder/supervisor.log.2" "$folder/supervisor.log.3")" "$(printf 'old 1\nold 2')"
[ ! -e "$folder/supervisor.log.4" ] || fail "a fourth old log"
[ "$(stat -c %s "$folder/supervisor.log")" -lt 1048576 ] || fail "the log was not begun again"

say "elsewhere only lines: no terminal is steered"
make_mission plain "WP01:a/**"
expect_exit 0 kitty launch --mission "$MISSION" --lanes a -- "$BOX/agent"
! grep -q "$(printf '\033')" "$OUT" || fail "$(cat -v "$OUT")"

say "status on a terminal of 80 columns: a long title gives way, elsewhere it does not"
title="Ein Überblick — with a title that goes on and on, past the eightieth column for certain"
sed -i "s/^title: .*/title: $title/" "kitty-specs/$MISSION/tasks/WP01"*.md
expect_exit 0 kitty agent mission finalize-tasks --mission "$MISSION"
expect_exit 0 kitty status --mission "$MISSION"
grep -qF "$title" "$OUT" || fail "shortened where nobody looks: $(cat "$OUT")"
NO_COLOR=1 script -qec "stty cols 80; kitty status --mission $MISSION" /dev/null >"$OUT" 2>&1
tr -d '\r' <"$OUT" | grep -qx '  WP01  for_review   lane-a     agent        Ein Überblick — with a title that…' ||
	fail "not one line of 79 characters: $(cat "$OUT")"

say "a first signal asks, a second one does not wait for the grace"
make_mission twice "WP01:a/**"
touch "$BOX/stubborn"
rm -f "$BOX"/up-*
mkdir -p .kittify
printf 'kitty:\n  agent_grace: 600s\n' >.kittify/config.yaml
kitty launch --mission "$MISSION" --lanes a -- "$BOX/agent" >"$BOX/said" 2>&1 &
pid=$!
for _ in $(seq 600); do [ -e "$BOX/up-WP01" ] && break; sleep 0.1; done
[ -e "$BOX/up-WP01" ] || fail "the agent does not come up: $(cat "$BOX/said")"
kill -INT "$pid"
wait_for "$BOX/said" 'stopping: agents are asked to end'
kill -0 "$pid" || fail "the first signal did not wait"
kill -INT "$pid"
wait "$pid"
expect_eq $? 130 "exit status after SIGINT: $(cat "$BOX/said")"
for proc in /proc/[0-9]*; do
	tr '\0' '\n' <"$proc/environ" 2>/dev/null | grep -qx "KITTY_TEST_BOX=$BOX" || continue
	tr '\0' '\n' <"$proc/environ" 2>/dev/null | grep -qx SPEC_KITTY_WP=WP01 || continue
	grep -q '^State:[[:space:]]*[ZX]' "$proc/status" 2>/dev/null || fail "left running: $(cat "$proc/comm")"
done
# Its worker is gone, the work is still in the lane: the next launch goes on with it.
expect_exit 0 kitty status --mission "$MISSION" --json
expect_json "$OUT" by_lane.in_progress 1
rm "$BOX/stubborn"
expect_exit 0 kitty launch --mission "$MISSION" --lanes a -- "$BOX/agent"
expect_exit 0 kitty status --mission "$MISSION" --json
expect_json "$OUT" by_lane.for_review 1
exit 0
