#!/bin/sh
# The target moved: its tip comes into the coordination branch, status files stay; conflicts move nothing.
# Usage: mission_sync.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
make_mission upsell 'WP01:src/a/**'
say "nothing to bring"
before=$(tip)
expect_exit 0 kitty mission sync --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" receipt.is_noop true
expect_eq "$(tip)" "$before"

say "the target's commit comes in, one commit with two parents, the log as it was"
echo new >new.txt && git add new.txt && git commit -q -m new
log_rows "$BRANCH" >"$BOX/log"
expect_exit 0 kitty mission sync --mission "$MISSION" --json
expect_eq "$(git rev-parse "$BRANCH^1")" "$before"
expect_eq "$(git rev-parse "$BRANCH^2")" "$(git rev-parse main)"
log_rows "$BRANCH" | cmp -s - "$BOX/log" || fail "the log changed"
[ -f "$COORD/new.txt" ] || fail "the worktree did not follow"
check_clean

say "a conflict moves nothing"
work WP01 a src/main.c "int mine;"
approve WP01
expect_exit 0 kitty agent tasks move-task WP01 --to "done" --mission "$MISSION"
echo "int theirs;" >src/main.c && git commit -q -am theirs
before=$(tip)
expect_exit 5 kitty mission sync --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code MERGE_CONFLICT
expect_json "$OUT" conflict.files '["src/main.c"]'
expect_eq "$(tip)" "$before"
check_clean
exit 0
