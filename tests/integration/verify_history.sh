#!/bin/sh
# kitty verify: a healthy history passes, each corrupted one is named. Usage: verify_history.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
make_mission proof "WP01:src/a/**" "WP02:src/b/**"
folder=kitty-specs/$MISSION

# The broken check of the report must be this one, and the only one unless more are named.
broken() {
	expect_exit 1 kitty verify --mission "$MISSION" --json
	one_object "$OUT"
	expect_json "$OUT" ok false
	broken_names=
	for i in 0 1 2 3 4 5 6; do
		[ "$(json "$OUT" "checks.$i.ok")" = true ] || broken_names="$broken_names $(json "$OUT" "checks.$i.name")"
	done
	expect_eq "$broken_names" " $*" "broken promises"
}

# A commit by hand on the coordination branch, in its worktree, as somebody who knows no rules would make it.
commit_by_hand() {
	git -C "$COORD" add -A && git -C "$COORD" commit -q --no-verify --allow-empty -m "by hand" || exit 2
}
good=
remember() { good=$(tip); }
back() {
	git -C "$COORD" reset -q --hard "$good"
	expect_exit 0 kitty verify --mission "$MISSION"
}

say "a healthy mission"
expect_exit 0 kitty verify --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" mission "$MISSION"
expect_json "$OUT" commits 1
expect_json "$OUT" ok true
expect_exit 0 kitty implement WP01 --mission "$MISSION"
expect_exit 0 kitty agent tasks move-task WP01 --to blocked --reason waiting --agent operator --mission "$MISSION"
unset_files=$(find .git -newer "$ERR" -type f | head -n 3)
expect_exit 0 kitty verify --mission "$MISSION" --json
expect_json "$OUT" ok true
expect_eq "$(json "$OUT" events)" "$(grep -c . "$LOG")" "events"
[ "$(json "$OUT" commits)" -ge 3 ] || fail "too few commits"
expect_exit 0 kitty verify
grep -q 'every promise holds' "$OUT" || fail "no verdict"
[ ! -s "$ERR" ] || fail "a progress line without a terminal"
remember

say "verify writes nothing"
: "$unset_files"
find . -type f -exec sha256sum {} + | sort >"$BOX/before"
expect_exit 0 kitty verify
find . -type f -exec sha256sum {} + | sort >"$BOX/after"
cmp -s "$BOX/before" "$BOX/after" || fail "verify changed a file"

say "a row is changed"
sed -i 's/canonical bootstrap/canonical Bootstrap/' "$LOG"
kitty agent status materialize --dir "$COORD/$folder" --stdout >"$BOX/snapshot"
cp "$BOX/snapshot" "$COORD/$folder/status.json"
commit_by_hand
broken append-only
json "$OUT" checks.0.detail | grep -q 'changes line' || fail "the line is not named"
expect_json "$OUT" checks.0.commit "$(tip)"
say "it stays broken when later commits are sound"
expect_exit 0 kitty agent tasks move-task WP02 --to blocked --reason later --agent operator --mission "$MISSION"
broken append-only
back

say "rows are removed at the end"
sed -i '$d' "$LOG"
kitty agent status materialize --dir "$COORD/$folder" --stdout >"$BOX/snapshot"
cp "$BOX/snapshot" "$COORD/$folder/status.json"
commit_by_hand
broken append-only
json "$OUT" checks.0.detail | grep -q 'cuts the log' || fail "the cut is not named"
back

say "the log is deleted, and made again"
cp "$LOG" "$BOX/log"
cp "$COORD/$folder/status.json" "$BOX/status.json"
git -C "$COORD" rm -q "$folder/status.events.jsonl" "$folder/status.json"
commit_by_hand
broken append-only
cp "$BOX/log" "$LOG"
cp "$BOX/status.json" "$COORD/$folder/status.json"
commit_by_hand
broken append-only
json "$OUT" checks.0.detail | grep -q 'deletes the log' || fail "the deletion is not named"
back

say "the whole folder is deleted, and made again"
cp -r "$COORD/$folder" "$BOX/folder"
git -C "$COORD" rm -q -r kitty-specs
commit_by_hand
git -C "$COORD" commit -q --allow-empty -m "something else"
mkdir -p "$COORD/kitty-specs"
cp -r "$BOX/folder" "$COORD/$folder"
commit_by_hand
broken append-only commits
back

say "an id stands twice"
tail -n 1 "$LOG" >"$BOX/row"
cat "$BOX/row" >>"$LOG"
kitty agent status materialize --dir "$COORD/$folder" --stdout >"$BOX/snapshot"
cp "$BOX/snapshot" "$COORD/$folder/status.json"
commit_by_hand
broken ids order
back

say "the snapshot is not the log's"
sed -i 's/"done": 0/"done": 1/' "$COORD/$folder/status.json"
echo >>"$COORD/$folder/status.json"
commit_by_hand
broken snapshot
back

say "a commit that adds nothing"
git -C "$COORD" commit -q --allow-empty -m "nothing"
broken commits
back

say "a row that cannot be read"
echo '{"torn' >>"$LOG"
commit_by_hand
broken snapshot
back

say "a backdated row that came to the branch later"
sed -n '$p' "$LOG" | sed -e 's/"at": "[^"]*"/"at": "2020-01-01T00:00:00+00:00"/' \
	-e 's/"event_id": "[^"]*"/"event_id": "01AAAAAAAAAAAAAAAAAAAAAAAA"/' >>"$LOG"
kitty agent status materialize --dir "$COORD/$folder" --stdout >"$BOX/snapshot"
cp "$BOX/snapshot" "$COORD/$folder/status.json"
commit_by_hand
broken order
json "$OUT" checks.3.detail | grep -q "$(git -C "$COORD" rev-parse --short=12 HEAD)" || fail "the commit is not named"
back

say "in what other programs wrote before, it is a warning"
. "$KITTY_SOURCE/tests/support/topology.sh"
first=$MISSION
coordination_log=$LOG
old_mission lanes 098-imported 'WP01:src/imported/**'
sed -n '$p' "$LOG" | sed -e 's/"at": "[^"]*"/"at": "2020-01-01T00:00:00+00:00"/' \
	-e 's/"event_id": "[^"]*"/"event_id": "01AAAAAAAAAAAAAAAAAAAAAAAA"/' >>"$LOG"
kitty agent status materialize --dir "$DRAFTS" --stdout >"$BOX/snapshot"
cp "$BOX/snapshot" "$DRAFTS/status.json"
git commit -q -am "Written by another program"
expect_exit 0 kitty verify --mission 098-imported --json
[ "$(json "$OUT" 'checks.3.warnings.#')" -ge 1 ] || fail "no warning"
git switch -q main
MISSION=$first
LOG=$coordination_log

say "a lane writes a status file"
lane=.worktrees/$MISSION-lane-a
mkdir -p "$lane/$folder"
git cat-file blob "$BRANCH:$folder/status.events.jsonl" >"$lane/$folder/status.events.jsonl"
echo '{}' >>"$lane/$folder/status.events.jsonl"
git -C "$lane" add --sparse "$folder/status.events.jsonl"
git -C "$lane" commit -q -m poison
broken lanes
json "$OUT" checks.5.detail | grep -q "$(git -C "$lane" rev-parse --short=12 HEAD)" || fail "the commit is not named"
git -C "$lane" reset -q --hard HEAD^
git -C "$lane" sparse-checkout reapply
expect_exit 0 kitty verify

say "the checked-out log is not the committed one"
echo '{"x": 1}' >>"$LOG"
broken "working copy"
git -C "$COORD" checkout -q -- .
expect_exit 0 kitty verify

say "without a worktree, and closed"
git worktree remove --force --force "$COORD"
expect_exit 0 kitty verify --mission "$MISSION"
git update-ref "refs/kitty/closed/$MISSION" "$(tip)"
git worktree remove --force --force "$lane"
git branch -q -D "$BRANCH-lane-a" "$BRANCH"
rm -rf "$DRAFTS"
expect_exit 0 kitty verify --mission "$MISSION" --json
expect_json "$OUT" ok true

say "no such mission"
expect_exit 3 kitty verify --mission nothing --json
one_object "$OUT"
exit 0
