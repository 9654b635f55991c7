#!/bin/sh
# Every command of supervisor/cli/commands.def, helpers and aliases included, succeeds once and fails once with --json:
# each time exactly one object on standard output and nothing else there; streams print one object per line. A command
# without both cases fails this test. Usage: json_both_ways.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox

: >"$BOX/ran"
run_json() { # EXIT PATH ARGUMENTS...
	wanted=$1
	path=$2
	shift 2
	say "$path $*"
	# The path is words.
	# shellcheck disable=SC2086
	timeout 60 kitty $path --json "$@" >"$OUT" 2>"$ERR" </dev/null
	got=$?
	[ "$got" -eq "$wanted" ] || fail "exit $got instead of $wanted"
}

succeeds() { # PATH ARGUMENTS...
	run_json 0 "$@"
	one_object "$OUT"
	! json "$OUT" error.code >/dev/null 2>&1 || fail "success with an error in it"
	echo "succeeds $path" >>"$BOX/ran"
}

fails() { # EXIT CODE PATH ARGUMENTS...
	wanted_exit=$1
	wanted_code=$2
	shift 2
	run_json "$wanted_exit" "$@"
	one_object "$OUT"
	case $path in
	orchestrator-api*) expect_json "$OUT" error_code "$wanted_code" ;;
	*) expect_json "$OUT" error.code "$wanted_code" ;;
	esac
	echo "fails $path" >>"$BOX/ran"
}

streams() { # PATH ARGUMENTS...: one object per line, at least one
	run_json 0 "$@"
	[ -s "$OUT" ] || fail "nothing was streamed"
	cp "$OUT" "$BOX/stream"
	while IFS= read -r line; do
		printf '%s\n' "$line" >"$BOX/line"
		one_object "$BOX/line"
	done <"$BOX/stream"
	echo "succeeds $path" >>"$BOX/ran"
}

commit_in() { # LANE FILE
	mkdir -p "$(dirname "$1/$2")"
	echo "int work;" >"$1/$2"
	git -C "$1" add -A
	git -C "$1" commit -q -m "Work on $2" || fail "commit in $1"
}
lane() { echo "$REPO/.worktrees/$MISSION-lane-$1"; }
unknown="--mission nowhere"

succeeds help
fails 2 USAGE_ERROR help no such command
succeeds version
fails 2 USAGE_ERROR version more
succeeds init
fails 2 USAGE_ERROR init more
succeeds "agent setup"
fails 3 PROJECT_ROOT_UNRESOLVED "agent setup" -C /
git add -A && git commit -q -m "Set up"

for path in "mission create" "agent mission create"; do
	succeeds "$path" "made-by-${path%% *}"
	fails 2 MISSION_SLUG_INVALID "$path" "No Slug"
done
for path in "mission list" "mission ls"; do
	succeeds "$path"
	fails 3 PROJECT_ROOT_UNRESOLVED "$path" -C /
done
for path in "mission finalize-tasks" "agent mission finalize-tasks"; do
	draft_mission "plan-$(printf %.5s "$path")" 'WP01:src/a/**'
	succeeds "$path" --mission "$MISSION"
	fails 3 MISSION_NOT_FOUND "$path" --mission nowhere
done

export SUBTASKS="T001"
make_mission main-one 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**' 'WP04:src/d/**'
export SPEC_KITTY_MISSION="$MISSION"
for path in status st "agent tasks status" "agent tasks list-tasks" "agent status history" verify doctor outbox \
	"agent status materialize" "agent status validate" "agent worktree repair"; do
	case $path in
	*materialize) more=--stdout ;;
	*) more= ;;
	esac
	# shellcheck disable=SC2086
	succeeds "$path" $more
	# shellcheck disable=SC2086
	fails 3 MISSION_NOT_FOUND "$path" $more $unknown
done
succeeds "agent context resolve" --action implement --wp-id WP01
fails 3 WP_NOT_FOUND "agent context resolve" --action implement --wp-id WP77
succeeds next --agent claude
fails 3 MISSION_NOT_FOUND next --agent claude --mission nowhere
succeeds implement WP01 --agent claude
fails 5 WP_ALREADY_CLAIMED implement WP01 --agent codex
succeeds "agent action implement" WP02 --agent codex
fails 5 WP_ALREADY_CLAIMED "agent action implement" WP02 --agent claude
succeeds "agent tasks mark-status" T001 --status "done" --wp WP01
fails 2 INVALID_ARGUMENT "agent tasks mark-status" T009 --status "done" --wp WP01
succeeds "agent tasks add-history" WP01 --note "half way"
fails 3 WP_NOT_FOUND "agent tasks add-history" WP77 --note "nobody's"
succeeds "agent status emit" WP01 --to in_progress --actor claude
fails 4 TRANSITION_REJECTED "agent status emit" WP01 --to "done" --actor claude
commit_in "$(lane a)" src/a/a.c
succeeds "agent tasks move-task" WP01 --to for_review
fails 3 WP_NOT_FOUND "agent tasks move-task" WP77 --to for_review
succeeds "agent action review" WP01 --agent opus
fails 3 WP_NOT_FOUND "agent action review" WP77 --agent opus
git switch -q -c aside
echo more >more.txt
succeeds safe-commit more.txt -m "More" --to-branch aside
fails 4 SAFE_COMMIT_HEAD_MISMATCH safe-commit more.txt -m "More" --to-branch main
git switch -q main
succeeds "mission sync"
fails 3 MISSION_NOT_FOUND "mission sync" --mission nowhere

# The helpers that the supervisor starts.
succeeds "internal coordination"
succeeds "internal coordination-sync" --since "$(tip)"
succeeds "internal outbox"
succeeds "internal lane-prepare" --lane lane-c
since=$(git -C "$(lane c)" rev-parse HEAD)
succeeds "internal lane-inspect" --lane lane-c --since "$since"
echo left >"$(lane c)/left.c"
succeeds "internal lane-commit" --lane lane-c --since "$since" --wp WP03 --title "Left" --agent claude --max-bytes 1000000
succeeds "internal lane-review" --lane lane-a
succeeds "internal lane-sync" --lane lane-c --wp WP03 --point claim
succeeds "internal integrate" --lane lane-c --commit "$(git -C "$(lane c)" rev-parse HEAD)" --onto "$(tip)"
succeeds "internal lane-gate" --lane lane-c --commit "$(git -C "$(lane c)" rev-parse HEAD)"
for helper in coordination coordination-sync outbox lane-prepare lane-inspect lane-commit lane-review lane-sync integrate lane-gate; do
	case $helper in
	coordination-sync) more="--since $since" ;;
	lane-gate) more="--lane lane-c --commit $since" ;;
	lane-prepare | lane-inspect) more="--lane lane-c --since $since" ;;
	lane-commit) more="--lane lane-c --since $since --wp WP03 --title Left --agent claude --max-bytes 1000000" ;;
	lane-review) more="--lane lane-a" ;;
	lane-sync) more="--lane lane-c --wp WP03 --point claim" ;;
	integrate) more="--lane lane-c --commit $since --onto $since" ;;
	*) more= ;;
	esac
	# shellcheck disable=SC2086
	fails 3 MISSION_NOT_FOUND "internal $helper" $more $unknown
done

# A supervisor, its streams, its end.
make_mission launched 'WP01:src/a/**' 'WP02:src/b/**'
export SPEC_KITTY_MISSION="$MISSION"
for path in watch ps stop; do
	fails 7 SUPERVISOR_ABSENT $path
done
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
echo "at work on $SPEC_KITTY_WP"
kitty agent tasks mark-status T001 --wp "$SPEC_KITTY_WP" --status "done" >/dev/null
mkdir -p "src/$SPEC_KITTY_LANE" && echo x >"src/$SPEC_KITTY_LANE/x.c"
[ "$SPEC_KITTY_LANE" = lane-a ] || sleep 600
AGENT
chmod +x "$BOX/agent"
fails 3 LANE_NOT_FOUND launch --lanes z -- "$BOX/agent"
succeeds launch --lanes a -- "$BOX/agent"
streams logs a
fails 3 LANE_NOT_FOUND logs lane-b
succeeds launch --detach --lanes b -- "$BOX/agent"
kitty agent status history --json >"$OUT" 2>"$ERR" || fail "history"
first=$(json "$OUT" events.0.event_id)
(kitty watch --since "$first" --json >"$BOX/watched" 2>"$BOX/watch-words"; echo $? >"$BOX/watch-exit") &
watcher=$!
until [ -s "$BOX/watched" ]; do kill -0 $watcher || fail "watch ended: $(cat "$BOX/watch-words")"; sleep 0.1; done
succeeds ps
succeeds stop
wait $watcher
expect_eq "$(cat "$BOX/watch-exit")" 0 "the exit status of watch"
while IFS= read -r line; do
	printf '%s\n' "$line" >"$BOX/line"
	one_object "$BOX/line"
done <"$BOX/watched"
echo "succeeds watch" >>"$BOX/ran"

# The other program's contract.
unset SUBTASKS
make_mission contract 'WP01:src/a/**'
export SPEC_KITTY_MISSION="$MISSION"
policy='{"orchestrator_id":"orc","orchestrator_version":"0.4.0","agent_family":"claude","approval_mode":"auto","sandbox_mode":"none","network_mode":"off","dangerous_flags":[]}'
api() { # succeeds|fails... COMMAND ARGUMENTS...
	what=$1
	shift
	case $what in
	succeeds) command=$1 && shift && succeeds "orchestrator-api $command" "$@" ;;
	*) code=$1 command=$2 && shift 2 && fails "$what" "$code" "orchestrator-api $command" "$@" ;;
	esac
}
fails 2 USAGE_ERROR orchestrator-api
api succeeds contract-version
api 1 CONTRACT_VERSION_MISMATCH contract-version --provider-version 0.0.1
for command in mission-state list-ready; do
	api succeeds $command --mission "$MISSION"
	api 1 MISSION_NOT_FOUND $command --mission nowhere
done
wp="--mission $MISSION --wp WP01"
other="--mission $MISSION --wp WP77"
# shellcheck disable=SC2086
{
	api succeeds resolve-workspace $wp
	api 1 WP_NOT_FOUND resolve-workspace $other
	api succeeds start-implementation $wp --actor claude --policy "$policy"
	api 1 WP_NOT_FOUND start-implementation $other --actor claude --policy "$policy"
	api succeeds append-history $wp --actor claude --note "half way"
	api 1 WP_NOT_FOUND append-history $other --actor claude --note "half way"
	commit_in "$(lane a)" src/a/a.c
	api succeeds transition $wp --to for_review --actor claude --policy "$policy"
	api 1 TRANSITION_REJECTED transition $wp --to nowhere --actor claude --policy "$policy"
	api succeeds start-review $wp --actor opus --policy "$policy" --review-ref "run 1"
	api 1 WP_NOT_FOUND start-review $other --actor opus --policy "$policy" --review-ref "run 1"
	api 1 MISSION_NOT_READY accept-mission --mission "$MISSION" --actor orc
	kitty agent tasks move-task WP01 --to approved --reviewer opus >"$OUT" 2>"$ERR" || fail "approval"
	api succeeds accept-mission --mission "$MISSION" --actor orc
	api 1 UNSUPPORTED_STRATEGY merge-mission --mission "$MISSION" --strategy octopus
	api succeeds merge-mission --mission "$MISSION"
}

# The end of missions.
make_mission ended 'WP01:src/ended/**'
export SPEC_KITTY_MISSION="$MISSION"
fails 4 MISSION_NOT_MERGED "mission close"
fails 3 TRASH_NOT_FOUND "mission restore" --mission "$MISSION"
succeeds "mission close" --discard
succeeds "mission restore" --mission "$MISSION"
kitty implement WP01 --agent claude >"$OUT" 2>"$ERR" || fail "implement"
fails 4 MERGE_NO_STATE merge --resume
commit_in "$(lane a)" src/ended/e.c
kitty agent tasks move-task WP01 --to approved --agent claude >"$OUT" 2>"$ERR" || fail "approval"
succeeds merge

say "every command of the table was run both ways"
sed -n 's/^KT_[A-Z]*("\([^"]*\)".*/\1/p' "$KITTY_SOURCE/supervisor/cli/commands.def" >"$BOX/table"
[ "$(wc -l <"$BOX/table")" -eq "$(grep -c '^KT_' "$KITTY_SOURCE/supervisor/cli/commands.def")" ] || fail "the table was not read"
while read -r path; do
	# The group's own row only says what it groups.
	[ "$path" = orchestrator-api ] || grep -qx "succeeds $path" "$BOX/ran" || fail "no case in which '$path' succeeds"
	grep -qx "fails $path" "$BOX/ran" || fail "no case in which '$path' fails"
done <"$BOX/table"
exit 0
