#!/bin/sh
# watch: every committed row once, in order, live and from an event on; logs -f.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
make_mission seen "WP01:a/**" "WP02:b/**"
export BOX
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
touch "$BOX/up-$SPEC_KITTY_WP"
while [ ! -e "$BOX/go" ]; do sleep 0.05; done
echo "line of $SPEC_KITTY_WP"
echo done >done.txt
AGENT
chmod +x "$BOX/agent"
first=$(tail -n 1 "$LOG" | sed 's/.*"event_id": "\([0-9A-Z]*\)".*/\1/')

say "without a supervisor"
expect_exit 7 kitty watch --json
expect_exit 7 kitty watch --json --since "$first"
expect_exit 2 kitty watch --since 01AAAAAAAAAAAAAAAAAAAAAAAA

say "from now on, and from an event on"
kitty launch --lanes a,b -- "$BOX/agent" >"$BOX/launch" 2>&1 &
pid=$!
for _ in $(seq 100); do [ -e "$BOX/up-WP01" ] && [ -e "$BOX/up-WP02" ] && break; sleep 0.1; done
kitty watch --json --since "$first" >"$BOX/since" 2>"$BOX/since.err" &
since=$!
kitty watch --json >"$BOX/live" 2>/dev/null &
live=$!
kitty watch >"$BOX/text" 2>/dev/null &
text=$!
for _ in $(seq 100); do [ "$(wc -l <"$BOX/since")" -ge 4 ] && break; sleep 0.1; done
for _ in $(seq 100); do [ "$(kitty ps --json | kitty-json-get supervisor.watchers)" -ge 3 ] && break; sleep 0.1; done
at=$(wc -l <"$LOG")
touch "$BOX/go"
wait "$pid"
expect_eq $? 0
wait "$since"
expect_eq $? 0
wait "$live"
expect_eq $? 0
wait "$text"
ids() { sed 's/.*"event_id": "\([0-9A-Z]*\)".*/\1/' "$1"; }
ids "$LOG" | sed "1,/$first/d" >"$BOX/wanted"
ids "$BOX/since" >"$BOX/got"
cmp -s "$BOX/wanted" "$BOX/got" || fail "since: $(diff "$BOX/wanted" "$BOX/got")"
ids "$LOG" | tail -n +"$((at + 1))" >"$BOX/wanted"
ids "$BOX/live" >"$BOX/got"
cmp -s "$BOX/wanted" "$BOX/got" || fail "live: $(diff "$BOX/wanted" "$BOX/got")"
grep -q "WP01 in_progress -> for_review" "$BOX/text" || fail "text: $(cat "$BOX/text")"

say "each line is one object, with the commit that holds the row"
head -n 1 "$BOX/live" >"$BOX/one"
commit=$(json "$BOX/one" commit)
git merge-base --is-ancestor "$commit" "$BRANCH" || fail "$commit is not on the branch"

say "without a supervisor, since an event: what is committed, then exit 7"
expect_exit 7 kitty watch --since "$first"
grep -q "WP02 in_progress -> for_review" "$OUT" || fail "nothing is shown"
grep -q SUPERVISOR_ABSENT "$ERR" || fail "nothing is said"

say "logs -f: a lane that has no log yet, one that grows, the next attempt's"
logs=.git/kitty/$MISSION/logs
shown() { for _ in $(seq 200); do grep -qx "$1" "$BOX/follow" && return; sleep 0.05; done; fail "'$1' is not shown"; }
rm -rf "$logs"
kitty logs -f a >"$BOX/follow" 2>&1 &
follow=$!
mkdir -p "$logs/lane-a"
echo first >"$logs/lane-a/1.log"
ln -s 1.log "$logs/lane-a/current"
shown first
echo second >>"$logs/lane-a/1.log"
shown second
printf 'no end' >>"$logs/lane-a/1.log"
echo third >"$logs/lane-a/2.log"
ln -s 2.log "$logs/lane-a/.draft"
mv -f "$logs/lane-a/.draft" "$logs/lane-a/current"
shown third
expect_eq "$(tr '\n' ' ' <"$BOX/follow")" "first second no end third "
kill "$follow"
wait "$follow" 2>/dev/null

say "logs -f ends when nobody reads any more, though nothing comes"
expect_eq "$(timeout 60 kitty logs -f a | head -n 1)" third
exit 0
