# What the merge scripts share; source it after lib.sh.
# shellcheck shell=sh disable=SC2034

lane() { echo "$REPO/.worktrees/$MISSION-lane-$1"; }

# work WP LANE FILE TEXT: claims the WP and commits a file in its lane
work() {
	kitty implement "$1" --agent claude --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "implement $1"
	mkdir -p "$(dirname "$(lane "$2")/$3")"
	printf '%s\n' "$4" >"$(lane "$2")/$3"
	git -C "$(lane "$2")" add -A
	git -C "$(lane "$2")" commit -q -m "$1: $3" || fail "commit of $1"
}

approve() {
	kitty agent tasks move-task "$1" --to approved --agent claude --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "approve $1"
}

merge() { kitty merge --mission "$MISSION" "$@"; }

# What a merge that stops may not change.
freeze() {
	git -C "$REPO" for-each-ref | grep -v refs/kitty/merge/
	for place in "$REPO" "$REPO"/.worktrees/*; do
		[ -d "$place" ] || continue
		echo "$place"
		git -C "$place" status --porcelain --ignored
		git -C "$place" rev-parse HEAD
	done
	git -C "$REPO" stash list
	(cd "$REPO" && find . -path ./.git -prune -o -type f -print | LC_ALL=C sort | xargs -d '\n' sha256sum)
	git -C "$REPO" ls-files -s | sha256sum
}

frozen() {
	freeze >"$BOX/after"
	cmp -s "$BOX/before" "$BOX/after" || { diff "$BOX/before" "$BOX/after" >&2; fail "something moved"; }
}

log_rows() { git -C "$REPO" cat-file blob "$1:kitty-specs/$MISSION/status.events.jsonl"; }
