#!/bin/sh
# kitty inside the user's own git: called by a hook of the user's commit, or with git's variables set to another repository.
# The right repository or a refusal, never a byte in the user's commit or in the other repository.
# Usage: accept_inside_git.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
sandbox
OTHER=$BOX/other
git init -q "$OTHER"
echo other >"$OTHER/file"
git -C "$OTHER" add file
git -C "$OTHER" commit -q -m "The other repository"
git -C "$OTHER" branch decoy
git worktree list >"$OUT"
kitty init >"$OUT" || fail init
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**'
expect_exit 0 kitty implement WP01 --agent claude
lane=$REPO/.worktrees/$MISSION-lane-a
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor claude

# One status further and back: every call writes.
cat >"$BOX/turn" <<EOT
#!/bin/sh
case \$(kitty status --mission $MISSION --json | kitty-json-get work_packages.0.lane) in
blocked) to=in_progress ;;
*) to=blocked ;;
esac
exec kitty agent status emit WP01 --to \$to --actor claude --reason turn --mission $MISSION --json
EOT
chmod +x "$BOX/turn"

rows() { git -C "$REPO" cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" | wc -l; }

say "the hooks are the user's: they run kitty where they stand"
# Bookkeeping commits run these hooks too; the user's are told by what they are called in.
for name in pre-commit prepare-commit-msg commit-msg post-commit post-checkout pre-rebase reference-transaction; do
	hook "$name" <<-EOT
		#!/bin/sh
		[ -z "\$SPEC_KITTY_IN_HOOK" ] || exit 0
		[ -f "$BOX/armed" ] || exit 0
		[ "\$(cat "$BOX/armed")" = $name ] || exit 0
		rm -f "$BOX/armed"
		unset SPEC_KITTY_MISSION
		"$BOX/turn" >"$BOX/hook.out" 2>"$BOX/hook.err"
		echo \$? >"$BOX/hook.exit"
		exit 0
	EOT
done

user_commit() { # FOLDER HOOK GIT-ARGUMENTS...: a commit whose hook runs kitty
	folder=$1
	echo "$2" >"$BOX/armed"
	rm -f "$BOX/hook.exit"
	armed_for=$2
	shift 2
	rows_before=$(rows)
	n=$((${n:-0} + 1))
	echo "$n" >>"$folder/src/main.c"
	echo "$n" >"$folder/src/other-$n.c"
	git -C "$folder" add "src/other-$n.c"
	rm -f "$BOX/armed.keep"
	(cd "$folder" && git "$@") >"$OUT" 2>"$ERR" || fail "git $*: exit $?"
	[ -f "$BOX/hook.exit" ] || fail "the hook $armed_for did not run"
	OUT=$BOX/hook.out ERR=$BOX/hook.err
	expect_eq "$(cat "$BOX/hook.exit")" 0 "kitty in the hook"
	one_object "$BOX/hook.out"
	OUT=$BOX/out ERR=$BOX/err
	expect_eq "$(rows)" $((rows_before + 1)) "rows after the hook"
	expect_eq "$(git -C "$folder" show --format= --name-only HEAD | grep -c kitty)" 0 "kitty's files in the user's commit"
	expect_eq "$(git -C "$folder" diff --cached --name-only | grep -c kitty)" 0 "kitty's files in the user's index"
	check_clean
}

for place in "$REPO" "$lane"; do
	branch=$(git -C "$place" symbolic-ref HEAD)
	for name in pre-commit prepare-commit-msg commit-msg post-commit reference-transaction; do
		say "from $name in $place: commit -a"
		user_commit "$place" "$name" commit -q -a -m "All of it"
		expect_eq "$(git -C "$place" show --format= --name-only HEAD | sort | tr '\n' ' ')" "src/main.c src/other-$n.c "
		silent git -C "$place" status --porcelain -uno
		say "from $name in $place: commit -- path"
		user_commit "$place" "$name" commit -q -m "One path" -- src/main.c
		expect_eq "$(git -C "$place" show --format= --name-only HEAD)" src/main.c
		expect_eq "$(git -C "$place" diff --cached --name-only)" "src/other-$n.c" "what was staged"
		git -C "$place" commit -q -m "The rest"
		expect_eq "$(git -C "$place" symbolic-ref HEAD)" "$branch" "HEAD"
	done
	say "from post-checkout in $place"
	echo post-checkout >"$BOX/armed"
	rows_before=$(rows)
	rm -f "$BOX/hook.exit"
	git -C "$place" checkout -q -b "side-$n"
	expect_eq "$(cat "$BOX/hook.exit")" 0 "kitty in post-checkout"
	expect_eq "$(rows)" $((rows_before + 1)) "rows"
	git -C "$place" checkout -q "${branch#refs/heads/}"
	silent git -C "$place" status --porcelain -uno
	check_clean
done
expect_eq "$(git status --porcelain)" '?? .kittify/
?? kitty-specs/' "the primary checkout"

say "a lane made from inside a hook"
hook pre-commit <<EOT
#!/bin/sh
[ -z "\$SPEC_KITTY_IN_HOOK" ] || exit 0
kitty implement WP02 --agent claude --json >"$BOX/hook.out" 2>"$BOX/hook.err"
echo \$? >"$BOX/hook.exit"
EOT
rm -f "$BOX/hook.exit"
echo lane >>src/main.c
git commit -q -a -m "With a new lane"
expect_eq "$(cat "$BOX/hook.exit")" 0 "implement in the hook: $(cat "$BOX/hook.out" "$BOX/hook.err")"
expect_eq "$(git show --format= --name-only HEAD)" src/main.c
silent git status --porcelain -uno
silent git -C "$REPO/.worktrees/$MISSION-lane-b" status --porcelain
expect_eq "$(git -C "$REPO/.worktrees/$MISSION-lane-b" symbolic-ref HEAD)" "refs/heads/kitty/mission-$MISSION-lane-b"
check_clean
for name in pre-commit prepare-commit-msg commit-msg post-commit post-checkout pre-rebase reference-transaction; do
	rm -f ".git/hooks/$name"
done

hostile_value() { # NAME
	case $1 in
	GIT_DIR | GIT_COMMON_DIR) echo "$OTHER/.git" ;;
	GIT_INDEX_FILE) echo "$OTHER/.git/index" ;;
	GIT_WORK_TREE | GIT_INTERNAL_SUPER_PREFIX | GIT_PREFIX) echo "$OTHER" ;;
	GIT_OBJECT_DIRECTORY | GIT_ALTERNATE_OBJECT_DIRECTORIES) echo "$OTHER/.git/objects" ;;
	GIT_SHALLOW_FILE | GIT_GRAFT_FILE) echo "$OTHER/.git/HEAD" ;;
	GIT_CONFIG | GIT_CONFIG_SYSTEM) echo "$OTHER/.git/config" ;;
	GIT_CONFIG_PARAMETERS) echo "'core.worktree=$OTHER' 'core.bare=true'" ;;
	GIT_CONFIG_COUNT) echo 1 ;;
	GIT_NAMESPACE) echo stranger ;;
	GIT_REPLACE_REF_BASE) echo refs/stranger/ ;;
	GIT_CEILING_DIRECTORIES) echo "$REPO" ;;
	GIT_EXEC_PATH | GIT_TEMPLATE_DIR) echo /no/such/folder ;;
	GIT_EDITOR | GIT_SEQUENCE_EDITOR | GIT_SSH_COMMAND | GIT_EXTERNAL_DIFF | GIT_PAGER | GIT_ASKPASS)
		echo "touch $BOX/ran-$1; false"
		;;
	GIT_DEFAULT_HASH) echo sha256 ;;
	GIT_AUTHOR_DATE | GIT_COMMITTER_DATE) echo '1 +0000' ;;
	GIT_TRACE) echo 1 ;;
	*) echo 1 ;;
	esac
}

state_of_other() { snapshot_of "$OTHER" "$BOX/state.$1"; }
others_untouched() {
	state_of_other after
	cmp -s "$BOX/state.before" "$BOX/state.after" ||
		fail "the other repository was touched: $(diff "$BOX/state.before" "$BOX/state.after")"
	[ -z "$(find "$BOX" -maxdepth 1 -name 'ran-*')" ] || fail "a program of the environment ran"
}
state_of_other before

under() { # NAME=VALUE...: a query and a write
	rows_before=$(rows)
	head_before=$(git rev-parse HEAD)
	index_before=$(sha256 .git/index)
	expect_exit 0 env "$@" GIT_CONFIG_KEY_0=core.worktree GIT_CONFIG_VALUE_0="$OTHER" kitty status --mission "$MISSION" --json
	one_object "$OUT"
	expect_json "$OUT" mission_slug "$MISSION"
	expect_exit 0 env "$@" GIT_CONFIG_KEY_0=core.worktree GIT_CONFIG_VALUE_0="$OTHER" "$BOX/turn"
	one_object "$OUT"
	expect_eq "$(rows)" $((rows_before + 1)) "rows"
	expect_eq "$(git rev-parse HEAD)" "$head_before" "the primary's HEAD"
	expect_eq "$(sha256 .git/index)" "$index_before" "the primary's index"
	others_untouched
}

# With a hook of the repository's the hook's variables must be right as well.
for hooked in no yes; do
	[ $hooked = no ] || hook pre-commit <<-EOT
		#!/bin/sh
		[ "\$(git symbolic-ref HEAD)" = "refs/heads/$BRANCH" ] || exit 1
		git diff --cached --name-only | grep -q status.events.jsonl
	EOT
	for name in $(git rev-parse --local-env-vars) GIT_NAMESPACE GIT_CEILING_DIRECTORIES GIT_EXEC_PATH GIT_TEMPLATE_DIR \
		GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_SSH_COMMAND GIT_EXTERNAL_DIFF GIT_PAGER GIT_ASKPASS GIT_DEFAULT_HASH \
		GIT_CONFIG_SYSTEM GIT_LITERAL_PATHSPECS GIT_NO_LAZY_FETCH GIT_TRACE GIT_QUARANTINE_PATH GIT_OPTIONAL_LOCKS \
		GIT_AUTHOR_DATE GIT_COMMITTER_DATE GIT_DISCOVERY_ACROSS_FILESYSTEM; do
		say "$name in the environment (hook: $hooked)"
		under "$name=$(hostile_value "$name")"
	done
	say "the variables of a hook in another repository (hook: $hooked)"
	under "GIT_DIR=$OTHER/.git" "GIT_INDEX_FILE=$OTHER/.git/index" "GIT_WORK_TREE=$OTHER" GIT_PREFIX=
done
check_clean
rm .git/hooks/pre-commit

say "every command that makes something, under all of them"
export GIT_DIR="$OTHER/.git" GIT_INDEX_FILE="$OTHER/.git/index" GIT_WORK_TREE="$OTHER" GIT_COMMON_DIR="$OTHER/.git"
export GIT_OBJECT_DIRECTORY="$OTHER/.git/objects" GIT_NAMESPACE=stranger
expect_exit 0 kitty init
expect_exit 0 kitty agent mission create second --json
second=$(json "$OUT" mission_slug)
wp_write "kitty-specs/$second/tasks/WP01-part.md" WP01 'src/z/**' '' ''
expect_exit 0 kitty agent mission finalize-tasks --mission "$second" --json
expect_exit 0 kitty implement WP01 --mission "$second" --agent claude
expect_exit 0 kitty implement WP03 --mission "$MISSION" --agent claude
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE GIT_COMMON_DIR GIT_OBJECT_DIRECTORY GIT_NAMESPACE
others_untouched
[ -d ".worktrees/$second-lane-a" ] || fail "no lane"
silent git -C ".worktrees/$second-lane-a" status --porcelain
git rev-parse -q --verify "refs/heads/kitty/mission-$second" >"$OUT" || fail "no branch"
silent git for-each-ref refs/namespaces
check_clean

say "outside of any repository the variables do not name one"
export GIT_DIR="$REPO/.git" GIT_WORK_TREE="$REPO"
mkdir "$BOX/nowhere"
cd "$BOX/nowhere" || exit 2
refused 3 PROJECT_ROOT_UNRESOLVED kitty status --mission "$MISSION"
refused 3 PROJECT_ROOT_UNRESOLVED kitty agent status emit WP01 --to blocked --actor claude --mission "$MISSION"
exit 0
