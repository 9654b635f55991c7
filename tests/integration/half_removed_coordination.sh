#!/bin/sh
# rm -rf of the coordination worktree that our own write overtakes leaves a folder without .git: it is set aside, whole,
# and the worktree made again. A folder where kitty never had a worktree is nobody's to move.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
make_mission halves "WP01:a/**" "WP02:b/**"

say "the rest of a worktree is set aside"
find "$COORD" -mindepth 1 -maxdepth 1 ! -name kitty-specs -exec rm -rf {} +
echo mine >"$COORD/mine.txt"
expect_exit 0 kitty agent tasks move-task WP01 --to claimed
check_clean
kept=$(find .git/kitty/"$MISSION"/quarantine -name mine.txt)
expect_eq "$(cat "$kept")" mine

say "an unregistered folder stays, and is told"
git worktree unlock "$COORD" 2>/dev/null
git worktree remove --force "$COORD"
mkdir -p "$COORD"
echo mine >"$COORD/mine.txt"
kitty agent tasks move-task WP02 --to claimed >"$BOX/said" 2>&1 && fail "it was written nevertheless"
grep -q BOOKKEEPING_WORKTREE_MISSING "$BOX/said" || fail "$(cat "$BOX/said")"
expect_eq "$(cat "$COORD/mine.txt")" mine
exit 0
