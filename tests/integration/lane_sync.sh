#!/bin/sh
# Sync points and dependency bases: exactly two per lane, a dependent lane holds its dependencies' approved
# tips, conflicts move nothing and name both. Usage: lane_sync.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "${KITTY_SOURCE:?}/tests/support/merge.sh"
sandbox
printf '1\n2\n3\n' >shared.txt
git add . && git commit -q -m shared
make_mission diamond 'WP01:src/a/**' 'WP02:src/b/**:WP01' 'WP03:src/c/**:WP01' 'WP04:src/d/**:WP02,WP03' 'WP05:src/e/**'
lane_of() { kitty status --mission "$MISSION" --json | kitty-json-get work_packages | tr '{' '\n' | sed -n "s/.*\"id\": *\"$1\".*\"lane_id\": *\"lane-\([a-z]*\)\".*/\1/p"; }
A=$(lane_of WP01)
B=$(lane_of WP02)
C=$(lane_of WP03)
D=$(lane_of WP04)
E=$(lane_of WP05)
[ -n "$A" ] && [ -n "$D" ] || fail "no lanes in the report"

say "a lane starts at the coordination tip; the second claim in it syncs nothing"
work WP01 "$A" src/a/a.c "int a;"
work WP05 "$E" src/e/e.c "int e;"
approve WP01
tip_a=$(git -C "$(lane "$A")" rev-parse HEAD)

say "the first review merged the coordination branch into the clean lane, the log stayed out of it"
expect_eq "$(git log --merges --format=%s "$BRANCH..$BRANCH-lane-$A" | grep -c "^Merge $BRANCH into")" 1
[ ! -e "$(lane "$A")/kitty-specs/$MISSION/status.events.jsonl" ] || fail "the log came into the lane"
silent git -C "$(lane "$A")" status --porcelain

say "a dependent lane holds the approved commit before it is integrated"
work WP02 "$B" src/b/b.c "int b;"
work WP03 "$C" src/c/c.c "int c;"
[ -f "$(lane "$B")/src/a/a.c" ] && [ -f "$(lane "$C")/src/a/a.c" ] || fail "the dependency's file is missing"
if [ "$B" != "$A" ]; then
	git merge-base --is-ancestor "$tip_a" "$BRANCH-lane-$B" || fail "the approved commit is not in lane-$B"
fi

say "two dependencies that conflict: nothing is made, both tips are named, the retry is clean"
sed -i s/2/two-b/ "$(lane "$B")/shared.txt" && git -C "$(lane "$B")" commit -q -am "two of b"
sed -i s/2/two-c/ "$(lane "$C")/shared.txt" && git -C "$(lane "$C")" commit -q -am "two of c"
approve WP02
approve WP03
{ [ "$D" != "$B" ] && [ "$D" != "$C" ] && [ "$B" != "$C" ]; } || fail "WP02, WP03 and WP04 share a lane"
tip_b=$(git rev-parse "$BRANCH-lane-$B")
tip_c=$(git rev-parse "$BRANCH-lane-$C")
before=$(tip)
expect_exit 5 kitty implement WP04 --agent claude --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code MERGE_CONFLICT
expect_json "$OUT" conflict.files '["shared.txt"]'
json "$OUT" error.detail | grep -q "WP02 at $(echo "$tip_b" | cut -c1-12), WP03 at $(echo "$tip_c" | cut -c1-12)" || fail "the tips are not named"
expect_eq "$(tip)" "$before" "WP04 stays planned"
[ ! -e "$(lane "$D")" ] || fail "a half-made lane is left"
! git rev-parse -q --verify "$BRANCH-lane-$D" >/dev/null || fail "a half-made branch is left"
say "a lane that another process makes meanwhile is its own: it stays, from its base"
mkdir "$BOX/shim"
cat >"$BOX/shim/git" <<EOT
#!/bin/sh
case "\$*" in
*"refs/heads/$BRANCH^{commit}") # first for the coordination worktree, then for the base of a lane that is not there
echo x >>"$BOX/asked"
if [ "\$(wc -l <"$BOX/asked")" = 2 ]; then
	PATH="$PATH" kitty internal lane-prepare --mission "$MISSION" --lane "lane-$D"
	PATH="$PATH" kitty agent tasks add-history WP05 --note meanwhile --mission "$MISSION"
fi >"$BOX/meanwhile" 2>&1 ;;
esac
exec "$(command -v git)" "\$@"
EOT
chmod +x "$BOX/shim/git"
expect_exit 5 env PATH="$BOX/shim:$PATH" "$(command -v kitty)" implement WP04 --agent claude --mission "$MISSION" --json
expect_json "$OUT" error.code MERGE_CONFLICT
grep -q '"created": true' "$BOX/meanwhile" || fail "no lane was made meanwhile: $(cat "$BOX/meanwhile")"
[ "$(tip)" != "$before" ] || fail "the coordination branch did not move: $(cat "$BOX/meanwhile")"
[ -f "$(lane "$D")/.git" ] || fail "another process's lane was taken away"
expect_json "$REPO/.git/kitty/$MISSION/lanes/lane-$D.json" fork "$before"
say "resolved as told"
next=$(json "$OUT" error.next_step)
command=${next%%#*}
$command >/dev/null 2>&1
sed -i -e '/^<<<<<<<\|^=======\|^>>>>>>>/d' "$(lane "$C")/shared.txt"
git -C "$(lane "$C")" commit -q -am "both twos" || fail "not resolved where the message said"
expect_exit 0 kitty agent tasks move-task WP03 --to in_progress --reason resolve --agent claude --mission "$MISSION"
approve WP03
expect_exit 0 kitty implement WP04 --agent claude --mission "$MISSION" --json
for file in src/a/a.c src/b/b.c src/c/c.c; do
	[ -f "$(lane "$D")/$file" ] || fail "$file is not in the base of WP04"
done
echo "int d;" >"$(lane "$D")/d.c" && git -C "$(lane "$D")" add -A && git -C "$(lane "$D")" commit -q -m d
approve WP04

say "uncommitted files in the lane: the review does not begin"
echo more >"$(lane "$E")/more.txt"
before=$(git rev-parse "$BRANCH-lane-$E")
expect_exit 4 kitty agent tasks move-task WP05 --to in_review --agent claude --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" error.code MERGE_CHECKOUT_BLOCKED
json "$OUT" error.detail | grep -q more.txt || fail "the file is not named"
expect_eq "$(git rev-parse "$BRANCH-lane-$E")" "$before"
rm "$(lane "$E")/more.txt"

say "a conflict with what was integrated meanwhile moves nothing"
sed -i s/2/two-e/ "$(lane "$E")/shared.txt" && git -C "$(lane "$E")" commit -q -am "two of e"
for wp in WP01 WP02; do
	expect_exit 0 kitty agent tasks move-task "$wp" --to "done" --mission "$MISSION"
done
before=$(git rev-parse "$BRANCH-lane-$E")
expect_exit 5 kitty agent tasks move-task WP05 --to in_review --agent claude --mission "$MISSION" --json
one_object "$OUT"
expect_json "$OUT" conflict.files '["shared.txt"]'
expect_eq "$(git rev-parse "$BRANCH-lane-$E")" "$before"
silent git -C "$(lane "$E")" status --porcelain
git -C "$(lane "$E")" merge -q "$BRANCH" >/dev/null 2>&1
sed -i -e '/^<<<<<<<\|^=======\|^>>>>>>>/d' "$(lane "$E")/shared.txt"
git -C "$(lane "$E")" commit -q -am resolved
approve WP05

say "stage 1: what conflicts only with another approved work package says to integrate that one first"
freeze >"$BOX/before"
expect_exit 5 merge --json
expect_json "$OUT" conflict.wp_id WP05
json "$OUT" error.next_step | grep -q 'interactive' || fail "no way out"
frozen

say "resolved with --interactive: the others are integrated, the resolution holds the approved commit"
approved=$(git rev-parse "$BRANCH-lane-$E")
expect_exit 5 merge --interactive --json
SCRATCH=$(json "$OUT" scratch)
sed -i -e '/^<<<<<<<\|^=======\|^>>>>>>>/d' "$SCRATCH/shared.txt"
freeze >"$BOX/before"
expect_exit 5 merge --dry-run --json
json "$OUT" error.detail | grep -q 'not resolved yet' || fail "the dry run does not know of the open conflict"
git -C "$SCRATCH" add shared.txt
expect_exit 0 merge --dry-run --json
frozen
foretold=$(json "$OUT" integrated)

say "the diamond merges"
expect_exit 0 merge --resume --json
expect_eq "$(json "$OUT" integrated)" "$foretold" "what the dry run said of it"
git merge-base --is-ancestor "$approved" main || fail "the approved commit is not in main"
git cat-file blob main:shared.txt >"$BOX/shared"
for text in two-b two-c two-e; do
	grep -q "$text" "$BOX/shared" || fail "$text is lost"
done
for file in src/a/a.c src/b/b.c src/c/c.c src/e/e.c d.c; do
	git cat-file -e "main:$file" || fail "$file is not in main"
done
expect_eq "$(log_rows main | grep -c '"to_lane": "done"')" 5
exit 0
