#!/bin/sh
# Killed between any two steps, a plain re-run finishes with the same final tree and one done per work
# package, by every strategy. Usage: merge_kill.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"

scene() {
	make_mission "$1" "WP01:src/$1/a/**" "WP02:src/$1/b/**:WP01"
	work WP01 a "src/$1/a/a.c" "int a;"
	approve WP01
	work WP02 b "src/$1/b/b.c" "int b;"
	approve WP02
}

finished() {
	log_rows main >"$BOX/rows"
	expect_eq "$(grep -c '"to_lane": "done"' "$BOX/rows")" 2 "one done per work package"
	git cat-file -e "main:src/$1/a/a.c" && git cat-file -e "main:src/$1/b/b.c" || fail "code is missing"
	git rev-parse -q --verify "refs/kitty/closed/$MISSION" >/dev/null || fail "not closed"
	expect_eq "$(git for-each-ref refs/heads --format='%(refname:short)' | tr '\n' ' ')" "main "
	expect_eq "$(git worktree list | wc -l)" 1
	silent git status --porcelain
	[ ! -e ".git/kitty/$MISSION/merge.json" ] || fail "the record is left"
	git fsck --no-dangling >"$BOX/fsck" 2>&1 || fail "fsck"
}

sandbox
i=0
for point in merge-integrated-one merge-integrated merge-computed merge-drafts-aside merge-moved merge-closed-ref merge-lane-worktree merge-worktrees merge-lane-branch; do
	case $((i % 3)) in
	0) strategy=merge ;;
	1) strategy=squash ;;
	*) strategy=rebase ;;
	esac
	i=$((i + 1))
	say "killed at $point ($strategy)"
	scene "kill$i"
	SPEC_KITTY_FAILPOINT=$point kitty merge --mission "$MISSION" --strategy "$strategy" >"$OUT" 2>"$ERR"
	[ $? -eq 137 ] || fail "not killed"
	expect_exit 0 merge --json
	one_object "$OUT"
	finished "kill$i"
	expect_eq "$(git cat-file blob "main:kitty-specs/$MISSION/meta.json" | kitty-json-get mission_number)" "$i"
done

say "killed at any moment"
for delay in 0.02 0.05 0.08 0.12 0.16 0.2 0.25 0.3 0.4; do
	i=$((i + 1))
	say "killed after $delay s"
	scene "kill$i"
	timeout -s KILL "$delay" kitty merge --mission "$MISSION" >"$OUT" 2>"$ERR"
	# What it had started ends by itself.
	sleep 0.3
	expect_exit 0 merge --json
	finished "kill$i"
done
exit 0
