#!/bin/sh
# Agents that leave their lane in a state nobody can go on from, that leave subtasks open, that cannot be started at
# all; merge beside a running supervisor; logs and watch for people. Usage: launch_bad_ends.sh <source root>
# shellcheck source=tests/support/lib.sh
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
export BOX
SUBTASKS="T001 T002"
make_mission bad "WP01:a/**" "WP02:b/**" "WP03:c/**" "WP04:d/**" "WP05:e/**"
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
work() { mkdir -p "$1" && echo "$SPEC_KITTY_WP" >"$1/x" && git add "$1" && git commit -q -m "$SPEC_KITTY_WP"; }
case $SPEC_KITTY_WP in
WP01) work a ;;
WP02) # a merge with a conflict, left as it is
	work b
	git checkout -q -b other HEAD~1 && mkdir -p b && echo else >b/x && git add b && git commit -q -m else
	git checkout -q - && git merge -q other >/dev/null 2>&1
	exit 3 ;;
WP03) git checkout -q --detach; exit 4 ;;
WP04) git checkout -q -b aside; exit 5 ;;
WP05)
	work e
	kitty agent tasks mark-status T001 T002 --wp WP05 --status done --json >"$BOX/marked" || exit 9 ;;
esac
AGENT
chmod +x "$BOX/agent"
mkdir -p .kittify
cat >.kittify/config.yaml <<YAML
kitty:
  subtasks: require
  agents:
    worker-bee:
      command: ["$BOX/agent"]
      capacity: 8
YAML
member() { kitty-json-get work_packages <"$BOX/summary" | tr '{' '\n' | sed -n "s/.*\"id\": \"$1\".*\"$2\": \"\([^\"]*\)\".*/\1/p"; }
lane_of() { echo "$REPO/.worktrees/$MISSION-$(member "$1" lane_id)"; }

say "how each one ended stands in its reason"
expect_exit 1 kitty launch --lanes all --agent worker-bee --json
one_object "$OUT"
cp "$OUT" "$BOX/summary"
for wp in WP01 WP02 WP03 WP04; do expect_eq "$(member $wp lane)" blocked "$wp"; done
expect_eq "$(member WP01 reason)" "agent exited 0 with open subtasks: T001, T002"
expect_eq "$(member WP02 reason)" "exit status 3; a merge is under way in the lane [LANE_BUSY]"
expect_eq "$(member WP03 reason)" \
	"exit status 4; the lane's HEAD is detached at $(git -C "$(lane_of WP03)" rev-parse HEAD) [LANE_HEAD_MISMATCH]"
expect_eq "$(member WP04 reason)" \
	"exit status 5; the lane's HEAD is refs/heads/aside at $(git rev-parse aside) [LANE_HEAD_MISMATCH]"
expect_eq "$(member WP05 lane)" for_review "$(cat "$BOX/marked" 2>&1)"

say "no agent is started in a lane where it could do harm"
rm -f "$BOX/marked"
expect_exit 1 kitty launch --lanes all --retry-blocked --agent worker-bee --json
cp "$OUT" "$BOX/summary"
waits() { kitty-json-get waits <"$BOX/summary" | grep -qF "$1" || fail "no '$1' in: $(cat "$BOX/summary")"; }
waits "worktree_alloc_failed: a merge or rebase is under way in the lane: a merge is under way in $(lane_of WP02) [LANE_BUSY]"
waits "$(lane_of WP03) is on detached HEAD at "
waits "$(lane_of WP04) is on refs/heads/aside at "
expect_eq "$(grep -o 'LANE_HEAD_MISMATCH\]"' "$BOX/summary" | wc -l)" 4
for wp in WP02 WP03 WP04; do expect_eq "$(member $wp lane)" blocked "$wp"; done
[ -e "$(git -C "$(lane_of WP02)" rev-parse --git-path MERGE_HEAD)" ] || fail "the merge of WP02 is gone"
check_clean

say "watch for people: what was committed since an event, row by row"
first=$(head -n 1 "$LOG" | sed 's/.*"event_id": "\([0-9A-Z]*\)".*/\1/')
expect_exit 7 kitty watch --mission "$MISSION" --since "$first"
expect_eq "$(wc -l <"$OUT")" "$(($(wc -l <"$LOG") - 1))"
grep -q ' WP05 annotated \[worker-bee\]$' "$OUT" || fail "no annotation"
grep -q ' WPCreated WP01$' "$OUT" || fail "no lifecycle row"
grep -q ' WP01 in_progress -> blocked \[worker-bee\]: agent exited 0 with open subtasks: T001, T002$' "$OUT" ||
	fail "no reason"

say "logs want a lane that can be one"
expect_exit 2 kitty logs --mission "$MISSION"
grep -q 'name the lane' "$ERR" || fail "no reason"
expect_exit 3 kitty logs --mission "$MISSION" ../up --json
expect_json "$OUT" error.code LANE_NOT_FOUND

say "an agent whose interpreter is missing"
SUBTASKS=
make_mission interp "WP01:a/**"
printf '#!/no/such/interpreter\n' >"$BOX/broken"
chmod +x "$BOX/broken"
expect_exit 1 kitty launch --mission "$MISSION" --lanes all --json -- "$BOX/broken"
cp "$OUT" "$BOX/summary"
expect_eq "$(member WP01 lane)" blocked
case $(member WP01 reason) in
"the agent could not be started: "*"[SPAWN_FAILED]") ;;
*) fail "the reason is $(member WP01 reason)" ;;
esac

say "merge beside a running supervisor"
make_mission beside "WP01:a/**"
cat >"$BOX/waits" <<'AGENT'
#!/bin/sh
cat >/dev/null
touch "$BOX/up"
while [ ! -e "$BOX/go" ]; do sleep 0.05; done
mkdir -p a && echo x >a/x
AGENT
chmod +x "$BOX/waits"
kitty launch --mission "$MISSION" --lanes all -- "$BOX/waits" >"$BOX/said" 2>&1 &
pid=$!
for _ in $(seq 600); do [ -e "$BOX/up" ] && break; sleep 0.1; done
[ -e "$BOX/up" ] || fail "the agent does not come up: $(cat "$BOX/said")"
expect_exit 5 kitty merge --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code SUPERVISOR_RUNNING
expect_json "$OUT" error.next_step "kitty stop --mission $MISSION"
touch "$BOX/go"
wait "$pid"
expect_eq $? 0
exit 0
