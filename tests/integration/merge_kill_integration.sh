#!/bin/sh
# An integration killed at any moment: the row and the merge are there together or not at all, and the next command
# leaves a clean coordination worktree. Usage: merge_kill_integration.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
SUBTASKS=T001 make_mission upsell 'WP01:src/1/**' 'WP02:src/2/**' 'WP03:src/3/**' 'WP04:src/4/**' 'WP05:src/5/**' 'WP06:src/6/**'
i=0
for delay in 0.03 0.05 0.07 0.09 0.12 0.15; do
	i=$((i + 1))
	wp=WP0$i
	lane=$(printf '%s' abcdef | cut -c$i)
	work "$wp" "$lane" "src/$i/x.c" "int x$i;"
	kitty agent tasks mark-status T001 --status "done" --wp "$wp" --mission "$MISSION" >"$OUT" 2>"$ERR" || fail mark-status
	approve "$wp"
	say "$wp killed after $delay s"
	timeout -s KILL "$delay" kitty agent tasks move-task "$wp" --to "done" --mission "$MISSION" >"$OUT" 2>"$ERR"
	rows=$(log_rows "$BRANCH" | grep "\"wp_id\": \"$wp\"" | grep -c '"to_lane": "done"')
	files=$(git ls-tree -r --name-only "$BRANCH" -- "src/$i/x.c" | wc -l)
	expect_eq "$rows" "$files" "row and merge together"
	# What it had started ends by itself.
	sleep 0.2
	kitty agent tasks move-task "$wp" --to "done" --mission "$MISSION" >"$OUT" 2>"$ERR"
	expect_exit 0 kitty agent tasks mark-status T001 --status "done" --wp "$wp" --mission "$MISSION"
	check_clean
	[ -f "$COORD/src/$i/x.c" ] || fail "the worktree did not follow"
	expect_eq "$(log_rows "$BRANCH" | grep "\"wp_id\": \"$wp\"" | grep -c lane_integrated)" 1
done
exit 0
