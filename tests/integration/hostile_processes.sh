#!/bin/sh
# Agents whose children try to get away, in fourteen ways, stopped in three: by kitty stop, by the supervisor's kill -9, by
# the worker's. None of them lives ten seconds later, and the agent was started with no descriptor and no signal state of
# kitty's. Then a thousand signals at the supervisor. Usage: hostile_processes.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
sandbox
export BOX
mkdir -p .kittify
printf 'kitty:\n  agent_grace: 300ms\n' >.kittify/config.yaml

# Appends which descriptors it was given beside 0, 1 and 2, and a line to say that it looked. (A shell has some of its own
# while it redirects.)
cat >"$BOX/look" <<'LOOK'
#!/usr/bin/env python3
import os, sys
own = [f for f in os.listdir("/proc/self/fd") if int(f) > 2 and os.path.exists("/proc/self/fd/" + f)]
given = [f + " " + os.readlink("/proc/self/fd/" + f) for f in own]
open(sys.argv[1], "a").write("".join(g + "\n" for g in given) + "looked\n")
LOOK
chmod +x "$BOX/look"

# One agent makes all the shapes at once; each says by its argument which it is. 86400 is nobody else's sleep.
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
[ ! -e "$BOX/up-$SPEC_KITTY_WP" ] || exit 0 # started again after its worker was killed: nothing new
"$BOX/look" "$BOX/fds-agent"
grep -E '^Sig(Ign|Blk)' /proc/self/status >"$BOX/signals-agent"
s="exec sleep 86400"
sh -c "$s.01" &                                               # a child
sh -c "sh -c '$s.02' & exit" &                                # double fork
setsid sh -c "$s.03" &                                        # a session of its own
setsid sh -c "setsid sh -c '$s.04' & exit" &                  # and double fork
python3 -c 'import os; os.setpgid(0, 0); os.execlp("sleep", "sleep", "86400.05")' & # a group of its own
sh -c "trap '' TERM INT HUP; $s.06" &                         # TERM ignored
sh -c 'kill -STOP $$; exec sleep 86400.07' &                  # stopped
script -q -c "sleep 86400.08" /dev/null </dev/null >/dev/null 2>&1 & # a terminal
nohup sleep 86400.09 >/dev/null 2>&1 &                        # nohup
bash -c 'sleep 86400.10 & disown -a'                          # disowned
env -i KITTY_TEST_BOX="$BOX" PATH="$PATH" setsid sh -c "$s.11" & # an empty environment
sh -c "exec 0<&- 1>&- 2>&-; $s.12" &                          # closed descriptors
sh -c 'while :; do sleep 86400.13 & sleep 0.01; done' &       # a hundred forks a second
touch "$BOX/up-$SPEC_KITTY_WP"
exec sleep 86400.14                                           # the agent itself
AGENT
chmod +x "$BOX/agent"

# Living processes of this box that sleep so long, by their number; a zombie is not alive.
sleepers() {
	for proc in /proc/[0-9]*; do
		number=$(tr '\0' ' ' <"$proc/cmdline" 2>/dev/null) || continue
		case $number in *86400.*) ;; *) continue ;; esac
		grep -q '^State:[[:space:]]*[ZX]' "$proc/status" 2>/dev/null && continue
		tr '\0' '\n' <"$proc/environ" 2>/dev/null | grep -qx "KITTY_TEST_BOX=$BOX" || continue
		echo "${number##*86400.}" | cut -c1-2
	done 2>/dev/null | sort -u
}
await() { # TENTHS COMMAND...
	tenths=$1
	shift
	while [ "$tenths" -gt 0 ]; do
		"$@" && return 0
		tenths=$((tenths - 1))
		sleep 0.1
	done
	return 1
}
none_left() { [ -z "$(sleepers)" ]; }
all_up() { [ "$(sleepers | wc -l)" -ge 13 ]; }
supervisor() { json "$BOX/ps" supervisor.pid; }

for way in stop supervisor worker; do
	say "escape shapes and $way"
	make_mission "way-$way" 'WP01:src/a/**'
	rm -f "$BOX"/up-*
	expect_exit 0 kitty launch --mission "$MISSION" --lanes a --detach --json -- "$BOX/agent"
	await 200 all_up || fail "the shapes do not come up: $(sleepers | tr '\n' ' ')"
	kitty ps --mission "$MISSION" --json >"$BOX/ps" 2>"$ERR" || fail ps
	case $way in
	stop) expect_exit 0 kitty stop --mission "$MISSION" ;;
	supervisor) kill -9 "$(supervisor)" ;;
	worker) kill -9 "$(json "$BOX/ps" lanes.0.worker_pid)" ;;
	esac
	await 100 none_left || fail "still there after ten seconds: $(sleepers | tr '\n' ' ')"
	n=0
	while [ $n -lt 13 ]; do
		cell_is ok
		n=$((n + 1))
	done
	cell_is skipped "a process in D state: needs a file system that hangs"
	[ $way = stop ] || kitty stop --mission "$MISSION" >"$OUT" 2>"$ERR"
	check_clean
done
matrix_end 30 "escape shapes x three ends"

say "descriptors: 0, 1 and 2, and nothing of kitty's"
cells_ok=0 cells_skipped=0
expect_eq "$(sort -u "$BOX/fds-agent")" looked "descriptors of the agent"
cell_is ok
say "descriptors of hooks"
for name in pre-commit commit-msg post-commit; do
	hook $name <<-'EOT'
		#!/bin/sh
		"$BOX/look" "$BOX/fds-hooks"
		grep -E '^Sig(Ign|Blk)' /proc/self/status >>"$BOX/signals-hooks"
	EOT
done
expect_exit 0 kitty agent tasks add-history WP01 --note look --agent claude --mission "$MISSION"
expect_eq "$(sort "$BOX/fds-hooks" | uniq -c | tr -s ' ')" " 3 looked" "descriptors of the hooks"
cell_is ok
rm .git/hooks/pre-commit .git/hooks/commit-msg .git/hooks/post-commit
matrix_end 31 "descriptors of agents and hooks"

say "signals: none ignored, none blocked"
cells_ok=0
for file in "$BOX/signals-agent" "$BOX/signals-hooks"; do
	[ -s "$file" ] || fail "nobody looked"
	! grep -v '	0000000000000000$' "$file" || fail "signal state in $file: $(cat "$file")"
	cell_is ok
done

say "a thousand signals at the supervisor, in the middle of work"
cat >"$BOX/worker-of-events" <<'AGENT'
#!/bin/sh
cat >/dev/null
touch "$BOX/storm"
i=0
while [ ! -e "$BOX/storm-over" ] || [ $i -lt 4 ]; do
	kitty agent tasks add-history "$SPEC_KITTY_WP" --note "note $i" >/dev/null 2>>"$BOX/notes.err" || echo "$i" >>"$BOX/notes.failed"
	i=$((i + 1))
	echo $i >"$BOX/notes"
done
mkdir -p src/a && echo done >src/a/done.txt
AGENT
chmod +x "$BOX/worker-of-events"
make_mission storm 'WP01:src/a/**'
kitty launch --mission "$MISSION" --lanes a -- "$BOX/worker-of-events" >"$BOX/launch" 2>&1 &
launched=$!
await 200 test -e "$BOX/storm" || fail "no agent"
kitty ps --mission "$MISSION" --json >"$BOX/ps" 2>"$ERR" || fail ps
pid=$(supervisor)
n=0
while [ $n -lt 1000 ]; do
	case $((n % 4)) in 0) signal=PIPE ;; 1) signal=CHLD ;; 2) signal=WINCH ;; 3) signal=CONT ;; esac
	kill -$signal "$pid" || fail "the supervisor died of signal $signal, the ${n}th: $(cat "$BOX/launch")"
	n=$((n + 1))
done
touch "$BOX/storm-over"
wait "$launched"
expect_eq $? 0 "launch: $(cat "$BOX/launch")"
[ ! -e "$BOX/notes.failed" ] || fail "requests failed in the storm: $(cat "$BOX/notes.err")"
expect_eq "$(git log --format=%s "$BRANCH" | grep -c annotated)" "$(cat "$BOX/notes")" "notes"
check_clean
cell_is ok

say "two hundred TERM, INT, HUP at once end it in order, once"
rm -f "$BOX/storm" "$BOX/storm-over"
make_mission again 'WP01:src/a/**'
kitty launch --mission "$MISSION" --lanes a -- "$BOX/worker-of-events" >"$BOX/launch" 2>&1 &
launched=$!
await 200 test -e "$BOX/storm" || fail "no agent"
kitty ps --mission "$MISSION" --json >"$BOX/ps" 2>"$ERR" || fail ps
pid=$(supervisor)
n=0
while [ $n -lt 200 ]; do
	for signal in TERM INT HUP; do kill -$signal "$pid" 2>/dev/null; done
	n=$((n + 1))
done
wait "$launched"
got=$?
[ $got -ge 129 ] && [ $got -le 143 ] || fail "exit $got: $(cat "$BOX/launch")"
check_clean
expect_exit 0 kitty verify --mission "$MISSION"
cell_is ok
say "QUIT is as good as kill -9: the next launch goes on"
rm -f "$BOX/storm"
make_mission quit 'WP01:src/a/**'
# Not in the background of this shell, which would have QUIT ignored there.
expect_exit 0 kitty launch --mission "$MISSION" --lanes a --detach --json -- "$BOX/worker-of-events"
pid=$(json "$OUT" pid)
await 200 test -e "$BOX/storm" || fail "no agent"
kill -QUIT "$pid"
gone() { ! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status" 2>/dev/null; }
await 100 gone || fail "the supervisor lives"
touch "$BOX/storm-over"
expect_exit 0 kitty launch --mission "$MISSION" --lanes a -- "$BOX/worker-of-events"
check_clean
cell_is ok
matrix_end 32 "signal state and storms"
exit 0
