#!/bin/sh
# safe-commit: its codes in their order, what else is staged, hooks. Usage: safe_commit_codes.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
git switch -q -c work
printf 'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n' >partly
echo old >gone
echo x >other
echo '*.log' >.gitignore
git add .
git commit -q -m base
# The user's own business: a staged hunk beside one that is not, a staged new file, an intent to add.
sed -i 's/^one$/ONE/' partly
git add partly
sed -i 's/^eight$/EIGHT/' partly
echo new >staged-new
git add staged-new
echo later >intent
git add -N intent
staged() {
	git ls-files --stage -- partly staged-new intent other
	git diff --cached -- partly staged-new intent
	git diff -- partly
}
staged >"$BOX/staged"

# commit_fails CODE EXIT ARGS...
refused() {
	code=$1
	status=$2
	shift 2
	before=$(git rev-parse HEAD)
	index=$(sha256 .git/index)
	expect_exit "$status" kitty safe-commit "$@" --json
	one_object "$OUT"
	expect_json "$OUT" error_code "$code"
	expect_json "$OUT" error.code "$code"
	expect_json "$OUT" success false
	kitty-json-get destination_ref <"$OUT" >/dev/null || fail "no destination_ref"
	kitty-json-get observed_head <"$OUT" >/dev/null || fail "no observed_head"
	expect_eq "$(git rev-parse HEAD)" "$before" "a commit"
	expect_eq "$(sha256 .git/index)" "$index" "the index was written"
	[ -z "$(find .git -maxdepth 1 -name 'kitty-safe-commit*')" ] || fail "an index is left"
	[ -z "$(git stash list)" ] || fail "a stash"
}

say "the codes"
echo y >other
refused SAFE_COMMIT_DESTINATION_REF_SHAPE 4 other -m x --to-branch refs/heads/work
refused SAFE_COMMIT_DESTINATION_REF_SHAPE 4 other -m x --to-branch work --to-branch main
refused SAFE_COMMIT_EMPTY_CHANGESET 4 other -m x
refused SAFE_COMMIT_EMPTY_CHANGESET 4 -m x --to-branch work
refused SAFE_COMMIT_HEAD_MISMATCH 4 other -m x --to-branch main
expect_json "$OUT" observed_head work
expect_json "$OUT" worktree_root "$REPO"
refused SAFE_COMMIT_HEAD_MISMATCH 4 other -m x --to-branch no-such-branch
mkdir -p .worktrees/x
echo a >.worktrees/x/a
refused SAFE_COMMIT_PATH_POLICY 4 .worktrees/x/a -m x --to-branch work
expect_json "$OUT" offending_path .worktrees/x/a
refused SAFE_COMMIT_PATH_POLICY 4 ../outside -m x --to-branch work
refused SAFE_COMMIT_PATH_POLICY 4 .git/config -m x --to-branch work
refused INVALID_ARGUMENT 2 no-such-file -m x --to-branch work
refused USAGE_ERROR 2 other --to-branch work
(cd / && kitty safe-commit other -m x --to-branch work --json) >"$OUT" 2>"$ERR" && fail "outside of a repository"
one_object "$OUT"
expect_json "$OUT" error_code SAFE_COMMIT_NOT_A_WORKTREE
git init -q "$BOX/fresh" && echo a >"$BOX/fresh/a"
expect_exit 4 kitty -C "$BOX/fresh" safe-commit a -m x --to-branch main --json
one_object "$OUT"
expect_json "$OUT" error_code SAFE_COMMIT_DESTINATION_NOT_FOUND
expect_exit 4 kitty -C "$BOX/fresh" safe-commit a -m x --to-branch other --json
expect_json "$OUT" error_code SAFE_COMMIT_HEAD_MISMATCH
git checkout -q --detach
refused SAFE_COMMIT_HEAD_MISMATCH 4 other -m x --to-branch work
expect_json "$OUT" observed_head "<detached>"
git switch -q work
staged | cmp -s - "$BOX/staged" || fail "what is staged changed on the way"
git init -q "$BOX/unborn"
(cd "$BOX/unborn" && echo a >a && kitty safe-commit a -m x --to-branch main --json) >"$OUT" 2>"$ERR" && fail "on an unborn branch"
one_object "$OUT"
git worktree add -q "$BOX/onmain" main
(cd "$BOX/onmain" && echo a >a && kitty safe-commit a -m x --to-branch main --json) >"$OUT" 2>"$ERR" && fail "on a protected branch"
expect_json "$OUT" error_code SAFE_COMMIT_PROTECTED_BRANCH
git worktree remove --force "$BOX/onmain"

say "a commit, and everything else as it was"
echo ignored >note.log
rm gone
expect_exit 0 kitty safe-commit other gone note.log -m "three files" --to-branch work --json
one_object "$OUT"
expect_json "$OUT" result success
expect_json "$OUT" committed true
expect_json "$OUT" sha "$(git rev-parse HEAD)"
expect_json "$OUT" files '["other", "gone", "note.log"]'
expect_eq "$(git diff-tree -r --no-commit-id --name-status HEAD | tr '\t\n' '  ')" "D gone A note.log M other "
expect_eq "$(git log -1 --format=%s)" "three files"
git ls-files --stage -- partly staged-new intent >"$BOX/now"
git ls-files --stage -- partly staged-new intent | cmp -s - "$BOX/now"
grep -v '	other$' "$BOX/staged" >"$BOX/wanted"
staged | grep -v '	other$' | diff - "$BOX/wanted" >&2 || fail "what was staged changed"
git diff --quiet HEAD -- other gone note.log || fail "the index does not know the commit"
[ -z "$(git status --porcelain other gone)" ] || fail "committed files are not clean"

say "nothing to commit is a success that says so"
before=$(git rev-parse HEAD)
expect_exit 0 kitty safe-commit other -m again --to-branch work --json
expect_json "$OUT" committed false
expect_json "$OUT" sha null
expect_eq "$(git rev-parse HEAD)" "$before"

say "folders, from a folder below, odd names"
mkdir -p "deep/er dir"
printf x >"deep/er dir/tab	quote\"ü"
printf x >deep/two
printf x >deep/skip.log
(cd deep && kitty safe-commit . -m "a folder" --to-branch work --json) >"$OUT" 2>"$ERR" || fail "a folder"
one_object "$OUT"
expect_json "$OUT" files.# 2
expect_json "$OUT" expansion.deep.# 2
expect_eq "$(git diff-tree -r --no-commit-id --name-only HEAD | wc -l)" 2
staged | grep -v '	other$' | diff - "$BOX/wanted" >&2 || fail "what was staged changed"

say "a hook that refuses leaves everything as it was"
hook pre-commit <<'EOT'
#!/bin/sh
echo "no such commits here" >&2
exit 1
EOT
echo z >other
refused GIT_FAILED 1 other -m x --to-branch work
json "$OUT" error.detail | grep -q 'no such commits here' || fail "the hook's words are lost"

say "hooks see what a normal commit shows, and may change the message"
hook pre-commit <<'EOT'
#!/bin/sh
git diff --cached --name-only >"$KITTY_TEST_BOX/seen"
EOT
hook commit-msg <<'EOT'
#!/bin/sh
echo "Signed-off-by: a hook" >>"$1"
EOT
expect_exit 0 kitty safe-commit other -m "with hooks" --to-branch work
expect_eq "$(cat "$BOX/seen")" other
git log -1 --format=%B | grep -q 'Signed-off-by: a hook' || fail "the message is not the hook's"
staged | grep -v '	other$' | diff - "$BOX/wanted" >&2 || fail "what was staged changed"

say "a hook that stages more does not get it committed"
hook pre-commit <<'EOT'
#!/bin/sh
git add staged-new
EOT
echo q >other
refused SAFE_COMMIT_BACKSTOP 4 other -m x --to-branch work
rm .git/hooks/pre-commit

say "not in the middle of a merge"
git rev-parse main >.git/MERGE_HEAD
refused SAFE_COMMIT_BACKSTOP 4 other -m x --to-branch work
[ -f .git/MERGE_HEAD ] || fail "the merge is gone"
rm .git/MERGE_HEAD .git/hooks/*

# One commit of somebody else's, in an index of its own, as "git commit" in another terminal makes it.
real_git=$(command -v git)
cat >"$BOX/theirs" <<EOT
#!/bin/sh
[ ! -e "$BOX/theirs.done" ] || exit 0
: >"$BOX/theirs.done"
export GIT_INDEX_FILE="$BOX/theirs.index"
"$real_git" read-tree HEAD
"$real_git" rev-parse HEAD >theirs
"$real_git" update-index --add theirs
"$real_git" commit -q --no-verify -m theirs
EOT
chmod +x "$BOX/theirs"

# Both commits are there, one on the other, and nothing of either is undone.
both_landed() { # SHA
	expect_eq "$(git rev-parse HEAD)" "$1" "the branch"
	expect_eq "$(git log -2 --format=%s | tr '\n' ' ')" "mine theirs "
	expect_eq "$(git diff-tree -r --no-commit-id --name-only HEAD)" other "what was committed"
	[ -z "$(git status --porcelain other)" ] || fail "the committed file is not clean"
	rm -f "$BOX/theirs.done" "$BOX/theirs.index"
}

say "another commit while the hooks run"
hook pre-commit <<EOT
#!/bin/sh
exec "$BOX/theirs"
EOT
echo one >other
expect_exit 0 kitty safe-commit other -m mine --to-branch work --json
both_landed "$(json "$OUT" sha)"
rm .git/hooks/pre-commit

say "another commit between the index and the commit"
mkdir "$BOX/shim"
cat >"$BOX/shim/git" <<EOT
#!/bin/sh
for word; do
	[ "\$word" != commit ] || "$BOX/theirs"
done
exec "$real_git" "\$@"
EOT
chmod +x "$BOX/shim/git"
echo two >other
expect_exit 0 env PATH="$BOX/shim:$PATH" "$(command -v kitty)" safe-commit other -m mine --to-branch work --json
both_landed "$(json "$OUT" sha)"

say "a switch between the index and the commit"
git branch aside "$(git commit-tree -p HEAD -m aside "HEAD^{tree}")"
cat >"$BOX/shim/git" <<EOT
#!/bin/sh
for word; do
	[ "\$word" != commit ] || "$real_git" symbolic-ref HEAD refs/heads/aside
done
exec "$real_git" "\$@"
EOT
echo three >other
before=$(git rev-parse work aside)
expect_exit 4 env PATH="$BOX/shim:$PATH" "$(command -v kitty)" safe-commit other -m mine --to-branch work --json
expect_json "$OUT" error_code SAFE_COMMIT_HEAD_MISMATCH
expect_json "$OUT" committed false
expect_eq "$(git rev-parse work aside)" "$before" "the branches"
git symbolic-ref HEAD refs/heads/work

say "somebody's git holds the index for an instant"
cat >"$BOX/shim/git" <<EOT
#!/bin/sh
for word; do
	[ "\$word" = --index-info ] || continue
	[ ! -e "$BOX/held" ] || exec "$BOX/released" "\$@"
	: >"$BOX/held"
	: >"$REPO/.git/index.lock"
done
exec "$real_git" "\$@"
EOT
cat >"$BOX/released" <<EOT
#!/bin/sh
rm "$REPO/.git/index.lock"
exec "$real_git" "\$@"
EOT
chmod +x "$BOX/released"
expect_exit 0 env PATH="$BOX/shim:$PATH" "$(command -v kitty)" safe-commit other -m mine --to-branch work --json
[ -e "$BOX/held" ] || fail "nobody held it"
[ -z "$(git status --porcelain other)" ] || fail "the committed file is not clean"

say "five at once: each one's commit stays"
before=$(git rev-parse HEAD)
mkfifo "$BOX/gate"
for n in 1 2 3 4 5; do
	echo "$n" >"at-once-$n"
	(
		read -r _ <"$BOX/gate"
		kitty safe-commit "at-once-$n" -m "at once $n" --to-branch work --json >"$BOX/at-once.$n" 2>&1
	) &
done
exec 9<>"$BOX/gate"
printf '%s\n' 1 2 3 4 5 >&9
wait
exec 9<&-
for n in 1 2 3 4 5; do
	expect_json "$BOX/at-once.$n" committed true
	git cat-file -e "HEAD:at-once-$n" || fail "commit $n is lost"
done
expect_eq "$(git rev-list --count "$before..HEAD")" 5
expect_eq "$(git status --porcelain 'at-once-*')" ""
say "in a hook of its own commit it does not wait for itself"
hooks=$(git rev-parse --git-path hooks)
mkdir -p "$hooks"
echo outer >outer
echo inner >inner
cat >"$hooks/post-commit" <<EOT
#!/bin/sh
[ ! -e "$BOX/nested" ] || exit 0
kitty safe-commit inner -m inner --to-branch work --json >"$BOX/nested" 2>&1
EOT
chmod +x "$hooks/post-commit"
expect_exit 0 kitty safe-commit outer -m outer --to-branch work --json
expect_json "$OUT" committed true
expect_json "$BOX/nested" committed true
expect_eq "$(git log -2 --format=%s | tr '\n' ' ')" "inner outer "
silent git status --porcelain outer inner
rm "$hooks/post-commit"
exit 0
