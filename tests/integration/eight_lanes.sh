#!/bin/sh
# Eight lanes, all of which edit one shared file, two of them the same line: the merge takes them in the plan's order, names
# the one conflict once, leaves every lane as it is, and the clean ones go in unaffected. Usage: eight_lanes.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
sandbox
seq 80 >shared.txt && git add shared.txt && git commit -q -m "Shared"
make_mission eight 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**' 'WP04:src/d/**' 'WP05:src/e/**' 'WP06:src/f/**' \
	'WP07:src/g/**' 'WP08:src/h/**'
export SPEC_KITTY_MISSION="$MISSION"
line=5
for pair in WP01:a WP02:b WP03:c WP04:d WP05:e WP06:f WP07:g WP08:h; do
	[ "$pair" != WP06:f ] || line=5 # the line of WP01
	work "${pair%:*}" "${pair#*:}" "src/${pair#*:}/x.c" "int x;"
	sed -i "s/^$line\$/${pair%:*}/" "$(lane "${pair#*:}")/shared.txt"
	git -C "$(lane "${pair#*:}")" commit -q -am "${pair%:*} on line $line"
	[ "$pair" != WP06:f ] || line=50
	line=$((line + 9))
done
for wp in 1 2 3 4 5 6 7 8; do approve "WP0$wp"; done

say "the one conflict, named once, and nothing moves"
freeze >"$BOX/before"
for again in 1 2; do
	expect_exit 5 merge --dry-run --json
	json "$OUT" integrated >"$BOX/said$again"
	expect_json "$OUT" conflict.wp_id WP06
	expect_json "$OUT" conflict.files '["shared.txt"]'
	frozen
done
cmp -s "$BOX/said1" "$BOX/said2" || fail "the second dry run says something else"
expect_exit 5 merge
expect_eq "$(grep -c '^conflict: shared.txt$' "$ERR")" 1 "times that the conflict is named"
frozen

say "the clean ones go in, in the plan's order"
expect_exit 0 kitty agent tasks move-task WP06 --to in_progress --reason "resolve the conflict" --agent claude
for wp in 1 2 3 4 5 7 8; do expect_exit 0 kitty agent tasks move-task "WP0$wp" --to "done"; done
git cat-file blob "$BRANCH:shared.txt" >"$BOX/shared"
for wp in 1 2 3 4 5 7 8; do grep -qx "WP0$wp" "$BOX/shared" || fail "the line of WP0$wp is lost"; done
! grep -q WP06 "$BOX/shared" || fail "what conflicts went in"

say "the last one after its conflict was resolved in the lane"
git -C "$(lane f)" merge -q "$BRANCH" >/dev/null 2>&1 && fail "git sees no conflict"
sed -i -e '/^<<<<<<<\|^=======\|^>>>>>>>/d' "$(lane f)/shared.txt"
git -C "$(lane f)" commit -q -am "Both lines"
expect_exit 0 kitty agent tasks move-task WP06 --to approved --agent claude
expect_exit 0 merge --json
git cat-file blob main:shared.txt >"$BOX/shared"
for wp in 1 2 3 4 5 6 7 8; do grep -qx "WP0$wp" "$BOX/shared" || fail "the line of WP0$wp is lost"; done
expect_eq "$(log_rows main | grep '"to_lane": "done"' | grep -o '"wp_id": "WP0[1-8]"' | tr -d '\n')" \
	"$(for wp in 1 2 3 4 5 7 8 6; do printf '"wp_id": "WP0%s"' $wp; done)" "the order"
exit 0
