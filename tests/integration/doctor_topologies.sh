#!/bin/sh
# Missions without a coordination branch: doctor, verify, repair, discard and restore. Usage: doctor_topologies.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/doctor.sh"
. "$KITTY_SOURCE/tests/support/topology.sh"

for kind in single_branch lanes legacy; do
	sandbox
	old_mission $kind 099-name 'WP01:src/a/**' 'WP02:src/b/**'
	branch=$(git symbolic-ref --short HEAD)
	expect_exit 0 kitty implement WP01 --agent claude --mission 099-name
	LANE=$REPO/.worktrees/099-name-lane-a
	[ $kind = legacy ] && HOME_OF_LOG=$LANE || HOME_OF_LOG=$REPO
	log=$HOME_OF_LOG/kitty-specs/099-name/status.events.jsonl

	say "$kind: a healthy mission has no finding"
	expect_exit 0 kitty doctor --mission 099-name --json
	expect_json "$OUT" findings '[]'
	expect_exit 0 kitty verify --mission 099-name

	say "$kind: a changed log is found, named, and cured by the printed command"
	cp "$log" "$BOX/log"
	sed -i '1s/099-name/099-NAME/' "$log"
	expect_exit 1 kitty verify --mission 099-name --json
	expect_json "$OUT" ok false
	fault CHECKOUT_STATUS_FILES_DIFFER
	cmp -s "$log" "$BOX/log" || fail "the log is not the committed one"
	grep -q 099-NAME .git/kitty/099-name/kept-status.events.jsonl || fail "what was there is gone"
	expect_exit 0 kitty doctor --mission 099-name
	expect_exit 0 kitty verify --mission 099-name

	say "$kind: a rewritten history is found"
	before=$(git -C "$HOME_OF_LOG" rev-parse HEAD)
	sed -i 2d "$log"
	git -C "$HOME_OF_LOG" commit -q -m "A row less" -- kitty-specs
	expect_exit 1 kitty verify --mission 099-name --json
	expect_json "$OUT" checks.0.ok false
	git -C "$HOME_OF_LOG" reset -q --hard "$before"

	say "$kind: a committed row that no kitty can read is found"
	sed -i '$s/"to_lane": "[a-z_]*"/"to_lane": "nowhere"/' "$log"
	git -C "$HOME_OF_LOG" commit -q -m "A row to nowhere" -- kitty-specs
	expect_exit 1 kitty status --mission 099-name
	expect_exit 1 kitty doctor --mission 099-name --json
	expect_json "$OUT" findings.0.code EVENT_LOG_UNREADABLE
	json "$OUT" findings.0.evidence | grep -q 'nowhere' || fail "the row is not named: $(cat "$OUT")"
	git -C "$HOME_OF_LOG" reset -q --hard "$before"
	expect_exit 0 kitty verify --mission 099-name

	say "$kind: a lane whose worktree went away comes back"
	git worktree unlock "$LANE"
	rm -rf "$LANE"
	expect_exit 0 kitty agent worktree repair --mission 099-name
	[ -e "$LANE/.git" ] || fail "no lane"
	cmp -s "$log" "$BOX/log" || fail "the log is not the committed one"

	say "$kind: nothing to bring the target to"
	expect_exit 4 kitty mission sync --mission 099-name --json
	expect_json "$OUT" error.code MISSION_TOPOLOGY_UNSUPPORTED

	say "$kind: discard takes the lanes, leaves the branch, and can be taken back"
	echo unfinished >"$LANE/note"
	refs=$(git for-each-ref refs/heads)
	tip=$(git rev-parse "$branch")
	expect_exit 0 kitty mission close --discard --mission 099-name --json
	one_object "$OUT"
	[ ! -e "$LANE" ] || fail "the lane is still there"
	silent git for-each-ref --format='%(refname)' refs/heads/kitty
	expect_eq "$(git rev-parse "$branch")" "$tip" "the user's branch"
	silent git status --porcelain
	expect_exit 0 kitty mission restore --mission 099-name
	expect_eq "$(git for-each-ref refs/heads)" "$refs" "the branches"
	expect_eq "$(cat "$LANE/note")" unfinished "the unfinished file"
	expect_exit 0 kitty status --mission 099-name --json
	expect_json "$OUT" by_lane.claimed 1
	close_box
done
