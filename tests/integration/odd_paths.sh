#!/bin/sh
# A repository in a folder with spaces, quotes, a dollar, a line of letters beyond ASCII, a dash in front and a long name:
# a whole mission from creation to merge, doctor and verify silent, and the commands that are
# printed for a conflict in a lane there can be pasted. Usage: odd_paths.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
box_open
REPO="$BOX/- it's \"mine\" \$HOME % Größe 日本/$(printf '%0100d' 0)/repo"
mkdir -p "$REPO"
git init -q "$REPO"
cd "$REPO" || exit 2
mkdir src && echo "int main(void) { return 0; }" >src/main.c
git add . && git commit -q -m "Initial commit"

say "from creation to approval"
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**:WP01'
export SPEC_KITTY_MISSION="$MISSION"
work WP01 a "src/a/naïve name.c" "int a;"
approve WP01
work WP02 b src/b/b.c "int b;"
approve WP02
expect_exit 0 kitty doctor --json
expect_json "$OUT" findings '[]'

say "what the doctor prints mends it"
rm -rf "$COORD"
git -C "$(lane b)" sparse-checkout disable
kitty doctor --json >"$OUT" 2>"$ERR"
expect_exit 0 sh -c "$(json "$OUT" findings.0.next_step)"
expect_exit 0 kitty agent worktree repair
expect_exit 0 kitty doctor --json
expect_json "$OUT" findings '[]'

say "an agent in a lane there"
make_mission second 'WP01:src/c/**'
printf '#!/bin/sh\nmkdir -p src/c && echo x >src/c/x.c\n' >"$BOX/agent"
chmod +x "$BOX/agent"
expect_exit 0 kitty launch --lanes all --mission "$MISSION" --json -- "$BOX/agent"
approve WP01

say "both merged"
for mission in "$MISSION" "$SPEC_KITTY_MISSION"; do
	expect_exit 0 kitty merge --mission "$mission" --json
	expect_exit 0 kitty verify --mission "$mission" --json
done
for file in "src/a/naïve name.c" src/b/b.c src/c/x.c; do
	git cat-file -e "main:$file" || fail "main lacks $file"
done

say "a conflict's printed command, with the path in it"
make_mission third 'WP01:src/d/**' 'WP02:src/e/**'
export SPEC_KITTY_MISSION="$MISSION"
work WP01 a shared.txt "of a"
work WP02 b shared.txt "of b"
approve WP01
approve WP02
expect_exit 0 kitty agent tasks move-task WP01 --to "done"
expect_exit 5 kitty agent tasks move-task WP02 --to "done" --json
json "$OUT" conflict.resolve.0 >"$BOX/command"
sh "$BOX/command" >"$BOX/words" 2>&1
grep -q '^<<<<<<<' "$(lane b)/shared.txt" || fail "the printed command does not begin the merge in the lane: $(cat "$BOX/command" "$BOX/words")"
git fsck --no-dangling >"$OUT" 2>&1 || fail "git fsck"
exit 0
