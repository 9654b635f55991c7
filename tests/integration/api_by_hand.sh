#!/bin/sh
# An orchestrator written for contract 1.3.0 drives a mission whose folder was made by hand (numbered, without an id, no
# coordination branch), committed on an ordinary branch; kitty is called spec-kitty. Usage: api_by_hand.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/topology.sh"
sandbox
git switch -q -c feature
hand_drafts 099-name "" 'WP01:src/a/**' 'WP02:src/b/**:WP01'
export SPECIFY_REPO_ROOT="$REPO"
mkdir "$BOX/elsewhere"
cd "$BOX/elsewhere" || exit 2
POLICY='{"orchestrator_id":"orc","orchestrator_version":"0.4.0","agent_family":"claude","approval_mode":"auto","sandbox_mode":"none","network_mode":"off","dangerous_flags":[]}'

api() { # EXIT COMMAND...
	wanted=$1
	shift
	spec-kitty orchestrator-api "$@" >"$OUT" 2>"$ERR"
	got=$?
	[ "$got" -eq "$wanted" ] || fail "exit $got instead of $wanted: $*"
	expect_eq "$(wc -l <"$OUT")" 1 "lines of output"
	one_object "$OUT"
	expect_json "$OUT" command "orchestrator-api.$1"
}
move() { api 0 transition --mission 099-name --wp "$1" --to "$2" --actor "$3" --policy "$POLICY"; }

say "queries before anything was written, and they write nothing"
api 0 contract-version
before=$(git -C "$REPO" rev-parse HEAD)
api 0 list-ready --mission 099-name
expect_json "$OUT" data.ready_work_packages '[{"wp_id": "WP01", "lane": "planned", "dependencies_satisfied": true}]'
api 0 mission-state --mission 099-name
expect_json "$OUT" data.work_packages.1.wp_id WP02
expect_json "$OUT" data.work_packages.1.lane planned
expect_eq "$(git -C "$REPO" rev-parse HEAD)" "$before" "a query committed"
silent git -C "$REPO" status --porcelain

say "each work package: start, work, review, approval"
for wp in WP01 WP02; do
	api 0 list-ready --mission 099-name
	expect_json "$OUT" data.ready_work_packages.0.wp_id $wp
	api 0 start-implementation --mission 099-name --wp $wp --actor claude --policy "$POLICY"
	expect_json "$OUT" data.to_lane in_progress
	place=$(json "$OUT" data.workspace_path)
	[ -f "$(json "$OUT" data.prompt_path)" ] || fail "no prompt for $wp"
	expect_eq "$(git -C "$place" symbolic-ref --short HEAD)" "$(json "$OUT" data.lane_branch)" "the lane's branch"
	api 0 resolve-workspace --mission 099-name --wp $wp
	expect_json "$OUT" data.workspace_path "$place"
	api 1 start-implementation --mission 099-name --wp $wp --actor somebody --policy "$POLICY"
	expect_json "$OUT" error_code WP_ALREADY_CLAIMED
	expect_json "$OUT" data.claimed_by claude
	# What WP02 needs is there: it depends on WP01.
	[ $wp = WP01 ] || [ -f "$place/src/a/file" ] || fail "WP01's work is not in WP02's lane"
	folder=src/$([ $wp = WP01 ] && echo a || echo b)
	mkdir -p "$place/$folder"
	echo $wp >"$place/$folder/file"
	git -C "$place" add -A
	git -C "$place" commit -q -m "Work of $wp"
	api 0 append-history --mission 099-name --wp $wp --actor claude --note "worked on it"
	move $wp for_review claude
	api 0 start-review --mission 099-name --wp $wp --actor reviewer --policy "$POLICY"
	api 0 transition --mission 099-name --wp $wp --to approved --actor reviewer --policy "$POLICY" \
		--review-result-json '{"reviewer":"reviewer","verdict":"approved","reference":"r1"}'
done

say "accepted and merged"
api 0 accept-mission --mission 099-name --actor orc
expect_json "$OUT" data.accepted true
expect_json "$OUT" data.accepted_wps '["WP01", "WP02"]'
main=$(git -C "$REPO" rev-parse main)
api 0 merge-mission --mission 099-name
expect_json "$OUT" data.merged true
expect_json "$OUT" data.target_branch main
[ "$(git -C "$REPO" rev-parse main)" != "$main" ] || fail "main did not move"
expect_eq "$(git -C "$REPO" show main:src/a/file main:src/b/file)" "$(printf 'WP01\nWP02')" "main's files"
api 0 mission-state --mission 099-name
expect_json "$OUT" data.summary.done 2

say "files of the least: no owned_files, no surface, no mode, no subtasks"
mkdir -p "$REPO/kitty-specs/100-least/tasks"
echo '{"mission_slug": "100-least", "friendly_name": "Least"}' >"$REPO/kitty-specs/100-least/meta.json"
for wp in WP01 WP02; do
	printf -- '---\nwork_package_id: %s\ntitle: Part %s\ndependencies: [%s]\n---\n\n# %s\n' $wp $wp "$([ $wp = WP01 ] || echo WP01)" $wp \
		>"$REPO/kitty-specs/100-least/tasks/$wp-part.md"
done
git -C "$REPO" add kitty-specs/100-least && git -C "$REPO" commit -q -m "Plan 100-least"
api 0 list-ready --mission 100-least
expect_json "$OUT" data.ready_work_packages.0.wp_id WP01
for wp in WP01 WP02; do
	api 0 start-implementation --mission 100-least --wp $wp --actor claude --policy "$POLICY"
	place=$(json "$OUT" data.workspace_path)
	expect_json "$OUT" data.lane_id "lane-$([ $wp = WP01 ] && echo a || echo b)"
	echo $wp >"$place/$wp.txt"
	git -C "$place" add -A
	git -C "$place" commit -q -m "Work of $wp"
	api 0 transition --mission 100-least --wp $wp --to for_review --actor claude --policy "$POLICY"
	! grep -q warning "$ERR" || fail "files of nobody are held against the lane"
	api 0 start-review --mission 100-least --wp $wp --actor reviewer --policy "$POLICY"
	api 0 transition --mission 100-least --wp $wp --to approved --actor reviewer --policy "$POLICY" \
		--review-result-json '{"reviewer":"reviewer","verdict":"approved","reference":"r1"}'
done
api 0 accept-mission --mission 100-least --actor orc
api 0 merge-mission --mission 100-least
git -C "$REPO" cat-file -e main:WP01.txt && git -C "$REPO" cat-file -e main:WP02.txt || fail "the work is not in main"

say "the user's checkout is on its branch, clean, and every promise holds"
expect_eq "$(git -C "$REPO" symbolic-ref --short HEAD)" feature "the branch"
silent git -C "$REPO" status --porcelain
expect_exit 0 kitty -C "$REPO" verify --mission 099-name --json
git -C "$REPO" fsck --full >"$OUT" 2>&1 || fail "git fsck"
