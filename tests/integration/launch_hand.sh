#!/bin/sh
# A worker started by hand: without a supervisor, in a lane that is taken, in one that nobody holds.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
make_mission hands "WP01:a/**" "WP02:b/**"
export BOX
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
touch "$BOX/up-$SPEC_KITTY_WP"
while [ ! -e "$BOX/go-$SPEC_KITTY_WP" ]; do sleep 0.05; done
kitty agent tasks status >/dev/null || exit 5
echo done >"$SPEC_KITTY_WP.txt"
AGENT
chmod +x "$BOX/agent"
up() { for _ in $(seq 100); do [ -e "$BOX/up-$1" ] && return 0; sleep 0.1; done; fail "$1 does not run"; }

say "no supervisor"
expect_exit 7 kitty-worker --mission "$MISSION" --lane b -- "$BOX/agent"

say "a taken lane"
kitty launch --lanes a -- "$BOX/agent" >"$BOX/launch" 2>&1 &
pid=$!
up WP01
expect_exit 5 kitty-worker --mission "$MISSION" --lane a -- "$BOX/agent"

say "a lane that nobody holds"
kitty-worker --mission "$MISSION" --lane b -- "$BOX/agent" >"$BOX/hand" 2>&1 &
hand=$!
up WP02
expect_exit 0 kitty ps --json
expect_json "$OUT" lanes.1.by_hand true
expect_json "$OUT" lanes.1.wp WP02
touch "$BOX/go-WP01"
touch "$BOX/go-WP02"
wait "$pid"
expect_eq $? 0 "$(cat "$BOX/launch")"
wait "$hand"
expect_eq $? 0 "$(cat "$BOX/hand")"
kitty status --json >"$BOX/status"
expect_json "$BOX/status" work_packages.0.lane for_review
expect_json "$BOX/status" work_packages.1.lane for_review
check_clean
exit 0
