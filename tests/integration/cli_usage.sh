#!/bin/sh
# Version, help and usage errors. Usage: cli_usage.sh <source root>, with KITTY_BIN naming the build folder.
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
box_open
cd "$BOX" || exit 2

say "version, outside any repository"
expect_exit 0 kitty --version
grep -q '^kitty [0-9]*\.[0-9]*\.[0-9]*$' "$OUT" || fail "no version line"
grep -q '^git [0-9]*\.[0-9]*: ' "$OUT" || fail "no line on git"
expect_exit 0 kitty version --json
one_object "$OUT"
expect_json "$OUT" git.supported true

say "help"
expect_exit 0 kitty help
grep -q 'agent mission create' "$OUT" || fail "help does not list the commands"
! grep -q internal "$OUT" || fail "help lists the supervisor's helpers"
expect_exit 0 kitty --help
expect_exit 0 kitty help agent mission create
grep -q '^usage: kitty agent mission create SLUG' "$OUT" || fail "no usage line"
grep -q -- '--purpose-tldr TEXT' "$OUT" || fail "an option is missing in the help"
cp "$OUT" "$BOX/help"
expect_exit 0 kitty agent mission create --help
cmp -s "$OUT" "$BOX/help" || fail "COMMAND --help differs from help COMMAND"
expect_exit 0 kitty help agent
grep -q 'agent status emit' "$OUT" || fail "a group's help does not list its commands"
expect_exit 0 kitty help --json
one_object "$OUT"
expect_json "$OUT" commands.launch "run agents in lanes until nothing more can run"
expect_exit 0 kitty help launch --json
one_object "$OUT"
expect_json "$OUT" command launch
expect_json "$OUT" options.0.name lanes
cp "$OUT" "$BOX/help"
expect_exit 0 kitty launch --help --json
cmp -s "$OUT" "$BOX/help" || fail "COMMAND --help --json differs from help COMMAND --json"
expect_exit 0 kitty help agent status --json
one_object "$OUT"
expect_exit 0 kitty --help --json
one_object "$OUT"
expect_exit 2 kitty help lanch
grep -q '^next: kitty help launch$' "$ERR" || fail "help of an unknown command has no next step"
expect_exit 0 kitty help st
grep -q 'usage: kitty st' "$OUT" || fail "an alias has no help"

expect_exit 0 kitty help orchestrator-api
grep -q 'orchestrator-api list-ready' "$OUT" || fail "the help of a command with commands below does not list them"

say "usage errors name the nearest"
expect_exit 2 kitty agent status emit WP1 --to claimed --actor a
grep -q '^next: kitty help agent status emit$' "$ERR" || fail "the next step is not the command's help"
expect_exit 2 kitty statsu
grep -q 'nearest is `status`' "$ERR" || fail "nearest command not named"
grep -q '\[USAGE_ERROR\]$' "$ERR" || fail "no code"
expect_eq "$(wc -l <"$ERR")" 2 "two lines of error"
[ ! -s "$OUT" ] || fail "a usage error wrote to standard output"
expect_exit 2 kitty agent mission craete x
grep -q 'nearest is `agent mission create`' "$ERR" || fail "nearest command of a group not named"
expect_exit 2 kitty help nonsense
expect_exit 2 kitty agent status emit WP01 --actro x --to planned
grep -q 'nearest is --actor' "$ERR" || fail "nearest option not named"
expect_exit 2 kitty agent
grep -q 'group of commands' "$ERR" || fail "a group alone is not explained"
expect_exit 2 kitty
expect_exit 2 kitty --nonsense
expect_exit 2 kitty agent mission create
expect_exit 2 kitty agent mission create one two
expect_exit 2 kitty agent mission create x --friendly-name
grep -q 'needs a value: --friendly-name \[' "$ERR" || fail "the option that lacks a value is misspelt"
expect_exit 2 kitty agent mission create x --new=yes
expect_exit 2 kitty agent mission create x --target-branch a --target-branch b
expect_exit 2 kitty version -- ls
expect_exit 2 kitty -C "$BOX/missing" version
expect_exit 0 kitty -C / version

say "usage errors as JSON"
for words in "statsu" "agent" "agent status emit" "agent status emit WP01 --tp x" "help nonsense" "mission list extra"; do
	# shellcheck disable=SC2086
	expect_exit 2 kitty $words --json
	one_object "$OUT"
	expect_json "$OUT" error.code USAGE_ERROR
	json "$OUT" error.next_step | grep -q '^kitty help' || fail "no next step"
	[ ! -s "$ERR" ] || fail "something on standard error"
done

say "outside a repository"
expect_exit 3 kitty status
grep -q '\[PROJECT_ROOT_UNRESOLVED\]$' "$ERR" || fail "no code outside a repository"
expect_exit 3 kitty init --json
one_object "$OUT"
expect_json "$OUT" error.code PROJECT_ROOT_UNRESOLVED

say "standard output that cannot be written"
if [ -w /dev/full ]; then
	kitty help >/dev/full 2>"$ERR" && fail "success although nothing could be printed"
	grep -q IO_ERROR "$ERR" || fail "no error about standard output"
fi

say "a reader that went away is no error: as with git and cat, SIGPIPE, and only after the work was done"
mkfifo "$BOX/pipe"
exec 3<>"$BOX/pipe" 4>"$BOX/pipe" 3<&-
(kitty help >&4) 2>"$ERR"
expect_eq "$?" 141 "exit status without a reader"
[ ! -s "$ERR" ] || fail "something on standard error: $(cat "$ERR")"
(kitty status >&4) 2>"$ERR"
expect_eq "$?" 3 "exit status of a failure without a reader"
git init -q -b main "$BOX/repo"
cd "$BOX/repo" || exit 2
git commit -q --allow-empty -m start
(kitty init --json >&4) 2>"$ERR"
expect_eq "$?" 141 "exit status of init without a reader"
[ ! -s "$ERR" ] || fail "something on standard error: $(cat "$ERR")"
[ -f .kittify/config.yaml ] || fail "init did not do its work"
exec 4>&-
exit 0
