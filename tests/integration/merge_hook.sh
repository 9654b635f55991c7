#!/bin/sh
# kitty merge moves the target as git would: a reference-transaction hook of the repository is asked, and what it refuses
# is not moved, checked out or not; when the hook is corrected, the merge goes on. Usage: merge_hook.sh
# shellcheck source=tests/support/lib.sh
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
# shellcheck source=tests/support/merge.sh
. "${KITTY_SOURCE:?}/tests/support/merge.sh"

approved() { # NAME: a mission that can be merged, target main, checked out
	sandbox
	kitty init >"$OUT" || fail init
	make_mission "$1" 'WP01:src/a/**'
	work WP01 a src/a/a.c "int a;"
	approve WP01
	echo "mine" >notes.txt
	main=$(git rev-parse main)
}

# The hook refuses main while the file `no` is there, and notes what it was told about it.
refuses() {
	hook reference-transaction <<-EOT
		#!/bin/sh
		grep ' refs/heads/main\$' >"$BOX/line" || exit 0
		echo "\$1" >>"$BOX/told"
		[ "\$1" != prepared ] || [ ! -e "$BOX/no" ] || { echo "main is closed on Sundays"; exit 1; }
	EOT
	: >"$BOX/no"
}

refused() { # WHERE
	expect_exit 8 merge --json
	one_object "$OUT"
	expect_json "$OUT" error.code BOOKKEEPING_COMMIT_FAILED
	json "$OUT" error.detail | grep -q "reference-transaction" || fail "$1: the hook is not named"
	json "$OUT" error.detail | grep -q "${2:-closed on Sundays}" || fail "$1: its words are not there"
	expect_eq "$(git rev-parse main)" "$main" "main, $1"
	silent git status --porcelain -uno
	[ ! -e src/a/a.c ] || fail "$1: a file of the result is there"
	expect_eq "$(cat notes.txt)" mine "notes.txt"
	cmp -s "$DRAFTS/spec.md" "$COORD/kitty-specs/$MISSION/spec.md" || fail "$1: the drafts are not in their places"
	next=$(json "$OUT" error.next_step)
}

completes() {
	# The step that was printed, after its colon.
	sh -c "${next##*: }" >"$OUT" 2>"$ERR" || fail "$next: $(cat "$ERR")"
	[ "$(git rev-parse main)" != "$main" ] || fail "main has not moved"
	git cat-file -e main:src/a/a.c || fail "the work is not in main"
	silent git status --porcelain -uno
}

say "a checked-out target"
approved checked
refuses
refused "checked out"
rm "$BOX/no"
completes
tail -n 1 "$BOX/told" | grep -qx committed || fail "the hook was not told: $(cat "$BOX/told")"

say "a hook that changes its mind: the checkout goes back to where its branch is"
approved late
refuses
cat >>.git/hooks/reference-transaction <<-EOT
	[ "\$1" = aborted ] || exit 0
	: >"$BOX/no"
EOT
rm "$BOX/no"
refused late
rm "$BOX/no" .git/hooks/reference-transaction
completes

say "a target that is not checked out"
approved elsewhere
git checkout -q -b other
refuses
refused "not checked out"
rm "$BOX/no"
: >"$BOX/told"
completes
grep -qx committed "$BOX/told" || fail "the hook was not told"

say "a hook that hangs is a refusal"
approved hanging
mkfifo "$BOX/never"
# Nothing but the target is left to move: no other swap has to be quick.
kitty agent tasks move-task WP01 --to done --mission "$MISSION" >"$OUT" 2>"$ERR" || fail done
sed -i 's/^  hook_timeout: .*/  hook_timeout: 500ms/' .kittify/config.yaml
hook reference-transaction <<-EOT
	#!/bin/sh
	grep -q ' refs/heads/main\$' || exit 0
	exec cat "$BOX/never"
EOT
refused hanging "did not end in time"
rm .git/hooks/reference-transaction
completes
