#!/bin/sh
# A healthy mission is silent at every stage, the doctor writes nothing without --fix, and --fix on a healthy mission
# does nothing; repair is refused beside a supervisor. Usage: doctor_reads_only.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/doctor.sh"
sandbox

listing() { find "$REPO" -printf '%y %m %p %l %T@\n' | sort && find "$REPO" -type f -exec sha256sum {} + | sort; }
silent() {
	listing >"$BOX/before"
	healthy "$@"
	expect_exit 0 kitty doctor "$@"
	grep -q '^nothing wrong' "$OUT" || fail "no verdict"
	listing >"$BOX/after"
	cmp -s "$BOX/before" "$BOX/after" || fail "the doctor wrote: $(diff "$BOX/before" "$BOX/after")"
}

say "every code of the table is found in a test"
sed -n 's/^KT_FINDING([A-Z_]*, "\([A-Z_]*\)".*/\1/p' "$KITTY_SOURCE/supervisor/doctor.def" >"$BOX/codes"
[ "$(wc -l <"$BOX/codes")" -ge 35 ] || fail "the table was not read"
while read -r code; do
	grep -qE "(fault|found|repaired) $code|^for version.*:$code:| $code:|:$code:" "$KITTY_SOURCE"/tests/integration/*.sh ||
		fail "no test finds $code"
done <"$BOX/codes"

say "no mission at all"
silent
say "a mission that is only drafted"
draft_mission calm "WP01:src/a/**" "WP02:src/b/**:WP01"
silent
say "finalised"
expect_exit 0 kitty agent mission finalize-tasks --mission "$MISSION"
silent --mission "$MISSION"
say "the coordination worktree not made yet"
git worktree remove --force --force "$COORD"
rm -rf ".git/kitty/$MISSION"
silent --mission "$MISSION"
expect_exit 0 kitty agent worktree repair --json
expect_json "$OUT" changed false
[ ! -e "$COORD" ] || fail "repair made a worktree that nobody missed"
say "lanes at work"
expect_exit 0 kitty implement WP01 --mission "$MISSION"
lane=.worktrees/$MISSION-lane-a
mkdir -p "$lane/src/a" && echo x >"$lane/src/a/x" && git -C "$lane" add src && git -C "$lane" commit -q -m x
echo unfinished >"$lane/src/a/y"
silent
say "a second mission, and its closed neighbour"
first=$MISSION
make_mission second "WP01:src/c/**"
silent
expect_exit 0 kitty doctor --json
expect_json "$OUT" 'missions.#' 2
expect_exit 0 kitty doctor --mission "$first" --json
expect_json "$OUT" missions "[\"$first\"]"

say "--fix on a healthy repository"
listing >"$BOX/before"
expect_exit 0 kitty doctor --fix --json
one_object "$OUT"
expect_json "$OUT" findings '[]'
listing >"$BOX/after"
cmp -s "$BOX/before" "$BOX/after" || fail "--fix wrote although nothing is wrong"

say "read-only to the last file"
chmod -R a-w .
kitty doctor --json >"$OUT" 2>"$ERR"
status=$?
chmod -R u+w .
expect_eq "$status" 0
say "a log with rows that kitty does not know keeps its bytes under --fix"
printf '{"at": "2099-01-01T00:00:00+00:00", "event_id": "7ZZZZZZZZZ0000000000000000", "event_type": "%s", "payload": {"new": true}}\n' \
	SomethingOfTomorrow >>"$COORD/kitty-specs/$MISSION/status.events.jsonl"
git -C "$COORD" commit -q -am "A row of a later version"
log_before=$(git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" | sha256sum)
rm -rf "$COORD"
expect_exit 0 kitty doctor --fix
expect_eq "$(git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" | sha256sum)" "$log_before"
silent

say "beside a supervisor repair is refused, and says whom to stop"
printf '{"pid": %s, "start_time": %s, "boot_id": "%s", "command": "kitty launch", "since": 0, "socket": "%s"}\n' \
	$$ "$(cut -d' ' -f22 /proc/$$/stat)" "$(cat /proc/sys/kernel/random/boot_id)" "$BOX/socket" \
	>".git/kitty/$MISSION/holder"
expect_exit 5 kitty agent worktree repair --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code SUPERVISOR_RUNNING
expect_json "$OUT" error.next_step "kitty stop --mission $MISSION"
rm ".git/kitty/$MISSION/holder"

say "a shape that kitty does not work with is a finding"
git init -q --bare "$BOX/bare"
expect_exit 1 kitty doctor -C "$BOX/bare" --json
one_object "$OUT"
expect_json "$OUT" findings.0.code REPOSITORY_BARE
expect_exit 3 kitty doctor --mission nothing --json
one_object "$OUT"
exit 0
