#!/bin/sh
# Bad input, asked as text and as JSON: a code, an exit status, two lines with a next step that can be pasted, and nothing
# changed on disk. Usage: accept_bad_input.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
sandbox
kitty init >"$OUT" || fail init
emit='kitty agent status emit'

say "a project without missions"
refused 3 FEATURE_CONTEXT_UNRESOLVED kitty status
refused 3 MISSION_NOT_FOUND kitty status --mission nowhere
refused 3 MISSION_NOT_FOUND kitty implement WP01 --mission nowhere
expect_exit 0 kitty mission list

make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**:WP01' 'WP03:src/c/**'
expect_exit 0 kitty agent status emit WP01 --to claimed --actor claude
first=$MISSION first_id=$MISSION_ID

say "a mission that is not there"
for handle in nowhere 01ARZ3NDEKTSV4RRFFQ69G5FAV 01ARZ3ND upsell-01ARZ3ND; do
	refused 3 MISSION_NOT_FOUND kitty status --mission "$handle"
	refused 3 MISSION_NOT_FOUND $emit WP01 --to in_progress --actor claude --mission "$handle"
	refused 3 MISSION_NOT_FOUND kitty implement WP01 --mission "$handle"
	refused 3 MISSION_NOT_FOUND kitty agent mission finalize-tasks --mission "$handle"
	refused 3 MISSION_NOT_FOUND kitty agent tasks move-task WP01 --to blocked --mission "$handle"
	next_step | grep -q '^kitty ' || fail "not a command: $(next_step)"
	paste
done

say "a work package that is not there, or has no such name"
for wp in WP99 WP00; do
	refused 3 WP_NOT_FOUND $emit $wp --to claimed --actor claude
	paste
	refused 3 WP_NOT_FOUND kitty implement $wp
	refused 3 WP_NOT_FOUND kitty agent tasks move-task $wp --to for_review
done
for wp in '' . .. ../WP01 WP01/../WP02 WP01/ 'WP 01' wp01x WP WP1000000000000000000000 'WP01;reboot' "$(printf 'WP01\nWP02')" \
	"$(printf 'WP\33[2J')" 'WP01-part.md' '/etc/passwd' '%n%s' "$(head -c 5000 /dev/zero | tr '\0' 9)"; do
	say "work package '$(printf '%.40s' "$wp")'"
	unchanged quietly kitty agent status emit "$wp" --to claimed --actor claude --json && fail "it was accepted"
	one_object "$OUT"
	case $(json "$OUT" error.code) in
	WP_NOT_FOUND | INVALID_ARGUMENT | USAGE_ERROR) ;;
	*) fail "code $(json "$OUT" error.code)" ;;
	esac
	unchanged quietly kitty implement "$wp" && fail "it was accepted"
	expect_eq "$(wc -l <"$ERR")" 2 "lines"
	! grep -q "$(printf '\33')" "$ERR" || fail "a control character reaches the terminal"
	case $wp in *"$(printf '\33')"*) grep -qF '`WP [2J`' "$ERR" || fail "the rest of the name is not told" ;; esac
done

say "moves that are not legal"
refused 4 TRANSITION_REJECTED $emit WP01 --to approved --actor claude
paste
refused 4 TRANSITION_REJECTED $emit WP03 --to for_review --actor claude
refused 5 STATUS_CONFLICT $emit WP01 --to in_progress --from in_review --actor claude
refused 5 WP_ALREADY_CLAIMED $emit WP01 --to in_progress --actor codex
refused 5 WP_ALREADY_CLAIMED kitty implement WP01 --agent codex
paste
refused 4 DEPENDENCIES_NOT_SATISFIED kitty implement WP02 --agent claude
refused 4 TRANSITION_REJECTED $emit WP01 --to genesis --actor claude
refused 4 TRANSITION_REJECTED $emit WP01 --to uninitialized --actor claude
for status in nonsense ../planned ''; do
	unchanged expect_exit 2 kitty agent status emit WP01 --to "$status" --actor claude --json
	one_object "$OUT"
done

say "event ids"
for id in x .. ../../x 01ARZ3NDEKTSV4RRFFQ69G5FA 01ARZ3NDEKTSV4RRFFQ69G5FAVX '01ARZ3NDEKTSV4RRFFQ69G5F/V' \
	01ARZ3NDEKTSV4RRFFQ69G5FIL "$(printf '01ARZ3NDEKTSV4RRFFQ69G5F\nV')"; do
	refused 2 INVALID_ARGUMENT $emit WP01 --to in_progress --actor claude --event-id "$id"
done
expect_exit 0 $emit WP01 --to in_progress --actor claude --event-id 01ARZ3NDEKTSV4RRFFQ69G5FAV
refused 5 EVENT_ID_CONFLICT $emit WP01 --to blocked --reason x --actor claude --event-id 01ARZ3NDEKTSV4RRFFQ69G5FAV
next_step | grep -q event-id || fail "the next step is: $(next_step)"

say "slugs"
for slug in '' . .. ../x x/../y /etc x/y 'x y' Upper x_y x--y -x x- 'x;reboot' "$(printf 'x\ny')" x.lock '~' '@{u}' \
	'kätzchen' "$(head -c 300 /dev/zero | tr '\0' a)" con* ' x'; do
	case $slug in
	-*) refused 2 USAGE_ERROR kitty agent mission create "$slug" ;;
	*) refused 2 MISSION_SLUG_INVALID kitty agent mission create "$slug" ;;
	esac
done
for branch in nowhere .. -x refs/heads/main 'a b' 'main~1' 'main:src'; do
	unchanged quietly kitty agent mission create fine --target-branch "$branch" --json && fail "target $branch"
	one_object "$OUT"
	case $(json "$OUT" error.code) in
	TARGET_BRANCH_NOT_FOUND | USAGE_ERROR | INVALID_ARGUMENT) ;;
	*) fail "code $(json "$OUT" error.code)" ;;
	esac
done

say "handles that would be paths"
for handle in . .. ../.. ../../etc/passwd "../${MISSION}" "$MISSION/../$MISSION" "/tmp/x" "$REPO/kitty-specs/$MISSION" \
	"$(printf 'up\nsell')" '*' 'up*' '.git' '' "$(head -c 5000 /dev/zero | tr '\0' a)"; do
	say "handle '$(printf '%.40s' "$handle")'"
	unchanged quietly kitty status --mission "$handle" --json && fail "it was accepted"
	one_object "$OUT"
	case $(json "$OUT" error.code) in
	MISSION_NOT_FOUND | INVALID_ARGUMENT | USAGE_ERROR) ;;
	*) fail "code $(json "$OUT" error.code)" ;;
	esac
	unchanged quietly kitty agent status emit WP01 --to blocked --actor claude --mission "$handle" && fail "accepted"
	expect_eq "$(wc -l <"$ERR")" 2 "lines"
done

say "lanes that would be paths"
for lane in .. ../x lane-../../x lane-A A lane- '' /tmp/x 'lane-a/../../x' lane-zz "$(printf 'a\nb')" coord; do
	unchanged quietly kitty internal lane-prepare --mission "$MISSION" --lane "$lane" && fail "lane $lane was accepted"
	one_object "$OUT"
	case $(json "$OUT" error.code) in
	LANE_NOT_FOUND | INVALID_ARGUMENT | USAGE_ERROR) ;;
	*) fail "code $(json "$OUT" error.code) for lane $lane" ;;
	esac
done

say "actors, reasons and messages"
for actor in '' "$(printf 'a\nb')" "$(printf 'a\33b')" "$(head -c 70000 /dev/zero | tr '\0' a)"; do
	unchanged quietly kitty agent status emit WP01 --to blocked --reason x --actor "$actor" --json && fail "actor accepted"
	one_object "$OUT"
done
unchanged expect_exit 4 kitty agent status emit WP01 --to blocked --actor claude \
	--reason "$(head -c 90000 /dev/zero | tr '\0' r)" --json
expect_json "$OUT" error.code LIMIT_EXCEEDED

say "usage"
refused 2 USAGE_ERROR kitty
refused 2 USAGE_ERROR kitty implment WP01
next_step | grep -qx 'kitty help implement' || fail "the nearest command is not named"
paste
refused 2 USAGE_ERROR kitty implement
refused 2 USAGE_ERROR kitty status --mision x
refused 2 USAGE_ERROR kitty agent tasks
refused 2 INVALID_ARGUMENT kitty -C "$BOX/no/such/folder" status

say "torn and garbage rows at the end of the checked-out log: cut off and kept, with one word"
for tail in '{"torn": ' 'garbage' "$(printf 'a\nb\n{}\n')" "$(tail -n 1 "$LOG")"; do
	sha=$(sha256 "$LOG")
	printf '%s' "$tail" >>"$LOG"
	torn=$(sha256 "$LOG")
	expect_exit 0 kitty status
	expect_eq "$(sha256 "$LOG")" "$torn" "a query wrote: the log"
	expect_exit 4 kitty agent status emit WP03 --to for_review --actor claude
	expect_eq "$(sha256 "$LOG")" "$sha" "the log"
	expect_eq "$(grep -c '^kitty: healed: ' "$ERR")" 1 "words"
	grep -rqF -- "$(printf '%s\n' "$tail" | head -n 1)" ".git/kitty/$MISSION/quarantine" || fail "what was cut off is lost"
done
head -c 100 "$LOG" >"$BOX/short" && cp "$BOX/short" "$LOG"
expect_exit 0 kitty agent status emit WP03 --to claimed --actor claude
check_clean

say "edited history in the checked-out log"
sed -i 's/claude/clawed/' "$LOG"
refused 4 EVENT_LOG_EDITED $emit WP03 --to in_progress --actor claude
paste
expect_exit 0 $emit WP03 --to in_progress --actor claude
check_clean

say "garbage that is committed: the line is named"
good=$(tip)
committed() { # SED-SCRIPT: a coordination tip with a damaged log
	git worktree remove --force --force "$COORD"
	git cat-file blob "$good:kitty-specs/$MISSION/status.events.jsonl" | sed "$1" >"$BOX/damaged"
	blob=$(git hash-object -w "$BOX/damaged")
	GIT_INDEX_FILE=$BOX/state.index git read-tree "$good"
	GIT_INDEX_FILE=$BOX/state.index git update-index --cacheinfo "100644,$blob,kitty-specs/$MISSION/status.events.jsonl"
	tree=$(GIT_INDEX_FILE=$BOX/state.index git write-tree)
	rm -f "$BOX/state.index"
	git update-ref "refs/heads/$BRANCH" "$(git commit-tree -p "$good" -m damage "$tree")"
}
WATCHED=$REPO
line=$(wc -l <"$LOG")
for damage in "${line}s/.*/garbage/" "${line}s/\"to_lane\": \"[a-z_]*\"/\"to_lane\": \"nowhere\"/" "${line}s/.\{10\}\$//" '3s/.*/{"half": /'; do
	at=$line
	[ "${damage#3s}" = "$damage" ] || at=3
	committed "$damage"
	# What is healed is healed before the refusal, and only once.
	expect_exit 1 $emit WP03 --to blocked --actor claude --reason x
	for command in 'kitty status' "$emit WP03 --to blocked --actor claude --reason x"; do
		unchanged expect_exit 1 $command
		two_lines EVENT_INVALID
		grep -q ": line $at: " "$ERR" || fail "the line is not named"
		expect_exit 1 $command --json
		one_object "$OUT"
		expect_json "$OUT" error.code EVENT_INVALID
	done
	mkdir -p "$BOX/state.folder"
	cp "$BOX/damaged" "$BOX/state.folder/status.events.jsonl"
	expect_exit 1 kitty agent status validate --dir "$BOX/state.folder"
	grep -q "status.events.jsonl:$at: " "$OUT" "$ERR" || fail "validate does not name the line"
done
git update-ref "refs/heads/$BRANCH" "$good"
[ ! -d "$COORD" ] || git worktree remove --force --force "$COORD"
WATCHED=
expect_exit 0 $emit WP03 --to blocked --actor claude --reason x
check_clean

say "malformed YAML: file, line and column"
config=.kittify/config.yaml
cp "$config" "$BOX/state.config"
yaml_refused() { # CODE LINE:COLUMN-PATTERN COMMAND...
	yaml_code=$1
	yaml_place=$2
	shift 2
	unchanged expect_exit 1 "$@"
	grep -qE "$yaml_place" "$ERR" || fail "the place is not $yaml_place"
	grep -q "\[$yaml_code\]$" "$ERR" || fail "the code is not $yaml_code"
	[ -n "$(next_step)" ] || fail "no next step"
	unchanged expect_exit 1 "$@" --json
	one_object "$OUT"
	expect_json "$OUT" error.code "$yaml_code"
	[ -s "$ERR" ] || json "$OUT" error.detail | grep -qE "$yaml_place" || fail "the JSON does not name the place"
}
printf 'kitty:\n  max_parallel: [1\n  hook_timeout: 3s\n' >"$config"
yaml_refused CONFIG_INVALID 'config.yaml:[23]:[0-9]+: ' $emit WP03 --to in_progress --actor claude
printf 'kitty:\n\tmax_parallel: 1\n' >"$config"
yaml_refused CONFIG_INVALID 'config.yaml:2:1: ' $emit WP03 --to in_progress --actor claude
printf 'kitty:\n  max_paralel: 1\n  hook_timeout: soon\n' >"$config"
yaml_refused CONFIG_INVALID 'config.yaml:3:[0-9]+: ' $emit WP03 --to in_progress --actor claude
grep -qE 'config.yaml:2:[0-9]+: .*max_paralel' "$ERR" || grep -q max_paralel "$OUT" || fail "only one of two problems is named"
expect_exit 0 kitty status
cp "$BOX/state.config" "$config"

file=kitty-specs/$MISSION/tasks/WP03-part.md
cp "$file" "$BOX/state.wp"
wp_refused() { # PLACE SED-SCRIPT
	sed "$2" "$BOX/state.wp" >"$file"
	unchanged expect_exit 1 kitty agent mission finalize-tasks --mission "$MISSION"
	grep -qE "WP03-part.md:$1" "$ERR" || fail "the place is not $1"
	case $1 in *column*) ! grep -q 'is gone' "$ERR" || fail "a file that is there is called gone" ;; esac
	[ -n "$(next_step)" ] || fail "no next step"
	unchanged expect_exit 1 kitty agent mission finalize-tasks --mission "$MISSION" --json
	one_object "$OUT"
}
wp_refused '[34]: column [0-9]+: ' '3s/.*/title: [x/'
wp_refused '[0-9]+: column [0-9]+: ' '3s/.*/title: "x/'
wp_refused '3: column 1: ' '3s/.*/\tx: 1/'
wp_refused '[0-9]+' '4s/.*/dependencies: [WP03]/'
wp_refused '[0-9]+' '4s/.*/dependencies: [..\/WP01]/'
wp_refused '[0-9]+' 's/^- src.*/- ..\/..\/etc\/**/'
wp_refused '[0-9]+' 's/^- src.*/- \/etc\/**/'
wp_refused '[0-9]+' '2s/.*/work_package_id: ..\/..\/x/'
sed 's/^- src.*/- kitty-specs\/**/' "$BOX/state.wp" >"$file"
unchanged expect_exit 1 kitty agent mission finalize-tasks --mission "$MISSION" --json
one_object "$OUT"
cp "$BOX/state.wp" "$file"
expect_exit 0 kitty agent mission finalize-tasks --mission "$MISSION"

say "two missions of one name"
expect_exit 0 kitty agent mission create upsell --new --json
other=$(json "$OUT" mission_slug)
for command in 'kitty status' "$emit WP01 --to blocked --actor claude --reason x" 'kitty implement WP01' \
	'kitty agent mission finalize-tasks' 'kitty agent tasks move-task WP01 --to blocked'; do
	refused 2 MISSION_AMBIGUOUS_SELECTOR $command --mission upsell
	grep -q "$first" "$ERR" || fail "$first is not named"
	grep -q "$other" "$ERR" || fail "$other is not named"
	expect_exit 2 $command --mission upsell --json
	expect_eq "$(json "$OUT" candidates | tr ',' '\n' | grep -c '"mission_id"')" 2 "candidates"
done
refused 2 MISSION_AMBIGUOUS_SELECTOR kitty status
expect_exit 0 kitty status --mission "$first"
expect_exit 0 kitty status --mission "$first_id"

say "the coordination worktree is on no branch, or on another"
MISSION=$first
git -C "$COORD" checkout -q --detach
refused 4 COORDINATION_WORKTREE_BRANCH_MISMATCH $emit WP03 --to in_progress --actor claude --mission "$first"
refused 4 COORDINATION_WORKTREE_BRANCH_MISMATCH kitty implement WP01 --agent claude --mission "$first"
expect_exit 0 kitty status --mission "$first"
expect_exit 4 $emit WP03 --to in_progress --actor claude --mission "$first"
paste
git -C "$COORD" checkout -q -b stray
refused 4 COORDINATION_WORKTREE_BRANCH_MISMATCH $emit WP03 --to in_progress --actor claude --mission "$first"
paste
expect_exit 0 $emit WP03 --to in_progress --actor claude --mission "$first"
check_clean

say "a merge under way in the coordination worktree"
git rev-parse HEAD >"$(git -C "$COORD" rev-parse --path-format=absolute --git-path MERGE_HEAD)"
refused 4 COORDINATION_WORKTREE_BUSY $emit WP03 --to blocked --actor claude --reason x --mission "$first"
rm "$(git -C "$COORD" rev-parse --path-format=absolute --git-path MERGE_HEAD)"

say "the coordination branch is checked out elsewhere"
git worktree remove --force --force "$COORD"
git worktree add -q "$BOX/elsewhere" "$BRANCH"
refused 5 BRANCH_CHECKED_OUT_ELSEWHERE $emit WP03 --to blocked --actor claude --reason x --mission "$first"
grep -qF "$BOX/elsewhere" "$ERR" || fail "the other worktree is not named"
refused 5 BRANCH_CHECKED_OUT_ELSEWHERE kitty implement WP01 --agent claude --mission "$first"
expect_exit 0 kitty status --mission "$first"
expect_exit 5 $emit WP03 --to blocked --actor claude --reason x --mission "$first"
paste
git worktree remove --force "$BOX/elsewhere"
git symbolic-ref HEAD "refs/heads/$BRANCH"
refused 5 BRANCH_CHECKED_OUT_ELSEWHERE $emit WP03 --to blocked --actor claude --reason x --mission "$first"
git symbolic-ref HEAD refs/heads/main
expect_exit 0 $emit WP03 --to blocked --actor claude --reason x --mission "$first"
check_clean

say "a branch in the mission's way"
git worktree remove --force --force "$COORD"
tip_now=$(tip)
git update-ref -d "refs/heads/$BRANCH"
refused 3 COORDINATION_BRANCH_DELETED kitty status --mission "$first"
refused 3 COORDINATION_BRANCH_DELETED $emit WP03 --to in_progress --actor claude --mission "$first"
git update-ref "refs/heads/$BRANCH" "$tip_now"
expect_exit 0 $emit WP03 --to in_progress --actor claude --mission "$first"
check_clean
exit 0
