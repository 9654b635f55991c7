#!/bin/sh
# However kitty-stress ends, nothing that it started outlives it: when it gives up in the middle of a scenario, and when
# somebody ends it. Usage: stress_ends.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox

# The same programs, with an agent of ours in the place of its own.
mkdir "$BOX/bin"
cp "$KITTY_BIN/kitty-stress" "$BOX/bin/"
for program in kitty kitty-worker kitty-check; do
	ln -s "$KITTY_BIN/$program" "$BOX/bin/$program"
done
cat >"$BOX/bin/kitty-stress-agent" <<EOT
#!/bin/sh
# In the first repository the agent works. In the next one it takes away what the watchers connect by, and stays.
[ -e "$BOX/first" ] || echo "\$SPEC_KITTY_STRESS_RECORDS" >"$BOX/first"
[ "\$(cat "$BOX/first")" != "\$SPEC_KITTY_STRESS_RECORDS" ] || exec "$KITTY_BIN/kitty-stress-agent"
echo \$\$ >>"$BOX/agents"
rm -f "\$(git rev-parse --git-common-dir)"/kitty/*/holder
[ -e "$BOX/die" ] && echo row >>"\$SPEC_KITTY_STRESS_RECORDS/\$SPEC_KITTY_WP.record"
exec sleep 1000
EOT
chmod +x "$BOX/bin/kitty-stress-agent"

left_over() {
	for proc in /proc/[0-9]*; do
		{ tr '\0' '\n' <"$proc/environ"; } 2>/dev/null |
			grep -q "^SPEC_KITTY_STRESS_RECORDS=$TMPDIR/" && echo "${proc#/proc/}"
	done
}

nothing_is_left() {
	[ -s "$BOX/agents" ] || fail "no agent was there"
	left=$(left_over)
	[ -z "$left" ] || fail "left: $(ps -o pid,args -p "$(echo $left | tr ' ' ,)")"
}

say "it gives up"
: >"$BOX/die"
expect_exit 2 "$BOX/bin/kitty-stress" --scenario watchers --quick --lanes 1 --events 2
grep -q "no watcher" "$ERR" || fail "it gave up for another reason"
nothing_is_left
expect_eq "$(ls "$TMPDIR")" "" "what is left in TMPDIR"

say "it is ended"
rm "$BOX/die" "$BOX/agents"
"$BOX/bin/kitty-stress" --scenario watchers --quick --lanes 1 --events 2 >"$BOX/said" 2>&1 &
stress=$!
until [ -s "$BOX/agents" ]; do
	kill -0 $stress 2>/dev/null || fail "it ended by itself: $(cat "$BOX/said")"
	sleep 0.05
done
[ -n "$(left_over)" ] || fail "what is left would not be found"
kill -TERM $stress
wait $stress
expect_eq $? 143 "the exit status"
nothing_is_left
