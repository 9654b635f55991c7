#!/bin/sh
# What each command may write, and nothing else: of every file in the repository, its git folder, the home, the run-time and
# the temporary folder, those that a command made, changed, rewrote or removed must be among the places of its mission.
# Beside it stand another mission with a lane at work, and a person's own unfinished things. Usage: forbidden_writes.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
export SUBTASKS="T001"
sandbox

# Content, mode, inode and time: a file that was written again with the same bytes has been written.
photo() {
	(cd "$BOX" && find repo home run tmp \( -type f -o -type l \) -printf '%p\t%i %m %s %T@ %l\n' | LC_ALL=C sort)
}

# may_write PATTERNS COMMAND...: exit 0, and every path that differs matches one of the patterns (extended regular
# expressions of whole paths, one a line). Objects are only ever added, but for the .keep files of packs on their way.
runs=0
may_write() {
	printf '%s\n' "$1" >"$BOX/patterns"
	shift
	photo >"$BOX/before"
	expect_exit 0 "$@"
	photo >"$BOX/after"
	LC_ALL=C comm -3 "$BOX/before" "$BOX/after" | sed 's/^\t//' | cut -f1 | sort -u >"$BOX/written"
	grep -vxE -f "$BOX/patterns" "$BOX/written" >"$BOX/forbidden" &&
		fail "wrote: $(tr '\n' ' ' <"$BOX/forbidden")by: $*"
	cut -f1 "$BOX/before" | grep 'git/objects/' | grep -v '\.keep$' >"$BOX/objects"
	cut -f1 "$BOX/after" | grep -vxF -f - "$BOX/objects" >"$BOX/forbidden" &&
		fail "took away: $(cat "$BOX/forbidden") by: $*"
	runs=$((runs + 1))
}
reads() { may_write 'nothing' "$@"; }
is_noticed() { # COMMAND...: a write in the wrong place
	("$@") >/dev/null 2>&1 && fail "not noticed: $*"
}

say "somebody else's mission, and what a person has open"
make_mission theirs 'WP01:src/theirs/**'
work WP01 a src/theirs/a.c "int theirs;"
echo unsaved >"$(lane a)/src/theirs/unsaved.c"
echo draft >>"$DRAFTS/spec.md"
THEIRS=$MISSION
echo stashed >>src/main.c && git stash push -q
echo staged >src/staged.c && git add src/staged.c
echo open >notes.txt
git branch mine
git tag kept
hook pre-push <<'EOT'
#!/bin/sh
exit 0
EOT

say "the check sees what it has to"
is_noticed reads touch notes.txt
is_noticed may_write 'repo/notes.txt' touch notes.txt src/main.c
is_noticed may_write 'repo/.*' touch "$BOX/tmp/y"
rm "$BOX/tmp/y"
loose=$(echo nobody needs this | git hash-object -w --stdin)
is_noticed may_write 'repo/.*' rm -f ".git/objects/$(echo "$loose" | cut -c1-2)/$(echo "$loose" | cut -c3-)"

say "mission create"
created='repo/kitty-specs/ours-[0-9A-Z]*/.*
repo/\.git/kitty/.*
repo/\.git/spec-kitty-locks/.*
repo/\.git/(logs/)?refs/heads/kitty/mission-ours-.*'
may_write "$created" kitty agent mission create ours --json
MISSION=$(json "$OUT" mission_slug)
DRAFTS=$REPO/kitty-specs/$MISSION
COORD=$REPO/.worktrees/$MISSION-coord
LOG=$COORD/kitty-specs/$MISSION/status.events.jsonl
grep -q "kitty/$THEIRS/" "$BOX/written" && fail "wrote beside the other mission's records"
mkdir -p "$DRAFTS/tasks"
wps_write "$DRAFTS/tasks" 'WP01:src/a/**' 'WP02:src/b/**'

# The mission's own places.
own="repo/\\.worktrees/$MISSION-.*
repo/\\.git/worktrees/$MISSION-.*
repo/\\.git/kitty/$MISSION/.*
repo/\\.git/kitty/worktrees\\.holder
repo/\\.git/spec-kitty-locks/$MISSION\\.status\\.lock
repo/\\.git/(logs/)?refs/heads/kitty/mission-$MISSION.*
repo/\\.git/objects/.*"
drafts="repo/kitty-specs/$MISSION/.*"
refs="repo/\\.git/(logs/)?refs/kitty/[a-z]+/$MISSION.*"

say "what writes to the coordination branch and the lanes"
may_write "$own
$drafts" kitty agent mission finalize-tasks --mission "$MISSION"
writes() { may_write "$own" kitty "$@" --mission "$MISSION"; }
for row in WP01:a WP02:b; do
	wp=${row%:*}
	id=${row#*:}
	writes implement "$wp" --agent claude
	writes agent tasks mark-status T001 --status 'done' --wp "$wp"
	writes agent tasks add-history "$wp" --note "a word"
	writes agent status emit "$wp" --to in_progress --actor claude
	mkdir -p "$(lane "$id")/src/$id" && echo "$id" >"$(lane "$id")/src/$id/x.c"
	git -C "$(lane "$id")" add -A && git -C "$(lane "$id")" commit -q -m "$wp"
	writes agent tasks move-task "$wp" --to for_review
	writes agent action review "$wp" --agent codex
	writes agent tasks move-task "$wp" --to approved --agent codex
done
writes agent tasks move-task WP01 --to 'done'
writes agent worktree repair
rm -rf "$COORD"
writes agent worktree repair
printf 'torn' >>"$LOG"
writes doctor --fix
writes agent tasks add-history WP02 --note "after that"
git stash -q && git commit -q --allow-empty -m "The target goes on" && git stash pop -q --index
writes mission sync

say "what only reads"
reads kitty status --mission "$MISSION"
reads kitty status --mission "$MISSION" --json
reads kitty agent tasks status --mission "$MISSION"
reads kitty agent tasks list-tasks --mission "$MISSION"
reads kitty agent status history --mission "$MISSION"
reads kitty verify --mission "$MISSION"
reads kitty doctor --mission "$MISSION"
reads kitty mission list
reads kitty outbox --mission "$MISSION"

say "merge --dry-run, merge"
may_write "repo/\\.git/kitty/.*" kitty merge --dry-run --mission "$MISSION"
git stash -q && git stash drop -q
may_write "$own
$refs
repo/\\.git/(index|logs/HEAD|(logs/)?refs/heads/main)
repo/src/[ab]/x\\.c
$drafts" kitty merge --mission "$MISSION"
expect_eq "$(cat src/a/x.c)$(cat src/b/x.c)" ab "the merged files"

say "close --discard, restore"
make_mission given 'WP01:src/g/**'
work WP01 a src/g/a.c "int given;"
echo unsaved >"$(lane a)/src/g/unsaved.c"
own=$(printf '%s\n' "$own" | sed "s/ours-[0-9A-Z]*/$MISSION/g")
refs="repo/\\.git/(logs/)?refs/kitty/[a-z]+/$MISSION.*"
may_write "$own
$refs" kitty mission close --discard --mission "$MISSION"
may_write "$own
$refs" kitty mission restore --mission "$MISSION"

say "nothing of the others went"
expect_eq "$(cat ".worktrees/$THEIRS-lane-a/src/theirs/unsaved.c")" unsaved
expect_eq "$(cat notes.txt)" open
expect_eq "$(git stash list | wc -l)" 1 "the stash"
[ "$runs" -ge 30 ] || fail "only $runs commands"
exit 0
