#!/bin/sh
# materialize and validate on folders outside any repository. Usage: cli_logs.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
box_open
cd "$BOX" || exit 2

listing() { (cd "$1" && find . -type f -exec sha256sum {} + | sort); }

say "vectors"
count=0
for vector in "$KITTY_SOURCE"/tests/vectors/reducer/vec-*; do
	[ -f "$vector/expected.json" ] || [ -f "$vector/status.json" ] || continue
	expected=$vector/expected.json
	[ -f "$expected" ] || expected=$vector/status.json
	kitty agent status materialize --dir "$vector" --stdout >"$OUT" 2>"$ERR" || continue
	cmp -s "$OUT" "$expected" || fail "$vector differs"
	count=$((count + 1))
	[ "$count" -ge 20 ] && break
done
[ "$count" -ge 20 ] || fail "only $count vectors were compared"

folder=$BOX/mission
mkdir "$folder"
say "a missing log is an empty mission"
expect_exit 0 kitty agent status materialize --dir "$folder" --stdout
expect_json "$OUT" event_count 0
expect_json "$OUT" summary.planned 0
: >"$folder/status.events.jsonl"
cp "$OUT" "$BOX/first"
expect_exit 0 kitty agent status materialize --dir "$folder" --stdout
cmp -s "$OUT" "$BOX/first" || fail "an empty log differs from a missing one"

row() { # id, from, to, at
	printf '{"actor": "claude", "at": "%s", "event_id": "%s", "evidence": null, "execution_mode": "worktree", "force": false, "from_lane": "%s", "mission_slug": "x-01ABCDEF", "policy_metadata": null, "reason": null, "review_ref": null, "to_lane": "%s", "wp_id": "WP01"}\n' \
		"$4" "$1" "$2" "$3"
}
row 01ARZ3NDEKTSV4RRFFQ69G5FA1 genesis planned 2026-01-01T00:00:00+00:00 >"$folder/status.events.jsonl"
row 01ARZ3NDEKTSV4RRFFQ69G5FA2 planned claimed 2026-01-01T00:00:01+00:00 >>"$folder/status.events.jsonl"
printf '{\n  "mission_type": "software-dev",\n  "mission_number": 7\n}\n' >"$folder/meta.json"

say "materialize"
before=$(listing "$folder")
expect_exit 0 kitty agent status materialize --dir "$folder" --stdout
one_object "$OUT"
expect_json "$OUT" work_packages.WP01.lane claimed
expect_json "$OUT" mission_number 7
expect_json "$OUT" event_count 2
expect_exit 0 kitty agent status materialize --dir "$folder" --stdout --json
one_object "$OUT"

say "validate"
expect_exit 0 kitty agent status validate --dir "$folder"
grep -q 'valid' "$OUT" || fail "nothing said"
expect_exit 0 kitty agent status validate --dir "$folder" --json
one_object "$OUT"
expect_json "$OUT" valid true
expect_json "$OUT" rows 2
expect_eq "$(listing "$folder")" "$before" "the commands wrote files"

say "every bad row is named"
echo 'garbage' >>"$folder/status.events.jsonl"
echo '{"event_type": "Anything"}' >>"$folder/status.events.jsonl"
echo '{"kind": "unheard-of"}' >>"$folder/status.events.jsonl"
printf '{"torn": ' >>"$folder/status.events.jsonl"
expect_exit 1 kitty agent status validate --dir "$folder"
for line in 3 5 6; do
	grep -q "^$folder/status.events.jsonl:$line: " "$OUT" || fail "line $line is not named"
done
! grep -q "^$folder/status.events.jsonl:4: " "$OUT" || fail "an unknown event type was refused"
grep -q '\[EVENT_INVALID\]$' "$ERR" || fail "no code"
expect_exit 1 kitty agent status validate --dir "$folder" --json
one_object "$OUT"
expect_json "$OUT" error.code EVENT_INVALID
expect_json "$OUT" problems.# 3
expect_json "$OUT" problems.1.line 5
expect_exit 1 kitty agent status materialize --dir "$folder" --stdout
grep -q 'line 3' "$ERR" || fail "materialize does not name the line"
[ ! -s "$OUT" ] || fail "half a snapshot was printed"
expect_exit 1 kitty agent status materialize --dir "$folder" --stdout --json
one_object "$OUT"

say "terminal escapes in a log do not reach the terminal"
row 01ARZ3NDEKTSV4RRFFQ69G5FA1 '\u001b]0;x\u0007' planned 2026-01-01T00:00:00+00:00 >"$folder/status.events.jsonl"
printf '\033]0;x\007\n' >>"$folder/status.events.jsonl"
expect_exit 1 kitty agent status validate --dir "$folder"
grep -qF ']0;x' "$OUT" || fail "the value is not told"
! grep -q "$(printf '\033')" "$OUT" "$ERR" || fail "an escape sequence was printed"

say "bad meta.json, no such folder"
: >"$folder/status.events.jsonl"
echo '{' >"$folder/meta.json"
expect_exit 1 kitty agent status materialize --dir "$folder" --stdout
grep -q '\[META_INVALID\]$' "$ERR" || fail "no META_INVALID"
expect_exit 2 kitty agent status materialize --dir "$BOX/nowhere" --stdout
expect_exit 2 kitty agent status validate --dir "$BOX/nowhere" --json
one_object "$OUT"

say "a long log and a long row"
rm "$folder/meta.json"
seq 1 20000 | awk '{printf "{\"actor\": \"a\", \"at\": \"2026-01-01T00:00:%09.6f+00:00\", \"event_id\": \"01ARZ3NDEKTSV4RRFFQ%07d\", \"evidence\": null, \"execution_mode\": \"worktree\", \"force\": true, \"from_lane\": \"planned\", \"mission_slug\": \"x-01ABCDEF\", \"policy_metadata\": null, \"reason\": \"r\", \"review_ref\": null, \"to_lane\": \"planned\", \"wp_id\": \"WP%02d\"}\n", $1 / 1000, $1, $1 % 20}' >"$folder/status.events.jsonl"
long=$(head -c 1000000 /dev/zero | tr '\0' x)
printf '{"actor": "a", "at": "2026-01-01T00:01:00+00:00", "event_id": "01ARZ3NDEKTSV4RRFFZZZZZZZZ", "evidence": null, "execution_mode": "worktree", "force": true, "from_lane": "planned", "mission_slug": "x-01ABCDEF", "policy_metadata": null, "reason": "%s", "review_ref": null, "to_lane": "blocked", "wp_id": "WP01"}\n' "$long" >>"$folder/status.events.jsonl"
expect_exit 0 kitty agent status materialize --dir "$folder" --stdout
expect_json "$OUT" event_count 20001
expect_json "$OUT" work_packages.WP01.lane blocked
exit 0
