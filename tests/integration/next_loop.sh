#!/bin/sh
# next, agent action, context resolve, list-tasks, status history. Usage: next_loop.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox

say "before finalisation"
draft_mission upsell 'WP01:src/a/**' 'WP02:src/b/**:WP01' 'WP03:src/c/**'
expect_exit 1 kitty next --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" kind blocked
expect_exit 1 kitty next --mission "$MISSION"
grep -q '^blocked: .' "$OUT" || fail "no reason is printed"
expect_exit 3 kitty next --mission nothing-like-it --json
one_object "$OUT"
expect_json "$OUT" error.code MISSION_NOT_FOUND
expect_exit 0 kitty agent mission finalize-tasks --mission "$MISSION"

say "a query changes nothing and says what advancing does"
before=$(tip)
expect_exit 0 kitty next --agent ann --json
one_object "$OUT"
expect_json "$OUT" kind query
expect_json "$OUT" is_query true
expect_json "$OUT" preview_step implement
expect_json "$OUT" wp_id WP01
expect_json "$OUT" prompt_file null
expect_json "$OUT" progress.planned_wps 3
expect_eq "$(tip)" "$before" "a query wrote"
[ ! -e "$REPO/.worktrees/$MISSION-lane-a" ] || fail "a query made a lane"
expect "would implement WP01
workspace: $REPO/.worktrees/$MISSION-lane-a" kitty next --agent ann
expect_exit 2 kitty next --result success --json
one_object "$OUT"
expect_exit 2 kitty next --agent ann --result perhaps --json
expect_exit 2 kitty next --agent ann --answer yes --json

say "two agents at once get two steps"
kitty next --agent ann --result success --json >"$BOX/ann" 2>"$BOX/ann.err" &
kitty next --agent bob --result success --json >"$BOX/bob" 2>"$BOX/bob.err" &
wait
for who in ann bob; do
	one_object "$BOX/$who"
	expect_json "$BOX/$who" kind step
	expect_json "$BOX/$who" action implement
	[ -f "$(json "$BOX/$who" prompt_file)" ] || fail "a step without a prompt"
	[ -d "$(json "$BOX/$who" workspace_path)" ] || fail "a step without a workspace"
done
got=$(printf '%s %s' "$(json "$BOX/ann" wp_id)" "$(json "$BOX/bob" wp_id)")
case $got in
"WP01 WP03" | "WP03 WP01") ;;
*) fail "steps $got" ;;
esac
expect_exit 1 kitty next --agent cy --json
expect_json "$OUT" kind blocked
json "$OUT" reason | grep -q '^dependencies_not_satisfied' || fail "the reason is $(json "$OUT" reason)"

say "success without work is no success"
before=$(tip)
expect_exit 1 kitty next --agent ann --result success --json
expect_json "$OUT" kind blocked
json "$OUT" guard_failures.0 | grep -q 'no commit beyond' || fail "no guard failure"
expect_eq "$(tip)" "$before"
# Each agent works in its lane until nothing is left.
work() {
	lane=$(json "$1" workspace_path)
	wp=$(json "$1" wp_id)
	mkdir -p "$lane/src/$wp"
	echo "$wp" >"$lane/src/$wp/x.c"
}
work "$BOX/ann"
expect_exit 1 kitty next --agent ann --result success --json
json "$OUT" guard_failures.0 | grep -q 'not committed' || fail "files that are not committed"
git -C "$lane" add -A
git -C "$lane" commit -q -m work
work "$BOX/bob"
git -C "$lane" add -A
git -C "$lane" commit -q -m work

say "a blocked step"
expect_exit 1 kitty next --agent bob --result blocked --json
expect_json "$OUT" kind blocked
expect_exit 0 kitty agent tasks list-tasks --lane blocked --json
one_object "$OUT"
expect_json "$OUT" count 1
bobs=$(json "$BOX/bob" wp_id)
expect_json "$OUT" tasks.0.work_package_id "$bobs"
expect_exit 0 kitty agent tasks move-task "$bobs" --to in_progress --agent bob

say "the loop until the end"
rounds=0
who=ann
while :; do
	rounds=$((rounds + 1))
	[ $rounds -lt 20 ] || fail "the loop does not end"
	kitty next --agent $who --result success --json >"$OUT" 2>"$ERR"
	status=$?
	one_object "$OUT"
	case $(json "$OUT" kind) in
	step)
		[ -f "$(json "$OUT" prompt_file)" ] || fail "a step without a prompt"
		[ "$(json "$OUT" action)" != accept ] || break
		if [ "$(json "$OUT" action)" = implement ] && [ -z "$(git -C "$(json "$OUT" workspace_path)" log --format=%s "$BRANCH..HEAD" | grep "x$(json "$OUT" wp_id)")" ]; then
			cp "$OUT" "$BOX/step"
			work "$BOX/step"
			echo again >>"$lane/src/$wp/x.c"
			git -C "$lane" add -A
			git -C "$lane" commit -q -m "x$wp"
		fi
		;;
	blocked)
		[ $status -eq 1 ] || fail "blocked with exit $status"
		[ $who = ann ] && who=bob || who=ann
		;;
	*) fail "kind $(json "$OUT" kind)" ;;
	esac
done
expect_exit 0 kitty status --json
expect_json "$OUT" by_lane.approved 3
expect_exit 0 kitty next --json
expect_json "$OUT" preview_step accept
expect "would accept" kitty next
expect_exit 0 kitty next --agent ann --result success
expect_eq "$(head -n 1 "$OUT")" "step: accept"
prompt=$(sed -n 's/^prompt: //p' "$OUT")
head -n 1 "$prompt" | grep -q "^# Accept $MISSION" || fail "no prompt: $prompt"
check_clean
expect_exit 0 kitty agent status validate --dir "$COORD/kitty-specs/$MISSION"

say "agent action"
make_mission second 'WP01:src/a/**' 'WP02:src/b/**:WP01'
expect_exit 2 kitty agent action implement --mission "$MISSION" --json
one_object "$OUT"
expect_exit 0 kitty agent action implement --agent claude --mission "$MISSION"
[ "$(wc -c <"$OUT")" -lt 1024 ] || fail "more than 1 KB"
expect_eq "$(tail -n 1 "$OUT")" "- $BRANCH chore: WP01 claimed for implementation [claude] ✓"
[ -f "$(sed -n 's/^\[implement\] Prompt: //p' "$OUT")" ] || fail "no prompt"
expect_exit 0 kitty agent action implement wp01 --agent claude --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" commits '[]'
expect_json "$OUT" to_lane claimed
expect_exit 5 kitty agent action implement WP01-part --agent codex --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code WP_ALREADY_CLAIMED
json "$OUT" error.detail | grep -q claude || fail "the holder is not named"
expect_exit 4 kitty agent action implement WP02 --agent codex --mission "$MISSION" --json
expect_json "$OUT" error.code DEPENDENCIES_NOT_SATISFIED
expect_exit 3 kitty agent action review --agent codex --mission "$MISSION" --json
one_object "$OUT"
LANE=$REPO/.worktrees/$MISSION-lane-a
mkdir -p "$LANE/src/a"
echo a >"$LANE/src/a/a.c"
git -C "$LANE" add -A
git -C "$LANE" commit -q -m a
expect_exit 0 kitty agent tasks move-task WP01 --to for_review --mission "$MISSION"
expect_exit 0 kitty agent action review --agent codex --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" wp_id WP01
expect_json "$OUT" to_lane in_review
expect_json "$OUT" commits.0.outcome committed

say "context resolve"
expect_exit 0 kitty agent context resolve --action implement --wp-id WP02 --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" success true
expect_json "$OUT" lane_id lane-b
expect_json "$OUT" dependencies '["WP01"]'
(cd "$LANE" && kitty agent context resolve --action review --wp-id WP01 --json) >"$OUT" 2>"$ERR" || fail "context in a lane"
expect_json "$OUT" mission_slug "$MISSION"
expect_json "$OUT" detection_method worktree
(cd "$LANE" && kitty agent context resolve --action review --wp-id WP01) >"$OUT" 2>"$ERR" || fail "context for people"
expect_eq "$(head -n 3 "$OUT")" "mission   $MISSION -> main
wp        WP01  in_review
workspace $LANE"
grep -q '^next      .*kitty ' "$OUT" || fail "no next command"
expect_exit 2 kitty agent context resolve --action dance --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" success false
expect_json "$OUT" error_code INVALID_ACTION
expect_exit 3 kitty agent context resolve --action implement --wp-id WP09 --mission "$MISSION" --json
expect_json "$OUT" error_code WORK_PACKAGE_UNRESOLVED

say "history, with overrides by name"
expect_exit 0 kitty agent tasks move-task WP02 --to canceled --override-reason "out of scope" --agent ada --mission "$MISSION"
expect_exit 0 kitty agent tasks add-history WP01 --note "almost" --mission "$MISSION" --json
one_object "$OUT"
expect_exit 2 kitty agent tasks add-history WP01 --note " " --mission "$MISSION" --json
one_object "$OUT"
expect_exit 0 kitty agent status history --mission "$MISSION" --json
one_object "$OUT"
expect_exit 0 kitty agent status history --wp WP02 --mission "$MISSION" --json
last=$(($(json "$OUT" count) - 1))
expect_json "$OUT" "events.$last.to_lane" canceled
expect_json "$OUT" "events.$last.force" true
expect_json "$OUT" "events.$last.override" '{"actor": "ada", "reason": "out of scope"}'
since=$(json "$OUT" "events.$((last - 1)).event_id")
expect_exit 0 kitty agent status history --wp WP02 --since "$since" --mission "$MISSION" --json
expect_json "$OUT" count 1
expect_exit 0 kitty agent status history --since 2100-01-01 --mission "$MISSION" --json
expect_json "$OUT" count 0
expect_exit 2 kitty agent status history --since yesterday --mission "$MISSION" --json
one_object "$OUT"
expect_exit 0 kitty agent status history --mission "$MISSION"
grep -q 'WP02  *planned -> canceled \[ada\]  OVERRIDE: out of scope' "$OUT" || fail "the override is not told"
expect_exit 0 kitty agent tasks move-task WP01 --to "done" --mission "$MISSION"
expect_exit 0 kitty agent status history --wp WP01 --mission "$MISSION"
grep -q 'lane_integrated (approved -> done)' "$OUT" || fail "no lane_integrated"
expect_exit 0 kitty next --mission "$MISSION" --json
expect_json "$OUT" kind terminal
expect "done: every work package is done" kitty next --mission "$MISSION"

say "what is over is not begun again"
expect_exit 4 kitty agent action implement WP01 --agent claude --mission "$MISSION" --json
expect_json "$OUT" error.code TRANSITION_REJECTED
expect_json "$OUT" error.detail "WP01 is done and cannot be claimed"
expect_exit 4 kitty agent action review WP02 --agent claude --mission "$MISSION" --json
expect_json "$OUT" error.detail "WP02 is canceled and cannot be reviewed"
exit 0
