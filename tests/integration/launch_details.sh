#!/bin/sh
# Small promises of launch and implement: the whole prompt for a command, all unknown lanes named, the commits of an
# agent that failed in the summary.
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
export BOX
mkdir -p .kittify
printf 'kitty:\n  agents:\n    coder:\n      command: ["%s/agent"]\n' "$BOX" >.kittify/config.yaml
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
mkdir -p src/a && echo 1 >src/a/half.c && git add -A && git commit -q -m "half of it"
exit 9
AGENT
chmod +x "$BOX/agent"

say "implement -- COMMAND is told what an agent of launch is told"
make_mission direct 'WP01:src/a/**'
cat >"$BOX/command" <<'COMMAND'
#!/bin/sh
cp "$SPEC_KITTY_PROMPT" "$BOX/prompt"
mkdir -p src/a && echo "int a;" >src/a/a.c && git add -A && git commit -q -m work
COMMAND
chmod +x "$BOX/command"
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION" --json -- "$BOX/command"
expect_json "$OUT" outcome for_review
for heading in "## Where you are" "## Rules" "## The work package"; do
	grep -q "^$heading" "$BOX/prompt" || fail "the prompt lacks: $heading"
done

say "unknown lanes are all named"
expect_exit 3 kitty launch --lanes x,a,y --agent coder --mission "$MISSION" --json
json "$OUT" error.detail | grep -q '.x., .y.;' || fail "not all unknown lanes are named"

say "the commits of an agent that failed are in the summary"
make_mission failing 'WP01:src/a/**'
expect_exit 1 kitty launch --lanes all --agent coder --mission "$MISSION" --json
grep -q '"message": "half of it"' "$OUT" || fail "the commit is not in the summary"
exit 0
