#!/bin/sh
# Thirty shapes of two sides, integrated and merged by kitty, with `git merge` as the oracle: the same tree, or the same
# refusal and nothing moved. A part runs per commit, KITTY_FULL=1 runs all.
# Usage: hostile_merge.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
sandbox
mkdir -p lib old deep/er
seq 40 >lib/long.txt
cp lib/long.txt old/one.txt && cp lib/long.txt old/two.txt && cp lib/long.txt deep/er/file.txt
printf '#!/bin/sh\n' >tool.sh
ln -s lib/long.txt link
printf 'union.txt merge=union\nours.txt merge=keep\nno.txt -merge\n*.crlf text\n' >.gitattributes
printf 'a\n' | tee union.txt ours.txt no.txt gone.txt both.txt eof.txt >plain.txt
printf 'a\r\nb\r\n' >dos.txt
printf '\000\001' >blob.bin
git config merge.keep.driver 'true'
git add . && git commit -q -m shapes
kitty init >"$OUT" || fail init
git add .kittify && git commit -q -m kittify
make_mission upsell 'WP01:src/a/**'
work WP01 a src/a/a.c "int a;"
keep

change() { sed -i "$1" "$2"; }
lane_side() {
	case $1 in
	rename-edit) git mv lib/long.txt lib/renamed.txt ;;
	rename-edit-far) git mv lib/long.txt deep/far.txt && change 's/^7$/seven/' deep/far.txt ;;
	rename-same) git mv lib/long.txt lib/new.txt ;;
	rename-twice) git mv lib/long.txt lib/left.txt ;;
	rename-delete) git mv lib/long.txt lib/kept.txt ;;
	rename-onto) git mv lib/long.txt lib/meet.txt ;;
	directory) git mv old new ;;
	directory-back) echo added >old/three.txt ;;
	directory-file) git rm -q -r old && echo text >old ;;
	driver) echo lane >>ours.txt ;;
	no-merge) echo lane >>no.txt ;;
	union) echo lane >>union.txt ;;
	delete-modify) git rm -q gone.txt ;;
	modify-delete) echo lane >>gone.txt ;;
	delete-both) git rm -q gone.txt ;;
	add-add-same | add-add) echo "$1" >added.txt ;;
	mode) chmod +x tool.sh ;;
	mode-both) chmod +x tool.sh && echo lane >>tool.sh ;;
	symlink) ln -sfn tool.sh link ;;
	symlink-both) ln -sfn tool.sh link ;;
	symlink-file) rm link && echo text >./link ;;
	binary) printf '\000lane' >blob.bin ;;
	binary-one) printf '\000lane' >blob.bin ;;
	case-twins) echo lane >Both.txt ;;
	submodule) gitlink 1 ;;
	line-ends) printf 'a\r\nb\r\nc\r\n' >dos.txt ;;
	end-of-file) printf 'a\nlane' >eof.txt ;;
	same-line) echo lane >both.txt ;;
	same-change) echo same >both.txt ;;
	far-lines) change 's/^3$/three/' lib/long.txt ;;
	criss-cross) criss_cross ;;
	esac
}
target_side() {
	case $1 in
	rename-edit) change 's/^3$/three/' lib/long.txt ;;
	rename-edit-far) change 's/^30$/thirty/' lib/long.txt ;;
	rename-same) git mv lib/long.txt lib/new.txt ;;
	rename-twice) git mv lib/long.txt lib/right.txt ;;
	rename-delete) git rm -q lib/long.txt ;;
	rename-onto) echo other >lib/meet.txt ;;
	directory) echo added >old/three.txt ;;
	directory-back) git mv old new ;;
	directory-file) change 's/^3$/three/' old/one.txt ;;
	driver) echo target >>ours.txt ;;
	no-merge) echo target >>no.txt ;;
	union) echo target >>union.txt ;;
	delete-modify) echo target >>gone.txt ;;
	modify-delete | delete-both) git rm -q gone.txt ;;
	add-add-same) echo "$1" >added.txt ;;
	add-add) echo other >added.txt ;;
	mode) echo target >>tool.sh ;;
	mode-both) echo target >>tool.sh ;;
	symlink) echo x >>tool.sh ;;
	symlink-both) ln -sfn plain.txt link ;;
	symlink-file) ln -sfn plain.txt link ;;
	binary) printf '\000target' >blob.bin ;;
	binary-one) echo x >>plain.txt ;;
	case-twins) echo target >>both.txt ;;
	submodule) gitlink 2 ;;
	line-ends) printf 'z\r\na\r\nb\r\n' >dos.txt ;;
	end-of-file) printf 'z\na\n' >eof.txt ;;
	same-line) echo target >both.txt ;;
	same-change) echo same >both.txt ;;
	far-lines | criss-cross) change 's/^30$/thirty/' lib/long.txt ;;
	esac
}
# A submodule that was never initialised: an entry, and an empty folder.
gitlink() { mkdir part && git update-index --add --cacheinfo "160000,$(git rev-parse "main~$1"),part" && linked=yes; }
# Two merge bases: the lane took main's first change, main takes the lane's.
criss_cross() {
	change 's/^3$/three/' lib/long.txt && git commit -q -am "lane's own"
	git -C "$REPO" worktree add -q --detach "$BOX/x" main
	(cd "$BOX/x" && change 's/^20$/twenty/' lib/long.txt && git commit -q -am "main's own")
	theirs=$(git -C "$BOX/x" rev-parse HEAD) mine=$(git rev-parse HEAD)
	git -C "$BOX/x" merge -q -m "main takes the lane" "$mine"
	git merge -q -m "the lane takes main" "$theirs"
	git -C "$REPO" update-ref refs/heads/main "$(git -C "$BOX/x" rev-parse HEAD)"
	git -C "$REPO" worktree remove --force "$BOX/x"
}
commit_side() { # MESSAGE: what is in the worktree, or a gitlink in the index alone
	[ -n "$linked" ] || git add -A --sparse
	git commit -q -m "$1"
	linked=
}

for shape in rename-edit +rename-edit-far rename-same rename-twice rename-delete +rename-onto directory +directory-back \
	directory-file +driver no-merge union +delete-modify modify-delete delete-both add-add-same add-add mode +mode-both \
	symlink +symlink-both symlink-file binary binary-one +case-twins +submodule line-ends end-of-file +same-line \
	same-change far-lines +criss-cross; do
	cell "$shape" || continue
	name=${shape#+}
	linked=
	fresh
	git switch -q --detach # the target is checked out nowhere: merge_checkout.sh has the other case
	(cd "$(lane a)" && lane_side "$name" && commit_side "lane: $name") >"$OUT" 2>"$ERR" || fail "the lane's side"
	approve WP01
	git worktree add -q "$BOX/t" main
	(cd "$BOX/t" && target_side "$name" && commit_side "target: $name") >"$OUT" 2>"$ERR" || fail "the target's side"
	git worktree remove --force --force "$BOX/t"
	git worktree add -q --detach "$BOX/o" main
	git -C "$BOX/o" merge -q -m oracle "$BRANCH-lane-a" >"$BOX/oracle.out" 2>&1
	oracle=$?
	oracle_tree=$(git -C "$BOX/o" ls-tree -r HEAD | grep -v kitty-specs/ | sha256sum)
	git worktree remove --force --force "$BOX/o"
	before=$(git rev-parse main)
	if [ $oracle -eq 0 ]; then
		expected ok merge --keep-worktrees
		expect_eq "$(git ls-tree -r main | grep -v kitty-specs/ | sha256sum)" "$oracle_tree" "the tree of $name"
		git merge-base --is-ancestor "$before" main || fail "the target's history is lost"
	else
		expect_exit 5 merge --json
		one_object "$OUT"
		expect_json "$OUT" error.code MERGE_CONFLICT
		expect_eq "$(git rev-parse main)" "$before" "the target"
		cell_is code
	fi
	check_clean
done

poisoned() { # NAME CODE; the lane's commands follow on standard input
	cell "$1" || return 0
	fresh
	# The gate before for_review is the first that sees it; an approval comes after.
	(cd "$(lane a)" && sh -e -s && git commit -q --no-verify -m poison) >"$OUT" 2>"$ERR" || fail "the lane's side"
	tip_before=$(tip)
	expect_exit 4 kitty agent tasks move-task WP01 --to approved --agent claude --mission "$MISSION" --json
	one_object "$OUT"
	expect_json "$OUT" error.code "$2"
	silent git diff --name-only "$tip_before" "$(tip)" -- ':!kitty-specs'
	check_clean
	cell_is code
}
folder=kitty-specs/$MISSION
export folder BRANCH
poisoned '+the lane edits the log' LANE_TOUCHES_KITTY_SPECS <<'EOT'
mkdir -p $folder && git show $BRANCH:$folder/status.events.jsonl | sed 's/WP01/WP02/' >$folder/status.events.jsonl
git add --sparse $folder/status.events.jsonl
EOT
poisoned 'the lane deletes the log' LANE_TOUCHES_KITTY_SPECS <<'EOT'
git rm -q --sparse --cached $folder/status.events.jsonl
EOT
poisoned 'the lane renames kitty-specs' LANE_TOUCHES_KITTY_SPECS <<'EOT'
git sparse-checkout disable
git mv kitty-specs elsewhere
EOT

if cell "+unrelated histories"; then
	fresh
	git -C "$(lane a)" checkout -q --orphan unrelated
	git -C "$(lane a)" commit -q --no-verify -m unrelated
	unrelated=$(git -C "$(lane a)" rev-parse HEAD)
	git -C "$(lane a)" symbolic-ref HEAD "refs/heads/$BRANCH-lane-a"
	git update-ref "refs/heads/$BRANCH-lane-a" "$unrelated"
	before=$(git rev-parse main)
	kitty agent tasks move-task WP01 --to approved --agent claude --mission "$MISSION" --json >"$OUT" 2>"$ERR" &&
		merge --json >"$OUT" 2>"$ERR" && fail "unrelated histories were merged"
	one_object "$OUT"
	[ -n "$(json "$OUT" error.code)" ] || fail "no code"
	expect_eq "$(git rev-parse main)" "$before" "the target"
	check_clean
	cell_is code
fi
matrix_end 24 "shapes of merges against git merge"
exit 0
