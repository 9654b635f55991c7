#!/bin/sh
# The operators' walk through a whole mission, typed as their handbook has it and by the name spec-kitty: two lanes, a
# rejected commit, reviews, the merge; then a mission that is thrown away, and a legacy one. Usage: quickstart.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
. "$KITTY_SOURCE/tests/support/doctor.sh"
[ -x "$KITTY_BIN/spec-kitty" ] || fail "the build has no spec-kitty"
sandbox
expect_exit 0 spec-kitty init
git add -A && git commit -q -m "Set up"

# A user in the middle of something: staged, changed, untracked, stashed. None of it is ours until the merge.
echo "half a thought" >>src/main.c && git stash push -q -m "later"
echo staged >src/staged.c && git add src/staged.c
echo "// changed" >>src/main.c
echo mine >notes.txt
user_state() {
	git symbolic-ref HEAD
	git rev-parse HEAD main
	git stash list
	git ls-files -s | sha256sum
	git diff | sha256sum
	git status --porcelain --untracked-files=all -- . ':!kitty-specs'
	find notes.txt src -type f -exec sha256sum {} + | sort
}
user_state >"$BOX/user"
untouched() {
	user_state >"$BOX/user-now"
	cmp -s "$BOX/user" "$BOX/user-now" || { diff "$BOX/user" "$BOX/user-now" >&2; fail "the user's checkout changed"; }
}

# What holds at every stage, whatever the last command was.
stage_ends() {
	untouched
	expect_exit 0 spec-kitty doctor
	healthy
	[ ! -d "$COORD" ] || check_clean
	expect_exit 0 spec-kitty verify --mission "$MISSION" --json
	expect_json "$OUT" ok true
}

set_names() {
	MISSION=$(json "$OUT" mission_slug)
	MISSION_ID=$(json "$OUT" mission_id)
	BRANCH=$(json "$OUT" coordination_branch)
	DRAFTS=$REPO/kitty-specs/$MISSION
	COORD=$REPO/.worktrees/$MISSION-coord
	LOG=$COORD/kitty-specs/$MISSION/status.events.jsonl
}

say "setup: create"
expect_exit 0 spec-kitty agent mission create "checkout-upsell-flow" \
	--friendly-name "Checkout Upsell Flow" \
	--purpose-tldr "Add an upsell at the checkout step" \
	--purpose-context "Increase ARPU by surfacing relevant add-ons during the final checkout step." \
	--json
one_object "$OUT"
set_names
expect_json "$OUT" result success
expect_eq "${#MISSION_ID}" 26 "the length of an id"
expect_eq "$MISSION" "checkout-upsell-flow-$(printf %.8s "$MISSION_ID")"
expect_json "$OUT" feature_dir "$DRAFTS"
expect_eq "$BRANCH" "kitty/mission-$MISSION"
expect_json "$DRAFTS/meta.json" friendly_name "Checkout Upsell Flow"
expect_json "$DRAFTS/meta.json" purpose_tldr "Add an upsell at the checkout step"
[ -d "$DRAFTS" ] || fail "no mission folder"
git merge-base --is-ancestor main "$BRANCH" || fail "the coordination branch does not come from main"
[ ! -e .worktrees ] || [ -z "$(ls .worktrees)" ] || fail "a worktree exists already"
untouched
healthy

say "planning: what specify, plan and tasks write"
for document in issue-matrix spec plan research data-model quickstart; do
	echo "# $document" >"$DRAFTS/$document.md"
done
mkdir -p "$DRAFTS/contracts" "$DRAFTS/tasks"
echo "# The upsell" >"$DRAFTS/contracts/upsell.md"
wp_write "$DRAFTS/tasks/WP01-offer.md" WP01 'src/offer/**' ''
wp_write "$DRAFTS/tasks/WP02-price.md" WP02 'src/price/**' ''
wp_write "$DRAFTS/tasks/WP03-basket.md" WP03 'src/basket/**' ''
expect_exit 0 spec-kitty agent mission finalize-tasks --json
one_object "$OUT"
for wp in WP01-offer WP02-price WP03-basket; do
	grep -qx 'planning_base_branch: main' "$DRAFTS/tasks/$wp.md" || fail "$wp: no planning base"
	grep -qx 'merge_target_branch: main' "$DRAFTS/tasks/$wp.md" || fail "$wp: no merge target"
done
git cat-file -e "$BRANCH:kitty-specs/$MISSION/contracts/upsell.md" || fail "a planning document is not committed"
stage_ends

say "implement: the first work package"
expect "[implement] WP01 claimed for lane-a
[implement] Commits recorded:
- $BRANCH chore: WP01 claimed for implementation [claude] ✓
[implement] Agent ready in .worktrees/$MISSION-lane-a/" spec-kitty implement WP01 --agent claude
expect_eq "$(git -C "$COORD" symbolic-ref --short HEAD)" "$BRANCH"
git merge-base --is-ancestor "$BRANCH-lane-a" "$BRANCH" || fail "lane-a does not come from the coordination branch"
stage_ends

say "implement: the second, in a lane of its own"
expect "[implement] WP02 claimed for lane-b
[implement] Commits recorded:
- $BRANCH chore: WP02 claimed for implementation [opencode] ✓
[implement] Agent ready in .worktrees/$MISSION-lane-b/" spec-kitty implement WP02 --agent opencode
for id in a b; do
	for name in status.events.jsonl status.json; do
		[ ! -e "$(lane $id)/kitty-specs/$MISSION/$name" ] || fail "$name is in lane-$id"
	done
done
grep '"to_lane": "claimed"' "$LOG" | grep -o '"wp_id": "[^"]*"' >"$BOX/order"
expect_eq "$(tr '\n' ' ' <"$BOX/order")" '"wp_id": "WP01" "wp_id": "WP02" ' "the claims in their order"
stage_ends

say "status: the same from everywhere"
for form in "" --json; do
	for place in "$(lane a)" "$(lane b)" "$REPO"; do
		# shellcheck disable=SC2086
		(cd "$place" && spec-kitty agent tasks status --mission "$MISSION" $form) >"$OUT" 2>"$ERR" || fail "status in $place"
		[ "$place" != "$(lane a)" ] || cp "$OUT" "$BOX/status"
		cmp -s "$BOX/status" "$OUT" || fail "another status in $place"
	done
done
grep -q WP03 "$BOX/status" || fail "WP03 is missing"

say "drift: the doctor names it, and what it prints as the next step mends it"
rm -rf "$COORD"
git -C "$(lane b)" sparse-checkout disable
expect_exit 0 spec-kitty doctor
for code in COORDINATION_WORKTREE_MISSING LANE_SPARSE_CHECKOUT_DRIFT; do
	grep -q "^warning $code" "$OUT" || fail "no $code"
done
grep -qF "agent worktree repair --mission $MISSION" "$OUT" || fail "the repair is not the next step"
expect_exit 0 spec-kitty agent worktree repair --mission "$MISSION"
[ -d "$COORD" ] || fail "no coordination worktree"
[ ! -e "$(lane b)/kitty-specs/$MISSION/status.json" ] || fail "status.json is in lane-b"
stage_ends

say "a forced failure is rolled back"
hook pre-commit <<'EOF'
#!/bin/sh
! git diff --cached | grep -q '^+.*"wp_id": "WP03"'
EOF
before=$(sha256 "$LOG") tip_before=$(tip) snapshot=$(sha256 "${LOG%/*}/status.json")
expect_exit 8 spec-kitty implement WP03 --agent claude
cat >"$BOX/block" <<EOF
Tracking commit 'chore: WP03 claimed for implementation [claude]' was rejected by pre-commit hook on branch $BRANCH.
Lane transition planned → claimed for WP03 has been rolled back.
status.events.jsonl restored to pre-emit state.
Next step: Fix the pre-commit hook configuration and re-run.
EOF
head -n 4 "$ERR" | cmp -s - "$BOX/block" || fail "another diagnostic"
expect_eq "$(sha256sum ".worktrees/$MISSION-coord/kitty-specs/$MISSION/status.events.jsonl" | cut -d' ' -f1)" "$before" "the log"
expect_eq "$(sha256 "${LOG%/*}/status.json")" "$snapshot" "the snapshot"
expect_eq "$(tip)" "$tip_before" "the branch"
stage_ends

say "the hook is fixed, and the same command succeeds"
hook pre-commit <<'EOF'
#!/bin/sh
exit 0
EOF
expect_exit 0 spec-kitty implement WP03
grep -q '^\[implement\] WP03 claimed for lane-c$' "$OUT" || fail "no lane-c"
stage_ends

say "the agents work, are reviewed and approved"
deliver() { # WP LANE FOLDER AGENT
	mkdir -p "$(lane "$2")/src/$3"
	echo "int $3;" >"$(lane "$2")/src/$3/$3.c"
	git -C "$(lane "$2")" add -A
	git -C "$(lane "$2")" commit -q -m "$3" || fail "commit in lane-$2"
	(cd "$(lane "$2")" && spec-kitty agent tasks move-task "$1" --to for_review) >"$OUT" 2>"$ERR" || fail "$1 for review"
	stage_ends
	expect_exit 0 spec-kitty agent tasks move-task "$1" --to approved --agent reviewer --mission "$MISSION"
	stage_ends
}
deliver WP01 a offer
deliver WP02 b price
deliver WP03 c basket
for wp in WP01 WP02; do
	expect_exit 0 spec-kitty agent tasks move-task $wp --to "done" --mission "$MISSION"
	stage_ends
done
git cat-file -e "$BRANCH:src/offer/offer.c" || fail "WP01 is done and not integrated"
not_in "$BRANCH" src/basket/basket.c "WP03 is integrated before it is done"

say "merge: the lanes, then the target"
# The user is through with what was open; a merge into a dirty checkout is refused, which merge_checkout.sh holds.
git reset -q src/staged.c && rm src/staged.c && git checkout -q src/main.c
stashes=$(git stash list)
expect_exit 0 spec-kitty merge --mission "$MISSION"
for name in offer price basket; do
	git cat-file -e "main:src/$name/$name.c" || fail "main lacks the lane's $name.c"
	[ -f "src/$name/$name.c" ] || fail "the checkout of main lacks $name.c"
done
log_rows main >"$BOX/rows"
for wp in WP01 WP02 WP03; do
	expect_eq "$(grep "\"wp_id\": \"$wp\"" "$BOX/rows" | grep '"to_lane": "done"' | grep -c lane_integrated)" 1 "integrations of $wp"
done
for file in meta.json lanes.json spec.md plan.md status.json issue-matrix.md; do
	git cat-file -e "main:kitty-specs/$MISSION/$file" || fail "main lacks $file"
done
expect_eq "$(find .worktrees -mindepth 1 -maxdepth 1 2>/dev/null)" "" "worktrees"
expect_eq "$(git for-each-ref refs/heads --format='%(refname:short)')" main "branches"
expect_eq "$(git stash list)" "$stashes" "the stash"
expect_eq "$(git status --porcelain)" "?? notes.txt" "the checkout"
healthy
expect_exit 0 spec-kitty verify --mission "$MISSION" --json
expect_json "$OUT" ok true
user_state >"$BOX/user"

say "a second mission is discarded in mid-flight"
expect_exit 0 spec-kitty agent mission create "gift-wrapping" --json
set_names
wp_write "$DRAFTS/tasks/WP01-paper.md" WP01 'src/paper/**' ''
wp_write "$DRAFTS/tasks/WP02-ribbon.md" WP02 'src/ribbon/**' ''
expect_exit 0 spec-kitty agent mission finalize-tasks --mission "$MISSION"
expect_exit 0 spec-kitty implement WP01 --agent claude --mission "$MISSION"
expect_exit 0 spec-kitty implement WP02 --agent opencode --mission "$MISSION"
stage_ends
main=$(git rev-parse main)
expect_exit 0 spec-kitty mission close --discard --mission "$MISSION"
expect_eq "$(git rev-parse main)" "$main" "main"
expect_eq "$(git for-each-ref refs/heads --format='%(refname:short)')" main "branches"
expect_eq "$(find .worktrees -mindepth 1 -maxdepth 1 2>/dev/null)" "" "worktrees"
expect_eq "$(git worktree list | wc -l)" 1
untouched
healthy

say "a legacy mission: the warning, once, and the same transaction on the lane branch"
. "$KITTY_SOURCE/tests/support/topology.sh"
git stash list >"$BOX/stashes"
old_mission legacy 007-legacy 'WP01:src/paint/**' 'WP02:src/brush/**'
git stash list | cmp -s - "$BOX/stashes" || fail "the stash"
main=$(git rev-parse main)
expect_exit 0 spec-kitty implement WP01 --mission "$MISSION" --agent claude
grep -qF "Legacy topology; bookkeeping will land on the lane branch." "$ERR" || fail "no warning"
grep -qF -- "- kitty/mission-007-legacy-lane-a chore: WP01 claimed for implementation [claude] ✓" "$OUT" ||
	fail "the claim is not on the lane branch"
expect_exit 0 spec-kitty implement WP02 --mission "$MISSION" --agent opencode
! grep -qF "Legacy topology" "$ERR" || fail "the warning came twice"
log=$REPO/.worktrees/$MISSION-lane-a/kitty-specs/$MISSION/status.events.jsonl
printf '#!/bin/sh\nexit 1\n' >.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
before=$(sha256sum "$log")
expect_exit 8 spec-kitty agent tasks move-task WP01 --to in_progress --mission "$MISSION"
expect_eq "$(sha256sum "$log")" "$before" "the log after a rejected commit"
rm .git/hooks/pre-commit
expect_exit 0 spec-kitty agent tasks move-task WP01 --to in_progress --mission "$MISSION"
expect_eq "$(git rev-parse main)" "$main" "main"
expect_exit 0 spec-kitty doctor
expect_exit 0 spec-kitty verify --mission "$MISSION"
