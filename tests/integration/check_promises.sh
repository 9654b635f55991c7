#!/bin/sh
# kitty-check on a whole small mission, and then on copies that were damaged in one way each: it must name the
# promise every time, because a checker that finds nothing wrong proves nothing. Usage: check_promises.sh <source root>
# The damages are scripts for eval, on purpose:
# shellcheck disable=SC2016,SC2034
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
. "${KITTY_SOURCE:?}/tests/support/topology.sh"

sandbox
mkdir -p .kittify
ledger=$BOX/ledger.jsonl
printf 'kitty:\n  sinks:\n    - {name: ledger, kind: file, path: %s}\n' "$ledger" >.kittify/config.yaml
make_mission demo "WP01:src/a/**" "WP02:src/b/**"
kitty-check --note . >"$BOX/before"
work WP01 a src/a/a.c "int a;"
approve WP01
kitty agent status emit WP02 --to claimed --actor bob --mission "$MISSION" --json >"$OUT" || fail "emit"
echo "$(json "$OUT" receipt.event_ids.0) $(json "$OUT" receipt.commit_sha) bob" >"$BOX/acknowledged"
kitty agent status emit WP02 --to in_progress --actor bob --mission "$MISSION" --json >"$OUT" || fail "emit"
echo "$(json "$OUT" receipt.event_ids.0) $(json "$OUT" receipt.commit_sha) bob" >>"$BOX/acknowledged"
[ -s "$ledger" ] || fail "the sink got nothing"

check() {
	kitty-check "$REPO" "$MISSION" --acknowledged "$BOX/acknowledged" --before "$BOX/before" --sink "ledger=$ledger" "$@"
}

say "nothing is wrong, and every promise was looked at"
expect_exit 0 check
for promise in P1 P2 P3 P4 P5 P6 P7 P8 P14; do
	grep -q "^$promise *holds" "$OUT" || fail "$promise was not checked"
done
expect_exit 0 check --json
one_object "$OUT"
expect_json "$OUT" promises.P1.facts 6
expect_exit 2 kitty-check "$REPO"
expect_exit 2 kitty-check "$REPO" no-such-mission
mkdir "$BOX/saved"
cp -a "$REPO" "$BOX/acknowledged" "$ledger" "$BOX/saved/"

# damage PROMISE SCRIPT
damage() {
	say "$1 after: $2"
	rm -rf "$REPO"
	cp -a "$BOX/saved/repo" "$REPO"
	cp "$BOX/saved/acknowledged" "$BOX/acknowledged"
	cp "$BOX/saved/ledger.jsonl" "$ledger"
	cd "$REPO" || exit 2
	folder=kitty-specs/$MISSION
	(eval "$2") >"$BOX/damage" 2>&1 || fail "could not damage: $(cat "$BOX/damage")"
	expect_exit 1 check
	grep -q "^$1 *broken" "$OUT" || fail "$1 not named"
}

damage P1 'echo 01ARZ3NDEKTSV4RRFFQ69G5FAV >>$BOX/acknowledged'
damage P1 'sed -i "1s/ [0-9a-f]* bob/ $(git rev-parse main) bob/" $BOX/acknowledged'
damage P1 'sed -i "2s/ [0-9a-f]* / 0000000000000000000000000000000000000000 /" $BOX/acknowledged'
damage P2 'printf "{\"torn\": " >>$COORD/$folder/status.events.jsonl; git -C $COORD commit -qam torn'
damage P2 'rm .git/objects/$(git rev-parse "$BRANCH~1:src/main.c" | sed "s#^..#&/#")'
damage P3 'echo "{}" >>$COORD/$folder/status.events.jsonl'
damage P3 ': >.git/refs/heads/main.lock'
damage P3 ': >$COORD/$folder/status.json.1.tmp'
damage P3 'git -C $COORD rm -q --cached $folder/status.json'
damage P4 'sed -i 1d $COORD/$folder/status.events.jsonl; git -C $COORD commit -qam edited'
damage P4 'git -C $COORD rm -q $folder/status.events.jsonl; git -C $COORD commit -qm deleted'
damage P5 'sed -i "s/\"event_count\": /\"event_count\": 1/" $COORD/$folder/status.json; git -C $COORD commit -qam edited'
damage P6 'tail -n 1 $COORD/$folder/status.events.jsonl >$BOX/row; cat $BOX/row >>$COORD/$folder/status.events.jsonl; git -C $COORD commit -qam twice'
damage P6 'tac $BOX/acknowledged >$BOX/new; mv $BOX/new $BOX/acknowledged'
damage P7 'git branch stray'
damage P7 'git commit -q --allow-empty -m "on main"'
damage P7 'git worktree add -q --force $BOX/side$$ -b side; mkdir -p $BOX/side$$/$folder; echo x >$BOX/side$$/$folder/status.events.jsonl; git -C $BOX/side$$ add -A; git -C $BOX/side$$ commit -qm log; git worktree remove --force $BOX/side$$'
damage P7 'git -C $(lane a) checkout -q -b elsewhere'
damage P7 'git update-ref refs/heads/$BRANCH $BRANCH~1'
damage P8 'echo "{\"event_id\": \"01ARZ3NDEKTSV4RRFFQ69G5FAV\"}" >>$ledger'
damage P8 'sed -i 2d $ledger'
damage P14 'cd $(lane a) && mkdir -p $folder && echo x >$folder/status.json && git add --sparse -f $folder/status.json && git commit -qm smuggled'

# Without a coordination branch the lanes hold the rows, each its own.
close_box
sandbox
old_mission legacy 099-name 'WP01:src/a/**' 'WP02:src/b/**'
for wp in WP01 WP02; do
	kitty implement $wp --agent claude --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "implement $wp"
	kitty agent status emit $wp --to in_progress --actor claude --mission "$MISSION" --json >"$OUT" 2>"$ERR" || fail "emit"
	echo "$(json "$OUT" receipt.event_ids.0) $(json "$OUT" receipt.commit_sha) $wp" >>"$BOX/acknowledged"
done
say "legacy: rows of every lane are looked for, and no lane's log is strange"
expect_exit 0 kitty-check "$REPO" "$MISSION" --acknowledged "$BOX/acknowledged"
grep -q "^P1 *holds" "$OUT" || fail "P1 was not checked"
say "legacy: a row that is nowhere, or twice on one lane, is found"
echo 01ARZ3NDEKTSV4RRFFQ69G5FAV >"$BOX/nowhere"
expect_exit 1 kitty-check "$REPO" "$MISSION" --acknowledged "$BOX/nowhere"
grep -q "^P1 *broken" "$OUT" || fail "P1 not named"
cd "$(lane b)" || exit 2
tail -n 1 "kitty-specs/$MISSION/status.events.jsonl" >"$BOX/row"
cat "$BOX/row" >>"kitty-specs/$MISSION/status.events.jsonl"
git commit -qam twice
cd "$REPO" || exit 2
expect_exit 1 kitty-check "$REPO" "$MISSION" --acknowledged "$BOX/acknowledged"
grep -q "^P1 *broken.*stands 2 times" "$OUT" || fail "the second was not counted"
