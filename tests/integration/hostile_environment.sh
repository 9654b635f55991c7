#!/bin/sh
# Every variable that git reads, set to something hostile, under the commands that make the most: a lane, an integration, a
# mission. accept_inside_git.sh has a query and a move under each. Usage: hostile_environment.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
sandbox
OTHER=$BOX/other
git init -q "$OTHER"
git -C "$OTHER" commit -q --allow-empty -m "The other repository"
kitty init >"$OUT" || fail init
git add .kittify && git commit -q -m kittify
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
work WP01 a src/a/a.c "int a;"
approve WP01
expect_exit 0 kitty agent status emit WP02 --to canceled --actor operator --reason "not needed"
make_mission second 'WP01:src/z/**'
second=$MISSION
cp -r "$DRAFTS" "$BOX/drafts"
MISSION=$(cd kitty-specs && echo upsell-*)
BRANCH=kitty/mission-$MISSION
keep

hostile_value() { # NAME
	case $1 in
	GIT_DIR | GIT_COMMON_DIR) echo "$OTHER/.git" ;;
	GIT_INDEX_FILE) echo "$OTHER/.git/index" ;;
	GIT_WORK_TREE | GIT_PREFIX) echo "$OTHER" ;;
	GIT_OBJECT_DIRECTORY | GIT_ALTERNATE_OBJECT_DIRECTORIES) echo "$OTHER/.git/objects" ;;
	GIT_SHALLOW_FILE | GIT_GRAFT_FILE) echo "$OTHER/.git/HEAD" ;;
	GIT_CONFIG | GIT_CONFIG_SYSTEM) echo "$OTHER/.git/config" ;;
	GIT_CONFIG_PARAMETERS) echo "'core.worktree=$OTHER' 'core.bare=true'" ;;
	GIT_NAMESPACE) echo stranger ;;
	GIT_REPLACE_REF_BASE) echo refs/stranger/ ;;
	GIT_CEILING_DIRECTORIES) echo "$REPO" ;;
	GIT_EXEC_PATH | GIT_TEMPLATE_DIR) echo /no/such/folder ;;
	GIT_EDITOR | GIT_SEQUENCE_EDITOR | GIT_SSH_COMMAND | GIT_EXTERNAL_DIFF | GIT_PAGER | GIT_ASKPASS | GIT_PROXY_COMMAND)
		echo "touch $BOX/ran-$1; false"
		;;
	GIT_DEFAULT_HASH) echo sha256 ;;
	GIT_AUTHOR_DATE | GIT_COMMITTER_DATE) echo '1 +0000' ;;
	GIT_ATTR_SOURCE) echo refs/heads/nothing ;;
	GIT_MERGE_AUTOEDIT) echo yes ;;
	GIT_REFLOG_ACTION) printf 'a\nb' ;;
	*) echo 1 ;;
	esac
}
# The worst of them together are the per-commit part; each alone the whole.
names='GIT_DIR GIT_COMMON_DIR GIT_INDEX_FILE GIT_WORK_TREE GIT_PREFIX GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
GIT_SHALLOW_FILE GIT_GRAFT_FILE GIT_CONFIG GIT_CONFIG_SYSTEM GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT GIT_NAMESPACE
GIT_REPLACE_REF_BASE GIT_NO_REPLACE_OBJECTS GIT_CEILING_DIRECTORIES GIT_EXEC_PATH GIT_TEMPLATE_DIR GIT_EDITOR
GIT_SEQUENCE_EDITOR GIT_SSH_COMMAND GIT_EXTERNAL_DIFF GIT_PAGER GIT_ASKPASS GIT_PROXY_COMMAND GIT_DEFAULT_HASH
GIT_AUTHOR_DATE GIT_COMMITTER_DATE GIT_ATTR_SOURCE GIT_MERGE_AUTOEDIT GIT_REFLOG_ACTION GIT_LITERAL_PATHSPECS
GIT_ICASE_PATHSPECS GIT_NOGLOB_PATHSPECS GIT_OPTIONAL_LOCKS GIT_QUARANTINE_PATH GIT_TRACE GIT_TRACE2_EVENT
GIT_IMPLICIT_WORK_TREE GIT_INTERNAL_SUPER_PREFIX GIT_DISCOVERY_ACROSS_FILESYSTEM GIT_NO_LAZY_FETCH GIT_INDEX_VERSION'

under() { # NAME=VALUE...: three commands, and everybody else's things
	fresh
	works env "$@" kitty implement WP01 --mission "$second" --agent claude
	expect_eq "$(git -C ".worktrees/$second-lane-a" symbolic-ref HEAD)" "refs/heads/kitty/mission-$second-lane-a"
	silent git -C ".worktrees/$second-lane-a" status --porcelain
	cell_is ok
	works env "$@" kitty merge --mission "$MISSION" --keep-worktrees
	expect_eq "$(git cat-file blob main:src/a/a.c)" "int a;" "the work in main"
	expect_eq "$(git rev-parse main)" "$(git rev-parse HEAD)" "main's checkout"
	cell_is ok
	works env "$@" kitty agent mission create third
	third=$(json "$OUT" mission_slug)
	git rev-parse -q --verify "refs/heads/kitty/mission-$third" >/dev/null || fail "no branch of the third"
	cell_is ok
	git fsck --no-dangling >"$BOX/fsck" 2>&1 || fail "fsck: $(cat "$BOX/fsck")"
	silent git for-each-ref refs/namespaces
	snapshot_of "$OTHER" "$BOX/state.after"
	cmp -s "$BOX/other.before" "$BOX/state.after" || fail "the other repository: $(diff "$BOX/other.before" "$BOX/state.after")"
	[ -z "$(find "$BOX" -maxdepth 1 -name 'ran-*')" ] || fail "a program of the environment ran"
}
snapshot_of "$OTHER" "$BOX/other.before"
for name in $names; do
	cell "$name" || continue
	under "$name=$(hostile_value "$name")"
done
if cell "+all of them together"; then
	set --
	for name in $names; do
		set -- "$@" "$name=$(hostile_value "$name")"
	done
	under "$@"
fi
if cell "+those of a hook in another repository"; then
	under "GIT_DIR=$OTHER/.git" "GIT_INDEX_FILE=$OTHER/.git/index" "GIT_WORK_TREE=$OTHER" GIT_PREFIX=
fi
matrix_end 22 "hostile variables x three commands"
exit 0
