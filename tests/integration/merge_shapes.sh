#!/bin/sh
# Merged trees against git merge as the oracle: renames, delete and modify, modes, links, attributes; then the
# strategies. Usage: merge_shapes.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
mkdir -p lib old
i=0
while [ $i -lt 30 ]; do
	echo "line $i"
	i=$((i + 1))
done | tee lib/long.txt old/one.txt >old/two.txt
printf '#!/bin/sh\n' >tool.sh
ln -s lib/long.txt link
printf 'union.txt merge=union\n' >.gitattributes
printf 'a\n' >union.txt
echo gone >gone.txt
git add . && git commit -q -m shapes

# lane side | target side, by shape
lane_side() {
	case $1 in
	rename) git mv lib/long.txt lib/renamed.txt ;;
	directory) git mv old new ;;
	delete) git rm -q gone.txt ;;
	mode) chmod +x tool.sh ;;
	link) ln -sfn tool.sh link ;;
	union) echo lane >>union.txt ;;
	modify) echo lane >>gone.txt ;;
	binary) printf '\000\001\377' >blob.bin ;;
	esac
}
target_side() {
	case $1 in
	rename) sed -i 's/line 3$/line three/' lib/long.txt ;;
	directory) echo added >old/three.txt ;;
	delete) echo other >other.txt ;;
	mode) echo 'echo hello' >>tool.sh ;;
	link) echo x >>tool.sh ;;
	union) echo target >>union.txt ;;
	modify) git rm -q gone.txt ;;
	binary) echo b >b.txt ;;
	esac
}

n=0
for shape in rename directory delete mode link union modify binary; do
	n=$((n + 1))
	case $((n % 3)) in 0) strategy=merge ;; 1) strategy=squash ;; *) strategy=rebase ;; esac
	say "$shape ($strategy)"
	git checkout -q -B "target-$n" main
	git checkout -q main
	kitty agent mission create "shape-$shape" --target-branch "target-$n" --json >"$OUT" 2>"$ERR" || fail create
	MISSION=$(json "$OUT" mission_slug)
	BRANCH=$(json "$OUT" coordination_branch)
	COORD=$REPO/.worktrees/$MISSION-coord
	LOG=$COORD/kitty-specs/$MISSION/status.events.jsonl
	mkdir -p "kitty-specs/$MISSION/tasks"
	wp_write "kitty-specs/$MISSION/tasks/WP01-part.md" WP01 "src/$shape/**" ""
	kitty agent mission finalize-tasks --mission "$MISSION" --json >"$OUT" 2>"$ERR" || fail finalize
	work WP01 a "src/$shape.c" "int x;"
	(cd "$(lane a)" && lane_side "$shape" && git add -A && git commit -q -m "lane: $shape")
	approve WP01
	git worktree add -q "$BOX/t$n" "target-$n"
	(cd "$BOX/t$n" && target_side "$shape" && git add -A && git commit -q -m "target: $shape")
	git worktree remove --force "$BOX/t$n"

	# The oracle: what git merge makes of the two, in a worktree of its own.
	git worktree add -q --detach "$BOX/o$n" "target-$n"
	git -C "$BOX/o$n" merge -q -m oracle "$BRANCH-lane-a" >/dev/null 2>&1
	oracle=$?
	oracle_tree=$(git -C "$BOX/o$n" ls-tree -r HEAD | grep -v kitty-specs/ | sha256sum)
	git worktree remove --force "$BOX/o$n"

	before=$(git rev-parse "target-$n")
	if [ $oracle -ne 0 ]; then
		expect_exit 5 merge --strategy "$strategy" --json
		expect_eq "$(git rev-parse "target-$n")" "$before"
		continue
	fi
	expect_exit 0 merge --strategy "$strategy" --json
	expect_eq "$(git ls-tree -r "target-$n" | grep -v kitty-specs/ | sha256sum)" "$oracle_tree" "the tree of $shape"
	git merge-base --is-ancestor "$before" "target-$n" || fail "the target's history is lost"
	case $strategy in
	merge) expect_eq "$(git rev-list --parents -n 1 "target-$n" | wc -w)" 3 ;;
	squash) expect_eq "$(git rev-list --count "$before..target-$n")" 1 ;;
	rebase)
		expect_eq "$(git rev-list --merges --count "$before..target-$n")" 0
		git log --format=%s "$before..target-$n" | grep -qx "lane: $shape" || fail "the lane's commit is not there"
		;;
	esac
	expect_eq "$(log_rows "target-$n" | grep -c '"to_lane": "done"')" 1
done
exit 0
