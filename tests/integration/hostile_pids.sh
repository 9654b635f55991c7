#!/bin/sh
# The numbers of a killed supervisor, its worker and its agent belong to strangers now: no command signals one of them, and
# each does what it does without a supervisor. In a pid namespace of its own, where numbers can be given out at will; needs
# root. KITTY_FULL=1: a hundred rounds. Usage: hostile_pids.sh <source root>
if [ -z "${KITTY_PID_NAMESPACE:-}" ]; then
	export KITTY_PID_NAMESPACE=1
	if ! unshare -p -f --mount-proc sh -c 'echo 100 >/proc/sys/kernel/ns_last_pid' 2>/dev/null; then
		echo "SKIPPED: pid reuse: needs root and pid namespaces"
		exit 77
	fi
	exec unshare -p -f --kill-child --mount-proc "$0" "$@"
fi
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
sandbox
export BOX
make_mission upsell 'WP01:src/a/**'
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
if [ -e "$BOX/finish" ]; then mkdir -p src/a && echo done >src/a/done.txt && exit 0; fi
echo $$ >"$BOX/agent-pid.new" && mv "$BOX/agent-pid.new" "$BOX/agent-pid"
exec sleep 600
AGENT
chmod +x "$BOX/agent"
# A launch that was killed with everything below it, as it lies there afterwards.
expect_exit 0 kitty launch --lanes a --detach --json -- "$BOX/agent"
supervisor=$(json "$OUT" pid)
n=0
while [ ! -s "$BOX/agent-pid" ]; do
	n=$((n + 1))
	[ $n -lt 200 ] || fail "no agent"
	sleep 0.1
done
expect_exit 0 kitty ps --json
worker=$(json "$OUT" lanes.0.worker_pid)
agent=$(cat "$BOX/agent-pid")
kill -9 "$supervisor" "$worker" "$agent" 2>/dev/null # one may have ended with another
n=0
while kill -0 "$supervisor" 2>/dev/null || kill -0 "$worker" 2>/dev/null || kill -0 "$agent" 2>/dev/null; do
	n=$((n + 1))
	[ $n -lt 200 ] || fail "they do not die"
	sleep 0.05
done
keep

stranger() { # PID: a process of that number which has nothing to do with kitty
	n=0
	while [ $n -lt 20 ]; do
		echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
		env -i /bin/sleep 600 &
		[ $! -ne "$1" ] || return 0
		kill $!
		n=$((n + 1))
	done
	fail "no process gets the number $1"
}
# One that was killed stays a zombie of this shell, one that was stopped says so; a busy machine has it anywhere else, its
# exec and its sleep to come.
lives() { grep -q '^State:[[:space:]]*[^ZXTt[:space:]]' "/proc/$1/status" 2>/dev/null; }

round=0
rounds=8
full && rounds=100
while [ $round -lt $rounds ]; do
	say "round $round"
	fresh
	for pid in $supervisor $worker $agent; do stranger "$pid"; done
	case $((round % 4)) in
	0)
		expect_exit 7 kitty stop --mission "$MISSION" --json
		expect_json "$OUT" error.code SUPERVISOR_ABSENT
		cell_is code
		;;
	1)
		expect_exit 0 kitty doctor --fix --json
		cell_is ok
		;;
	2)
		expect_exit 0 kitty agent tasks add-history WP01 --note alone --agent claude --mission "$MISSION" --json
		cell_is ok
		;;
	3)
		touch "$BOX/finish"
		expect_exit 0 kitty launch --mission "$MISSION" --lanes a -- "$BOX/agent"
		rm "$BOX/finish"
		cell_is ok
		;;
	esac
	for pid in $supervisor $worker $agent; do
		lives "$pid" || fail "the stranger $pid was signalled"
		kill -9 "$pid"
	done
	wait
	round=$((round + 1))
done
check_clean
matrix_end 34 "rounds of numbers used again"
exit 0
