#!/bin/sh
# Shapes of repositories, and a mission's whole life in each: it works, or every command gives the shape's code and changes
# no byte. KITTY_FULL=1: all of them; KITTY_LARGE=1 as well: a hundred thousand files.
# Usage: hostile_repositories.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
box_open

start() { # FOLDER: a repository with one commit; REPO and the current folder
	REPO=$BOX/$1
	git init -q "$REPO"
	cd "$REPO" || exit 2
	mkdir src
	echo "int main(void) { return 0; }" >src/main.c
	git add . && git commit -q -m start
}
again() { # FOLDER GIT-CLONE-ARGUMENTS...: a clone of $BOX/origin
	REPO=$BOX/$1
	shift
	git clone -q "$@" "file://$BOX/origin" "$REPO" || fail clone
	cd "$REPO" || exit 2
}
format_one() { # KEY VALUE
	git config core.repositoryFormatVersion 1
	[ $# -lt 2 ] || git config --file "$(git rev-parse --git-common-dir)/config" "$1" "$2"
}

start origin
git config uploadpack.allowFilter true
for i in 1 2 3; do
	echo "$i" >"file$i" && git add . && git commit -q -m "$i"
done

make_shape() { # the repository of that name; $WANT when kitty refuses it
	WANT=ok
	case $1 in
	linked)
		start main-elsewhere
		git switch -q -c parked
		git worktree add -q "$BOX/linked" main
		cd "$BOX/linked" || exit 2
		;;
	bare)
		git clone -q --bare "$BOX/origin" "$BOX/bare"
		cd "$BOX/bare" || exit 2
		REPO=$BOX/bare WANT=4:REPOSITORY_BARE
		;;
	sha256)
		git init -q --object-format=sha256 "$BOX/sha256"
		cd "$BOX/sha256" || exit 2
		git commit -q --allow-empty -m start
		REPO=$BOX/sha256 WANT=4:REPOSITORY_SHA256
		;;
	reftable) start reftable && format_one extensions.refStorage reftable && WANT=4:REPOSITORY_REFTABLE ;;
	relative) start relative && format_one extensions.relativeWorktrees true && WANT=4:REPOSITORY_EXTENSION ;;
	partial) again partial --filter=blob:none ;;
	shallow) again shallow --depth 1 ;;
	submodules)
		start submodules
		git -c protocol.file.allow=always submodule --quiet add "file://$BOX/origin" part
		git commit -q -m "A part"
		;;
	worktree-config-v0) start wc0 && git config extensions.worktreeConfig true ;;
	worktree-config-v1) start wc1 && format_one extensions.worktreeConfig true ;;
	precious) start precious && format_one extensions.preciousObjects true ;;
	split-index) start split && git config core.splitIndex true && git update-index --split-index ;;
	sparse-index) start sparse && git sparse-checkout set --cone --sparse-index src ;;
	index-v4) start v4 && git config index.version 4 && git update-index --index-version 4 ;;
	untracked-cache) start untracked && git config core.untrackedCache true && git update-index --force-untracked-cache ;;
	fsmonitor)
		start fsmonitor
		printf '#!/bin/sh\nprintf "token\\000/\\000"\n' >.git/hooks/watch
		chmod +x .git/hooks/watch
		git config core.fsmonitor "$REPO/.git/hooks/watch"
		git update-index --fsmonitor
		;;
	skip-hash)
		start skip-hash
		git config index.skipHash true
		truncate -s -20 .git/index && head -c 20 /dev/zero >>.git/index
		;;
	crlf)
		start crlf
		git config core.autocrlf true
		printf '* text=auto eol=crlf\n' >.gitattributes && git add . 2>"$ERR" && git commit -q -m crlf
		;;
	filter-good)
		start filter-good
		git config filter.f.clean 'tr a-z A-Z' && git config filter.f.smudge 'tr A-Z a-z' && git config filter.f.required true
		printf '* filter=f\n' >.gitattributes && git add . && git commit -q -m filter
		;;
	filter-broken)
		start filter-broken
		git config filter.f.clean false && git config filter.f.smudge false && git config filter.f.required true
		printf 'kitty-specs/**/status.* filter=f\n' >.gitattributes && git add . && git commit -q -m filter
		;;
	foreign)
		start foreign
		WANT=4:REPOSITORY_OWNER
		[ "$(id -u)" -eq 0 ] || return 1
		chown -R 12345:12345 "$REPO"
		;;
	refs)
		start refs
		git rev-parse HEAD >"$BOX/id"
		seq 20000 | sed "s|.*|create refs/heads/many/& $(cat "$BOX/id")|" | git update-ref --stdin
		;;
	files)
		start files
		[ "${KITTY_LARGE:-}" = 1 ] || return 1
		seq 100000 | awk '{ d = "tree/" int($1 / 1000); if (!(d in seen)) { seen[d]; system("mkdir -p " d) } print $1 > (d "/" $1); close(d "/" $1) }'
		git add . && git commit -q -m many
		;;
	odd-path) start 'a space, a
newline and Größe' ;;
	*) start plain ;;
	esac
}

commit_work() { # FOLDER
	mkdir -p "$1/src/a"
	echo "int a;" >"$1/src/a/a.c"
	git -C "$1" add src/a && git -C "$1" commit -q -m work
}

# What git's sparse checkouts of lanes need: documented.
OWN_KEYS='^core\.\(worktree\|bare\|repositoryformatversion\)\|^extensions\.worktreeconfig'

# The nine commands, in the order of a mission's life.
life() {
	user_config=$(git config --list --local | grep -v "$OWN_KEYS" | sha256sum)
	expected ok kitty agent mission create upsell
	MISSION=$(json "$OUT" mission_slug)
	BRANCH=$(json "$OUT" coordination_branch)
	top=$(cd "$(git rev-parse --git-common-dir)/.." && pwd)
	mkdir -p "$top/kitty-specs/$MISSION/tasks"
	wp_write "$top/kitty-specs/$MISSION/tasks/WP01-part.md" WP01 'src/a/**' '' ''
	expected ok kitty agent mission finalize-tasks --mission "$MISSION"
	expected ok kitty implement WP01 --agent claude --mission "$MISSION"
	COORD=$top/.worktrees/$MISSION-coord
	LOG=$COORD/kitty-specs/$MISSION/status.events.jsonl
	commit_work "$top/.worktrees/$MISSION-lane-a"
	expected ok kitty agent status emit WP01 --to in_progress --actor claude --mission "$MISSION"
	expected ok kitty agent tasks move-task WP01 --to approved --agent claude --mission "$MISSION"
	expected ok kitty status --mission "$MISSION"
	expected ok kitty doctor
	# This git itself may not know what a zero instead of the index's hash means.
	[ "$shape" = +skip-hash ] || git -C "$REPO" fsck --no-dangling >"$BOX/fsck" 2>&1 || fail "fsck: $(cat "$BOX/fsck")"
	silent git -C "$COORD" status --porcelain
	git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" | cmp -s - "$LOG" || fail "the log's bytes"
	expected ok kitty verify --mission "$MISSION"
	expected ok kitty merge --mission "$MISSION"
	git cat-file -e main:src/a/a.c || fail "the work is not in main"
	expect_eq "$(git config --list --local | grep -v "$OWN_KEYS" | sha256sum)" \
		"$user_config" "the user's configuration"
}
refusals() {
	for command in 'agent mission create fine' 'agent mission finalize-tasks' 'implement WP01 --agent claude' \
		'agent status emit WP01 --to claimed --actor claude' 'agent tasks move-task WP01 --to approved' 'status' \
		'verify' 'mission list' 'merge'; do
		# shellcheck disable=SC2086
		expected "$WANT" kitty $command
	done
}

for shape in +plain +linked bare sha256 reftable relative +partial shallow +submodules worktree-config-v0 \
	+worktree-config-v1 precious +split-index sparse-index index-v4 untracked-cache fsmonitor +skip-hash +crlf \
	filter-good +filter-broken foreign refs files +odd-path; do
	cell "$shape" || continue
	if ! make_shape "${shape#+}"; then
		cell_is skipped "needs root, or KITTY_LARGE=1"
	elif [ "$WANT" = ok ]; then
		life
	else
		refusals
	fi
	cd "$BOX" && rm -rf "$REPO"
done
matrix_end 19 "repositories x nine commands"
exit 0
