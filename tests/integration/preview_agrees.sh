#!/bin/sh
# What is foretold is what happens: along random courses of missions (fixed seeds) every work package that is called ready
# can be started and every other one cannot, next's preview names what next hands out, and merge --dry-run gives the exit
# status, code and work packages of the merge that follows. Usage: preview_agrees.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
outer_tmp=${TMPDIR:-/tmp}
POLICY='{"orchestrator_id":"orc","orchestrator_version":"0.4.0","agent_family":"claude","approval_mode":"auto","sandbox_mode":"none","network_mode":"off","dangerous_flags":[]}'

pick() { # N: a number below N
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	picked=$((seed / 65536 % $1))
}

status_of() { kitty status --json 2>/dev/null >"$BOX/status" && json "$BOX/status" "work_packages.$(($1 - 1)).lane"; }

ready_ones() {
	kitty orchestrator-api list-ready --mission "$MISSION" >"$BOX/ready" 2>"$ERR" || fail "list-ready"
	grep -o '"wp_id": *"WP0[1-5]"' "$BOX/ready" | grep -o 'WP0[1-5]' | tr '\n' ' '
}

# Every planned work package that is not ready is refused, and nothing comes of it.
others_refused() {
	for n in 1 2 3 4 5; do
		case " $ready " in *" WP0$n "*) continue ;; esac
		[ "$(status_of $n)" = planned ] || continue
		before=$(tip)
		kitty implement "WP0$n" --agent claude >"$OUT" 2>"$ERR" && fail "WP0$n is not ready, and was started"
		kitty orchestrator-api start-implementation --mission "$MISSION" --wp "WP0$n" --actor claude --policy "$POLICY" \
			>"$OUT" 2>"$ERR" && fail "WP0$n is not ready, and was started by the other way"
		expect_eq "$(tip)" "$before" "the branch"
		refusals=$((refusals + 2))
	done
}

start_one() { # of the ready ones, by one of the ways to start
	set -- $ready
	[ $# -gt 0 ] || return 0
	pick $#
	shift "$picked"
	pick 3
	case $picked in
	0) expect_exit 0 kitty implement "$1" --agent claude ;;
	1) expect_exit 0 kitty agent action implement "$1" --agent claude ;;
	2) expect_exit 0 kitty orchestrator-api start-implementation --mission "$MISSION" --wp "$1" --actor claude --policy "$POLICY" ;;
	esac
	started=$((started + 1))
	letter=$(echo "${1#WP0}" | tr 12345 abcde)
	mkdir -p "$(lane "$letter")/src/$letter"
	echo "$1" >"$(lane "$letter")/src/$letter/x.c"
	# In one course two lanes conflict that nothing waits for.
	[ "$course" -ne 42 ] || [ "${1#WP0}" -lt 4 ] || echo "$1" >"$(lane "$letter")/shared.txt"
	git -C "$(lane "$letter")" add -A && git -C "$(lane "$letter")" commit -q -m "$1"
}

move_one() {
	pick 5
	n=$((picked + 1))
	case $(status_of $n) in
	claimed | in_progress) kitty agent tasks move-task "WP0$n" --to for_review --agent claude >"$OUT" 2>"$ERR" ;;
	for_review | in_review) kitty agent tasks move-task "WP0$n" --to approved --agent claude >"$OUT" 2>"$ERR" ;;
	approved) kitty agent tasks move-task "WP0$n" --to "done" >"$OUT" 2>"$ERR" ;;
	esac
}

merge_foretold() {
	merge --dry-run --json >"$BOX/foretold" 2>"$ERR"
	foretold=$?
	merge --json >"$BOX/happened" 2>"$ERR"
	expect_eq "$?" "$foretold" "the merge's exit status"
	foretellings=$((foretellings + 1))
	for member in error.code conflict.wp_id conflict.files conflict.stage integrated removed kept strategy target_branch; do
		expect_eq "$(json "$BOX/happened" $member 2>/dev/null)" "$(json "$BOX/foretold" $member 2>/dev/null)" "$member"
	done
}

started=0 refusals=0 foretellings=0 merged=0
for seed in 1 7 42 1348; do
	course=$seed
	sandbox
	make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**:WP01' 'WP03:src/c/**:WP01' 'WP04:src/d/**:WP02,WP03' 'WP05:src/e/**'
	export SPEC_KITTY_MISSION="$MISSION"
	for step in $(seq 30); do
		say "course $course, step $step"
		ready=$(ready_ones)
		pick 4
		case $picked in
		0) others_refused ;;
		1) start_one ;;
		*) move_one ;;
		esac
		[ $((step % 10)) -ne 0 ] || merge_foretold
		git rev-parse -q --verify "refs/heads/$BRANCH" >/dev/null || break
	done
	say "course $course, to its end"
	for n in 1 2 3 4 5; do
		ready=WP0$n
		[ "$(status_of $n)" != planned ] || start_one
		for to in for_review approved; do kitty agent tasks move-task "WP0$n" --to $to --agent claude >"$OUT" 2>"$ERR"; done
	done
	merge_foretold
	git rev-parse -q --verify "refs/heads/$BRANCH" >/dev/null || merged=$((merged + 1))
	cd / || exit 2
	rm -rf "$BOX"
	export TMPDIR="$outer_tmp"
done

say "the courses went somewhere"
OUT='' ERR=''
[ $started -ge 8 ] && [ $refusals -ge 20 ] && [ $foretellings -ge 8 ] && [ $merged -ge 2 ] ||
	fail "$started starts, $refusals refusals, $foretellings merges foretold, $merged merged"
exit 0
