#!/bin/sh
# With two missions under way every next step names the one it is about, and runs as printed; so do the commands of context
# resolve; and a dry run tells what the teardown will remove and what it will keep. Usage: next_steps.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
sandbox

say "no mission at all: the next step is a command"
expect_exit 3 kitty status --json
expect_json "$OUT" error.code FEATURE_CONTEXT_UNRESOLVED
expect_exit 0 sh -c "$(json "$OUT" error.next_step)"

say "a branch named kitty leaves no room for the mission's"
git branch kitty
expect_exit 1 kitty agent mission create alpha --json
json "$OUT" error.detail | grep -q 'a branch named kitty is in the way' || fail "the cause is not named"
[ ! -e kitty-specs ] || fail "drafts without a branch"
expect_exit 0 sh -c "$(json "$OUT" error.next_step)"
git branch -q -D kitty-before

make_mission alpha 'WP01:src/a/**' 'WP02:src/b/**:WP01'
make_mission beta 'WP01:src/c/**' 'WP02:src/d/**:WP01' 'WP03:src/e/**'
expect_exit 2 kitty status

# pasted COMMAND...: refused (exit 3, 4 or 5), and its next step runs
pasted() {
	say "the next step of: $*"
	"$@" --mission beta --json >"$OUT" 2>"$ERR" && fail "not refused"
	one_object "$OUT"
	step=$(json "$OUT" error.next_step)
	case $step in
	*"--mission $MISSION"*) ;;
	*) fail "the mission is not named: $step" ;;
	esac
	"$@" --mission beta 2>&1 | grep -qF "next: $step" || fail "people get another next step"
	expect_exit 0 sh -c "$step"
}
pasted kitty implement WP02 --agent claude
pasted kitty implement WP09 --agent claude
pasted kitty agent tasks move-task WP01 --to done
expect_eq "$(log_rows "$BRANCH" | grep -c '"to_lane": "approved"')" 0 "a move to done that cannot be writes nothing"
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --mission beta
expect_exit 0 kitty agent tasks move-task WP01 --to planned --review-feedback-file src/main.c --mission beta
pasted kitty merge
pasted kitty merge --dry-run
pasted kitty agent action review --agent rev
say "the same for programs"
expect_exit 1 kitty orchestrator-api resolve-workspace --wp WP09 --mission beta
expect_json "$OUT" data.next_step "kitty status --mission $MISSION"

say "the commands of context resolve run as printed"
for asking in "" "--agent ann"; do
	# shellcheck disable=SC2086
	expect_exit 0 kitty agent context resolve --action implement --wp-id WP01 --mission beta $asking --json
	command=$(json "$OUT" commands.0)
	expect_exit 0 sh -c "$command"
	expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --mission beta
	expect_exit 0 kitty agent tasks move-task WP01 --to planned --review-feedback-file src/main.c --mission beta
done
work WP01 a src/c/c.c "int c;"
expect_exit 0 kitty agent tasks move-task WP01 --to for_review --mission beta
expect_exit 0 kitty agent context resolve --action review --mission beta --json
expect_exit 0 sh -c "$(json "$OUT" commands.0)"
for action in specify plan tasks_finalize accept status; do
	expect_exit 0 kitty agent context resolve --action $action --mission beta --json
	command=$(json "$OUT" commands.0)
	sh -c "$command" >"$OUT" 2>"$ERR"
	status=$?
	# accept is a dry run of the merge, for which it is too early
	[ $status -eq 0 ] || { [ $action = accept ] && [ $status -eq 4 ]; } || fail "$action: exit $status"
done

say "approved by hand, without a lane: the way out works, too"
expect_exit 0 kitty agent tasks move-task WP03 --to approved --mission beta
expect_exit 4 kitty agent tasks move-task WP03 --to "done" --mission beta --json
expect_json "$OUT" error.code LANE_BRANCH_MISSING
expect_exit 0 sh -c "$(json "$OUT" error.next_step)"
expect_exit 0 kitty implement WP03 --agent operator --mission beta

say "history: a package that nobody knows, and what was noted"
expect_exit 3 kitty agent status history --wp WP77 --mission beta --json
expect_json "$OUT" error.code WP_NOT_FOUND
expect_exit 0 kitty agent tasks add-history WP03 --note "almost there" --agent bob --mission beta
expect_exit 0 kitty agent status history --wp WP03 --mission beta
grep -q 'annotation \[bob\]: .*almost there' "$OUT" || fail "the note is not told"

say "what the teardown keeps is foretold, with the reasons"
approve WP01
work WP02 b src/d/d.c "int d;"
approve WP02
mkdir -p "$(lane c)/src/e" && echo "int e;" >"$(lane c)/src/e/e.c" && git -C "$(lane c)" add -A && git -C "$(lane c)" commit -q -m e
expect_exit 0 kitty agent tasks move-task WP03 --to approved --mission beta
git worktree unlock "$(lane a)"
git worktree lock --reason "do not touch" "$(lane a)"
echo unfinished >"$(lane b)/src/d/later.c"
freeze >"$BOX/before"
expect_exit 0 merge --dry-run --json
frozen
cp "$OUT" "$BOX/foretold"
expect_json "$BOX/foretold" kept.# 4
json "$BOX/foretold" kept | grep -q 'do not touch' || fail "the lock is not told"
expect_exit 0 merge --dry-run
grep -qxF "would be removed: $(lane c)" "$OUT" || fail "people are not told"
expect_exit 0 merge --json
for member in integrated removed kept; do
	expect_eq "$(json "$OUT" $member)" "$(json "$BOX/foretold" $member)" "$member"
done
[ -e "$(lane a)/src/c/c.c" ] || fail "a locked worktree was removed"
[ -e "$(lane b)/src/d/later.c" ] || fail "unfinished work was removed"
[ ! -e "$(lane c)" ] || fail "lane-c is left"
