#!/bin/sh
# What an agent's end means, each way to end.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
make_mission ends "WP01:a/**" "WP02:b/**" "WP03:c/**" "WP04:d/**" "WP05:e/**" "WP06:f/**" "WP07:g/**" "WP08:h/**:WP01" "WP09:i/**" "WP10:j/**" "WP11:a/**:WP01"
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
case $SPEC_KITTY_WP-$1 in
*-again) echo "second $SPEC_KITTY_WP" >again.txt ;;
WP01-*) exit 0 ;;
WP02-*) echo half >half.txt; exit 3 ;;
WP03-*) kill -9 $$ ;;
WP04-*) sleep 60 ;;
WP05-*) mkdir -p e kitty-specs; echo left >e/left.txt; echo no >kitty-specs/no.txt ;;
WP06-*) git checkout -q --detach; echo x >x; git add x; git commit -q -m away ;;
WP09-*) git checkout -q -b aside && echo x >x && git add x && git commit -q -m aside && git checkout -q - ;;
WP10-*) mkdir -p j && echo one >j/one && git add j && git commit -q -m "own words" && echo two >j/two ;;
WP07-*) kitty agent tasks move-task WP07 --to blocked --reason "I need help" --json >"$BOX/help"; exit 4 ;;
esac
AGENT
chmod +x "$BOX/agent"
export BOX
mkdir -p .kittify
cat >.kittify/config.yaml <<YAML
kitty:
  agents:
    worker-bee:
      command: ["$BOX/agent", "first"]
      timeout: 2s
      capacity: 12
YAML

say "every end at once"
expect_exit 1 kitty launch --lanes all --agent worker-bee --json
one_object "$OUT"
expect_json "$OUT" result incomplete
cp "$OUT" "$BOX/summary"
kitty status --json >"$BOX/status"
reason() { kitty-json-get work_packages <"$BOX/summary" | tr '{' '\n' | sed -n "s/.*\"id\": \"$1\".*\"reason\": \"\{0,1\}\([^\"]*\)\"\{0,1\}}.*/\1/p"; }
status_of() { kitty-json-get work_packages <"$BOX/summary" | tr '{' '\n' | sed -n "s/.*\"id\": \"$1\".*\"lane\": \"\([^\"]*\)\".*/\1/p"; }
for wp in WP01 WP02 WP03 WP04 WP06 WP07 WP09; do expect_eq "$(status_of $wp)" blocked "$wp"; done
expect_eq "$(status_of WP10)" for_review
expect_eq "$(status_of WP05)" for_review
expect_eq "$(status_of WP08)" planned
expect_eq "$(reason WP01)" "agent exited 0 without work"
expect_eq "$(reason WP02)" "exit status 3"
expect_eq "$(reason WP03)" "killed by signal 9"
expect_eq "$(reason WP04)" "timed out after 2s"
expect_eq "$(reason WP07)" "I need help"
expect_eq "$(reason WP09)" "agent exited 0 without work; commits outside the lane's branch: $(git rev-parse aside)"
grep -q '"message": "own words", "branch": "[^"]*", "sha": "[0-9a-f]*", "outcome": "committed"' "$BOX/summary" || fail "the agent's own commit is not in the summary"
grep -q '"message": "WP10: Work package WP10"' "$BOX/summary" || fail "the commit made for the agent is not in the summary by its message"
case $(reason WP06) in
*LANE_HEAD_MISMATCH*) ;;
*) fail "WP06: $(reason WP06)" ;;
esac
grep -q "WP11 waits for WP01, which stands before it in lane-a" "$BOX/summary" || fail "what stands behind is not told"
grep -q "WP08 waits for WP01" "$BOX/summary" || fail "who waits for whom is not said"

say "files of a failed agent stay"
lane=$(kitty-json-get work_packages <"$BOX/summary" | tr '{' '\n' | sed -n 's/.*"id": "WP02".*"lane_id": "\([^"]*\)".*/\1/p')
expect_eq "$(cat ".worktrees/$MISSION-$lane/half.txt")" half

say "what a good agent left is committed with it as the author"
lane=$(kitty-json-get work_packages <"$BOX/summary" | tr '{' '\n' | sed -n 's/.*"id": "WP05".*"lane_id": "\([^"]*\)".*/\1/p')
branch=$(git -C ".worktrees/$MISSION-$lane" branch --show-current)
expect_eq "$(git log -1 --format='%an/%cn' "$branch")" "worker-bee/Test User"
git log -1 --format=%B "$branch" | grep -q WP05 || fail "the message names no WP"
git cat-file -e "$branch:e/left.txt" || fail "e/left.txt is not committed"
not_in "$branch" kitty-specs/no.txt "kitty-specs/ is committed"

say "blocked ones stay blocked without --retry-blocked"
tip=$(tip)
expect_exit 1 kitty launch --lanes all -- "$BOX/agent" again
expect_eq "$(tip)" "$tip"

say "and run again with it, once each"
git -C ".worktrees/$MISSION-$(kitty-json-get work_packages <"$BOX/summary" | tr '{' '\n' | sed -n 's/.*"id": "WP06".*"lane_id": "\([^"]*\)".*/\1/p')" switch -q - 2>/dev/null
expect_exit 1 kitty launch --lanes all --retry-blocked --json -- "$BOX/agent" again
cp "$OUT" "$BOX/summary"
for wp in WP01 WP02 WP03 WP04 WP05 WP06 WP07; do expect_eq "$(status_of $wp)" for_review "$wp"; done
expect_eq "$(status_of WP08)" planned
check_clean
exit 0
