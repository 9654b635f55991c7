#!/bin/sh
# Every command that writes, from a checkout of main, a subfolder, a detached HEAD, a lane and the coordination worktree, in
# a repository without .gitignore: before the merge neither main nor HEAD nor git's status of the primary checkout moves,
# whatever the message or the environment claims to be. Usage: mutating_places.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
export SUBTASKS="T001"
sandbox
mkdir -p docs/deep && echo text >docs/deep/file && git add . && git commit -q -m "A folder"
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**' 'WP04:src/d/**' 'WP05:src/e/**'
kitty implement WP01 --agent claude --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "implement WP01"

state() {
	git -C "$REPO" rev-parse main HEAD
	cat "$REPO/.git/HEAD"
	git -C "$REPO" --no-optional-locks status --porcelain --untracked-files=all -- . ':!kitty-specs'
	git -C "$REPO" for-each-ref refs/heads refs/remotes refs/tags | grep -v "$BRANCH"
	sha256sum "$REPO/.git/index"
}

from() { # PLACE COMMAND...: succeeds there, and main is where it was
	place=$1
	shift
	state >"$BOX/before"
	(cd "$place" && "$@") >"$OUT" 2>"$ERR" || fail "exit $? in $place: $*"
	state >"$BOX/after"
	cmp -s "$BOX/before" "$BOX/after" || { diff "$BOX/before" "$BOX/after" >&2; fail "moved by '$*' in $place"; }
}

round() { # PLACE WP LANE: everything that a work package goes through
	say "$1: $2"
	from "$1" kitty implement "$2" --agent claude --mission "$MISSION"
	from "$1" kitty agent action implement "$2" --agent claude --mission "$MISSION"
	from "$1" kitty agent tasks mark-status T001 --status "done" --wp "$2" --mission "$MISSION"
	from "$1" kitty agent tasks add-history "$2" --note "a word" --mission "$MISSION"
	from "$1" kitty agent status emit "$2" --to in_progress --actor claude --mission "$MISSION"
	mkdir -p "$(lane "$3")/src/$3" && echo x >"$(lane "$3")/src/$3/x.c"
	git -C "$(lane "$3")" add -A && git -C "$(lane "$3")" commit -q -m "Work"
	from "$1" kitty agent tasks move-task "$2" --to for_review --mission "$MISSION"
	from "$1" kitty agent action review "$2" --agent codex --mission "$MISSION"
	from "$1" kitty agent tasks move-task "$2" --to approved --agent codex --mission "$MISSION"
	from "$1" kitty agent tasks move-task "$2" --to "done" --mission "$MISSION"
	from "$1" kitty agent worktree repair --mission "$MISSION"
	from "$1" kitty doctor --fix --mission "$MISSION"
	from "$1" kitty agent mission finalize-tasks --mission "$MISSION"
}

round "$REPO" WP01 a
round "$REPO/docs/deep" WP02 b
git checkout -q --detach
round "$REPO" WP03 c
git checkout -q main
kitty implement WP05 --agent claude --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "implement WP05"
round "$(lane e)" WP05 e
round "$COORD" WP04 d
check_clean

say "no message, no name and no variable opens a protected branch"
echo changed >>src/main.c
for message in "chore: WP01 claimed for implementation [claude]" "chore: mission bookkeeping" "Merge mission"; do
	for variable in SPEC_KITTY_ALLOW_PROTECTED=1 SPEC_KITTY_FORCE=1 SPEC_KITTY_IN_TRANSACTION=1 SPEC_KITTY_TEST_MODE=1 CI=1; do
		state >"$BOX/before"
		(export "${variable?}" && kitty safe-commit src/main.c -m "$message" --to-branch main --json) >"$OUT" 2>"$ERR"
		expect_eq $? 4 "exit status with $variable and '$message'"
		expect_json "$OUT" error.code SAFE_COMMIT_PROTECTED_BRANCH
		state >"$BOX/after"
		cmp -s "$BOX/before" "$BOX/after" || fail "main moved with $variable and '$message'"
	done
done
exit 0
