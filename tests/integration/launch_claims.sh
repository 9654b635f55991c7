#!/bin/sh
# Claims are leases: what a launch that was killed held is taken up again, or given back with a reason; a person's claim
# and a living agent's are left alone.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
export BOX
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
[ -e "$BOX/quick" ] || { touch "$BOX/up-$SPEC_KITTY_ROLE"; sleep 300; }
echo "$SPEC_KITTY_WP" >"$SPEC_KITTY_WP.txt"
git add -A . && git commit -q -m "$SPEC_KITTY_WP" --allow-empty
AGENT
cat >"$BOX/critic" <<'CRITIC'
#!/bin/sh
cat >/dev/null
echo "$SPEC_KITTY_WP $$" >>"$BOX/reviews"
[ -e "$BOX/verdict" ] || { touch "$BOX/up-$SPEC_KITTY_ROLE"; sleep 300; }
exit 0
CRITIC
chmod +x "$BOX/agent" "$BOX/critic"
mkdir -p .kittify
cat >.kittify/config.yaml <<YAML
kitty:
  agents:
    coder:
      command: ["$BOX/agent"]
      capacity: 10
    critic:
      command: ["$BOX/critic"]
      capacity: 10
    other:
      command: ["$BOX/critic"]
YAML
wait_up() {
	for _ in $(seq 150); do
		[ -e "$BOX/up-$1" ] && return 0
		sleep 0.1
	done
	fail "the $1 does not come up: $(cat "$BOX/launch")"
}
launch() {
	role=$1
	shift
	rm -f "$BOX"/up-*
	kitty launch --mission "$MISSION" --agent coder "$@" >"$BOX/launch" 2>&1 &
	pid=$!
	wait_up "$role"
}
die() {
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
}
status_of() { sed -n "s/.*\"to_lane\": \"\([a-z_]*\)\".*\"wp_id\": \"$1\".*/\1/p" "$LOG" | tail -n 1; }
rows() { grep -c "\"from_lane\": \"$2\".*\"to_lane\": \"$3\".*\"wp_id\": \"$1\"" "$LOG"; }
row() { grep "\"from_lane\": \"$2\".*\"to_lane\": \"$3\".*\"wp_id\": \"$1\"" "$LOG" | tail -n 1 >"$BOX/row"; }

say "a claim that the next launch does not resume is given back with a reason"
make_mission gone "WP01:a/**" "WP02:b/**" "WP03:c/**"
expect_exit 0 kitty implement WP03 --agent ada --mission "$MISSION"
launch implementer --lanes a
die
expect_eq "$(status_of WP01)" in_progress
touch "$BOX/quick"
# The worker of the launch that died needs a moment to stop its agent: until then nothing is taken for dead.
for _ in $(seq 120); do
	[ "$(status_of WP01)" = planned ] && break
	kitty launch --lanes b --agent coder --mission "$MISSION" >"$BOX/launch" 2>&1
	sleep 0.1
done
expect_eq "$(status_of WP01)" planned "$(cat "$BOX/launch")"
row WP01 in_progress planned
expect_json "$BOX/row" force false
expect_json "$BOX/row" policy_metadata.released_by kitty
case $(json "$BOX/row" reason) in
"the worker that held it is gone; the claim of coder is released") ;;
*) fail "the reason: $(json "$BOX/row" reason)" ;;
esac
expect_eq "$(rows WP01 in_progress planned)" 1

say "a person's claim is not"
expect_eq "$(status_of WP03)" claimed
expect_exit 1 kitty launch --lanes c --agent coder --mission "$MISSION" --json
expect_eq "$(status_of WP03)" claimed

say "what was given back is claimed again"
expect_exit 0 kitty launch --lanes a --agent coder --mission "$MISSION" --json
expect_eq "$(status_of WP01)" for_review
expect_eq "$(rows WP01 planned claimed)" 2

say "a silent agent that lives is nobody's to give back"
rm "$BOX/quick"
make_mission silent "WP01:a/**" "WP02:b/**"
launch implementer --lanes a
sleep 2
expect_exit 5 kitty launch --lanes b --agent coder --mission "$MISSION" --json
expect_json "$OUT" error.code SUPERVISOR_RUNNING
expect_eq "$(status_of WP01)" in_progress
kitty stop --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "stop"
wait "$pid" 2>/dev/null
touch "$BOX/quick"

say "a review that was killed goes on with the same reviewer, without a second row"
make_mission again "WP01:a/**" "WP02:b/**"
launch reviewer --lanes a --review critic
die
expect_eq "$(status_of WP01)" in_review
touch "$BOX/verdict"
expect_exit 0 kitty launch --lanes a --agent coder --review critic --mission "$MISSION" --json
expect_eq "$(status_of WP01)" "done"
expect_eq "$(rows WP01 for_review in_review)" 1
expect_eq "$(rows WP01 in_review for_review)" 0

say "with another reviewer, or none, it returns to for_review and approves nothing"
rm "$BOX/verdict"
make_mission none "WP01:a/**" "WP02:b/**"
launch reviewer --lanes a --review critic
die
touch "$BOX/verdict"
for _ in $(seq 120); do
	[ "$(status_of WP01)" = for_review ] && break
	kitty launch --lanes a --agent coder --mission "$MISSION" >"$BOX/launch" 2>&1
	sleep 0.1
done
expect_eq "$(status_of WP01)" for_review
row WP01 in_review for_review
expect_json "$BOX/row" actor kitty
expect_json "$BOX/row" force true
expect_json "$BOX/row" reason "the worker that held it is gone; the claim of critic is released"
rm "$BOX/verdict"
launch reviewer --lanes a --review critic
die
touch "$BOX/verdict"
expect_exit 0 kitty launch --lanes a --agent coder --review other --mission "$MISSION" --json
expect_eq "$(status_of WP01)" "done"
row WP01 in_review for_review
expect_json "$BOX/row" reason "reviewer failed: critic was interrupted"
row WP01 in_review approved
expect_json "$BOX/row" actor other

say "nor when the lane moved while nobody watched the reviewer"
rm "$BOX/verdict"
make_mission moved "WP01:a/**" "WP02:b/**"
launch reviewer --lanes a --review critic
die
git -C ".worktrees/$MISSION-lane-a" commit -q --allow-empty -m "by the reviewer"
touch "$BOX/verdict"
expect_exit 0 kitty launch --lanes a --agent coder --review critic --mission "$MISSION" --json
expect_eq "$(status_of WP01)" for_review
row WP01 in_review for_review
case $(json "$BOX/row" reason) in
"reviewer failed: the lane moved from "*" while it was in review") ;;
*) fail "the reason: $(json "$BOX/row" reason)" ;;
esac

say "a review that was stopped goes on in the next launch"
rm "$BOX/verdict"
make_mission stopped "WP01:a/**" "WP02:b/**"
launch reviewer --lanes a --review critic
kitty stop --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "stop"
wait "$pid" 2>/dev/null
expect_eq "$(status_of WP01)" in_review
touch "$BOX/verdict"
expect_exit 0 kitty launch --lanes a --agent coder --review critic --mission "$MISSION" --json
expect_eq "$(status_of WP01)" "done"
grep -q '"force": true' "$LOG" && fail "an override was used"

say "a person's review is left alone"
make_mission person "WP01:a/**" "WP02:b/**"
expect_exit 0 kitty launch --lanes a --agent coder --mission "$MISSION" --json
expect_exit 0 kitty agent tasks move-task WP01 --to in_review --reviewer Ada --mission "$MISSION" --json
expect_exit 0 kitty launch --lanes a --agent coder --review critic --mission "$MISSION" --json
expect_eq "$(status_of WP01)" in_review
check_clean
exit 0
