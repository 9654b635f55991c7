#!/bin/sh
# mission close --discard, mission restore, killed anywhere. Usage: close_discard.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
# A sibling whose name begins the same, made first: nothing of it may change.
make_mission alpha-beta 'WP01:src/a/**'
SIBLING=$MISSION
kitty implement WP01 --agent claude --mission "$SIBLING" >/dev/null 2>&1 || fail "implement of the sibling"
echo work >"$REPO/.worktrees/$SIBLING-lane-a/sibling.txt"
make_mission alpha 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**'
for wp in WP01 WP02; do
	kitty implement $wp --agent claude --mission "$MISSION" >/dev/null 2>&1 || fail "implement $wp"
done
A=$REPO/.worktrees/$MISSION-lane-a
B=$REPO/.worktrees/$MISSION-lane-b
mkdir -p "$A/src/a" "$B/src/b"
echo committed >"$A/src/a/a.c"
git -C "$A" add -A
git -C "$A" commit -q -m "work on WP01"
echo untracked >"$A/src/a/new.c"
echo changed >>"$A/src/main.c"
rm -f "$B/src/main.c"
echo staged >"$B/src/b/b.c"
git -C "$B" add src/b/b.c
TIP=$(tip)
TIP_A=$(git rev-parse "$BRANCH-lane-a")
TIP_B=$(git rev-parse "$BRANCH-lane-b")
# The primary checkout has business of its own.
echo mine >"$REPO/untracked"
echo half >>"$REPO/src/main.c"
git -C "$REPO" add src/main.c
photo() {
	git -C "$REPO" status --porcelain=v2 --untracked-files=all
	git -C "$REPO" rev-parse HEAD main "kitty/mission-$SIBLING" "kitty/mission-$SIBLING-lane-a"
	git -C "$REPO/.worktrees/$SIBLING-lane-a" status --porcelain
	cat "$REPO/untracked" "$REPO/src/main.c" "$REPO/.worktrees/$SIBLING-lane-a/sibling.txt"
	sha256sum "$REPO/.git/index"
}
photo >"$BOX/before"

say "not merged: refused"
expect_exit 4 kitty mission close --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code MISSION_NOT_MERGED
expect_eq "$(tip)" "$TIP"

say "nothing to restore"
expect_exit 3 kitty mission restore --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code TRASH_NOT_FOUND

say "a worktree that somebody locked stays, and the run says so"
git worktree unlock "$B"
git worktree lock --reason "do not touch" "$B"
expect_exit 1 kitty mission close --discard --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code CLOSE_INCOMPLETE
grep -q 'the worktree is locked: do not touch' "$OUT" || fail "the reason is not told"
[ -d "$B" ] || fail "the locked worktree is gone"
[ ! -e "$A" ] || fail "the other worktree is there"
git rev-parse -q --verify "refs/heads/$BRANCH" >/dev/null || fail "the coordination branch is gone although something remains"
git worktree unlock "$B"
git worktree lock --reason "kitty:$MISSION" "$B"

say "run again, it finishes"
expect_exit 0 kitty mission close --discard --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" result success
expect_json "$OUT" remaining 0
gone() {
	[ -z "$(git for-each-ref "refs/heads/$BRANCH" "refs/heads/$BRANCH-*")" ] || fail "branches remain: $(git for-each-ref "refs/heads/$BRANCH*")"
	[ -z "$(find "$REPO/.worktrees" -maxdepth 1 -name "$MISSION*")" ] || fail "worktrees remain"
	! git worktree list --porcelain | grep -q "/$MISSION-" || fail "registrations remain"
	photo >"$BOX/now"
	diff "$BOX/before" "$BOX/now" >&2 || fail "something else changed"
	git fsck --no-dangling >"$BOX/fsck" 2>&1 || fail "fsck: $(cat "$BOX/fsck")"
	expect_eq "$(git rev-parse "refs/kitty/trash/$MISSION/coordination")" "$TIP"
	expect_eq "$(git rev-parse "refs/kitty/trash/$MISSION/heads/lane-a")" "$TIP_A"
	expect_eq "$(git rev-parse "refs/kitty/trash/$MISSION/heads/lane-b")" "$TIP_B"
	expect_eq "$(git cat-file blob "refs/kitty/trash/$MISSION/lane-a:src/a/new.c")" untracked
	expect_eq "$(git cat-file blob "refs/kitty/trash/$MISSION/lane-b:src/b/b.c")" staged
}
gone
expect_exit 0 kitty mission close --discard --mission "$MISSION"
gone
expect_exit 0 kitty status --mission "$MISSION" --json
expect_json "$OUT" total_wps 3

say "and can be had back"
expect_exit 0 kitty mission restore --mission "$MISSION" --json
one_object "$OUT"
back() {
	expect_eq "$(tip)" "$TIP"
	expect_eq "$(git rev-parse "$BRANCH-lane-a")" "$TIP_A"
	expect_eq "$(cat "$A/src/a/new.c")" untracked
	expect_eq "$(tail -n 1 "$A/src/main.c")" changed
	[ ! -e "$B/src/main.c" ] || fail "the deleted file is there"
	expect_eq "$(cat "$B/src/b/b.c")" staged
	[ -z "$(git for-each-ref "refs/kitty/trash/$MISSION/")" ] || fail "the trash is not empty"
	[ -z "$(git for-each-ref "refs/kitty/closed/")" ] || fail "the mission is still closed"
	check_clean
	expect_exit 0 kitty agent tasks add-history WP01 --note "back again" --mission "$MISSION"
	TIP=$(tip)
}
back

say "killed between any two steps, a plain run again completes"
mkdir "$BOX/shim"
GIT=$(command -v git)
cat >"$BOX/shim/git" <<EOT
#!/bin/sh
n=\$((\$(cat "$BOX/calls") + 1))
echo \$n >"$BOX/calls"
[ \$n -ne \$(cat "$BOX/victim") ] || { kill -9 \$PPID; exit 1; }
exec "$GIT" "\$@"
EOT
chmod +x "$BOX/shim/git"
kill_at() {
	echo 0 >"$BOX/calls"
	echo "$1" >"$BOX/victim"
	shift
	PATH="$BOX/shim:$PATH" "$@" >"$OUT" 2>"$ERR"
}
victim=1
while :; do
	kill_at $victim kitty mission close --discard --mission "$MISSION"
	status=$?
	if [ $status -ne 0 ]; then
		expect_exit 0 kitty mission close --discard --mission "$MISSION"
	fi
	gone
	expect_exit 0 kitty mission restore --mission "$MISSION"
	[ "$(cat "$A/src/a/new.c")" = untracked ] || fail "lost at call $victim"
	[ $status -ne 0 ] || break
	victim=$((victim + 1))
done
[ $victim -gt 10 ] || fail "only $victim calls were killed"
back

say "killed in the middle of a restore"
for victim in 3 6 9 14; do
	expect_exit 0 kitty mission close --discard --mission "$MISSION"
	kill_at $victim kitty mission restore --mission "$MISSION"
	expect_exit 0 kitty mission restore --mission "$MISSION"
	expect_eq "$(cat "$A/src/a/new.c")" untracked
done
back

say "a branch of that name with other work is not overwritten"
expect_exit 0 kitty mission close --discard --mission "$MISSION"
git branch "$BRANCH-lane-a" main
expect_exit 5 kitty mission restore --mission "$MISSION" --json
expect_json "$OUT" error.code REF_MOVED
expect_eq "$(git rev-parse "$BRANCH-lane-a")" "$(git rev-parse main)"
git branch -D -q "$BRANCH-lane-a"
expect_exit 0 kitty mission restore --mission "$MISSION"

say "not while a supervisor runs"
kitty-json-get >/dev/null 2>&1 <<'EOT' || fail "no kitty-json-get"
{}
EOT
sleep 1000 &
sleeper=$!
mkdir -p "$REPO/.git/kitty/$MISSION"
start=$(cut -d' ' -f22 "/proc/$sleeper/stat")
printf '{"pid": %s, "start_time": %s, "boot_id": "%s", "command": "kitty launch", "since": "now", "socket": "/nowhere", "mission_id": "%s", "slug": "%s", "mid8": ""}' \
	"$sleeper" "$start" "$(cat /proc/sys/kernel/random/boot_id)" "$MISSION_ID" "$MISSION" >"$REPO/.git/kitty/$MISSION/holder"
kitty mission close --discard --mission "$MISSION" --json >"$OUT" 2>"$ERR"
status=$?
kill $sleeper
expect_eq $status 5 "exit status while a supervisor runs"
one_object "$OUT"
expect_json "$OUT" error.code SUPERVISOR_RUNNING
json "$OUT" error.next_step | grep -q "kitty stop --mission $MISSION" || fail "kitty stop is not named"
rm "$REPO/.git/kitty/$MISSION/holder"

say "old trash goes out"
expect_exit 0 kitty mission close --discard --mission "$MISSION"
old=$(GIT_COMMITTER_DATE="@1000000000 +0000" GIT_AUTHOR_DATE="@1000000000 +0000" git commit-tree -m old "$(git mktree </dev/null)")
git update-ref "refs/kitty/trash/$MISSION/manifest" "$old"
expect_exit 0 kitty mission close --discard --mission "$SIBLING"
[ -z "$(git for-each-ref "refs/kitty/trash/$MISSION/")" ] || fail "the old trash is there"
[ -n "$(git for-each-ref "refs/kitty/trash/$SIBLING/")" ] || fail "the new trash is gone"
exit 0
