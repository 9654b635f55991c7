#!/bin/sh
# What real writers do is a path of the model of the transaction (tests/model): emits, repetitions, refusals, hooks that
# refuse, move the branch and kill, a supervisor killed again and again. And a trace that is bent is none: an acceptor
# that takes everything proves nothing. Usage: model_trace.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
accept=$KITTY_BIN/tests/model_accept
[ -x "$accept" ] || accept=$(find "$KITTY_BIN" -name model_accept -type f | head -n 1)
sandbox
make_mission traced 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**' 'WP04:src/d/**'
trace=$BOX/trace
export SPEC_KITTY_TRACE="$trace"
emit() { kitty agent status emit "$@" --json >"$OUT" 2>"$ERR"; }
accepted() {
	"$accept" "$trace" >"$OUT" 2>"$ERR" || fail "the trace is no path: $(cat "$ERR")"
	grep -qE "$1" "$OUT" || fail "not $1"
}

say "emits, a repetition, a conflict, refusals by rule"
id=01J6XW9KQT7M0YB3N4R5CQZ2EX
emit WP01 --to claimed --actor claude --event-id $id || fail "no emit"
emit WP01 --to claimed --actor claude --event-id $id || fail "no repetition"
emit WP02 --to claimed --actor codex --event-id $id && fail "other content under the same id"
emit WP02 --to approved --actor codex && fail "an illegal move"
emit WP01 --to in_progress --actor claude || fail "no second emit"
accepted ' 5 batches, 0 kills, 0 foreign'

say "eight at once"
for n in 1 2 3 4 5 6 7 8; do
	kitty agent status emit WP0$((n % 3 + 2)) --to claimed --actor "agent-$n" >/dev/null 2>&1 &
done
wait
accepted ' 0 kills, 0 foreign'

say "a hook refuses, another moves the branch under the writer's hands"
hook pre-commit <<'EOT'
#!/bin/sh
exit 1
EOT
emit WP01 --to blocked --actor claude --reason x && fail "the hook was not heard"
hook pre-commit <<EOT
#!/bin/sh
unset GIT_INDEX_FILE
[ -e "$BOX/moved" ] && exit 0
: >"$BOX/moved"
git update-ref "refs/heads/$BRANCH" "\$(git commit-tree -p "refs/heads/$BRANCH" -m intruder "refs/heads/$BRANCH^{tree}")"
EOT
emit WP01 --to blocked --actor claude --reason x || fail "a foreign commit was not survived"
[ -e "$BOX/moved" ] || fail "the hook did not move the branch"
accepted ' 0 kills, 1 foreign'
grep -q ' swap worktree ' "$trace" || fail "no swap was lost"

say "killed by its hook, then before and after the branch has moved"
hook pre-commit <<'EOT'
#!/bin/sh
kill -9 $PPID
EOT
emit WP01 --to in_progress --actor claude && fail "it lives"
rm "$(git rev-parse --path-format=absolute --git-common-dir)/hooks/pre-commit"
for phase in prepared committed; do
	# The parent of git, which is this hook's parent, is kitty. Without it git goes on, unless the hook says no.
	hook reference-transaction <<EOT
#!/bin/sh
[ "\$1" = $phase ] || exit 0
kill -9 "\$(sed 's/.*) . \\([0-9]*\\) .*/\\1/' "/proc/\$PPID/stat")"
exit 1
EOT
	emit WP01 --to in_progress --actor claude --event-id 01J6XW9KQT7M0YB3N4R5CQZ2EY && fail "it lives: $phase"
	rm "$(git rev-parse --path-format=absolute --git-common-dir)/hooks/reference-transaction"
done
emit WP01 --to in_progress --actor claude --event-id 01J6XW9KQT7M0YB3N4R5CQZ2EY || fail "not healed"
expect_json "$OUT" receipt.is_noop true
accepted ' 3 kills, 1 foreign'

say "bent traces"
bent() { # WHAT COMMAND...
	what=$1
	shift
	"$@" "$trace" >"$BOX/bent" || fail "$what: $1 failed"
	cmp -s "$trace" "$BOX/bent" && fail "$what: nothing was bent"
	"$accept" "$BOX/bent" >"$OUT" 2>"$ERR" && fail "accepted: $what"
	return 0
}
bent "a receipt of what a hook refused" sed '/ hooks answer /s/:e$/:o/'
bent "no swap" sed '0,/ swap files /{/ swap files /d}'
bent "no heal after the lock" sed '0,/ heal gate /{/ heal gate /d}'
bent "a receipt without files" sed '0,/ files answer /{/ files answer /d}'
bent "a first commit called a repetition" sed '0,/ files answer /s/:o$/:n/'
bent "a repetition that is written again" sed '0,/:n$/s/ build answer \(.*\):n$/ build swap \1:b/'
# The second process takes the lock right behind the first one.
# shellcheck disable=SC2016
bent "a lock that two hold" awk '
	FNR == 1 { file++; if (file == 1) first = $1 }
	file == 1 && !second && $1 != first { second = $1 }
	file == 1 { if ($1 == second && !full) { early = early $0 "\n"; full = $3 == "worktree" } next }
	$1 == second && !past { past = $3 == "worktree"; next }
	{ print }
	$1 == first && $3 == "worktree" { printf "%s", early }' "$trace"
unset SPEC_KITTY_TRACE

say "a git that outlives the writer that started it keeps its lock"
mkfifo "$BOX/landed" "$BOX/go"
hook reference-transaction <<EOT
#!/bin/sh
[ -e "$BOX/once" ] && [ "\$1" != committed ] && exit 0
[ "\$1" = prepared ] && : >"$BOX/once" && kill -9 "\$(sed 's/.*) . \\([0-9]*\\) .*/\\1/' "/proc/\$PPID/stat")" && cat "$BOX/go"
[ "\$1" = committed ] && echo landed >"$BOX/landed"
exit 0
EOT
emit WP01 --to blocked --actor claude --reason x --event-id 01J6XW9KQT7M0YB3N4R5CQZ2EZ && fail "it lives"
lock=$(git rev-parse --path-format=absolute --git-common-dir)/refs/heads/$BRANCH.lock
[ -e "$lock" ] || fail "no lock"
emit WP01 --to blocked --actor claude --reason x --event-id 01J6XW9KQT7M0YB3N4R5CQZ2EZ && fail "the lock of a living git was broken"
[ -e "$lock" ] || fail "the lock of a living git is gone"
echo go >"$BOX/go"
cat "$BOX/landed" >/dev/null
rm "$(git rev-parse --path-format=absolute --git-common-dir)/hooks/reference-transaction"
emit WP01 --to blocked --actor claude --reason x --event-id 01J6XW9KQT7M0YB3N4R5CQZ2EZ || fail "not found again"
expect_json "$OUT" receipt.is_noop true
check_clean

say "supervisors killed while they write"
export SPEC_KITTY_TRACE="$BOX/stress"
trace=$BOX/stress
TMPDIR=$BOX/tmp kitty-stress --lanes 5 --events 10 --seed 7 --kill-supervisor 5 --no-baseline >"$BOX/report" 2>&1 ||
	fail "kitty-stress: $(cat "$BOX/report")"
accepted 'a path of the model'
