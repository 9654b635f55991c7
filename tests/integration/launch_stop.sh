#!/bin/sh
# Stopping: single lanes, all of it, by signal; a second supervisor; nothing is left behind.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
make_mission halt "WP01:a/**" "WP02:b/**"
export BOX
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
if [ -e "$BOX/finish" ]; then echo done >done.txt; exit 0; fi
echo begun >begun.txt
# Children of every kind of stubbornness.
(trap '' TERM; sleep 300) &
setsid sh -c 'sleep 300 & sleep 300' &
env -i PATH="$PATH" KITTY_TEST_BOX="$BOX" setsid sleep 300 &
touch "$BOX/up-$SPEC_KITTY_WP"
sleep 300
AGENT
chmod +x "$BOX/agent"

wait_up() {
	for _ in $(seq 100); do
		# With all their children: what is looked for after the end is seen before it.
		[ -e "$BOX/up-WP01" ] && [ -e "$BOX/up-WP02" ] && [ "$(sleepers)" -eq 10 ] && return 0
		sleep 0.1
	done
	fail "the agents do not come up"
}
# A zombie that nobody reaps in this container is not alive.
alive() { grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }
sleepers() {
	count=0
	for proc in /proc/[0-9]*; do
		[ "$(cat "$proc/comm" 2>/dev/null)" = sleep ] || continue
		tr '\0' '\n' <"$proc/cmdline" 2>/dev/null | grep -qx 300 || continue
		tr '\0' '\n' <"$proc/environ" 2>/dev/null | grep -qx "KITTY_TEST_BOX=$BOX" && count=$((count + 1))
	done
	echo "$count"
}
mkdir -p .kittify
printf 'kitty:\n  agent_grace: 1s\n' >.kittify/config.yaml

say "detached"
expect_exit 0 kitty launch --lanes a,b --detach --json -- "$BOX/agent"
one_object "$OUT"
pid=$(json "$OUT" pid)
alive "$pid" || fail "no supervisor"
wait_up

say "a second supervisor is refused at once"
start=$(date +%s)
expect_exit 5 kitty launch --lanes a --json -- "$BOX/agent"
expect_json "$OUT" error.code SUPERVISOR_RUNNING
[ $(($(date +%s) - start)) -le 20 ] || fail "it waited for the lock"

say "one that began at the same moment, and saw no other, leaves the log of the first alone"
run_dir=$REPO/.git/kitty/$MISSION
truncate -s 11M "$run_dir/supervisor.log"
mkdir "$BOX/shim"
# Nobody is named as the holder until the second one has looked, and asks git.
cat >"$BOX/shim/git" <<EOT
#!/bin/sh
[ ! -e "$BOX/holder" ] || mv "$BOX/holder" "$run_dir/holder"
exec "$(command -v git)" "\$@"
EOT
chmod +x "$BOX/shim/git"
mv "$run_dir/holder" "$BOX/holder"
expect_exit 5 env PATH="$BOX/shim:$PATH" "$(command -v kitty)" launch --lanes a --json -- "$BOX/agent"
expect_json "$OUT" error.code SUPERVISOR_RUNNING
[ ! -e "$run_dir/supervisor.log.1" ] || fail "the running supervisor's log was renamed"

say "ps"
expect_exit 0 kitty ps --json
expect_json "$OUT" supervisor.pid "$pid"
expect_json "$OUT" lanes.0.wp WP01
expect_json "$OUT" lanes.0.state running
expect_exit 0 kitty ps

say "one lane"
expect_exit 3 kitty stop lane-zz
expect_exit 0 kitty stop a
expect_exit 0 kitty ps --json
expect_json "$OUT" lanes.0.state stopped
expect_json "$OUT" lanes.1.state running

say "all of it"
expect_exit 0 kitty stop
alive "$pid" && fail "the supervisor lives"
expect_eq "$(sleepers)" 0 "processes are left"
expect_exit 7 kitty stop
kitty status --json >"$BOX/status"
expect_json "$BOX/status" work_packages.0.lane in_progress
check_clean

say "TERM, in the foreground"
rm -f "$BOX"/up-*
kitty launch --lanes a,b -- "$BOX/agent" >"$BOX/launch" 2>&1 &
pid=$!
wait_up
kill -TERM "$pid"
wait "$pid"
expect_eq $? 143
expect_eq "$(sleepers)" 0 "processes are left"

say "the next launch finishes without another claim"
touch "$BOX/finish"
expect_exit 0 kitty launch --lanes a,b -- "$BOX/agent"
expect_eq "$(git log --format=%s "$BRANCH" | grep -c claimed)" 2
expect_eq "$(git log --format=%s "$BRANCH" | grep -c 'Start WP')" 2
grep -q "This is attempt 3" ".git/kitty/$MISSION/prompts/WP01.md" || fail "the prompt does not tell what was before"
check_clean
silent ls ".git/kitty/$MISSION/claims"
exit 0
