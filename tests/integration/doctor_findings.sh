#!/bin/sh
# Each finding of the repository, the coordination worktree, the history and the processes: the fault is made, the
# doctor names it, its command is run as printed, the finding is gone. Usage: doctor_findings.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/doctor.sh"
sandbox
make_mission look "WP01:src/a/**" "WP02:src/b/**"
folder=kitty-specs/$MISSION
expect_exit 0 kitty init
healthy

say "tracked .worktrees"
mkdir -p .worktrees/x && echo x >.worktrees/x/file && git add -f .worktrees/x/file
fault TRACKED_WORKTREES_CONTENT
rm -r .worktrees/x

say "info/exclude and info/attributes"
cp .git/info/exclude "$BOX/exclude"
: >.git/info/exclude
fault WORKTREES_NOT_EXCLUDED 0
: >.git/info/attributes
fault STATUS_ATTRIBUTES_MISSING 0
healthy

printf '*.jsonl text eol=crlf\n' >>.git/info/attributes
fault STATUS_ATTRIBUTES_WRONG 0
healthy

say "git too old, or too old for merging"
mkdir "$BOX/shim"
real_git=$(command -v git)
for version in 2.20.1:GIT_VERSION_TOO_OLD:1 2.30.2:GIT_VERSION_NO_MERGE_TREE:0 odd:GIT_VERSION_UNDETECTABLE:1; do
	# shellcheck disable=SC2016
	printf '#!/bin/sh\n[ "$1" = --version ] && echo "git version %s" && exit\ncase " $* " in *" --version "*) echo "git version %s"; exit ;; esac\nexec %s "$@"\n' \
		"${version%%:*}" "${version%%:*}" "$real_git" >"$BOX/shim/git"
	chmod +x "$BOX/shim/git"
	code=${version#*:}
	PATH=$BOX/shim:$PATH
	found "${code%:*}" "${code#*:}"
	PATH=${PATH#*:}
done
healthy

say "leftovers older than a day; younger ones are somebody's"
: >.git/objects/tmp_obj_young
touch -d '3 days ago' .git/objects/pack/tmp_pack_old
mkdir -p .git/objects/0a && touch -d '3 days ago' .git/objects/0a/tmp_obj_old
fault OBJECT_LEFTOVERS 0
[ -e .git/objects/tmp_obj_young ] || fail "a young file was removed"
rm .git/objects/tmp_obj_young

say "gc, signing, identity"
git config gc.pruneExpire now
fault GC_PRUNES_AT_ONCE 0
git config commit.gpgSign true
fault SIGNING_NOT_USED 0
git config --global --unset user.email
fault IDENTITY_MISSING 0
healthy

say "configuration"
cp .kittify/config.yaml "$BOX/config"
echo 'kitty: [' >>.kittify/config.yaml
export BOX
EDITOR="cp $BOX/config"
export EDITOR
fault CONFIG_INVALID
printf 'protection:\n  protected_branches: ["kitty/*"]\n' >>.kittify/config.yaml
fault COORDINATION_BRANCH_PROTECTED
healthy

say "a broken meta.json"
mkdir kitty-specs/broken-01AAAAAA && echo '{' >kitty-specs/broken-01AAAAAA/meta.json
EDITOR="rm"
fault META_INVALID
rm -r kitty-specs/broken-01AAAAAA
healthy

say "a declared branch that never was, and a meta.json without identity"
first=$MISSION first_branch=$BRANCH
draft_mission never "WP01:src/a/**"
git branch -q -D "$BRANCH"
rm -rf ".git/kitty/$MISSION"
fault COORDINATION_WORKTREE_NEVER_CREATED 0
healthy
git branch -q -D "$BRANCH"
rm -r "$DRAFTS"
MISSION=$first BRANCH=$first_branch COORD=$REPO/.worktrees/$first-coord DRAFTS=$REPO/kitty-specs/$first
LOG=$COORD/$folder/status.events.jsonl
healthy

cp "$DRAFTS/meta.json" "$BOX/meta"
sed -i '/"mission_id"/d' "$DRAFTS/meta.json"
EDITOR="cp $BOX/meta"
fault COORDINATION_META_INCOMPLETE 0
healthy

say "stale locks, of kitty's refs and of worktrees"
for lock in .git/index.lock .git/packed-refs.lock ".git/refs/heads/$BRANCH.lock" \
	"$(git -C "$COORD" rev-parse --git-dir)/HEAD.lock"; do
	: >"$lock"
	healthy # young: somebody may be at work
	touch -d '1 minute ago' "$lock"
	fault GIT_LOCK_STALE 0
	[ ! -e "$lock" ] || fail "$lock is still there"
done
say "a lock while git is at work in the repository is left alone"
: >.git/index.lock
touch -d '1 minute ago' .git/index.lock
mkfifo "$BOX/pipe"
git cat-file --batch <"$BOX/pipe" >/dev/null &
git_pid=$!
exec 7>"$BOX/pipe"
healthy
exec 7>&-
wait "$git_pid"
rm .git/index.lock

say "coordination worktree: gone, broken, on another branch, detached, busy, dirty"
rm -rf "$COORD"
fault COORDINATION_WORKTREE_MISSING 0
check_clean
rm "$COORD/.git"
echo mine >"$COORD/mine"
fault COORDINATION_WORKTREE_BROKEN
check_clean
rescue=$(git for-each-ref --format='%(refname)' "refs/kitty/rescue/$MISSION/coordination")
expect_eq "$(git cat-file blob "$rescue:mine")" mine "the unfinished file"
git -C "$COORD" switch -q -c elsewhere
fault COORDINATION_WORKTREE_BRANCH_MISMATCH
check_clean
git -C "$COORD" switch -q --detach
git -C "$COORD" commit -q --allow-empty -m "on no branch"
detached=$(git -C "$COORD" rev-parse HEAD)
fault COORDINATION_WORKTREE_BRANCH_MISMATCH
git for-each-ref --format='%(objectname)' "refs/kitty/rescue/$MISSION" | grep -q "$detached" || fail "the detached commit is lost"
check_clean
git -C "$COORD" rev-parse HEAD >"$(git -C "$COORD" rev-parse --git-dir)/MERGE_HEAD"
fault COORDINATION_WORKTREE_BUSY
check_clean
echo x >"$COORD/stray"
echo edited >>"$COORD/src/main.c"
fault COORDINATION_WORKTREE_DIRTY 0
check_clean
rescue=$(git for-each-ref --sort=-refname --format='%(refname)' "refs/kitty/rescue/$MISSION/coordination" | head -n 1)
git cat-file -e "$rescue:stray" || fail "the stray file was not kept"

say "status files: a tail, an edited log, a deleted one, an edited snapshot"
echo '{"not": "committed"}' >>"$LOG"
fault STATUS_FILES_DIFFER
check_clean
sed -i 's/planned/blocked/' "$LOG"
fault STATUS_FILES_DIFFER
check_clean
rm "$LOG"
fault STATUS_FILES_DIFFER
check_clean
echo '{}' >"$COORD/$folder/status.json"
fault STATUS_FILES_DIFFER
check_clean
before=$(tip)

say "the branch is checked out elsewhere, or gone"
git worktree remove --force --force "$COORD"
git worktree add -q "$BOX/other" "$BRANCH"
fault BRANCH_CHECKED_OUT_ELSEWHERE
git worktree remove "$BOX/other"
kitty agent worktree repair >"$OUT" 2>"$ERR" || fail repair
git worktree remove --force --force "$COORD"
git branch -q -D "$BRANCH"
fault COORDINATION_BRANCH_DELETED
expect_eq "$(tip)" "$before" "the branch's tip"
kitty agent worktree repair >"$OUT" 2>"$ERR" || fail repair
healthy

say "hooks in a folder that the worktree does not have"
mkdir .hooks && printf '#!/bin/sh\n' >.hooks/pre-commit && chmod +x .hooks/pre-commit
git config core.hooksPath .hooks
fault HOOKS_ABSENT 0
git config --unset core.hooksPath
rm -r .hooks

say "copies of the log in the primary checkout"
expect_exit 0 kitty status --json
cp "$OUT" "$BOX/status"
for name in status.events.jsonl status.json; do
	head -n 1 "$COORD/$folder/$name" >"$folder/$name"
	expect_exit 0 kitty status --json
	cmp -s "$OUT" "$BOX/status" || fail "a copy was read"
	fault DECOY_LOG
done
healthy

say "case twins"
echo x >"$COORD/$folder/Plan.md"
git -C "$COORD" add -A && git -C "$COORD" commit -q -m twins
fault CASE_TWINS 0
kitty agent worktree repair >"$OUT" 2>"$ERR" || fail repair
healthy

say "an edited history, a row that cannot be read, an id twice"
before=$(tip)
sed -i 's/canonical bootstrap/canonical Bootstrap/' "$LOG"
git -C "$COORD" commit -q --no-verify -a -m "by hand"
bad=$(tip)
fault EVENT_LOG_REWRITTEN
expect_eq "$(tip)" "$before"
git for-each-ref --format='%(objectname)' refs/kitty/rescue | grep -q "$bad" || fail "what was set aside is lost"
check_clean
echo '{"torn' >>"$LOG"
git -C "$COORD" commit -q --no-verify -a -m "by hand"
fault EVENT_LOG_UNREADABLE
check_clean
tail -n 1 "$LOG" >"$BOX/row"
cat "$BOX/row" >>"$LOG"
git -C "$COORD" commit -q --no-verify -a -m "by hand"
fault EVENT_IDS_NOT_UNIQUE
check_clean
expect_eq "$(tip)" "$before"
healthy

say "a committed snapshot that is not the log's: put right by a new event, no row touched"
cp "$LOG" "$BOX/log"
echo '{}' >"$COORD/$folder/status.json"
git -C "$COORD" commit -q --no-verify -a -m "by hand"
fault STATUS_SNAPSHOT_DIFFERS
head -c "$(wc -c <"$BOX/log")" "$LOG" | cmp -s - "$BOX/log" || fail "a row was touched"
check_clean
healthy

say "missing objects: told again from the log"
for pack in .git/objects/pack/*.pack; do mv "$pack" "$BOX/"; done
rm -f .git/objects/pack/*
for pack in "$BOX"/*.pack; do git unpack-objects -q <"$pack" || fail unpack; done
for blob in "$BRANCH:$folder/status.json" "$BRANCH:$folder/status.events.jsonl" "$BRANCH~2:$folder/status.events.jsonl"; do
	id=$(git rev-parse "$blob")
	rm -f ".git/objects/$(echo "$id" | cut -c1-2)/$(echo "$id" | cut -c3-)"
	fault OBJECTS_MISSING
	git cat-file -e "$id" || fail "$blob is still missing"
done
check_clean

say "holder and socket of a dead supervisor"
printf '{"pid": 999999, "start_time": 1, "boot_id": "x", "command": "kitty launch", "since": 0, "socket": "%s"}\n' \
	"$BOX/socket" >".git/kitty/$MISSION/holder"
: >"$BOX/socket"
found SUPERVISOR_HOLDER_STALE 0
fault SUPERVISOR_SOCKET_STALE 0
healthy

say "processes of a dead supervisor"
SPEC_KITTY_SUPERVISOR="$MISSION:999999:1" sh -c 'sleep 300 & echo $! >'"$BOX/orphan"
fault ORPHANED_PROCESSES
orphan=/proc/$(cat "$BOX/orphan")/status
for _ in $(seq 100); do # its end comes after the signal
	grep -q '^State:[[:space:]]*[^ZX[:space:]]' "$orphan" 2>"$BOX/gone" || break
	sleep 0.05
done
! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "$orphan" 2>"$BOX/gone" || fail "the orphan lives"
say "those of a living one are no orphans"
SPEC_KITTY_SUPERVISOR="$MISSION:$$:$(cut -d' ' -f22 /proc/$$/stat)" sleep 300 &
child=$!
healthy
kill "$child"

say "--fix takes all that loses nothing, and says so"
rm -rf "$COORD"
touch -d '3 days ago' .git/objects/tmp_obj_old
git config gc.pruneExpire now
expect_exit 0 kitty doctor --fix --json
one_object "$OUT"
expect_json "$OUT" "findings.$(finding_index COORDINATION_WORKTREE_MISSING).fixed" true
expect_json "$OUT" "findings.$(finding_index OBJECT_LEFTOVERS).fixed" true
expect_json "$OUT" "findings.$(finding_index GC_PRUNES_AT_ONCE).fixed" false
expect_json "$OUT" warnings 1
git config --unset gc.pruneExpire
healthy
exit 0
