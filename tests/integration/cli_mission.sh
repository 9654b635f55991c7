#!/bin/sh
# init, mission create, finalize-tasks, from any branch and again and again. Usage: cli_mission.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
head_before=$(git rev-parse HEAD)

say "init"
expect_exit 0 kitty init
[ -f .kittify/config.yaml ] || fail "no configuration"
grep -qx '/.worktrees/' .git/info/exclude || fail "no exclude line"
[ -s .git/info/attributes ] || fail "no attributes line"
cp .git/info/exclude "$BOX/exclude"
cp .git/info/attributes "$BOX/attributes"
cp .kittify/config.yaml "$BOX/config"
expect_exit 0 kitty agent setup --json
one_object "$OUT"
expect_json "$OUT" changed '[]'
cmp -s .git/info/exclude "$BOX/exclude" && cmp -s .git/info/attributes "$BOX/attributes" &&
	cmp -s .kittify/config.yaml "$BOX/config" || fail "init twice changed something"
expect_eq "$(git status --porcelain)" "?? .kittify/"

say "mission create"
expect_exit 0 kitty agent mission create checkout-upsell-flow \
	--friendly-name "Checkout Upsell Flow" \
	--purpose-tldr "Add an upsell at the checkout step" \
	--purpose-context "Increase ARPU by surfacing relevant add-ons during the final checkout step." \
	--json
one_object "$OUT"
expect_json "$OUT" result success
MISSION=$(json "$OUT" mission_slug)
MISSION_ID=$(json "$OUT" mission_id)
BRANCH=$(json "$OUT" coordination_branch)
mid8=$(echo "$MISSION_ID" | cut -c1-8)
expect_eq "$MISSION" "checkout-upsell-flow-$mid8"
expect_eq "$BRANCH" "kitty/mission-checkout-upsell-flow-$mid8"
expect_json "$OUT" feature_dir "$REPO/kitty-specs/$MISSION"
expect_json "$OUT" target_branch main
expect_json "$OUT" friendly_name "Checkout Upsell Flow"
expect_eq "$(git rev-parse "$BRANCH")" "$head_before" "branch is parented off main"
expect_eq "$(git rev-parse HEAD)" "$head_before" "main moved"
[ ! -e .worktrees ] || fail "worktrees exist already"
DRAFTS=$REPO/kitty-specs/$MISSION
COORD=$REPO/.worktrees/$MISSION-coord
LOG=$COORD/kitty-specs/$MISSION/status.events.jsonl

say "create again is the same mission"
expect_exit 0 kitty mission create checkout-upsell-flow --json
expect_json "$OUT" mission_id "$MISSION_ID"
expect_json "$OUT" created false
say "names that are none"
for name in 'Bad' 'a b' '../x' 'a--b' '-a' 'a_b' 'é'; do
	kitty agent mission create "$name" >"$OUT" 2>"$ERR" && fail "$name was accepted"
done
expect_exit 3 kitty agent mission create other --target-branch no-such --json
one_object "$OUT"
expect_json "$OUT" error.code TARGET_BRANCH_NOT_FOUND
[ "$(ls kitty-specs)" = "$MISSION" ] || fail "a refused create left something"

say "finalize without work packages"
kitty agent mission finalize-tasks --json >"$OUT" 2>"$ERR" && fail "finalised nothing"
one_object "$OUT"

say "every problem at once, with file and line"
mkdir -p "$DRAFTS/tasks"
wp_write "$DRAFTS/tasks/WP01-a.md" WP01 'src/a/**' WP01
wp_write "$DRAFTS/tasks/WP02-b.md" WP02 'src/b/**' WP99
wp_write "$DRAFTS/tasks/WP03-c.md" WP03 'src/b/**' ''
before=$(tip)
expect_exit 1 kitty agent mission finalize-tasks --json
one_object "$OUT"
expect_json "$OUT" error.code TASKS_INVALID
[ "$(json "$OUT" 'problems.#')" -ge 3 ] || fail "not all problems are named"
expect_exit 1 kitty agent mission finalize-tasks
grep -q 'WP01-a.md:[0-9]*: ' "$ERR" || fail "no file and line"
grep -q 'WP02-b.md' "$ERR" || fail "the second file is not named"
expect_eq "$(tip)" "$before" "a refused finalize committed something"

say "validate-only writes nothing"
wp_write "$DRAFTS/tasks/WP01-a.md" WP01 'src/a/**' ''
wp_write "$DRAFTS/tasks/WP02-b.md" WP02 'src/b/**' WP01 'T001 T002'
wp_write "$DRAFTS/tasks/WP03-c.md" WP03 'src/c/**' ''
listing() { (cd "$REPO" && find kitty-specs -type f -exec sha256sum {} + | sort); }
files_before=$(listing)
expect_exit 0 kitty agent mission finalize-tasks --validate-only --json
one_object "$OUT"
expect_json "$OUT" result validation_passed
expect_json "$OUT" lanes.count 3
expect_eq "$(listing)" "$files_before" "validate-only wrote drafts"
expect_eq "$(tip)" "$before"

say "finalize from another branch: the target decides, not the checkout"
git checkout -q -b prep/x
expect_exit 0 kitty agent mission finalize-tasks --json
one_object "$OUT"
expect_json "$OUT" result success
expect_json "$OUT" commit_created true
expect_json "$OUT" bootstrap.newly_seeded 3
expect_json "$OUT" merge_target_branch main
for file in "$DRAFTS"/tasks/WP0*.md; do
	grep -qx 'planning_base_branch: main' "$file" || fail "$file has no planning_base_branch: main"
	grep -qx 'merge_target_branch: main' "$file" || fail "$file has no merge_target_branch: main"
done
expect_eq "$(git rev-list --count "$before..$BRANCH")" 1 "one commit"
check_clean
say "the drafts have the bytes of the branch"
for file in $(git ls-tree -r --name-only "$BRANCH" "kitty-specs/$MISSION"); do
	case $file in */status.events.jsonl | */status.json) continue ;; esac
	git cat-file blob "$BRANCH:$file" | cmp -s - "$file" || fail "$file differs from the branch"
done
say "lifecycle rows and seeds"
for type in MissionCreated TasksStarted TasksCompleted; do
	expect_eq "$(grep -c "\"event_type\": \"$type\"" "$LOG")" 1 "$type"
done
expect_eq "$(grep -c '"event_type": "WPCreated"' "$LOG")" 3
expect_eq "$(grep -c '"reason": "canonical bootstrap"' "$LOG")" 3
expect_exit 0 kitty agent status validate --dir "$COORD/kitty-specs/$MISSION"
expect_exit 0 kitty agent status materialize --dir "$COORD/kitty-specs/$MISSION" --stdout
cmp -s "$OUT" "$COORD/kitty-specs/$MISSION/status.json" || fail "the snapshot is not the log's"

say "again without edits: nothing, and it says so"
before=$(tip)
files_before=$(listing)
expect_exit 0 kitty agent mission finalize-tasks
grep -q 'nothing changed' "$OUT" || fail "it did not say so"
expect_exit 0 kitty agent mission finalize-tasks --json
one_object "$OUT"
expect_json "$OUT" commit_created false
expect_eq "$(tip)" "$before"
expect_eq "$(listing)" "$files_before"

say "again after edits: they are carried over"
echo "More to do." >>"$DRAFTS/tasks/WP02-b.md"
echo "A plan." >>"$DRAFTS/plan.md"
wp_write "$DRAFTS/tasks/WP04-d.md" WP04 'src/d/**' WP03
expect_exit 0 kitty agent mission finalize-tasks --json
expect_json "$OUT" commit_created true
expect_json "$OUT" bootstrap.newly_seeded 1
expect_eq "$(git rev-list --count "$before..$BRANCH")" 1
git cat-file blob "$BRANCH:kitty-specs/$MISSION/tasks/WP02-b.md" | grep -q 'More to do.' || fail "the edit is not on the branch"
expect_eq "$(grep -c '"event_type": "WPCreated"' "$LOG")" 4
expect_eq "$(grep -c '"event_type": "MissionCreated"' "$LOG")" 1
check_clean

say "primary checkout as before"
expect_eq "$(git rev-parse HEAD)" "$head_before"
expect_eq "$(git symbolic-ref HEAD)" refs/heads/prep/x
expect_eq "$(git status --porcelain)" "?? .kittify/
?? kitty-specs/"

say "create after finalize"
expect_exit 5 kitty agent mission create checkout-upsell-flow --json
one_object "$OUT"
expect_json "$OUT" error.code MISSION_EXISTS
expect_exit 0 kitty agent mission create checkout-upsell-flow --new --json
second=$(json "$OUT" mission_slug)
[ "$second" != "$MISSION" ] || fail "--new made no second mission"

say "two missions: the handle decides"
expect_exit 2 kitty status --json
one_object "$OUT"
expect_json "$OUT" error.code MISSION_AMBIGUOUS_SELECTOR
expect_json "$OUT" candidates.# 2
expect_exit 0 kitty status --mission "$MISSION_ID" --json
expect_json "$OUT" mission.slug "$MISSION"
expect_exit 0 kitty status --mission "$MISSION" --json
expect_exit 3 kitty status --mission no-such-mission --json
one_object "$OUT"
expect_json "$OUT" error.code MISSION_NOT_FOUND
expect_exit 0 kitty mission list --json
one_object "$OUT"
expect_json "$OUT" missions.# 2
exit 0
