#!/bin/sh
# Outbound effects: order, at least once, deadlines, never an event that was refused; with and without a supervisor.
# Usage: outbox_sinks.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
SUBTASKS='' make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
mkdir -p .kittify
cat >"$BOX/sink" <<'EOT'
#!/bin/sh
[ ! -f "$KITTY_TEST_BOX/broken" ] || { echo "out of order" >&2; exit 3; }
[ ! -f "$KITTY_TEST_BOX/hangs" ] || exec sleep 60
cat >>"$KITTY_TEST_BOX/rows"
echo "$SPEC_KITTY_EVENT_KIND $SPEC_KITTY_EVENT_WP $SPEC_KITTY_EVENT_FROM $SPEC_KITTY_EVENT_TO $SPEC_KITTY_EVENT_ACTOR" >>"$KITTY_TEST_BOX/facts"
EOT
chmod +x "$BOX/sink"
cat >.kittify/config.yaml <<EOT
kitty:
  agents:
    tester:
      command: [sh, -c, 'mkdir -p src/b && echo b >src/b/b.c']
  sinks:
    - name: chat
      kind: command
      command: ["$BOX/sink"]
      timeout: 2s
      retries: 1
    - {name: journal, kind: file, path: $BOX/journal}
EOT
committed() { git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl"; }
same() {
	committed | cmp -s - "$BOX/journal" || fail "the journal is not the committed log"
	committed | cmp -s - "$BOX/rows" || fail "the command's rows are not the committed log"
}

say "nothing was delivered yet, and looking delivers nothing"
expect_exit 0 kitty outbox --json
one_object "$OUT"
expect_json "$OUT" sinks.0.name chat
expect_json "$OUT" sinks.0.cursor null
expect_json "$OUT" sinks.0.pending "$(committed | wc -l)"
expect_json "$OUT" sinks.1.kind file
[ ! -e "$BOX/journal" ] || fail "a query wrote"
[ ! -e "$REPO/.git/kitty/$MISSION/outbox.json" ] || fail "a query wrote a cursor"

say "after a commit everything goes out, in order"
expect_exit 0 kitty implement WP01 --agent claude
same
tail -n 1 "$BOX/facts" >"$BOX/last"
expect_eq "$(cat "$BOX/last")" "transition WP01 planned claimed claude"
expect_exit 0 kitty outbox --json
expect_json "$OUT" sinks.0.pending 0
expect_json "$OUT" sinks.0.last_failure null
expect_json "$OUT" sinks.1.pending 0

say "a refused event is never seen"
hook pre-commit <<'EOT'
#!/bin/sh
exit 1
EOT
expect_exit 8 kitty agent tasks move-task WP01 --to in_progress
rm "$REPO/.git/hooks/pre-commit"
expect_exit 4 kitty agent tasks move-task WP01 --to claimed
expect_exit 0 kitty outbox --deliver
same

say "a sink that fails holds back its own events and nobody else's"
touch "$BOX/broken"
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --json
one_object "$OUT"
grep -q 'sink chat did not take an event: exit status 3: out of order' "$ERR" || fail "the failure is not told"
expect_exit 0 kitty agent tasks add-history WP01 --note "more"
committed | cmp -s - "$BOX/journal" || fail "the other sink waits, too"
expect_exit 0 kitty outbox --json
expect_json "$OUT" sinks.0.pending 2
expect_json "$OUT" sinks.0.last_failure.attempts 2
expect_json "$OUT" sinks.0.last_failure.error "exit status 3: out of order"
expect_json "$OUT" sinks.1.pending 0
expect_exit 0 kitty outbox
grep -q 'out of order' "$OUT" || fail "the failure is not shown"
expect_exit 1 kitty outbox --deliver --json
one_object "$OUT"
rm "$BOX/broken"
expect_exit 0 kitty outbox --deliver --json
expect_json "$OUT" sinks.0.delivered 2
expect_json "$OUT" sinks.0.last_failure null
same

say "a sink that hangs has a deadline, and nothing of it stays"
touch "$BOX/hangs"
start=$(date +%s)
expect_exit 0 kitty agent tasks add-history WP01 --note "slow"
[ $(($(date +%s) - start)) -le 40 ] || fail "the command waited too long"
expect_exit 0 kitty outbox --json
expect_json "$OUT" sinks.0.pending 1
rm "$BOX/hangs"
expect_exit 0 kitty outbox --deliver
same

say "a sink that is added later gets everything from the start"
echo "    - {name: late, kind: file, path: $BOX/late}" >>.kittify/config.yaml
expect_exit 0 kitty outbox --deliver
committed | cmp -s - "$BOX/late" || fail "the late sink misses rows"

say "a torn line of an interrupted delivery swallows nothing"
printf '{"torn' >>"$BOX/late"
expect_exit 0 kitty agent tasks add-history WP01 --note "after"
committed | tail -n 1 >"$BOX/wanted"
tail -n 1 "$BOX/late" | cmp -s - "$BOX/wanted" || fail "the row is on the torn line"

say "many commands at once"
for i in 1 2 3 4 5 6; do
	kitty agent tasks add-history WP01 --note "note $i" >/dev/null 2>&1 &
done
wait
expect_exit 0 kitty outbox --deliver
same

say "a supervisor delivers, too, and before it ends"
expect_exit 0 kitty launch --lanes b --mission "$MISSION"
same
grep -q 'transition WP02 in_progress for_review' "$BOX/facts" || fail "the supervisor's rows did not go out"
check_clean

say "what is wrong in the configuration is told with its line"
cat >.kittify/config.yaml <<EOT
kitty:
  sinks:
    - {name: a, kind: smoke}
    - {name: a, kind: file}
    - {kind: command, command: [x]}
    - {name: b, kind: file, path: x, colour: blue}
EOT
expect_exit 1 kitty outbox --json
one_object "$OUT"
expect_json "$OUT" error.code CONFIG_INVALID
for text in '3:.*kind' '4:.*no path' '5:.*no name' '6:.*unknown key "colour"'; do
	grep -q "config.yaml:$text" "$ERR" || fail "not told: $text"
done
exit 0
