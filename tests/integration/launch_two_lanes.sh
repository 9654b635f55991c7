#!/bin/sh
# Two agents at once in two lanes: what they are given, what they may do, what is committed.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
SUBTASKS="T001 T002"
sandbox
make_mission pair "WP01:src/a/**" "WP02:src/b/**"
before=$(git rev-parse HEAD; sha256 .git/index; cat .git/HEAD)

cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >"$BOX/prompt-$SPEC_KITTY_WP"
env >"$BOX/env-$SPEC_KITTY_WP"
ls -l /proc/self/fd >"$BOX/fd-$SPEC_KITTY_WP"
grep -E 'SigBlk|SigIgn' /proc/self/status >"$BOX/sig-$SPEC_KITTY_WP"
command -v kitty >"$BOX/which-$SPEC_KITTY_WP"
touch "$BOX/here-$SPEC_KITTY_WP"
# Both at once, or this never ends well.
for i in 1 2 3 4 5 6 7 8 9 10; do
	[ -e "$BOX/here-WP01" ] && [ -e "$BOX/here-WP02" ] && break
	sleep 0.5
done
[ -e "$BOX/here-WP01" ] && [ -e "$BOX/here-WP02" ] || exit 9
echo "I work on $SPEC_KITTY_WP"
if [ "$SPEC_KITTY_WP" = WP01 ]; then
	kitty agent tasks move-task WP02 --to blocked --reason mine --json >"$BOX/foreign"
	echo $? >"$BOX/foreign-exit"
	kitty agent tasks mark-status T001 --wp WP01 --status done >"$BOX/mark" 2>&1 || { cat "$BOX/mark"; exit 8; }
	kitty stop --json >"$BOX/stop"
	echo $? >"$BOX/stop-exit"
	kitty watch --json >"$BOX/watch"
	echo $? >"$BOX/watch-exit"
	spec-kitty agent tasks status --json >"$BOX/status" || exit 7
fi
mkdir -p "src/$SPEC_KITTY_LANE"
echo work >"src/$SPEC_KITTY_LANE/file"
git add src
git commit -q -m "$SPEC_KITTY_WP: done"
AGENT
chmod +x "$BOX/agent"
export BOX

say "launch"
GIT_TRACE_SETUP=0 expect_exit 0 kitty launch --lanes a,lane-b --json -- "$BOX/agent"
one_object "$OUT"
expect_json "$OUT" result success
expect_json "$OUT" work_packages.0.lane for_review
expect_json "$OUT" work_packages.1.lane for_review

say "a lane moves only its own work packages"
expect_eq "$(cat "$BOX/foreign-exit")" 4
expect_json "$BOX/foreign" error.code LANE_FOREIGN_WP

say "it neither stops the supervisor nor watches"
for what in stop watch; do
	expect_eq "$(cat "$BOX/$what-exit")" 4
	expect_json "$BOX/$what" error.code LANE_REQUEST_REFUSED
done

say "the agent's surroundings"
for wp in WP01 WP02; do
	grep -q "^SPEC_KITTY_MISSION=$MISSION\$" "$BOX/env-$wp" || fail "no mission in $wp"
	grep -q "^SPEC_KITTY_WP=$wp\$" "$BOX/env-$wp" || fail "no WP in $wp"
	grep -q "^SPEC_KITTY_SOCKET=/" "$BOX/env-$wp" || fail "no socket in $wp"
	grep -q "^GIT_TRACE" "$BOX/env-$wp" && fail "GIT_ variables reach $wp"
	grep -v -E ' [0-3] -> ' "$BOX/fd-$wp" | grep -q -- '->' && fail "descriptors leak into $wp: $(cat "$BOX/fd-$wp")"
	expect_eq "$(grep -c '0000000000000000$' "$BOX/sig-$wp")" 2 "masks without a signal: $(cat "$BOX/sig-$wp")"
	case $(cat "$BOX/which-$wp") in
	"$REPO/.git/kitty/$MISSION/bin/kitty") ;;
	*) fail "another kitty is first on PATH: $(cat "$BOX/which-$wp")" ;;
	esac
	grep -q "Do what $wp says" "$BOX/prompt-$wp" || fail "the prompt of $wp lacks the work package"
	grep -q "move-task $wp" "$BOX/prompt-$wp" || fail "the prompt of $wp names no commands"
done

say "one commit per request, subtasks in the request that hands over"
expect_eq "$(git log --format=%s "$BRANCH" | grep -c claimed)" 2
expect_eq "$(git log --format=%s "$BRANCH" | grep -c 'in_progress -> for_review')" 2
expect_exit 0 kitty agent status materialize --dir "$COORD/kitty-specs/$MISSION" --stdout
cp "$OUT" "$BOX/snapshot"
expect_json "$BOX/snapshot" work_packages.WP01.subtasks.T002 "done"
expect_json "$BOX/snapshot" work_packages.WP02.subtasks.T001 "done"
check_clean

say "the primary checkout is as before"
expect_eq "$(git rev-parse HEAD; sha256 .git/index; cat .git/HEAD)" "$before"
silent git -C ".worktrees/$MISSION-lane-a" status --porcelain

say "logs"
expect "I work on WP01" kitty logs a
expect "I work on WP02" kitty logs -n 1 lane-b

say "nothing is left to run: again, and nothing is written"
tip=$(tip)
expect_exit 0 kitty launch --lanes all --json -- "$BOX/agent"
expect_eq "$(tip)" "$tip"
expect_exit 7 kitty ps
[ -e ".git/kitty/$MISSION/holder" ] && fail "the holder file is left"
silent ls "$XDG_RUNTIME_DIR/kitty"
exit 0
