#!/bin/sh
# kill -9 of the supervisor, of a worker; the coordination worktree taken away under way.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
make_mission dying "WP01:a/**" "WP02:b/**"
export BOX
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
echo "$SPEC_KITTY_WP $$" >>"$BOX/runs"
# Two agents in one lane at once would be the end of the lane's work.
if ! mkdir "$BOX/lock-$SPEC_KITTY_LANE" 2>/dev/null; then
	old=$(cat "$BOX/lock-$SPEC_KITTY_LANE/pid")
	grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$old/status" 2>/dev/null && touch "$BOX/twice"
fi
echo $$ >"$BOX/lock-$SPEC_KITTY_LANE/pid"
[ -e "$BOX/finish" ] || { touch "$BOX/up-$SPEC_KITTY_WP"; sleep 300; }
echo done >done.txt
AGENT
chmod +x "$BOX/agent"
# A zombie that nobody reaps in this container is not alive.
alive() { grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }
wait_up() {
	for _ in $(seq 150); do
		[ -e "$BOX/up-WP01" ] && [ -e "$BOX/up-WP02" ] && return 0
		sleep 0.1
	done
	fail "the agents do not come up: $(cat "$BOX/launch")"
}
launch() {
	rm -f "$BOX"/up-*
	kitty launch --lanes a,b -- "$BOX/agent" >"$BOX/launch" 2>&1 &
	pid=$!
	wait_up
}

say "kill -9 of the supervisor, and launch at once"
launch
kill -9 "$pid"
wait "$pid" 2>/dev/null
launch
[ -e "$BOX/twice" ] && fail "two agents ran in one lane"

say "kill -9 of the supervisor: everything is gone within 10 seconds"
left='' # workers and agents of both lanes
for lane in 0 1; do
	for kind in worker agent; do
		one=$(kitty ps --json | kitty-json-get lanes.$lane.${kind}_pid)
		alive "$one" || fail "no $kind of lane $lane: $one"
		left="$left $one"
	done
done
kill -9 "$pid"
wait "$pid" 2>/dev/null
for _ in $(seq 100); do
	living=
	for one in $left; do ! alive "$one" || living="$living $one"; done
	[ -n "$living" ] || break
	sleep 0.1
done
[ -z "$living" ] || fail "alive: $living"
expect_exit 0 kitty status
grep -qx 'interrupted, nobody works on it: WP01 WP02' "$OUT" || fail "status looks as if somebody were at work: $(cat "$OUT")"
grep -qx "go on: kitty launch --lanes all --mission $MISSION" "$OUT" || fail "no next step: $(cat "$OUT")"
expect_exit 0 kitty status --json
expect_json "$OUT" interrupted.1 WP02

say "kill -9 of a worker: the lane goes on by itself"
launch
expect_exit 0 kitty status
! grep -q interrupted "$OUT" || fail "interrupted under a running supervisor: $(cat "$OUT")"
worker=$(kitty ps --json | kitty-json-get lanes.0.worker_pid)
agent=$(kitty ps --json | kitty-json-get lanes.0.agent_pid)
rm -f "$BOX/up-WP01"
kill -9 "$worker"
wait_up
alive "$agent" && fail "the dead worker's agent lives"
[ -e "$BOX/twice" ] && fail "two agents ran in one lane"

say "the coordination worktree is taken away: one warning, and on it goes"
rm -rf "$COORD"
touch "$BOX/finish"
for lane in 0 1; do kill "$(kitty ps --json | kitty-json-get lanes.$lane.agent_pid)"; done
wait "$pid"
expect_eq $? 1
check_clean

say "launch again finishes the mission"
expect_exit 0 kitty launch --lanes a,b --retry-blocked -- "$BOX/agent"
expect_eq "$(git log --format=%s "$BRANCH" | grep -c claimed)" 2
check_clean

say "a worker that dies again and again gives its lane up; the other goes on"
make_mission hopeless "WP01:a/**" "WP02:b/**"
cat >"$BOX/killer" <<'AGENT'
#!/bin/sh
cat >/dev/null
[ "$SPEC_KITTY_WP" = WP01 ] && kill -9 $PPID && sleep 60
echo fine >fine.txt
AGENT
chmod +x "$BOX/killer"
expect_exit 1 kitty launch --mission "$MISSION" --lanes a,b --json -- "$BOX/killer"
expect_json "$OUT" work_packages.0.lane blocked
expect_json "$OUT" work_packages.0.reason "the lane's worker died 3 times within 60 s"
expect_json "$OUT" work_packages.1.lane for_review

say "no socket is left, not even of killed workers"
expect_eq "$(find "$XDG_RUNTIME_DIR" -type s)" ""
exit 0
