#!/bin/sh
# What is started again and what is not: the exit status that says "never", of agents and of reviewers; and what a
# killed worker's agent left behind, though it cleared its environment and took its own session.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
make_mission again "WP01:a/**" "WP02:b/**" "WP03:c/**"
export BOX
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
echo "$SPEC_KITTY_WP" >>"$BOX/runs"
case $SPEC_KITTY_WP in
WP01) [ -e "$BOX/well" ] || exit 125 ;;
WP02) [ -e "$BOX/tried" ] || { touch "$BOX/tried"; exit 3; } ;;
esac
echo done >done.txt
AGENT
cat >"$BOX/reviewer" <<'AGENT'
#!/bin/sh
cat >/dev/null
echo "review $SPEC_KITTY_WP" >>"$BOX/runs"
exit 125
AGENT
chmod +x "$BOX/agent" "$BOX/reviewer"
mkdir -p .kittify
cat >.kittify/config.yaml <<YAML
kitty:
  agents:
    bee:
      command: ["$BOX/agent"]
      capacity: 3
    judge:
      command: ["$BOX/reviewer"]
YAML
runs() { grep -cx "$1" "$BOX/runs"; }

say "125 blocks like any failure, and says that it is for good"
expect_exit 1 kitty launch --lanes all --agent bee --json
expect_json "$OUT" work_packages.0.lane blocked
expect_json "$OUT" work_packages.0.reason "exit status 125 (permanent failure)"
expect_json "$OUT" work_packages.1.reason "exit status 3"
expect_json "$OUT" work_packages.2.lane for_review

say "--retry-blocked passes over it, and over it only"
expect_exit 1 kitty launch --lanes all --agent bee --retry-blocked --json
expect_json "$OUT" work_packages.0.lane blocked
expect_json "$OUT" work_packages.1.lane for_review
expect_eq "$(runs WP01)" 1
expect_eq "$(runs WP02)" 2

say "a person sends it on, and it runs again"
touch "$BOX/well"
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --note "the account works again"
expect_exit 0 kitty launch --lanes all --agent bee --json
expect_json "$OUT" work_packages.0.lane for_review
expect_eq "$(runs WP01)" 2

say "a reviewer that says so is not asked a second time"
kitty launch --lanes all --agent bee --review judge --json >"$BOX/reviewed" 2>&1
for wp in WP01 WP02 WP03; do expect_eq "$(runs "review $wp")" 1 "$wp"; done
check_clean

say "a killed worker's agent leaves nothing, whatever it did to its environment"
make_mission loose "WP01:a/**" "WP02:b/**"
cat >"$BOX/loose" <<'AGENT'
#!/bin/sh
cat >/dev/null
if [ "$SPEC_KITTY_WP" = WP01 ] && [ ! -e "$BOX/orphan" ]; then
	env -i /usr/bin/setsid /bin/sh -c 'echo $$ >'"$BOX/orphan"'; trap "" TERM HUP; while :; do /bin/sleep 1; done' \
		</dev/null >/dev/null 2>&1 &
	while [ ! -s "$BOX/orphan" ]; do sleep 0.02; done
	kill -9 $PPID
	sleep 60
fi
if [ "$SPEC_KITTY_WP" = WP02 ]; then
	# Lives as long as the other lane, so that the supervisor does.
	i=0
	while [ ! -e "$BOX/second" ] && [ $i -lt 600 ]; do i=$((i + 1)); sleep 0.05; done
else
	# The second worker of that lane: by now the orphan is gone, and the supervisor is not.
	old=$(cat "$BOX/orphan")
	if grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$old/status" 2>/dev/null; then
		touch "$BOX/survived"
	fi
	touch "$BOX/second"
fi
echo fine >fine.txt
AGENT
chmod +x "$BOX/loose"
expect_exit 0 kitty launch --mission "$MISSION" --lanes all --json -- "$BOX/loose"
[ -e "$BOX/survived" ] && {
	kill -9 "$(cat "$BOX/orphan")"
	fail "the orphan outlived its worker's lane"
}
exit 0
