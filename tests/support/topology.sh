# Missions without a coordination branch, on top of lib.sh; source it after: . "$KITTY_SOURCE/tests/support/topology.sh"
# shellcheck shell=sh
#
#   hand_drafts SLUG WP...      a folder made by hand, committed with git on the branch that is checked out
#   old_mission KIND SLUG WP... KIND = hand (no topology until finalised), single_branch, lanes: finalised on the
#                               branch "feature", which stays checked out; legacy: lanes in flight from before, the
#                               plan committed on main, which is checked out
#   sets MISSION, DRAFTS, LOG (where the primary checkout has it)

meta_by_hand() { # FILE SLUG TOPOLOGY
	cat >"$1" <<-META
		{
		  "created_at": "2026-01-02T03:04:05+00:00",
		  "friendly_name": "Made by hand",
		  "mission_slug": "$2",
		  "mission_type": "software-dev",
		  "slug": "$2",
		  "target_branch": "main"${3:+,}
		  ${3:+\"topology\": \"$3\"}
		}
	META
}

hand_drafts() { # SLUG TOPOLOGY WP...
	MISSION=$1
	hand_topology=$2
	shift 2
	DRAFTS=$REPO/kitty-specs/$MISSION
	LOG=$DRAFTS/status.events.jsonl
	export MISSION DRAFTS LOG
	mkdir -p "$DRAFTS/tasks"
	meta_by_hand "$DRAFTS/meta.json" "$MISSION" "$hand_topology"
	echo "# Spec" >"$DRAFTS/spec.md"
	wps_write "$DRAFTS/tasks" "$@"
	git -C "$REPO" add kitty-specs
	git -C "$REPO" commit -q -m "Plan $MISSION"
}

old_mission() {
	old_kind=$1
	shift
	case $old_kind in
	hand | legacy) old_topology= ;;
	*) old_topology=$old_kind ;;
	esac
	old_slug=$1
	shift
	git -C "$REPO" switch -q -c feature
	hand_drafts "$old_slug" "$old_topology" "$@"
	kitty agent mission finalize-tasks --mission "$MISSION" --json >"$OUT" 2>"$ERR" ||
		fail "finalize-tasks of $old_kind"
	[ "$old_kind" = legacy ] || return 0
	meta_by_hand "$DRAFTS/meta.json" "$MISSION" ""
	git -C "$REPO" commit -q -am "As it was before topologies were stored"
	git -C "$REPO" switch -q main
	git -C "$REPO" merge -q --ff-only feature
	git -C "$REPO" branch -q -d feature
}
