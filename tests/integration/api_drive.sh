#!/bin/sh
# An orchestrator written for contract 1.3.0 drives a mission through spec-kitty orchestrator-api, from another folder,
# with SPECIFY_REPO_ROOT set. Usage: api_drive.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**:WP01' 'WP03:src/c/**'
export SPECIFY_REPO_ROOT="$REPO"
mkdir "$BOX/elsewhere"
cd "$BOX/elsewhere" || exit 2
POLICY='{"orchestrator_id":"orc","orchestrator_version":"0.4.0","agent_family":"claude","approval_mode":"auto","sandbox_mode":"none","network_mode":"off","dangerous_flags":[]}'

# One call: exactly one line, one object, on success and on failure.
api() {
	wanted=$1
	shift
	spec-kitty orchestrator-api "$@" >"$OUT" 2>"$ERR"
	got=$?
	[ "$got" -eq "$wanted" ] || fail "exit $got instead of $wanted: $*"
	expect_eq "$(wc -l <"$OUT")" 1 "lines of output"
	one_object "$OUT"
	expect_json "$OUT" contract_version 1.3.0
	case $(json "$OUT" correlation_id) in
	corr-????????????????????????????????) ;;
	*) fail "no correlation id" ;;
	esac
	[ -n "$(json "$OUT" timestamp)" ] || fail "no timestamp"
	if [ "$wanted" -eq 0 ]; then
		expect_json "$OUT" success true
		expect_json "$OUT" error_code null
		expect_json "$OUT" command "orchestrator-api.$1"
	else
		expect_json "$OUT" success false
		[ -n "$(json "$OUT" data.message)" ] || fail "no message"
	fi
}
api_fails() {
	code=$1
	shift
	api 1 "$@"
	expect_json "$OUT" error_code "$code"
	expect_json "$OUT" command "orchestrator-api.$1"
}

say "the contract"
api 0 contract-version
expect_json "$OUT" data.api_version 1.3.0
expect_json "$OUT" data.min_supported_provider_version 0.1.0
api 0 contract-version --provider-version 0.4.0
api_fails CONTRACT_VERSION_MISMATCH contract-version --provider-version 0.0.9
api_fails CONTRACT_VERSION_MISMATCH contract-version --provider-version nonsense
for usage in "" "bogus" "list-ready" "list-ready --mission" "list-ready --bogus x" "transition --mission $MISSION"; do
	# shellcheck disable=SC2086
	api 2 $usage
	expect_json "$OUT" error_code USAGE_ERROR
	expect_json "$OUT" command orchestrator-api.unknown
done

say "what is ready"
api 0 list-ready --mission "$MISSION"
expect_json "$OUT" data.mission_slug "$MISSION"
expect_json "$OUT" data.ready_work_packages '[{"wp_id": "WP01", "lane": "planned", "dependencies_satisfied": true}, {"wp_id": "WP03", "lane": "planned", "dependencies_satisfied": true}]'
api_fails MISSION_NOT_FOUND list-ready --mission nothing-like-it
SPECIFY_REPO_ROOT=$BOX/nowhere api_fails MISSION_NOT_FOUND list-ready --mission "$MISSION"
api 0 mission-state --mission "$MISSION"
expect_json "$OUT" data.work_packages.1 '{"wp_id": "WP02", "lane": "planned", "dependencies": ["WP01"], "last_actor": "finalize-tasks"}'
expect_json "$OUT" data.summary.planned 3
api 0 resolve-workspace --mission "$MISSION" --wp WP01
expect_json "$OUT" data.lane_id lane-a
expect_json "$OUT" data.lane_branch "$BRANCH-lane-a"
expect_json "$OUT" data.lane_base_ref "$BRANCH"
expect_json "$OUT" data.workspace_path "$REPO/.worktrees/$MISSION-lane-a"
[ -f "$(json "$OUT" data.prompt_path)" ] || fail "the prompt does not exist"
api_fails WP_NOT_FOUND resolve-workspace --mission "$MISSION" --wp WP77

say "policy"
start() { api "$1" start-implementation --mission "$MISSION" --wp "$2" --actor "$3" --policy "${4:-$POLICY}"; }
before=$(tip)
api_fails POLICY_METADATA_REQUIRED start-implementation --mission "$MISSION" --wp WP01 --actor claude
for bad in 'no json' '[]' '{}' \
	'{"orchestrator_id":" ","orchestrator_version":"1","agent_family":"c","approval_mode":"a","sandbox_mode":"s","network_mode":"n","dangerous_flags":[]}' \
	'{"orchestrator_id":"o","orchestrator_version":"1","agent_family":"c","approval_mode":"a","sandbox_mode":"s","network_mode":"n"}' \
	'{"orchestrator_id":"o","orchestrator_version":"1","agent_family":"c","approval_mode":"a","sandbox_mode":"s","network_mode":"n","dangerous_flags":["--yolo"]}' \
	'{"orchestrator_id":"o","orchestrator_version":"1","agent_family":"my-TOKEN-1","approval_mode":"a","sandbox_mode":"s","network_mode":"n","dangerous_flags":[]}'; do
	start 1 WP01 claude "$bad"
	expect_json "$OUT" error_code POLICY_VALIDATION_FAILED
done
expect_eq "$(tip)" "$before" "a refused start wrote"

say "start, and start again"
start 1 WP02 claude
expect_json "$OUT" error_code DEPENDENCIES_NOT_SATISFIED
start 0 WP01 claude
expect_json "$OUT" data.from_lane planned
expect_json "$OUT" data.to_lane in_progress
expect_json "$OUT" data.no_op false
expect_json "$OUT" data.policy_metadata_recorded true
LANE=$(json "$OUT" data.workspace_path)
PROMPT=$(json "$OUT" data.prompt_path)
[ -f "$LANE/src/main.c" ] || fail "no lane at $LANE"
grep -q "Do what WP01 says" "$PROMPT" || fail "the prompt is not the work package"
expect_eq "$(git -C "$REPO" rev-list --count "$before..$BRANCH")" 1 "commits of a start"
grep -c '"agent_family": "claude"' "$LOG" >"$BOX/count"
expect_eq "$(cat "$BOX/count")" 2 "rows with the policy"
before=$(tip)
start 0 WP01 claude
expect_json "$OUT" data.no_op true
expect_json "$OUT" data.workspace_path "$LANE"
start 1 WP01 codex
expect_json "$OUT" error_code WP_ALREADY_CLAIMED
expect_json "$OUT" data.claimed_by claude
expect_json "$OUT" data.requesting_actor codex
expect_eq "$(tip)" "$before"

say "history"
api 0 append-history --mission "$MISSION" --wp WP01 --actor claude --note "half way"
case $(json "$OUT" data.history_entry_id) in
hist-*) ;;
*) fail "no history entry" ;;
esac
grep -q '"note": "- \[20[0-9T:-]*Z\] claude: half way"' "$LOG" || fail "no note in the log"

say "no review without a commit on the lane"
to() { api "$1" transition --mission "$MISSION" --wp "$2" --to "$3" --actor "$4" --policy "$POLICY" ${5:+"$5"} ${6:+"$6"} ${7:+"$7"} ${8:+"$8"}; }
to 1 WP01 for_review claude
expect_json "$OUT" error_code TRANSITION_REJECTED
json "$OUT" data.message | grep -q 'no commit beyond' || fail "the reason is not told"
api_fails POLICY_METADATA_REQUIRED transition --mission "$MISSION" --wp WP01 --to for_review --actor claude
api_fails TRANSITION_REJECTED transition --mission "$MISSION" --wp WP01 --to nowhere --actor claude
mkdir -p "$LANE/src/a"
echo a >"$LANE/src/a/a.c"
git -C "$LANE" add -A
git -C "$LANE" commit -q -m "WP01"
to 1 WP01 for_review codex
expect_json "$OUT" error_code WP_ALREADY_CLAIMED
to 0 WP01 for_review claude
expect_json "$OUT" data.from_lane in_progress
expect_json "$OUT" data.to_lane for_review
expect_json "$OUT" data.policy_metadata_recorded true
to 0 WP01 for_review claude
expect_json "$OUT" data.policy_metadata_recorded false

say "review"
review() { api "$1" start-review --mission "$MISSION" --wp "$2" --actor "$3" --policy "$POLICY" --review-ref "run 1"; }
review 0 WP01 opus
expect_json "$OUT" data.from_lane for_review
expect_json "$OUT" data.to_lane in_review
review 0 WP01 opus
expect_json "$OUT" data.no_op true
review 1 WP01 gemini
expect_json "$OUT" error_code WP_ALREADY_CLAIMED
to 1 WP01 approved opus
expect_json "$OUT" error_code TRANSITION_REJECTED
api 2 transition --mission "$MISSION" --wp WP01 --to approved --actor opus --policy "$POLICY" --review-result-json '['
api_fails MISSION_NOT_READY accept-mission --mission "$MISSION" --actor orc
expect_json "$OUT" data.incomplete_wps '["WP01", "WP02", "WP03"]'
to 0 WP01 approved opus --review-result-json '{"reviewer":"opus","verdict":"approved","reference":"run 1"}'
api 0 list-ready --mission "$MISSION"
expect_json "$OUT" data.ready_work_packages.0.wp_id WP02

say "the same start twice at once"
for i in 1 2 3 4; do
	spec-kitty orchestrator-api start-implementation --mission "$MISSION" --wp WP02 --actor claude --policy "$POLICY" >"$BOX/twice.$i" 2>&1 &
done
wait
for i in 1 2 3 4; do
	cp "$BOX/twice.$i" "$OUT"
	expect_json "$OUT" success true
done
expect_eq "$(grep -c '"WP02"' "$LOG")" "$(grep '"WP02"' "$LOG" | sort -u | wc -l)"
expect_eq "$(grep '"wp_id": "WP02"' "$LOG" | grep -c '"to_lane": "in_progress"')" 1 "starts of WP02"

say "a claim by nobody in particular keeps nobody out"
(cd "$REPO" && kitty implement WP03 --agent implement-command --mission "$MISSION") >"$OUT" 2>"$ERR" || fail "implement WP03"
start 0 WP03 claude
expect_json "$OUT" data.from_lane claimed
expect_json "$OUT" data.to_lane in_progress

say "the other work packages"
for wp in WP02 WP03; do
	start 0 "$wp" claude
	lane=$(json "$OUT" data.workspace_path)
	mkdir -p "$lane/src/$wp"
	echo "$wp" >"$lane/src/$wp/x.c"
	git -C "$lane" add -A
	git -C "$lane" commit -q -m "$wp"
	to 0 "$wp" for_review claude
	review 0 "$wp" opus
	to 0 "$wp" approved opus --review-result-json '{"reviewer":"opus","verdict":"approved","reference":"run 1"}'
done

say "acceptance"
api 0 accept-mission --mission "$MISSION" --actor orc
expect_json "$OUT" data.accepted true
expect_json "$OUT" data.accepted_wps '["WP01", "WP02", "WP03"]'
expect_json "$OUT" data.merge_pending_wps '["WP01", "WP02", "WP03"]'
expect_json "$OUT" data.done_wps '[]'
accepted_at=$(json "$OUT" data.accepted_at)
before=$(tip)
git -C "$REPO" cat-file blob "$BRANCH:kitty-specs/$MISSION/meta.json" >"$BOX/meta"
expect_json "$BOX/meta" accepted_by orc
api 0 accept-mission --mission "$MISSION" --actor orc
expect_json "$OUT" data.accepted_at "$accepted_at"
expect_eq "$(tip)" "$before" "a second acceptance wrote"

say "merge"
api_fails UNSUPPORTED_STRATEGY merge-mission --mission "$MISSION" --strategy octopus
main=$(git -C "$REPO" rev-parse main)
api_fails PREFLIGHT_FAILED merge-mission --mission "$MISSION" --push
[ "$(json "$OUT" data.errors.#)" -gt 0 ] || fail "no errors named"
expect_eq "$(git -C "$REPO" rev-parse main)" "$main"
api_fails PREFLIGHT_FAILED merge-mission --mission "$MISSION" --target other
say "done is an integration"
to 0 WP01 "done" opus
git -C "$REPO" cat-file -e "$BRANCH:src/a/a.c" || fail "WP01 is not integrated"
git -C "$REPO" switch -q -c aside
api 0 merge-mission --mission "$MISSION"
expect_json "$OUT" data.merged true
expect_json "$OUT" data.target_branch main
expect_json "$OUT" data.strategy merge
expect_json "$OUT" data.worktree_removed false
for file in src/a/a.c src/WP02/x.c src/WP03/x.c; do
	git -C "$REPO" cat-file -e "main:$file" || fail "$file is not in main"
done
[ -d "$LANE" ] || fail "the worktree is gone although the answer says otherwise"
api 0 mission-state --mission "$MISSION"
expect_json "$OUT" data.summary.done 3

say "and afterwards it is closed"
cd "$REPO" || exit 2
expect_exit 0 kitty mission close --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" remaining 0
[ -z "$(git for-each-ref "refs/heads/$BRANCH*")" ] || fail "branches remain"
exit 0
