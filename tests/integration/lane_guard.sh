#!/bin/sh
# No work package goes to review with a lane that touched what is not its own. Usage: lane_guard.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/doctor.sh"
sandbox
make_mission guarded 'WP01:src/a/**' 'WP02:src/b/**:WP01'
other=$MISSION
make_mission second 'WP01:src/c/**'
second_mission=$MISSION
MISSION=$other
LANE=$REPO/.worktrees/$MISSION-lane-a
export LANE
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --mission "$MISSION"
tip() { git rev-parse "kitty/mission-$MISSION"; }

commit_in_lane() { git -C "$LANE" commit -q -m "$1"; }

for poison in status other planning; do
	say "a lane that changed $poison files is refused, with commit and path"
	case $poison in
	status) path=kitty-specs/$MISSION/status.events.jsonl ;;
	other) path=kitty-specs/$second_mission/spec.md ;;
	planning) path=kitty-specs/$MISSION/plan.md ;;
	esac
	mkdir -p "$LANE/$(dirname "$path")"
	echo poison >>"$LANE/$path"
	git -C "$LANE" add --sparse "$path"
	commit_in_lane "Poison"
	poison_commit=$(git -C "$LANE" rev-parse HEAD)
	before=$(tip)
	for way in "agent tasks move-task WP01 --to for_review" "agent status emit WP01 --to for_review --actor claude"; do
		# shellcheck disable=SC2086
		expect_exit 4 kitty $way --mission "$MISSION" --json
		one_object "$OUT"
		expect_json "$OUT" error.code LANE_TOUCHES_KITTY_SPECS
		json "$OUT" error.detail | grep -qF "$poison_commit" || fail "the commit is not named"
		json "$OUT" error.detail | grep -qF "$path" || fail "the path is not named"
	done
	expect_eq "$(tip)" "$before" "the branch after a refusal"
	sh -c "$(json "$OUT" error.next_step)" >"$OUT" 2>&1 || fail "the printed way back"
done

say "work outside owned_files warns, and is said by the doctor until it is taken back"
mkdir -p "$LANE/src/a" "$LANE/src/elsewhere"
echo own >"$LANE/src/a/own"
echo stray >"$LANE/src/elsewhere/stray"
git -C "$LANE" add src
commit_in_lane "Work and a stray file"
expect_exit 0 kitty agent tasks move-task WP01 --to for_review --mission "$MISSION" --json
expect_json "$OUT" warnings.0 "lane-a changed files that its work packages do not own: src/elsewhere/stray"
grep -q "warning: lane-a changed files" "$ERR" || fail "no warning for people"
fault LANE_OUTSIDE_OWNED_FILES 0

say "or refuses, when the configuration says so"
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --reason "once more" --mission "$MISSION"
echo stray >"$LANE/src/stray2"
git -C "$LANE" add src
commit_in_lane "Another stray file"
mkdir -p .kittify
printf 'kitty:\n  owned_files: refuse\n' >.kittify/config.yaml
before=$(tip)
expect_exit 4 kitty agent tasks move-task WP01 --to for_review --mission "$MISSION" --json
expect_json "$OUT" error.code LANE_OUTSIDE_OWNED_FILES
expect_eq "$(tip)" "$before" "the branch after a refusal"
git -C "$LANE" rm -q src/stray2
commit_in_lane "Taken back"
expect_exit 0 kitty agent tasks move-task WP01 --to for_review --mission "$MISSION" --json
expect_json "$OUT" result success

say "a dependent lane is not blamed for what its dependency brought"
expect_exit 0 kitty agent tasks move-task WP01 --to approved --mission "$MISSION"
expect_exit 0 kitty implement WP02 --agent codex --mission "$MISSION"
second=$REPO/.worktrees/$MISSION-lane-b
[ -d "$second" ] || second=$LANE
mkdir -p "$second/src/b"
echo two >"$second/src/b/two"
git -C "$second" add src
git -C "$second" commit -q -m "Work of WP02"
expect_exit 0 kitty agent tasks move-task WP02 --to for_review --mission "$MISSION" --json
expect_json "$OUT" result success

say "what came after the gate and before the approval is asked about again before it is integrated"
expect_exit 0 kitty agent tasks move-task WP01 --to done --mission "$MISSION"
echo stray >"$second/src/b-stray"
git -C "$second" add src
git -C "$second" commit -q -m "A stray file during the review"
expect_exit 0 kitty agent tasks move-task WP02 --to approved --mission "$MISSION"
echo later >"$second/src/b/later"
git -C "$second" add src
git -C "$second" commit -q -m "After the approval"
before=$(tip)
target=$(git rev-parse main)
for way in "agent tasks move-task WP02 --to done" "merge --dry-run" merge; do
	# shellcheck disable=SC2086
	expect_exit 4 kitty $way --mission "$MISSION" --json
	expect_json "$OUT" error.code LANE_OUTSIDE_OWNED_FILES
	json "$OUT" error.detail | grep -qF src/b-stray || fail "the path is not named"
	expect_eq "$(tip) $(git rev-parse main)" "$before $target" "the branches after $way"
done
sed -i 's|^- src/b/.*|&\n- src/b-stray|' "$REPO/kitty-specs/$MISSION/tasks/WP02"-*.md
expect_exit 0 kitty agent mission finalize-tasks --mission "$MISSION"
expect_exit 0 kitty merge --dry-run --mission "$MISSION"
expect_exit 0 kitty agent tasks move-task WP02 --to done --mission "$MISSION"
git cat-file -e "kitty/mission-$MISSION:src/b-stray" || fail "what was approved is not integrated"
not_in "kitty/mission-$MISSION" src/b/later "what came after the approval is integrated"

say "in a launch the work package is blocked, with the reason"
rm .kittify/config.yaml
make_mission third 'WP01:src/d/**'
cat >"$BOX/poisoner" <<-'AGENT'
	#!/bin/sh
	cat >/dev/null
	mkdir -p src/d kitty-specs/third
	echo work >src/d/work
	echo '{}' >kitty-specs/other
	git add --sparse src kitty-specs && git commit -q -m "Work and poison"
AGENT
chmod +x "$BOX/poisoner"
printf 'kitty:\n  agents:\n    poisoner:\n      command: ["%s"]\n' "$BOX/poisoner" >.kittify/config.yaml
kitty launch --lanes all --mission "$MISSION" >"$OUT" 2>"$ERR"
kitty status --mission "$MISSION" --json >"$OUT"
expect_json "$OUT" by_lane.blocked 1
json "$OUT" work_packages.0.reason | grep -q "kitty-specs/other" || fail "the reason does not name the path"
