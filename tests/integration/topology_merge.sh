#!/bin/sh
# Missions without a coordination branch, merged: predicted, conflicting, killed, finished. Usage: topology_merge.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/topology.sh"

lane() { echo "$REPO/.worktrees/099-name-lane-$1"; }

work() { # LANE WP FILE TEXT
	kitty implement "$2" --agent claude --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "implement $2"
	mkdir -p "$(dirname "$(lane "$1")/$3")"
	echo "$4" >"$(lane "$1")/$3"
	git -C "$(lane "$1")" add -A
	git -C "$(lane "$1")" commit -q -m "Work of $2"
	for to in for_review approved; do
		kitty agent tasks move-task "$2" --to $to --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "$2 to $to"
	done
}

# A mission of that kind with two approved work packages.
approved_mission() { # KIND
	sandbox
	old_mission "$1" 099-name 'WP01:src/a/**' 'WP02:src/b/**'
	work a WP01 src/a/one one
	work b WP02 src/b/two two
}

merged_right() {
	git cat-file -e main:src/a/one || fail "WP01's work is not in main"
	git cat-file -e main:src/b/two || fail "WP02's work is not in main"
	kitty status --mission "$MISSION" --json >"$OUT" || fail status
	expect_json "$OUT" by_lane.done 2
	git for-each-ref --format='%(refname)' refs/heads/kitty >"$OUT"
	[ ! -s "$OUT" ] || fail "lane branches are left"
	[ ! -e "$(lane a)" ] && [ ! -e "$(lane b)" ] || fail "lane worktrees are left"
	kitty verify --mission "$MISSION" --json >"$OUT" 2>"$ERR" || fail verify
	git fsck --full >"$OUT" 2>&1 || fail "git fsck"
}

say "owned_files: refuse is asked before anything is merged"
sandbox
old_mission lanes 099-name 'WP01:src/a/**' 'WP02:src/b/**'
work a WP01 src/stray one
work b WP02 src/b/two two
mkdir -p .kittify
printf 'kitty:\n  owned_files: refuse\n' >.kittify/config.yaml
main=$(git rev-parse main)
for way in --dry-run --keep-worktrees; do
	expect_exit 4 kitty merge --mission "$MISSION" $way --json
	expect_json "$OUT" error.code LANE_OUTSIDE_OWNED_FILES
	expect_eq "$(git rev-parse main)" "$main" "main after a refusal"
done

for kind in single_branch lanes legacy; do
	approved_mission $kind
	say "$kind: the prediction is what happens"
	main=$(git rev-parse main)
	refs=$(git for-each-ref)
	expect_exit 0 kitty merge --mission "$MISSION" --dry-run --json
	one_object "$OUT"
	expect_json "$OUT" dry_run true
	expect_json "$OUT" integrated.0.wp_id WP01
	expect_json "$OUT" integrated.1.wp_id WP02
	predicted=$(json "$OUT" target.tree)
	expect_eq "$(git for-each-ref)" "$refs" "the refs after a dry run"

	say "$kind: done is not to be had before"
	expect_exit 4 kitty agent tasks move-task WP01 --to done --mission "$MISSION" --json
	json "$OUT" error.next_step | grep -q "kitty merge" || fail "no way told"

	say "$kind: merged"
	expect_exit 0 kitty merge --mission "$MISSION" --json
	one_object "$OUT"
	expect_json "$OUT" target.before "$main"
	expect_eq "$(git rev-parse main)" "$(json "$OUT" target.after)" main
	case $kind in
	legacy) git show main:kitty-specs/099-name/status.events.jsonl >"$BOX/log" ;;
	*)
		expect_eq "$(git rev-parse 'main^{tree}')" "$predicted" "the tree of main"
		git show feature:kitty-specs/099-name/status.events.jsonl >"$BOX/log"
		not_in main kitty-specs "mission files in main"
		;;
	esac
	expect_eq "$(grep -c '"to_lane": "done"' "$BOX/log")" 2 "done rows"
	grep '"to_lane": "done"' "$BOX/log" | grep -q '"merge_phase": "lane_integrated"' || fail "no marker"
	expect_eq "$(grep -c '"to_lane": "approved"' "$BOX/log")" 2 "approving rows in the log"
	merged_right
	silent git status --porcelain

	say "$kind: again: nothing to do"
	main=$(git rev-parse main)
	expect_exit 0 kitty merge --mission "$MISSION"
	expect_eq "$(git rev-parse main)" "$main" main
	close_box

	say "$kind: what conflicts with the target moves nothing"
	approved_mission $kind
	git stash -q 2>/dev/null
	git switch -q --detach main
	mkdir -p src/a
	echo other >src/a/one
	git add src/a/one
	git commit -q -m "Meanwhile"
	git branch -q -f main HEAD
	[ $kind = legacy ] && git switch -q main || git switch -q feature
	refs=$(git for-each-ref)
	for option in --dry-run ""; do
		# An empty option is left out.
		# shellcheck disable=SC2086
		expect_exit 5 kitty merge --mission "$MISSION" $option --json
		one_object "$OUT"
		expect_json "$OUT" error.code MERGE_CONFLICT
		expect_json "$OUT" conflict.files.0 src/a/one
		expect_json "$OUT" conflict.wp_id WP01
		expect_eq "$(git for-each-ref)" "$refs" "the refs"
	done
	next=$(json "$OUT" error.next_step)
	sh -c "$next" >"$OUT" 2>&1
	printf 'one\nother\n' >"$(lane a)/src/a/one"
	git -C "$(lane a)" add src
	git -C "$(lane a)" commit -q --no-edit || fail "the resolution"
	expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --reason "resolved a conflict" --mission "$MISSION"
	for to in for_review approved; do
		expect_exit 0 kitty agent tasks move-task WP01 --to $to --mission "$MISSION"
	done
	expect_exit 0 kitty merge --mission "$MISSION"
	expect_eq "$(git show main:src/a/one)" "$(printf 'one\nother')" "both changes"
	merged_right
	close_box

	# For the merge the first two kinds are one.
	[ $kind != single_branch ] || continue
	for point in merge-computed merge-moved merge-integrated-one merge-lane-worktree merge-worktrees merge-lane-branch; do
		say "$kind: killed at $point, a plain re-run finishes"
		approved_mission $kind
		SPEC_KITTY_FAILPOINT=$point kitty merge --mission "$MISSION" >"$OUT" 2>"$ERR"
		expect_exit 0 kitty merge --mission "$MISSION"
		case $kind in
		legacy) log=$(git show main:kitty-specs/099-name/status.events.jsonl) ;;
		*) log=$(git show feature:kitty-specs/099-name/status.events.jsonl) ;;
		esac
		expect_eq "$(echo "$log" | grep -c '"to_lane": "done"')" 2 "done rows"
		merged_right
		close_box
	done
done

say "the target's lock, left by a git that was killed, is named, and doctor takes it away"
approved_mission single_branch
: >.git/refs/heads/main.lock
main=$(git rev-parse main)
expect_exit 6 kitty merge --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code REF_LOCKED
expect_json "$OUT" error.next_step "kitty doctor --mission $MISSION --fix"
expect_eq "$(git rev-parse main)" "$main" main
touch -d '-1 minute' .git/refs/heads/main.lock
expect_exit 0 kitty doctor --mission "$MISSION" --fix
[ ! -e .git/refs/heads/main.lock ] || fail "the lock is left"
expect_exit 0 kitty merge --mission "$MISSION"
merged_right
close_box

say "a lane's bytes in the status files never reach the target"
approved_mission lanes
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --reason "once more" --mission "$MISSION"
mkdir -p "$(lane a)/kitty-specs/099-name"
echo '{"event_id": "forged"}' >"$(lane a)/kitty-specs/099-name/status.events.jsonl"
git -C "$(lane a)" add -A
git -C "$(lane a)" commit -q -m "Forged"
kitty agent tasks move-task WP01 --to for_review --mission "$MISSION" >"$OUT" 2>"$ERR"
kitty agent tasks move-task WP01 --to approved --mission "$MISSION" >"$OUT" 2>"$ERR"
main=$(git rev-parse main)
! kitty merge --mission "$MISSION" --json >"$OUT" 2>"$ERR" || fail "merged"
expect_eq "$(git rev-parse main)" "$main" main

say "work after the approval is not merged silently"
close_box
approved_mission legacy
echo later >"$(lane a)/src/a/one"
git -C "$(lane a)" commit -q -am "Later"
main=$(git rev-parse main)
! kitty merge --mission "$MISSION" --json >"$OUT" 2>"$ERR" || fail "merged"
expect_json "$OUT" error.code MERGE_NOT_READY
expect_eq "$(git rev-parse main)" "$main" main
