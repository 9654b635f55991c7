#!/bin/sh
# What a discarded mission says of itself, and that no command takes it for a merged or an open one.
# Usage: discarded.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
. "$KITTY_SOURCE/tests/support/topology.sh"
sandbox
make_mission alpha 'WP01:src/a/**' 'WP02:src/b/**'
work WP01 a src/a/a.c "int a;"
approve WP01
POLICY='{"orchestrator_id":"o","orchestrator_version":"1","agent_family":"f","approval_mode":"m","sandbox_mode":"s","network_mode":"n","dangerous_flags":[]}'
expect_exit 0 kitty mission close --discard --mission "$MISSION"
freeze >"$BOX/before"

# refused NAME STATUS COMMAND...: no such mission any more, and the way back
refused() {
	name=$1 status=$2
	shift 2
	say "$name: the mission is discarded"
	expect_exit "$status" "$@" --mission "$MISSION"
	cat "$OUT" "$ERR" >"$BOX/said"
	grep -q 'MISSION_NOT_FOUND' "$BOX/said" || fail "another code"
	grep -qF "$MISSION is discarded" "$BOX/said" || fail "it does not say discarded"
	grep -qF "kitty mission restore --mission $MISSION" "$BOX/said" || fail "no way back is named"
	frozen
}
refused "implement" 3 kitty implement WP02 --agent claude
refused "action implement" 3 kitty agent action implement --agent claude
refused "action review" 3 kitty agent action review --agent claude
refused "launch" 3 kitty launch --lanes all
refused "merge" 3 kitty merge
refused "merge --dry-run" 3 kitty merge --dry-run --json
refused "merge --resume" 3 kitty merge --resume
refused "move-task" 3 kitty agent tasks move-task WP01 --to done
refused "mark-status" 3 kitty agent tasks mark-status T001 --status done
refused "add-history" 3 kitty agent tasks add-history WP01 --note x
refused "emit" 3 kitty agent status emit WP02 --to blocked --actor x
refused "finalize-tasks" 3 kitty agent mission finalize-tasks
refused "sync" 3 kitty mission sync
refused "repair" 3 kitty agent worktree repair
refused "next" 3 kitty next --agent a
refused "next --result" 3 kitty next --agent a --result success
refused "api list-ready" 1 kitty orchestrator-api list-ready
refused "api merge-mission" 1 kitty orchestrator-api merge-mission
refused "api start-implementation" 1 kitty orchestrator-api start-implementation --wp WP02 --actor x --policy "$POLICY"
refused "api transition" 1 kitty orchestrator-api transition --wp WP02 --to blocked --actor x
refused "api accept-mission" 1 kitty orchestrator-api accept-mission --actor x

say "who only looks sees that it is discarded"
expect_exit 0 kitty mission list
grep -qF "(discarded)" "$OUT" || fail "the list does not say it"
expect_exit 0 kitty mission list --json
expect_json "$OUT" missions.0.closed true
expect_json "$OUT" missions.0.discarded true
expect_exit 0 kitty status --mission "$MISSION"
grep -qF "discarded: kitty mission restore --mission $MISSION" "$OUT" || fail "status does not say it"
expect_exit 0 kitty verify --mission "$MISSION"

say "the way back works, and the mission ends as any other"
expect_exit 0 kitty mission restore --mission "$MISSION"
expect_exit 0 kitty mission list --json
expect_json "$OUT" missions.0.discarded false
work WP02 b src/b/b.c "int b;"
approve WP02
expect_exit 0 kitty merge --mission "$MISSION"
expect_exit 0 kitty merge --mission "$MISSION" --json
expect_json "$OUT" is_noop true
expect_exit 0 kitty mission list --json
expect_json "$OUT" missions.0.closed true
expect_json "$OUT" missions.0.discarded false

say "merged with its worktrees kept, then discarded: it is merged all the same"
make_mission beta 'WP01:src/c/**'
work WP01 a src/c/c.c "int c;"
approve WP01
expect_exit 0 kitty merge --mission "$MISSION" --strategy squash --keep-worktrees
expect_exit 0 kitty mission close --discard --mission "$MISSION"
expect_exit 0 kitty merge --mission "$MISSION" --json
expect_json "$OUT" is_noop true

say "when the trash is emptied after its days, a discarded mission does not become a merged one"
make_mission gamma 'WP01:src/d/**'
expect_exit 0 kitty mission close --discard --mission "$MISSION"
git for-each-ref --format='delete %(refname)' "refs/kitty/trash/$MISSION/" | git update-ref --stdin
expect_exit 3 kitty merge --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code MISSION_NOT_FOUND

say "a folder made by hand has no branch of its own, and is discarded all the same"
close_box
sandbox
git switch -q -c feature
hand_drafts 099-name "" 'WP01:src/a/**' 'WP02:src/b/**'
expect_exit 0 kitty agent mission finalize-tasks --mission "$MISSION"
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
echo half >"$(lane a)/half"
expect_exit 0 kitty mission close --discard --mission "$MISSION"
freeze >"$BOX/before"
refused "implement" 3 kitty implement WP02 --agent claude
refused "move-task" 3 kitty agent tasks move-task WP01 --to blocked
refused "merge" 3 kitty merge
refused "repair" 3 kitty agent worktree repair
refused "next" 3 kitty next --agent a
refused "api list-ready" 1 kitty orchestrator-api list-ready
expect_exit 0 kitty doctor --mission "$MISSION"
expect_exit 0 kitty mission list
grep -qF "(discarded)" "$OUT" || fail "the list does not say it"
expect_exit 0 kitty mission restore --mission "$MISSION"
[ "$(cat "$(lane a)/half")" = half ] || fail "the unfinished file is not back"
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
