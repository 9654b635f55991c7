#!/bin/sh
# What was true when a command began, and is not any more when it gets its lock: the lock is the test's, and so is what
# happens meanwhile. Usage: meanwhile.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
. "$KITTY_SOURCE/tests/support/making.sh"

sandbox
make_mission demo 'WP01:src/a/**' 'WP02:src/b/**'
status_lock=$REPO/.git/spec-kitty-locks/$MISSION.status.lock
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"

# later COMMAND...: begins while the test has the lock, and waits for it; then "ended" says what came of it.
later() {
	"$@" --json 8<&- >"$BOX/later" 2>&1 &
	later=$!
	until_one_waits
}
ended() { # EXIT STATUS
	making_ends
	wait $later
	expect_eq $? "$1" "$(cat "$BOX/later")"
	one_object "$BOX/later"
}
nothing_left() {
	expect_eq "$(git worktree list | wc -l)" 1 "worktrees: $(git worktree list)"
	expect_eq "$(ls .worktrees)" "" "folders"
	expect_eq "$(git for-each-ref refs/heads/kitty)" "" "branches"
	expect_exit 0 kitty verify --mission "$MISSION"
}
closed_by_hand() {
	git update-ref "refs/kitty/closed/$MISSION" "$BRANCH"
	git worktree list --porcelain | sed -n 's/^worktree //p' | sed 1d | while read -r worktree; do
		git worktree remove --force --force "$worktree"
	done
	git for-each-ref --format='delete %(refname)' refs/heads/kitty | git update-ref --stdin
}

say "a commit, while a discard waits"
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor claude --mission "$MISSION"
last=$(tip)
git update-ref "refs/heads/$BRANCH" "$last^"
making_begins "$status_lock"
later kitty mission close --discard --mission "$MISSION"
git update-ref "refs/heads/$BRANCH" "$last"
ended 0
expect_eq "$(git rev-parse "refs/kitty/closed/$MISSION" "refs/kitty/trash/$MISSION/coordination" | sort -u)" "$last"
nothing_left

say "a restore, while another discard waits"
making_begins "$status_lock"
later kitty mission close --discard --mission "$MISSION"
git update-ref "refs/heads/$BRANCH" "refs/kitty/trash/$MISSION/coordination"
git for-each-ref --format='delete %(refname)' refs/kitty/trash refs/kitty/closed | git update-ref --stdin
ended 0
expect_eq "$(git rev-parse "refs/kitty/closed/$MISSION" "refs/kitty/trash/$MISSION/coordination" | sort -u)" "$last"
nothing_left
expect_exit 0 kitty mission restore --mission "$MISSION"

say "the mission is closed, while an implement waits"
making_begins
later kitty implement WP02 --agent claude --mission "$MISSION"
closed_by_hand
ended 3
expect_json "$BOX/later" error.code MISSION_NOT_FOUND
nothing_left

say "the mission is closed, while a lane is about to be made"
git branch -q "$BRANCH" "refs/kitty/closed/$MISSION"
git update-ref -d "refs/kitty/closed/$MISSION"
making_begins
later kitty internal lane-prepare --mission "$MISSION" --lane lane-b
closed_by_hand
ended 3
expect_json "$BOX/later" error.code MISSION_NOT_FOUND
nothing_left

say "a lane, while a discard removes the coordination branch"
git branch -q "$BRANCH" "refs/kitty/closed/$MISSION"
git update-ref -d "refs/kitty/closed/$MISSION"
expect_exit 0 kitty internal coordination --mission "$MISSION"
mkdir "$BOX/shim"
# The lanes were seen to be absent when the discard comes to the coordination worktree.
cat >"$BOX/shim/git" <<EOT
#!/bin/sh
if [ "\$PWD" = "$COORD" ] && [ ! -e "$BOX/came" ]; then
	: >"$BOX/came"
	PATH="$PATH" kitty internal lane-prepare --mission "$MISSION" --lane lane-b >"$BOX/lane" 2>&1
fi
exec "$(command -v git)" "\$@"
EOT
chmod +x "$BOX/shim/git"
expect_exit 0 env PATH="$BOX/shim:$PATH" "$(command -v kitty)" mission close --discard --mission "$MISSION" --json
expect_json "$BOX/lane" created true
nothing_left

say "two merges of one mission"
sandbox
make_mission demo 'WP01:src/a/**' 'WP02:src/b/**'
work WP01 a src/a/x one
approve WP01
work WP02 b src/b/x two
approve WP02
: >"$REPO/.git/kitty/$MISSION/merge.flock"
making_begins "$REPO/.git/kitty/$MISSION/merge.flock"
kitty merge --mission "$MISSION" --json 8<&- >"$BOX/other" 2>&1 &
other=$!
later kitty merge --mission "$MISSION"
until_one_waits 2
ended 0
wait $other || fail "$(cat "$BOX/other")"
expect_eq "$(grep -l '"is_noop": true' "$BOX/later" "$BOX/other" | wc -l)" 1 "$(cat "$BOX/later" "$BOX/other")"
expect_eq "$(git show main:src/a/x main:src/b/x | tr '\n' ' ')" "one two "
expect_eq "$(git status --porcelain)" ""
nothing_left
