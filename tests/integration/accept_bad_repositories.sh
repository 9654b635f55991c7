#!/bin/sh
# Repositories that kitty does not work in: each refused with its code as text and as JSON by queries and by commands that
# write, and nothing changed on disk. Usage: accept_bad_repositories.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
box_open
cd "$BOX" || exit 2

refused_everywhere() { # EXIT CODE FOLDER
	for command in 'status' 'init' 'mission list' 'agent mission create fine' 'agent mission finalize-tasks' \
		'implement WP01' 'agent status emit WP01 --to claimed --actor claude' 'agent tasks move-task WP01 --to blocked'; do
		# shellcheck disable=SC2086
		refused "$1" "$2" kitty -C "$3" $command
	done
}

say "no repository at all"
mkdir plain
refused_everywhere 3 PROJECT_ROOT_UNRESOLVED plain

say "bare"
git init -q --bare bare.git
refused_everywhere 4 REPOSITORY_BARE bare.git

say "bare, with a worktree beside it"
git init -q seed
git -C seed commit -q --allow-empty -m one
git clone -q --bare seed shared.git
git -C shared.git worktree add -q "$BOX/beside" main
refused_everywhere 4 REPOSITORY_BARE shared.git
refused_everywhere 4 REPOSITORY_BARE beside

say "no commit yet"
git init -q unborn
refused_everywhere 4 REPOSITORY_EMPTY unborn
(cd unborn && paste)
expect_exit 0 kitty -C unborn mission list

say "SHA-256"
if git init -q --object-format=sha256 sha256 2>"$ERR"; then
	git -C sha256 commit -q --allow-empty -m one
	refused_everywhere 4 REPOSITORY_SHA256 sha256
else
	skipped "this git makes no SHA-256 repositories"
fi

shape() { # FOLDER KEY VALUE
	git init -q "$1"
	git -C "$1" commit -q --allow-empty -m one
	git config --file "$1/.git/config" core.repositoryFormatVersion 1
	git config --file "$1/.git/config" "$2" "$3"
}
say "reftable"
shape reftable extensions.refStorage reftable
refused_everywhere 4 REPOSITORY_REFTABLE reftable
say "relative worktrees, unknown extensions, an unknown format"
shape relative extensions.relativeWorktrees true
refused_everywhere 4 REPOSITORY_EXTENSION relative
shape unknown extensions.somethingNew true
refused_everywhere 4 REPOSITORY_EXTENSION unknown
shape future core.repositoryFormatVersion 7
refused_everywhere 4 REPOSITORY_EXTENSION future

say "shapes that are fine"
shape partial extensions.partialClone origin
shape worktreeconfig extensions.worktreeConfig true
shape files extensions.refStorage files
for folder in partial worktreeconfig files; do
	git -C "$folder" rev-parse HEAD >"$OUT" 2>"$ERR" || continue # git itself must know the extension
	expect_exit 0 kitty -C "$folder" init
	expect_exit 0 kitty -C "$folder" agent mission create fine
	expect_exit 0 git -C "$folder" fsck
done

say "somebody else's repository"
if [ "$(id -u)" -eq 0 ]; then
	git init -q "foreign"
	git -C foreign commit -q --allow-empty -m one
	chown -R 12345:12345 foreign
	(unset SUDO_UID && refused_everywhere 4 REPOSITORY_OWNER foreign) || exit 1
	unset SUDO_UID
	expect_exit 4 kitty -C foreign mission list
	paste
	expect_exit 0 kitty -C foreign mission list
	git config --global --unset-all safe.directory
	git init -q half
	git -C half commit -q --allow-empty -m one
	chown -R 12345:12345 half/.git
	refused_everywhere 4 REPOSITORY_OWNER half
else
	skipped "somebody else's repository: needs root"
fi
exit 0
