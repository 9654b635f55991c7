#!/bin/sh
# Six kinds of hooks, each doing thirteen things a hook may do, at one move each: the move is committed, or it is rolled
# back with its code and not one byte of log, snapshot, index and branch differs. Usage: hostile_hooks.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
sandbox
kitty init >"$OUT" || fail init
sed -i 's/^  hook_timeout: .*/  hook_timeout: 300ms/' .kittify/config.yaml
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
expect_exit 0 kitty agent status emit WP01 --to claimed --actor claude
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor claude
hooks=$REPO/.git/hooks
to=blocked
kinds='pre-commit prepare-commit-msg commit-msg post-commit reference-transaction post-checkout'
deeds='0 1 7 255 killed hang interpreter plain rewrites edits deletes background calls'

body() { # DEED: the hook's text
	# A reference-transaction hook speaks for every ref of every program: this one only while a move is prepared.
	guard="case \$0 in *reference-transaction) grep -q ' refs/heads/$BRANCH\$' && [ \"\$1\" = prepared ] || exit 0 ;; esac"
	[ "$1" = interpreter ] && echo '#!/no/such/interpreter' && return
	echo '#!/bin/sh'
	echo "$guard"
	log="$LOG"
	case $1 in
	killed) echo "kill -9 \$\$" ;;
	hang) echo 'trap "" TERM HUP INT; sleep 600 & sleep 600' ;;
	plain) echo 'exit 9' ;;
	rewrites) echo "sed -i s/WP01/WP02/ '$log'" ;;
	edits) echo "echo edited >>'$COORD/src/main.c'" ;;
	deletes) echo "rm -f '$log'" ;;
	background) echo 'sleep 600 & exit 0' ;;
	calls) echo 'unset SPEC_KITTY_SOCKET; kitty agent status emit WP02 --to claimed --actor claude --mission '"$MISSION" ;;
	*) echo "exit $1" ;;
	esac
}

# What must come of it: ok, or the refusal's exit status and code.
outcome() { # KIND DEED
	case $1:$2 in
	*:0 | *:background | *:plain) echo ok ;;
	post-commit:* | post-checkout:*) echo ok ;;
	reference-transaction:rewrites | reference-transaction:edits | reference-transaction:deletes) echo ok ;;
	*) echo 8:BOOKKEEPING_COMMIT_FAILED ;;
	esac
}

state() {
	tip
	sha256sum "$LOG" "${LOG%/*}/status.json" "$COORD/src/main.c"
	git -C "$COORD" ls-files -s | sha256sum
	git rev-parse main
}
committed() { git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl"; }
turn() { # the other status than the one it is in
	rows=$(committed | wc -l)
	kitty agent status emit WP01 --to "$to" --actor claude --reason turn --mission "$MISSION" --json >"$OUT" 2>"$ERR"
}

moved() {
	expect_eq "$(committed | wc -l)" $((rows + 1)) "rows"
	[ $to = blocked ] && to=in_progress || to=blocked
	cell_is ok
}
rolled_back() { # CODE
	expect_json "$OUT" error.code "$1"
	expect_json "$OUT" rejected_by "$kind"
	state | cmp -s - "$BOX/before" || fail "it left a trace: $(state | diff "$BOX/before" -)"
	cell_is code
}

# What these two did to the files comes after the last look at them: the move is committed, and the next command meets an
# edited history with its refusal, whose printed command puts it right; a missing log it heals.
after_the_swap() { # DEED
	case $1 in
	rewrites)
		gives 4 EVENT_LOG_EDITED kitty agent status emit WP01 --to "$to" --actor claude --reason turn
		expect_exit 0 sh -c "$(json "$OUT" error.next_step)"
		;;
	deletes)
		turn || fail "no healing"
		moved
		;;
	edits) git -C "$COORD" restore src/main.c ;;
	esac
}

one_hook() { # KIND DEED
	kind=$1
	cell "+$1: $2" || return
	body "$2" >"$hooks/$1"
	[ "$2" = plain ] || chmod +x "$hooks/$1"
	state >"$BOX/before"
	turn
	got=$?
	rm -f "$hooks/$1"
	want=$(outcome "$1" "$2")
	one_object "$OUT"
	expect_eq "$got" "$(echo "$want" | sed 's/ok/0/; s/:.*//')" "the exit status"
	case $want in
	ok) moved ;;
	*) rolled_back "${want#*:}" ;;
	esac
	case $1 in post-commit | reference-transaction) [ "$want" != ok ] || after_the_swap "$2" ;; esac
	silent git -C "$COORD" status --porcelain
	committed | cmp -s - "$LOG" || fail "the log is not the committed one"
}

for hook_kind in $kinds; do
	for deed in $deeds; do
		one_hook "$hook_kind" "$deed"
	done
done
check_clean

say "post-checkout does not even run when a lane is made"
body 1 >"$hooks/post-checkout" && chmod +x "$hooks/post-checkout"
works kitty implement WP02 --agent claude --mission "$MISSION" && cell_is ok
rm "$hooks/post-checkout"

# A relative core.hooksPath means the folder in each worktree.
for place in absolute relative; do
	cell "+core.hooksPath, $place" || continue
	[ $place = absolute ] && folder=$BOX/team/hooks || folder=team-hooks
	[ $place = absolute ] && made=$folder || made=$COORD/team-hooks
	mkdir -p "$made"
	printf '#!/bin/sh\nexit 3\n' >"$made/pre-commit" && chmod +x "$made/pre-commit"
	git config core.hooksPath "$folder"
	[ $place = absolute ] || echo /team-hooks/ >>.git/info/exclude
	state >"$BOX/before"
	kind=pre-commit
	turn
	expect_eq $? 8 "the exit status"
	rolled_back BOOKKEEPING_COMMIT_FAILED
	rm -r "$made" && git config --unset core.hooksPath
done
check_clean

say "nothing that a hook started has stayed, but what it put behind itself"
for process in /proc/[0-9]*; do
	grep -qsz "^KITTY_TEST_BOX=$BOX$" "$process/environ" && grep -qsz '^600$' "$process/cmdline" && echo "$process"
done >"$BOX/left"
[ "$(wc -l <"$BOX/left")" -le 6 ] || fail "hooks still run: $(cat "$BOX/left")"
matrix_end 20 "hooks x deeds"
exit 0
