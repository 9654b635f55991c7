#!/bin/sh
# Damage to a mission's two worktrees, beside doctor_lanes.sh's rows: the doctor finds each, the command that it prints
# repairs it, nothing that somebody wrote is lost, and the command a second time changes nothing.
# Usage: hostile_worktrees.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/doctor.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
sandbox
printf '*.o\n' >.gitignore && git add .gitignore && git commit -q -m ignore
kitty init >"$OUT" || fail init
git add .kittify && git commit -q -m kittify
make_mission upsell 'WP01:src/a/**'
expect_exit 0 kitty implement WP01 --agent claude
lane=$REPO/.worktrees/$MISSION-lane-a
mkdir -p "$lane/src/a" && echo work >"$lane/src/a/work" && git -C "$lane" add src && git -C "$lane" commit -q -m work
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor claude # the lane's tip is on record
healthy
keep

of() { # coord | lane: PLACE, its registration META, its BRANCH
	case $1 in
	coord) place=$COORD branch=$BRANCH ;;
	lane) place=$lane branch=$BRANCH-lane-a ;;
	esac
	meta=$REPO/.git/worktrees/${place##*/}
}
damage() { # KIND
	case $1 in
	git-file-gone) rm "$place/.git" ;;
	git-file-empty) : >"$place/.git" ;;
	git-file-garbage) echo 'no such thing' >"$place/.git" ;;
	git-file-elsewhere) echo "gitdir: $BOX/nowhere" >"$place/.git" ;;
	metadata-gone) rm -r "$meta" ;;
	metadata-head-gone) rm "$meta/HEAD" ;;
	moved) mv "$place" "$BOX/moved" ;;
	moved-properly) git worktree unlock "$place" && git worktree move "$place" "$REPO/.worktrees/renamed" ;;
	gone) rm -rf "$place" ;;
	locked-gone) git worktree lock "$place" 2>/dev/null || true && rm -rf "$place" ;;
	pruned) git worktree unlock "$place" && rm -rf "$place" && git worktree prune ;;
	removed) git worktree remove --force --force "$place" ;;
	other-branch) git -C "$place" switch -q -c elsewhere ;;
	detached) git -C "$place" switch -q --detach ;;
	mid-merge) git -C "$place" rev-parse HEAD >"$meta/MERGE_HEAD" ;;
	mid-rebase)
		mkdir "$meta/rebase-merge"
		echo "refs/heads/$branch" >"$meta/rebase-merge/head-name"
		git rev-parse "$branch" | tee "$meta/rebase-merge/onto" "$meta/rebase-merge/orig-head" >"$meta/HEAD"
		;;
	mid-pick) git -C "$place" rev-parse HEAD >"$meta/CHERRY_PICK_HEAD" ;;
	index-gone) rm "$meta/index" ;;
	index-garbage) echo garbage >"$meta/index" ;;
	ignored-files) echo object >"$place/big.o" && rm "$place/.git" ;;
	file-instead) rm -rf "$place" && echo "a file" >"$place" ;;
	link-instead) mv "$place" "$BOX/moved" && ln -s "$BOX/moved" "$place" ;;
	same-name)
		git worktree unlock "$place"
		rm -rf "$place"
		git worktree prune
		mkdir "$BOX/x" && git worktree add -q --detach "$BOX/x/${place##*/}" main
		;;
	sparse-off) git -C "$place" sparse-checkout disable ;;
	sparse-on) git -C "$place" status && git -C "$place" sparse-checkout set --no-cone /src ;;
	sparse-edited) echo '/*' >"$meta/info/sparse-checkout" ;;
	file-edited) echo edited >>"$place/src/main.c" ;;
	file-deleted) rm "$place/src/main.c" ;;
	esac
}

right() {
	for each in coord lane; do
		of $each
		expect_eq "$(git -C "$place" symbolic-ref HEAD)" "refs/heads/$branch" "HEAD of $each"
	done
	expect_eq "$(cat "$lane/src/a/work")" work "the work in the lane"
	expect_eq "$(git -C "$lane" status --porcelain)" "$1" "the lane"
	check_clean
}
# Findings of errors and warnings, one after the other, each by its printed command.
repair() {
	rounds=0 first=nothing
	kitty doctor --json >"$OUT" 2>"$ERR"
	one_object "$OUT"
	while [ "$(json "$OUT" 'findings.#')" != 0 ]; do
		rounds=$((rounds + 1))
		[ $rounds -le 4 ] || fail "still found: $(json "$OUT" findings)"
		[ $rounds -gt 1 ] || first=$(json "$OUT" findings.0.code)
		next=$(json "$OUT" findings.0.next_step)
		(cd "$REPO" && sh -c "$next") >"$BOX/cured" 2>&1 || fail "the printed command fails: $next: $(cat "$BOX/cured")"
		kitty doctor --json >"$OUT" 2>"$ERR"
		one_object "$OUT"
	done
}

damaged() { # WANT coord|lane KIND [STATUS OF THE LANE AFTERWARDS]
	cell "$4$2: $3" || return 0
	fresh
	rm -rf "$BOX/moved" "$BOX/x"
	of "$2"
	damage "$3" >"$OUT" 2>"$ERR"
	repair
	case $1 in
	sound) expect_eq "$rounds" 0 "no harm, nothing found" ;;
	*) expect_eq "$first" "$1" "what is found" ;;
	esac
	expect_exit 0 kitty agent worktree repair --mission "$MISSION" --json
	expect_json "$OUT" changed false
	expect_json "$OUT" actions '[]'
	right "$5"
	cell_is ok
}
while read -r want where kind often; do
	damaged "$want" "$where" "$kind" "$often" ""
done <<'ROWS'
COORDINATION_WORKTREE_BROKEN coord git-file-gone
COORDINATION_WORKTREE_BROKEN coord git-file-empty
COORDINATION_WORKTREE_BROKEN coord git-file-garbage +
COORDINATION_WORKTREE_BROKEN coord git-file-elsewhere
COORDINATION_WORKTREE_BROKEN coord metadata-gone +
COORDINATION_WORKTREE_BROKEN coord metadata-head-gone
COORDINATION_WORKTREE_MISSING coord moved
COORDINATION_WORKTREE_MISSING coord locked-gone +
COORDINATION_WORKTREE_MISSING coord pruned
COORDINATION_WORKTREE_MISSING coord removed
COORDINATION_WORKTREE_BRANCH_MISMATCH coord other-branch
COORDINATION_WORKTREE_BRANCH_MISMATCH coord detached +
COORDINATION_WORKTREE_BUSY coord mid-merge
COORDINATION_WORKTREE_BUSY coord mid-rebase +
COORDINATION_WORKTREE_BUSY coord mid-pick
COORDINATION_WORKTREE_DIRTY coord index-gone
STATUS_FILES_DIFFER coord index-garbage +
COORDINATION_WORKTREE_BROKEN coord ignored-files
COORDINATION_WORKTREE_BROKEN coord file-instead
sound coord link-instead
COORDINATION_WORKTREE_MISSING coord same-name +
STATUS_FILES_DIFFER coord sparse-on
COORDINATION_WORKTREE_DIRTY coord file-edited
COORDINATION_WORKTREE_DIRTY coord file-deleted
LANE_WORKTREE_BROKEN lane git-file-empty
LANE_WORKTREE_BROKEN lane git-file-garbage
LANE_WORKTREE_BROKEN lane git-file-elsewhere +
LANE_WORKTREE_BROKEN lane metadata-head-gone
LANE_WORKTREE_MISSING lane moved
LANE_WORKTREE_MISSING lane locked-gone
LANE_WORKTREE_MISSING lane pruned
LANE_WORKTREE_BROKEN lane ignored-files
LANE_WORKTREE_BROKEN lane file-instead
sound lane link-instead
LANE_WORKTREE_MISSING lane same-name +
LANE_SPARSE_CHECKOUT_DRIFT lane index-garbage +
LANE_SPARSE_CHECKOUT_DRIFT lane sparse-off
LANE_SPARSE_CHECKOUT_DRIFT lane sparse-edited
ROWS
matrix_end 28 "damage to worktrees"
exit 0
