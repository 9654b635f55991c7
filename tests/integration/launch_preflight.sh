#!/bin/sh
# What a launch refuses before anything starts.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
say "not finalised"
draft_mission early "WP01:a/**"
expect_exit 4 kitty launch --lanes all --json -- true
expect_json "$OUT" error.code MISSION_NOT_FINALIZED
kitty agent mission finalize-tasks --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "finalize-tasks"
tip=$(tip)

say "lanes"
expect_exit 2 kitty launch -- true
expect_exit 3 kitty launch --lanes a,q --json -- true
expect_json "$OUT" error.code LANE_NOT_FOUND
grep -q 'lane-a' "$OUT" || fail "the known lanes are not listed"
expect_exit 3 kitty launch --lanes ../a -- true

say "agents: all that is missing, at once"
expect_exit 3 kitty launch --lanes a --json
expect_json "$OUT" error.code AGENT_UNKNOWN
mkdir -p .kittify
cat >.kittify/config.yaml <<'YAML'
kitty:
  agents:
    one:
      command: [no-such-program-one]
    two:
      command: [/no/such/program/two]
YAML
expect_exit 3 kitty launch --lanes a --agent three
expect_exit 4 kitty launch --lanes a --agent one --agent two --json
expect_json "$OUT" error.code PREFLIGHT_FAILED
grep -q no-such-program-one "$OUT" || fail "one is not named"
grep -q '; agent two: no program `/no/such/program/two`' "$OUT" || fail "two is not named"
expect_exit 2 kitty launch --lanes a --

say "nothing was started or written"
expect_eq "$(tip)" "$tip"
[ -d ".worktrees/$MISSION-lane-a" ] && fail "a lane was made"

say "a claim that a hook refuses: told, and the launch ends"
hook commit-msg <<'HOOK'
#!/bin/sh
grep -q claimed "$1" && { echo "no claims today" >&2; exit 1; }
exit 0
HOOK
expect_exit 1 kitty launch --lanes a --json -- true
one_object "$OUT"
expect_json "$OUT" work_packages.0.lane planned
grep -q BOOKKEEPING_COMMIT_FAILED "$OUT" || fail "the refusal is not told"
expect_eq "$(tip)" "$tip"
check_clean
exit 0
