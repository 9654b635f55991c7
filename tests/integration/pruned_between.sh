#!/bin/sh
# git gc --prune=now and git prune at the two moments that matter: right after git wrote objects that nothing names yet,
# and right before the ref moves to them. Either everything is there afterwards, or the command refused and changed
# nothing. Usage: pruned_between.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
sandbox

# A git that lets everything unreachable be deleted before ($BOX/at.before) or after ($BOX/at.after) the commands that
# the file names; each time is noted in $BOX/pruned.
real=$(command -v git)
mkdir "$BOX/bin"
cat >"$BOX/bin/git" <<EOT
#!/bin/sh
name= skip=
for word; do
	case \$skip\$word in
	-C | -c) skip=1 ;;
	1*) skip= ;;
	-*) ;;
	*) name=\$word; break ;;
	esac
done
prune() {
	grep -qx -- "\$name" "$BOX/at.\$1" 2>/dev/null || return 0
	(
		unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE GIT_OBJECT_DIRECTORY
		cd "\$(cat "$BOX/place")" || exit
		# Loose ones go with prune; a gc takes packs, too.
		[ "\$1" = after ] || "$real" gc -q --prune=now || exit
		"$real" prune --expire=now && echo "\$1 \$name" >>"$BOX/pruned"
	) >>"$BOX/prune.log" 2>&1 </dev/null
}
prune before
"$real" "\$@"
status=\$?
prune after
exit \$status
EOT
chmod +x "$BOX/bin/git"
echo "$REPO" >"$BOX/place"
PATH=$BOX/bin:$PATH
export PATH

at() { # before|after COMMAND...
	when=$1
	shift
	: >"$BOX/pruned"
	printf '%s\n' "$@" >"$BOX/at.$when"
}
calm() {
	rm -f "$BOX"/at.*
	[ -s "$BOX/pruned" ] || fail "nothing was pruned at that moment: $(cat "$BOX/prune.log" 2>/dev/null)"
}
sound() {
	git fsck --full --strict --no-dangling >"$BOX/fsck" 2>&1 || fail "fsck: $(cat "$BOX/fsck")"
}

# held WHEN COMMANDS -- CALL...: it passes although everything unreachable was deleted
held() {
	moments=$2
	# shellcheck disable=SC2086
	at "$1" $moments
	shift 2
	expect_exit 0 "$@"
	calm
	sound
}

# refused COMMANDS -- CALL...: what git wrote was gone at once; a code, and everything as before
refused() {
	freeze >"$BOX/before"
	# shellcheck disable=SC2086
	at after $1
	shift
	"$@" --json >"$OUT" 2>"$ERR" && fail "passed without its objects: $*"
	calm
	one_object "$OUT"
	json "$OUT" error.code >"$BOX/code" || json "$OUT" error_code >"$BOX/code" || fail "no code"
	grep -qx '[A-Z_]\{4,\}' "$BOX/code" || fail "no code: $(cat "$BOX/code")"
	frozen
	sound
}

lines() { # FILE N TEXT: line N becomes TEXT
	sed "$2s/.*/$3/" "$1" >"$BOX/edited" && cp "$BOX/edited" "$1"
}

# Two lanes that both edit src/shared.txt: their merge has trees and a blob that no branch has.
two_lanes() {
	work WP01 a src/a/one.c one
	work WP02 b src/b/two.c two
	lines "$(lane a)/src/shared.txt" 3 "a of payments"
	lines "$(lane b)/src/shared.txt" 17 "b of payments"
	git -C "$(lane a)" commit -q -a -m "WP01: shared"
	git -C "$(lane b)" commit -q -a -m "WP02: shared"
	approve WP01
	approve WP02
}
target_moves() { # TEXT
	lines src/shared.txt 10 "$1"
	git commit -q -a -m "main: $1"
}

seq 20 | sed 's/^/line /' >src/shared.txt
git add .
git commit -q -m shared

say "finalize-tasks"
make_mission payments 'WP01:src/a/**' 'WP02:src/b/**'
echo "More of it." >>"$DRAFTS/spec.md"
finalize() { kitty agent mission finalize-tasks --mission "$MISSION" "$@"; }
refused hash-object finalize
hook reference-transaction <<'EOT'
#!/bin/sh
exit 0
EOT
held before update-ref finalize
check_clean
rm .git/hooks/reference-transaction

say "integration"
two_lanes
expect_exit 0 kitty agent tasks move-task WP01 --to 'done' --mission "$MISSION"
done_two() { kitty agent tasks move-task WP02 --to 'done' --mission "$MISSION" "$@"; }
refused merge-tree done_two
hook reference-transaction <<'EOT'
#!/bin/sh
exit 0
EOT
held before update-ref done_two
check_clean
git show "$BRANCH:src/shared.txt" | grep -q 'a of payments' || fail "lane a is not in"
git show "$BRANCH:src/shared.txt" | grep -q 'b of payments' || fail "lane b is not in"

say "mission sync"
target_moves "while payments was made"
sync() { kitty mission sync --mission "$MISSION" "$@"; }
refused merge-tree sync
held before update-ref sync
git show "$BRANCH:src/shared.txt" | grep -q 'while payments was made' || fail "the target is not in"
check_clean

say "a signed commit is git's, too"
cat >"$BOX/bin/signer" <<'EOT'
#!/bin/sh
cat >"$0.text"
printf '\n[GNUPG:] SIG_CREATED D\n' >&2
printf -- '-----BEGIN PGP SIGNATURE-----\n\nbm9uZQ==\n-----END PGP SIGNATURE-----\n'
EOT
chmod +x "$BOX/bin/signer"
git config gpg.program "$BOX/bin/signer"
git config user.signingKey tester
mkdir -p .kittify
printf 'kitty:\n  sign: true\n' >.kittify/config.yaml
annotate() { kitty agent tasks add-history WP01 --note x --agent claude --mission "$MISSION" "$@"; }
refused commit-tree annotate
held before update-ref annotate
git cat-file commit "$BRANCH" | grep -q '^gpgsig ' || fail "not signed"
check_clean
rm -r .kittify
rm .git/hooks/reference-transaction

say "a merged blob that was lost later is in the journal"
blob=$(git rev-parse "$BRANCH:src/shared.txt")
! git rev-list --objects --all --not "$BRANCH" | grep -q "$blob" || fail "another branch has it, too"
mkdir "$BOX/packs"
mv .git/objects/pack/pack-* "$BOX/packs"
for pack in "$BOX"/packs/*.pack; do git unpack-objects -q <"$pack"; done
rm -f ".git/objects/$(echo "$blob" | cut -c1-2)/$(echo "$blob" | cut -c3-)"
expect_exit 1 kitty doctor --mission "$MISSION" --json
grep -q OBJECTS_MISSING "$OUT" || fail "the doctor does not say so"
kitty doctor --fix --mission "$MISSION" >"$OUT" 2>"$ERR"
sound
check_clean

say "merge"
target_moves "before payments came"
refused commit-tree merge
held before 'merge
update-ref' merge
git show main:src/shared.txt | grep -q 'a of payments' || fail "payments is not in main"

for strategy in squash rebase; do
	say "merge --strategy $strategy"
	make_mission "$strategy" 'WP01:src/a/**'
	work WP01 a "src/a/$strategy.c" one
	lines "$(lane a)/src/shared.txt" 3 "a of $strategy"
	git -C "$(lane a)" commit -q -a -m "WP01: shared"
	approve WP01
	target_moves "before $strategy came"
	held before 'merge
update-ref' merge --strategy "$strategy"
	git show main:src/shared.txt >"$BOX/shared"
	for text in "a of $strategy" "before $strategy came"; do
		grep -q "$text" "$BOX/shared" || fail "$text is not in main"
	done
done

say "close --discard keeps a lane's files"
make_mission dropped 'WP01:src/a/**'
work WP01 a src/a/dropped.c one
echo precious >"$(lane a)/src/a/unsaved.c"
discard() { kitty mission close --discard --mission "$MISSION" "$@"; }
at after write-tree
discard --json >"$OUT" 2>"$ERR" && fail "passed without its objects"
calm
sound
expect_eq "$(cat "$(lane a)/src/a/unsaved.c")" precious "the lane's file"
held before update-ref discard
ref=refs/kitty/trash/$MISSION/lane-a
expect_eq "$(git show "$ref:src/a/unsaved.c")" precious "the file in the trash"

say "a clone with alternates, from a worktree of its own, pruned in either"
git clone -q --shared "$REPO" "$BOX/borrower" 2>"$ERR" || fail "clone"
origin=$REPO
REPO=$BOX/borrower
cd "$REPO" || exit 2
git worktree add -q "$BOX/linked" -b elsewhere
make_mission shared 'WP01:src/a/**'
hook reference-transaction <<'EOT'
#!/bin/sh
exit 0
EOT
cd "$BOX/linked" || exit 2
for place in "$BOX/linked" "$origin"; do
	echo "$place" >"$BOX/place"
	echo "Pruned in $place." >>"$DRAFTS/spec.md"
	held before update-ref finalize
done
check_clean
