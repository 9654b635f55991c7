#!/bin/sh
# Missions without a coordination branch: destination, refusals, roll-back, healing. Usage: topology_writes.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/topology.sh"

open_box() { # KIND
	sandbox
	old_mission "$1" 099-name 'WP01:src/a/**' 'WP02:src/b/**'
}
log_is_committed() { # WORKTREE
	git -C "$1" diff --quiet HEAD -- "kitty-specs/$MISSION" || fail "the status files of $1 differ from HEAD"
	git -C "$1" diff --cached --quiet || fail "something is staged in $1"
}

# Everything of the primary checkout that a mission has no business with.
own_things() {
	git -C "$REPO" stash list
	git -C "$REPO" diff -- src
	git -C "$REPO" diff --cached -- src
	git -C "$REPO" ls-files -s -- src notes
	find "$REPO/src" "$REPO/notes" -type f -exec sha256sum {} + | sort
}

for kind in hand single_branch lanes; do
	open_box "$kind"
	say "$kind: finalize-tasks commits to the branch that is checked out"
	expect_eq "$(git symbolic-ref --short HEAD)" feature "the branch"
	silent git status --porcelain
	git log -1 --format=%s | grep -q "Add tasks" || fail "no commit on feature"
	topology=$(json "$DRAFTS/meta.json" topology)
	case $kind in
	hand) expect_eq "$topology" lanes "the topology that is stored" ;;
	*) expect_eq "$topology" "$kind" "the topology that was stored" ;;
	esac

	say "$kind: a claim touches the two status files and nothing else of the user's"
	mkdir notes
	echo kept >src/main.c
	git add src/main.c
	echo again >>src/main.c
	echo untracked >notes/todo
	echo stashed >src/stashed.c
	git add src/stashed.c
	git stash push -q -- src/stashed.c
	own_things >"$BOX/before"
	expect_exit 0 kitty implement WP01 --agent claude --json
	expect_json "$OUT" commits.0.destination_ref feature
	! grep -q Legacy "$ERR" || fail "a warning that is for legacy missions"
	expect_eq "$(git show --name-only --format= HEAD)" \
		"$(printf 'kitty-specs/099-name/status.events.jsonl\nkitty-specs/099-name/status.json')" "files of the commit"
	own_things >"$BOX/after"
	cmp -s "$BOX/before" "$BOX/after" || fail "the user's things: $(diff "$BOX/before" "$BOX/after")"
	git diff --quiet HEAD -- kitty-specs || fail "the status files differ from HEAD"
	git diff --cached --quiet -- kitty-specs || fail "the status files are staged"
	[ -d .worktrees/099-name-lane-a ] || fail "no lane"
	expect_eq "$(git -C .worktrees/099-name-lane-a symbolic-ref --short HEAD)" kitty/mission-099-name-lane-a "lane branch"

	say "$kind: the same answer from every checkout"
	for place in "$REPO" "$REPO/src" "$REPO/.worktrees/099-name-lane-a"; do
		kitty -C "$place" status --mission 099-name --json >"$BOX/answer" || fail "status in $place"
		expect_json "$BOX/answer" by_lane.claimed 1
	done

	say "$kind: a hook that refuses leaves log, snapshot and index byte for byte"
	cat >.git/hooks/pre-commit <<-'HOOK'
		#!/bin/sh
		git diff --cached --name-only | grep -q . || exit 9
		echo "not today"; exit 1
	HOOK
	chmod +x .git/hooks/pre-commit
	sha256sum "$LOG" "$DRAFTS/status.json" .git/index >"$BOX/before"
	expect_exit 8 kitty agent tasks move-task WP01 --to in_progress --json
	expect_json "$OUT" error_code BOOKKEEPING_COMMIT_FAILED
	expect_json "$OUT" rejected_by pre-commit
	expect_json "$OUT" destination_ref feature
	sha256sum -c --quiet "$BOX/before" || fail "bytes changed by a refused commit"
	rm .git/hooks/pre-commit

	say "$kind: a hook's own edits elsewhere are the user's affair, in the log they are refused"
	cat >.git/hooks/pre-commit <<-'HOOK'
		#!/bin/sh
		echo "{}" >>kitty-specs/099-name/status.events.jsonl
	HOOK
	chmod +x .git/hooks/pre-commit
	before=$(sha256sum "$LOG" "$DRAFTS/status.json")
	expect_exit 8 kitty agent tasks move-task WP01 --to in_progress
	expect_eq "$(sha256sum "$LOG" "$DRAFTS/status.json")" "$before" "log and snapshot"
	printf '#!/bin/sh\necho of the hook >>src/main.c\n' >.git/hooks/pre-commit
	expect_exit 0 kitty agent tasks move-task WP01 --to blocked --reason later
	grep -q "of the hook" src/main.c || fail "the hook's own edit was taken back"
	rm .git/hooks/pre-commit

	say "$kind: what a dead writer left is moved to quarantine"
	printf '{"event_id": "half' >>"$LOG"
	echo "a snapshot of somebody's own" >"${LOG%/*}/status.json"
	expect_exit 0 kitty agent tasks move-task WP01 --to in_progress
	grep -q quarantine "$ERR" || fail "no notice of the healing"
	grep -rq '"half' .git/kitty/099-name/quarantine || fail "nothing in quarantine"
	grep -rq "snapshot of somebody's own" .git/kitty/099-name/quarantine || fail "the snapshot is not in quarantine"
	git diff --quiet HEAD -- kitty-specs || fail "the log differs from HEAD"

	say "$kind: a lock in a person's checkout stays, unless it is from before the system was started"
	for lock in .git/refs/heads/feature.lock .git/index.lock; do
		: >"$lock"
		touch -d @1 "$lock"
	done
	expect_exit 0 kitty agent tasks move-task WP01 --to blocked --reason lock
	[ ! -e .git/refs/heads/feature.lock ] && [ ! -e .git/index.lock ] || fail "a dead system's lock is left"
	: >.git/refs/heads/feature.lock
	expect_exit 6 kitty agent tasks move-task WP01 --to in_progress --json
	expect_json "$OUT" rejected_reason "$REPO/.git/refs/heads/feature.lock exists"
	rm .git/refs/heads/feature.lock
	expect_exit 0 kitty agent tasks move-task WP01 --to in_progress

	say "$kind: an edit of committed rows is refused and left alone"
	cp "$LOG" "$BOX/log"
	sed -i '1s/aggregate/AGGREGATE/' "$LOG"
	before=$(sha256sum "$LOG")
	expect_exit 4 kitty agent tasks move-task WP01 --to for_review --json
	expect_json "$OUT" error.code EVENT_LOG_EDITED
	expect_eq "$(sha256sum "$LOG")" "$before" "the edited log"
	eval "$(json "$OUT" error.next_step)" || fail "the next step"
	expect_exit 0 kitty agent tasks move-task WP01 --to for_review

	say "$kind: never to a protected branch, and nothing of it is looked at or changed"
	git stash push -q
	git switch -q main
	expect_exit 3 kitty status --mission 099-name
	git merge -q --ff-only feature
	printf '{"event_id": "half' >>"$LOG"
	before=$(sha256sum "$LOG" .git/index)
	main=$(git rev-parse main)
	expect_exit 4 kitty agent tasks move-task WP01 --to approved --mission 099-name --json
	expect_json "$OUT" error.code BOOKKEEPING_POLICY_REFUSED
	expect_json "$OUT" refusal.error_code PROTECTED_BRANCH_REFUSED
	expect_eq "$(sha256sum "$LOG" .git/index)" "$before" "log and index"
	expect_eq "$(git rev-parse main)" "$main" main
	git checkout -q -- kitty-specs

	say "$kind: neither on a detached HEAD nor under a half-finished merge"
	git switch -q --detach feature
	expect_exit 1 kitty agent tasks move-task WP01 --to approved --mission 099-name --json
	expect_json "$OUT" error.code BOOKKEEPING_LEGACY_RESOLUTION_FAILED
	git switch -q feature
	git rev-parse HEAD >.git/MERGE_HEAD
	refused_at=$(git rev-parse HEAD)
	! kitty agent tasks move-task WP01 --to approved --json >"$OUT" 2>"$ERR" || fail "written under a merge"
	expect_json "$OUT" error.code COORDINATION_WORKTREE_BUSY
	expect_eq "$(git rev-parse HEAD)" "$refused_at" "the branch"
	rm .git/MERGE_HEAD
	expect_exit 0 kitty agent tasks move-task WP01 --to approved

	say "$kind: verify"
	expect_exit 0 kitty verify --json
	expect_json "$OUT" ok true
	expect_exit 0 kitty doctor --json
	expect_json "$OUT" errors 0
	git fsck --full >"$OUT" 2>&1 || fail "git fsck"
	close_box
done

say "a log that was never committed is the user's: refused, and not touched"
sandbox
git switch -q -c feature
hand_drafts 099-name ""  'WP01:src/a/**'
echo '{"event_id": "01M7Y9WFJ7Z39B3R6H5T5W7HPW"}' >"$LOG"
before=$(sha256sum "$LOG")
expect_exit 4 kitty agent mission finalize-tasks --mission 099-name --json
expect_json "$OUT" error.code EVENT_LOG_EDITED
expect_eq "$(sha256sum "$LOG")" "$before" "the log"
close_box

open_box legacy
say "legacy: the warning, once, and the rows on the lane branch"
main=$(git rev-parse main)
git status --porcelain >"$BOX/status"
index=$(sha256sum <.git/index)
expect_exit 0 kitty implement WP01 --agent claude --mission 099-name
grep -qxF "kitty: Legacy topology; bookkeeping will land on the lane branch." "$ERR" || fail "no warning"
grep -qF -- "- kitty/mission-099-name-lane-a chore: WP01 claimed" "$OUT" || fail "not on the lane branch"
expect_exit 0 kitty implement WP02 --agent codex --mission 099-name
! grep -q Legacy "$ERR" || fail "the warning again"
[ -e .git/kitty/099-name/legacy-warned ] || fail "no marker"
expect_eq "$(git rev-parse main)" "$main" main
expect_eq "$(sha256sum <.git/index)" "$index" "the primary's index"
A=$REPO/.worktrees/099-name-lane-a
B=$REPO/.worktrees/099-name-lane-b
log_is_committed "$A"
log_is_committed "$B"
git -C "$A" log -1 --format=%s | grep -q 'WP01 claimed' || fail "no claim on lane-a"
git -C "$B" log -1 --format=%s | grep -q 'WP02 claimed' || fail "no claim on lane-b"
! git -C "$A" log --format=%s | grep -q 'WP02 claimed' || fail "lane-b's row on lane-a"

say "legacy: status is the union, from anywhere"
for place in "$REPO" "$A" "$B"; do
	kitty -C "$place" status --mission 099-name --json >"$BOX/answer" || fail "status in $place"
	expect_json "$BOX/answer" by_lane.claimed 2
done

say "legacy: a refused commit leaves the lane's log as it was"
printf '#!/bin/sh\nexit 1\n' >.git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
before=$(sha256sum "$A/kitty-specs/099-name/"status.*)
expect_exit 8 kitty agent tasks move-task WP01 --to in_progress --mission 099-name --json
expect_json "$OUT" destination_ref kitty/mission-099-name-lane-a
expect_eq "$(sha256sum "$A/kitty-specs/099-name/"status.*)" "$before" "log and snapshot"
rm .git/hooks/pre-commit
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --mission 099-name

say "legacy: bookkeeping alone is no work"
policy='{"orchestrator_id":"o","orchestrator_version":"1","agent_family":"claude","approval_mode":"auto","sandbox_mode":"none","network_mode":"none","dangerous_flags":[]}'
expect_exit 1 kitty orchestrator-api transition --mission 099-name --wp WP01 --to for_review --actor claude --policy "$policy"
expect_json "$OUT" error_code TRANSITION_REJECTED
json "$OUT" data.message | grep -q "no commit beyond its base" || fail "another reason"
mkdir -p "$A/src/a"
echo work >"$A/src/a/file"
git -C "$A" add src
git -C "$A" commit -q -m "The work of WP01"
expect_exit 0 kitty agent tasks move-task WP01 --to for_review --mission 099-name
expect_exit 0 kitty agent tasks move-task WP01 --to approved --mission 099-name

say "legacy: rows on another branch only are not passed over"
git -C "$B" switch -q -c elsewhere main
! kitty agent tasks move-task WP02 --to in_progress --mission 099-name --json >"$OUT" 2>"$ERR" || fail "half of the rows"
expect_json "$OUT" error.code BOOKKEEPING_LEGACY_RESOLUTION_FAILED
git -C "$B" switch -q kitty/mission-099-name-lane-b
expect_exit 0 kitty agent tasks move-task WP02 --to in_progress --mission 099-name

say "legacy: a lane without a worktree has no destination"
git worktree unlock "$B"
git worktree remove --force "$B"
expect_exit 1 kitty agent tasks move-task WP02 --to for_review --mission 099-name --json
expect_json "$OUT" error.code BOOKKEEPING_LEGACY_RESOLUTION_FAILED
eval "$(json "$OUT" error.next_step)" >/dev/null 2>&1 || fail "the printed repair"
[ -d "$B" ] || fail "the lane was not made again"
expect_exit 0 kitty agent tasks move-task WP02 --to for_review --mission 099-name

say "legacy: what needs a coordination branch says so"
expect_exit 4 kitty agent mission finalize-tasks --mission 099-name --json
expect_json "$OUT" error.code MISSION_TOPOLOGY_UNSUPPORTED
expect_exit 4 kitty launch --lanes all --mission 099-name --json
expect_json "$OUT" error.code MISSION_TOPOLOGY_UNSUPPORTED

say "legacy: verify and doctor"
expect_exit 0 kitty verify --mission 099-name --json
expect_json "$OUT" ok true
expect_exit 0 kitty doctor --mission 099-name --json
expect_json "$OUT" errors 0
expect_eq "$(git rev-parse main)" "$main" main
expect_eq "$(git status --porcelain)" "$(cat "$BOX/status")" "the primary's status"
close_box

say "a log whose last row lacks its newline: what is written begins a line of its own"
sandbox
git switch -q -c feature
hand_drafts 099-name "" 'WP01:src/a/**'
printf '%s' '{"actor": "a", "at": "2026-01-03T00:00:00+00:00", "event_id": "01JGGG00000000000000000001", "evidence": null, "execution_mode": "worktree", "feature_slug": "099-name", "force": false, "from_lane": "planned", "reason": null, "review_ref": null, "to_lane": "claimed", "wp_id": "WP01"}' >"$LOG"
git add kitty-specs
git commit -q -m "A log without its last newline"
cp "$LOG" "$BOX/foreign"
begin=$(git rev-parse HEAD)
for words in "agent mission finalize-tasks" "agent tasks move-task WP01 --to in_progress --agent a"; do
	git reset -q --hard "$begin"
	# shellcheck disable=SC2086
	expect_exit 0 kitty $words --mission 099-name
	head -c "$(stat -c %s "$BOX/foreign")" "$LOG" | cmp -s - "$BOX/foreign" || fail "$words: the foreign row was changed"
	[ "$(wc -l <"$LOG")" -gt 1 ] || fail "$words: nothing came behind it"
	expect_exit 0 kitty status --mission 099-name --json
	expect_json "$OUT" total_wps 1
	expect_exit 0 kitty verify --mission 099-name --json
	expect_json "$OUT" ok true
	silent git status --porcelain
done
expect_exit 0 kitty status --mission 099-name --json
expect_json "$OUT" by_lane.in_progress 1

say "verify does not pass a row that was glued to the one before it"
git reset -q --hard "$begin"
sed 's/01JGGG00000000000000000001/01JGGG00000000000000000002/' "$BOX/foreign" >>"$LOG"
git commit -qam "Two rows in one line"
expect_exit 1 kitty status --mission 099-name
expect_exit 1 kitty verify --mission 099-name --json
expect_json "$OUT" ok false
close_box

say "null and garbage are errors that name the key, never a guess"
sandbox
git switch -q -c feature
hand_drafts 099-name "" 'WP01:src/a/**'
for value in null '"other"' 7 '""'; do
	meta_by_hand "$DRAFTS/meta.json" 099-name whatever
	sed -i "s/\"whatever\"/$value/" "$DRAFTS/meta.json"
	expect_exit 1 kitty status --mission 099-name --json
	expect_json "$OUT" error.code MISSION_TOPOLOGY_INVALID
	json "$OUT" error.detail | grep -q topology || fail "the key is not named for $value"
done
