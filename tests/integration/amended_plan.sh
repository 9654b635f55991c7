#!/bin/sh
# The plan changes after work has begun: six work packages, the plan amended once the first is under way, the other five
# started without a conflict; work packages added and canceled in mid-flight leave lanes and approvals alone, and a second
# finalisation writes nothing. Usage: amended_plan.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
sandbox
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**' 'WP04:src/d/**' 'WP05:src/e/**' 'WP06:src/f/**'
export SPEC_KITTY_MISSION="$MISSION"
work WP01 a src/a/a.c "int a;"

say "the plan is amended"
for document in spec plan; do
	printf '\nAmended.\n' >>"$DRAFTS/$document.md"
done
printf '\nMore detail.\n' >>"$DRAFTS/tasks/WP02-part.md"
expect_exit 0 kitty agent mission finalize-tasks
git cat-file blob "$BRANCH:kitty-specs/$MISSION/spec.md" | grep -q Amended || fail "the amendment was not carried over"

say "the other five start"
for pair in WP02:b WP03:c WP04:d WP05:e WP06:f; do
	work "${pair%:*}" "${pair#*:}" "src/${pair#*:}/x.c" "int x;"
done
approve WP01
git cat-file blob "$BRANCH:kitty-specs/$MISSION/lanes.json" >"$BOX/lanes"

say "one is added, one is canceled"
wp_write "$DRAFTS/tasks/WP07-late.md" WP07 'src/g/**' 'WP01'
expect_exit 0 kitty agent tasks move-task WP06 --to canceled --override-reason "not wanted any more" --agent ada
expect_exit 0 kitty agent mission finalize-tasks
git cat-file blob "$BRANCH:kitty-specs/$MISSION/lanes.json" >"$BOX/lanes-now"
for i in 0 1 2 3 4 5; do
	for member in lane_id wp_ids; do
		expect_json "$BOX/lanes-now" "lanes.$i.$member" "$(json "$BOX/lanes" "lanes.$i.$member")"
	done
done
expect_exit 0 kitty status --json
expect_json "$OUT" by_lane.approved 1
expect_json "$OUT" by_lane.canceled 1
work WP07 g src/g/g.c "int g;"
git -C "$(lane g)" merge-base --is-ancestor "$(git -C "$(lane a)" rev-parse HEAD)" HEAD || fail "WP07 lacks WP01"

say "again: nothing is written"
before=$(tip)
expect_exit 0 kitty agent mission finalize-tasks
expect_eq "$(tip)" "$before" "the branch"

say "started work is not taken away, and a circle is told by each command"
mv "$DRAFTS/tasks/WP03-part.md" "$BOX/"
! kitty agent mission finalize-tasks --json >"$OUT" 2>"$ERR" || fail "started work was taken away"
one_object "$OUT"
mv "$BOX/WP03-part.md" "$DRAFTS/tasks/"
cp "$DRAFTS/tasks/WP01-part.md" "$BOX/"
sed -i 's/^dependencies: \[\]/dependencies:\n- WP07/' "$DRAFTS/tasks/WP01-part.md"
for again in 1 2; do
	! kitty agent mission finalize-tasks --json >"$OUT" 2>"$ERR" || fail "a circle was taken, time $again"
	grep -q 'WP01' "$OUT" || fail "the circle is not named"
done
expect_eq "$(tip)" "$before" "the branch"
cp "$BOX/WP01-part.md" "$DRAFTS/tasks/"

say "the merge"
for wp in WP02 WP03 WP04 WP05 WP07; do approve $wp; done
expect_exit 0 merge --json
for folder in a b c d e g; do
	[ -n "$(git ls-tree "main:src/$folder")" ] || fail "main lacks src/$folder"
done
not_in main src/f/x.c "canceled work was merged"
exit 0
