# Helpers of the integration scripts; source it: . "$KITTY_SOURCE/tests/support/lib.sh"
# shellcheck shell=sh
#
#   sandbox                       a repository in $BOX/repo (current folder), git and kitty isolated, removed at exit
#   close_box                     ends a sandbox before that; the next one ends it, too
#   make_mission SLUG WP...       WP = "WP01:owned/glob/**:DEP,DEP"; sets MISSION, BRANCH, COORD; finalised
#   say TEXT                      names the step that follows; a failure prints it
#   expect TEXT COMMAND...        exit 0 and exactly that standard output
#   expect_exit N COMMAND...      exit status N; standard output in $OUT, standard error in $ERR (files)
#   json FILE PATH                a value of the JSON text in FILE
#   expect_json FILE PATH VALUE
#   one_object FILE               exactly one JSON object and nothing else
#   silent COMMAND...             exit 0 and no output at all
#   not_in COMMIT PATH TEXT       the commit is there, and without that path; else it fails with TEXT

: "${KITTY_BIN:?names the build folder}" "${KITTY_SOURCE:?names the source root}"

STEP=start
say() { STEP=$*; }

fail() {
	echo "FAILED at: $STEP" >&2
	echo "  $*" >&2
	# Read whole before it is printed: standard error may be that very file.
	[ -n "${OUT:-}" ] && [ -s "$OUT" ] && printf '%s\n' "$(sed 's/^/  stdout: /' "$OUT")" >&2
	[ -n "${ERR:-}" ] && [ -s "$ERR" ] && printf '%s\n' "$(sed 's/^/  stderr: /' "$ERR")" >&2
	exit 1
}

# Ends what this script's sandbox left running: only processes whose environment names the sandbox.
box_processes_end() {
	for proc in /proc/[0-9]*; do
		pid=${proc#/proc/}
		[ "$pid" = $$ ] && continue
		if tr '\0' '\n' <"$proc/environ" 2>/dev/null | grep -qx "KITTY_TEST_BOX=$BOX"; then
			kill -9 "$pid" 2>/dev/null
		fi
	done
}

box_remove() {
	status=$?
	trap - EXIT
	cd / || exit 2
	if [ -n "${BOX:-}" ]; then
		# The kills may hit helpers of this very shell; that is no news to anybody.
		{ box_processes_end; } 2>/dev/null
		chmod -R u+w "$BOX" 2>/dev/null
		rm -rf "$BOX"
	fi
	exit "$status"
}

outer_tmp=${TMPDIR:-/tmp}
has_box=
close_box() {
	cd / || exit 2
	rm -rf "$BOX"
	export TMPDIR="$outer_tmp"
	has_box=
}

box_open() {
	[ -z "$has_box" ] || close_box
	has_box=yes
	BOX=$(mktemp -d "${TMPDIR:-/tmp}/kbox.XXXXXX") || exit 2
	trap box_remove EXIT
	trap 'exit 1' HUP INT TERM
	unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_COMMON_DIR GIT_PREFIX
	unset SPEC_KITTY_MISSION SPEC_KITTY_WP SPEC_KITTY_LANE SPEC_KITTY_SOCKET SPEC_KITTY_IN_HOOK
	export KITTY_TEST_BOX="$BOX" HOME="$BOX/home" XDG_RUNTIME_DIR="$BOX/run" XDG_CONFIG_HOME="$BOX/home/.config"
	export GIT_CONFIG_GLOBAL="$BOX/home/.gitconfig" GIT_CONFIG_NOSYSTEM=1
	export PATH="$KITTY_BIN:$PATH" LC_ALL=C.UTF-8 NO_COLOR=
	# What a killed kitty leaves behind goes with the box.
	export TMPDIR="$BOX/tmp"
	mkdir -p "$HOME" "$XDG_RUNTIME_DIR" "$TMPDIR"
	chmod 700 "$XDG_RUNTIME_DIR"
	git config --global user.name "Test User"
	git config --global user.email test@example.com
	git config --global init.defaultBranch main
	git config --global advice.detachedHead false
	OUT=$BOX/out
	ERR=$BOX/err
	: >"$OUT"
	: >"$ERR"
}

sandbox() {
	box_open
	REPO=$BOX/repo
	git init -q "$REPO"
	cd "$REPO" || exit 2
	mkdir -p src
	echo "int main(void) { return 0; }" >src/main.c
	git add .
	git commit -q -m "Initial commit"
}

# wp_write FILE ID GLOB DEPENDENCIES(comma) SUBTASKS(space)
wp_write() {
	{
		echo "---"
		echo "work_package_id: $2"
		echo "title: Work package $2"
		if [ -n "$4" ]; then
			echo "dependencies:"
			echo "$4" | tr , '\n' | sed 's/^/- /'
		else
			echo "dependencies: []"
		fi
		echo "execution_mode: code_change"
		echo "owned_files:"
		echo "- $3"
		echo "authoritative_surface: ${3%%\**}"
		if [ -n "${5:-}" ]; then
			echo "subtasks:"
			echo "$5" | tr ' ' '\n' | sed 's/^/- /'
		else
			echo "subtasks: []"
		fi
		echo "---"
		echo
		echo "# $2"
		echo
		echo "Do what $2 says."
	} >"$1"
}

# wps_write FOLDER WP...: a file for each, WP as for make_mission
wps_write() {
	wps_folder=$1
	shift
	for spec; do
		id=${spec%%:*}
		rest=${spec#*:}
		glob=${rest%%:*}
		deps=
		[ "$rest" = "$glob" ] || deps=${rest#*:}
		wp_write "$wps_folder/$id-part.md" "$id" "$glob" "$deps" "${SUBTASKS:-}"
	done
}

# The drafts of a mission, not finalised yet.
draft_mission() {
	slug=$1
	shift
	kitty agent mission create "$slug" --json >"$OUT" 2>"$ERR" || fail "mission create $slug"
	MISSION=$(json "$OUT" mission_slug)
	MISSION_ID=$(json "$OUT" mission_id)
	BRANCH=$(json "$OUT" coordination_branch)
	DRAFTS=$REPO/kitty-specs/$MISSION
	COORD=$REPO/.worktrees/$MISSION-coord
	LOG=$COORD/kitty-specs/$MISSION/status.events.jsonl
	export MISSION MISSION_ID BRANCH DRAFTS COORD LOG
	mkdir -p "$DRAFTS/tasks"
	wps_write "$DRAFTS/tasks" "$@"
}

make_mission() {
	draft_mission "$@"
	kitty agent mission finalize-tasks --mission "$MISSION" --json >"$OUT" 2>"$ERR" ||
		fail "finalize-tasks of $MISSION"
}

json() { kitty-json-get "$2" <"$1"; }

# kitty-json-get lies in the tests' folder of the build.
kitty_json_get_path=$KITTY_BIN/tests
PATH=$kitty_json_get_path:$PATH
export PATH

expect_exit() {
	wanted=$1
	shift
	"$@" >"$OUT" 2>"$ERR"
	got=$?
	[ "$got" -eq "$wanted" ] || fail "exit $got instead of $wanted: $*"
}

expect() {
	wanted=$1
	shift
	"$@" >"$OUT" 2>"$ERR" || fail "exit $?: $*"
	[ "$(cat "$OUT")" = "$wanted" ] || fail "another output than: $wanted"
}

expect_json() {
	got=$(json "$1" "$2") || fail "no $2 in the JSON of $1"
	[ "$got" = "$3" ] || fail "$2 is $got instead of $3"
}

# The command must be there to say nothing: $(git -C NO_SUCH_FOLDER status) is empty, too.
silent() {
	said=$("$@" 2>&1) || fail "exit $?: $*: $said"
	[ -z "$said" ] || fail "$* says: $said"
}

not_in() {
	said=$(git -C "$REPO" ls-tree -r --name-only "$1" -- "$2") || fail "no commit $1"
	[ -z "$said" ] || fail "$3: $said"
}

expect_eq() {
	[ "$1" = "$2" ] || fail "$1 instead of $2${3:+: $3}"
}

one_object() {
	kitty-json-get <"$1" >"$BOX/object" || fail "not exactly one JSON value in $1"
	case $(head -c 1 "$BOX/object") in
	{) ;;
	*) fail "no JSON object in $1" ;;
	esac
}

# A hook of the repository: hook NAME <<'EOT' ... EOT
hook() {
	cat >"$(git -C "$REPO" rev-parse --path-format=absolute --git-common-dir)/hooks/$1"
	chmod +x "$(git -C "$REPO" rev-parse --path-format=absolute --git-common-dir)/hooks/$1"
}

sha256() { sha256sum "$1" | cut -d' ' -f1; }

tip() { git -C "$REPO" rev-parse "refs/heads/$BRANCH"; }

# Everything that must hold after any command: one clean coordination worktree at its branch's tip, a sound repository.
check_clean() {
	[ -d "$COORD" ] || fail "no coordination worktree"
	silent git -C "$COORD" status --porcelain
	git -C "$REPO" fsck --no-dangling >"$BOX/fsck" 2>&1 || fail "fsck: $(cat "$BOX/fsck")"
	git -C "$REPO" cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" | cmp -s - "$LOG" ||
		fail "the checked-out log is not the committed one"
}
