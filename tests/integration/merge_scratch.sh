#!/bin/sh
# What a merge computes before it moves anything lies in a folder below .git/kitty: a merge that was killed leaves it, the
# next one and the doctor take it away, and nobody takes a living process's. Usage: merge_scratch.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
make_mission upsell 'WP01:src/a/**'
work WP01 a src/a/a.c "int a;"
approve WP01
scratch() { find .git/kitty -maxdepth 1 -name 'objects.*' | LC_ALL=C sort; }
killed() {
	SPEC_KITTY_FAILPOINT=merge-predicted kitty merge --mission "$MISSION" >"$OUT" 2>"$ERR"
	[ $? -eq 137 ] || fail "not killed"
}

say "a dry run leaves no folder and no object"
objects=$(find .git/objects -type f | LC_ALL=C sort)
refs=$(git for-each-ref)
expect_exit 0 merge --dry-run
expect_eq "$(scratch)" "" "scratch folders"
expect_eq "$(find .git/objects -type f | LC_ALL=C sort)" "$objects" "objects"
expect_eq "$(git for-each-ref)" "$refs" "refs"

say "killed while it predicts"
killed
left=$(scratch)
[ -d "$left" ] || fail "not one folder: $left"
expect_eq "$(stat -c %a "$left")" 700 "its mode"
[ -n "$(find "$left" -type f)" ] || fail "it is empty"
[ "$(find "$BOX" -maxdepth 2 -name 'kitty-objects*' | wc -l)" = 0 ] || fail "something in TMPDIR"
expect_eq "$(find .git/objects -type f | LC_ALL=C sort)" "$objects" "objects"

say "the doctor finds it and takes it away, and leaves the folder of a living process"
start=$(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)
living=.git/kitty/objects.$$.$start.living
mkdir "$living"
kitty doctor --json >"$OUT" 2>"$ERR"
grep -q '"OBJECT_LEFTOVERS"' "$OUT" || fail "the doctor does not find it"
kitty doctor --fix --json >"$OUT" 2>"$ERR"
expect_eq "$(scratch)" "$living" "after doctor --fix"
kitty doctor --json >"$OUT" 2>"$ERR"
! grep -q '"OBJECT_LEFTOVERS"' "$OUT" || fail "the doctor finds the living one"

say "the next merge takes it away"
killed
[ "$(scratch | wc -l)" = 2 ] || fail "no folder: $(scratch)"
expect_exit 0 merge
expect_eq "$(scratch)" "$living" "after the merge"
exit 0
