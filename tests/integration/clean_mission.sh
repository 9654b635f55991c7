#!/bin/sh
# Ten work packages, agents and a reviewer that do their part, from launch to merge: not one override, one commit per
# lane and one merge at most on the target's own line, and the target's log is the coordination branch's last one.
# Usage: clean_mission.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
mkdir .kittify
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
mkdir -p "src/$SPEC_KITTY_WP" && echo "int x;" >"src/$SPEC_KITTY_WP/x.c"
AGENT
printf '#!/bin/sh\nexit 0\n' >"$BOX/reviewer"
chmod +x "$BOX/agent" "$BOX/reviewer"
cat >.kittify/config.yaml <<CONFIG
kitty:
  agents:
    maker:
      command: ["$BOX/agent"]
    judge:
      command: ["$BOX/reviewer"]
CONFIG
git add -A && git commit -q -m "Set up"
make_mission ten 'WP01:src/WP01/**' 'WP02:src/WP02/**:WP01' 'WP03:src/WP03/**:WP01' 'WP04:src/WP04/**:WP02,WP03' \
	'WP05:src/WP05/**' 'WP06:src/WP06/**' 'WP07:src/WP07/**:WP05' 'WP08:src/WP08/**:WP06' 'WP09:src/WP09/**' 'WP10:src/WP10/**:WP09'
export SPEC_KITTY_MISSION="$MISSION"
lanes=$(git cat-file blob "$BRANCH:kitty-specs/$MISSION/lanes.json" >"$BOX/lanes" && json "$BOX/lanes" lanes.#)

say "launch, with reviews"
expect_exit 0 kitty launch --lanes all --agent maker --review judge --max-parallel 3 --json
one_object "$OUT"
expect_exit 0 kitty status --json
expect_json "$OUT" by_lane.done 10

say "no override was needed"
! grep -q '"force": true' "$LOG" || fail "an override: $(grep '"force": true' "$LOG")"
expect_exit 0 kitty verify --json
expect_json "$OUT" ok true
expect_exit 0 kitty doctor --json
expect_json "$OUT" findings '[]'

say "the merge"
before=$(git rev-parse main)
expect_exit 0 kitty merge --json
added=$(git rev-list --count --first-parent "$before..main")
[ "$added" -le $((lanes + 1)) ] || fail "$added commits on main's own line for $lanes lanes"
expect_eq "$(git rev-parse "main:kitty-specs/$MISSION/status.events.jsonl")" \
	"$(git rev-parse "refs/kitty/closed/$MISSION:kitty-specs/$MISSION/status.events.jsonl")" "the log on main"
expect_eq "$(git ls-tree -r --name-only main src | grep -c x.c)" 10 "files of the ten"
exit 0
