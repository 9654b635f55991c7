#!/bin/sh
# Repositories and situations that kitty refuses: a code, an exit status, one JSON object, nothing changed.
# Usage: cli_refusals.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
box_open
cd "$BOX" || exit 2

refused() { # EXIT CODE COMMAND...
	wanted_exit=$1
	wanted_code=$2
	shift 2
	expect_exit "$wanted_exit" "$@" --json
	one_object "$OUT"
	expect_json "$OUT" error.code "$wanted_code"
	[ -n "$(json "$OUT" error.next_step)" ] || fail "no next step"
	[ -n "$(json "$OUT" error.message)" ] || fail "no message"
}

say "bare"
git init -q --bare bare.git
refused 4 REPOSITORY_BARE kitty -C bare.git status
refused 4 REPOSITORY_BARE kitty -C bare.git init

say "no commit yet"
git init -q empty
refused 4 REPOSITORY_EMPTY kitty -C empty agent mission create x

say "SHA-256"
if git init -q --object-format=sha256 sha256 2>/dev/null; then
	git -C sha256 commit -q --allow-empty -m one
	refused 4 REPOSITORY_SHA256 kitty -C sha256 status
fi

say "reftable, unknown extensions"
git init -q shapes
git -C shapes commit -q --allow-empty -m one
git -C shapes config core.repositoryFormatVersion 1
git config --file "$BOX/shapes/.git/config" extensions.refStorage reftable
refused 4 REPOSITORY_REFTABLE kitty -C shapes status
git config --file "$BOX/shapes/.git/config" --unset extensions.refStorage
git config --file "$BOX/shapes/.git/config" extensions.somethingNew true
refused 4 REPOSITORY_EXTENSION kitty -C shapes status

say "somebody else's repository"
if [ "$(id -u)" -eq 0 ]; then
	git init -q foreign
	git -C foreign commit -q --allow-empty -m one
	chown -R 12345:12345 foreign
	refused 4 REPOSITORY_OWNER kitty -C foreign status
fi

say "a mission in order, then everything that can be wrong with it"
git init -q repo
REPO=$BOX/repo
cd "$REPO" || exit 2
mkdir src
echo x >src/x
git add . && git commit -q -m one
refused 3 MISSION_NOT_FOUND kitty status --mission nowhere
refused 3 FEATURE_CONTEXT_UNRESOLVED kitty status
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
refused 3 MISSION_NOT_FOUND kitty status --mission ../../etc
refused 3 MISSION_NOT_FOUND kitty status --mission 01ARZ3NDEKTSV4RRFFQ69G5FAV
expect_exit 0 kitty agent status emit WP01 --to claimed --actor claude
before=$(tip)

say "detached HEAD in the coordination worktree"
git -C "$COORD" checkout -q --detach
refused 4 COORDINATION_WORKTREE_BRANCH_MISMATCH kitty agent status emit WP01 --to in_progress --actor claude
expect_eq "$(tip)" "$before"
git -C "$COORD" checkout -q "$BRANCH"

say "somebody took a file out of the branch and left it there: told, and where to look"
echo mine >"$COORD/mine.txt"
git -C "$COORD" add mine.txt && git -C "$COORD" commit -q -m "a foreign file"
expect_exit 0 kitty agent status emit WP02 --to claimed --actor claude
git -C "$COORD" rm -q --cached mine.txt && git -C "$COORD" commit -q -m "no more, but it stays here"
before=$(tip)
refused 1 BOOKKEEPING_ROLLBACK_FAILED kitty agent status emit WP02 --to in_progress --actor claude
json "$OUT" error.detail | grep -q mine.txt || fail "the file is not named"
expect_json "$OUT" error.next_step "git -C '$COORD' status"
expect_eq "$(tip)" "$before"
expect_eq "$(cat "$COORD/mine.txt")" mine
rm "$COORD/mine.txt"
expect_exit 0 kitty agent status emit WP02 --to in_progress --actor claude
before=$(tip)

say "coordination branch checked out elsewhere"
git worktree remove -f -f "$COORD"
git worktree add -q "$BOX/elsewhere" "$BRANCH"
refused 5 BRANCH_CHECKED_OUT_ELSEWHERE kitty agent status emit WP01 --to in_progress --actor claude
expect_eq "$(tip)" "$before"
git worktree remove --force "$BOX/elsewhere"

say "queries answer all the same"
expect_exit 0 kitty status --json
expect_json "$OUT" work_packages.0.lane claimed

say "edited history in the checked-out log"
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor claude
before=$(tip)
sed 's/claude/clawed/' "$LOG" >"$BOX/log" && cp "$BOX/log" "$LOG"
refused 4 EVENT_LOG_EDITED kitty agent status emit WP01 --to blocked --actor claude
cmp -s "$BOX/log" "$LOG" || fail "a refused write changed the file"
expect_eq "$(tip)" "$before"
git -C "$COORD" checkout -q -- .

say "a torn tail in the checked-out log is cut off, once, with a word"
printf '{"torn": ' >>"$LOG"
expect_exit 0 kitty agent status emit WP01 --to blocked --actor claude
[ -s "$ERR" ] || fail "nothing was said"
check_clean

say "malformed YAML, with line and column"
mkdir -p .kittify
printf 'kitty:\n  max_parallel: [1\n  hook_timeout: 3s\n' >.kittify/config.yaml
before=$(tip)
refused 1 CONFIG_INVALID kitty agent status emit WP02 --to claimed --actor claude
grep -q 'config.yaml:[0-9]*:[0-9]*: ' "$ERR" "$OUT" || fail "no line and column"
expect_eq "$(tip)" "$before"
rm -r .kittify
printf -- '---\nwork_package_id: WP02\ntitle: [x\n---\n' >"$DRAFTS/tasks/WP02-part.md"
kitty agent mission finalize-tasks --json >"$OUT" 2>"$ERR" && fail "malformed frontmatter was accepted"
one_object "$OUT"
expect_eq "$(tip)" "$before"

say "the coordination branch is gone"
git worktree remove -f -f "$COORD"
git update-ref -d "refs/heads/$BRANCH"
refused 3 COORDINATION_BRANCH_DELETED kitty status
refused 3 COORDINATION_BRANCH_DELETED kitty agent status emit WP01 --to in_progress --actor claude
git update-ref "refs/heads/$BRANCH" "$before"

say "a protected coordination branch"
mkdir -p .kittify
printf 'protection:\n  protected_branches:\n  - "kitty/mission-*"\n' >.kittify/config.yaml
expect_exit 4 kitty agent status emit WP01 --to in_progress --actor claude --json
one_object "$OUT"
expect_eq "$(tip)" "$before"
rm -r .kittify

say "a full disk and a read-only file system"
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	unshare -m sh -c '
		mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99
		kitty -C "$1" status --json >"$2" 2>"$3" || exit 98
		kitty -C "$1" agent status emit WP01 --to in_progress --actor claude --json >"$2.write" 2>>"$3"
	' sh "$REPO" "$OUT" "$ERR"
	got=$?
	if [ $got -ne 99 ]; then
		[ $got -ne 98 ] || fail "queries do not answer on a read-only file system"
		expect_eq $got 1
		one_object "$OUT"
		one_object "$OUT.write"
		expect_json "$OUT.write" error.code READ_ONLY_FILE_SYSTEM
	fi
fi
expect_eq "$(tip)" "$before"
exit 0
