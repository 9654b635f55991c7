# Shared by the scripts beside it; sourced, never run. Sets `root` and gives the helpers below.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=${KITTY_JOBS:-$(nproc 2>/dev/null || echo 2)}

say() { printf '== %s\n' "$*"; }

# sandbox_start NAME: a private TMPDIR, HOME and runtime folder for everything that follows, and a mark in the
# environment by which sandbox_end finds what was left running. Tests must not depend on the user's git settings.
sandbox_start()
{
	sandbox=$(mktemp -d "${TMPDIR:-/tmp}/kitty-$1.XXXXXX")
	KITTY_RUN_MARK="$1-$$-$(date +%s)"
	mkdir -p "$sandbox/home" "$sandbox/run" "$sandbox/tmp"
	chmod 700 "$sandbox/run"
	export KITTY_RUN_MARK
	export HOME="$sandbox/home" TMPDIR="$sandbox/tmp" XDG_RUNTIME_DIR="$sandbox/run"
	export GIT_CONFIG_NOSYSTEM=1
	unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE GIT_COMMON_DIR GIT_OBJECT_DIRECTORY GIT_PREFIX
	# A test that runs away (a program that reads what it writes) must not fill the disk: no file over 4 GiB.
	ulimit -f 4194304
	trap 'sandbox_end' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# Processes that were started with the mark in their environment; this shell was not.
sandbox_processes()
{
	local folder
	for folder in /proc/[0-9]*; do
		if tr '\0' '\n' 2>/dev/null <"$folder/environ" | grep -qxF "KITTY_RUN_MARK=$KITTY_RUN_MARK"; then
			printf '%s\n' "${folder#/proc/}"
		fi
	done 2>/dev/null
}

# Ends what is left (that is a failure of the run) and removes the folder.
sandbox_end()
{
	local status=$? pid left files
	trap - EXIT
	left=$(sandbox_processes)
	if [ -n "$left" ]; then
		printf 'left running:\n' >&2
		for pid in $left; do
			printf '  %s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" >&2
			kill -KILL "$pid" 2>/dev/null || true
		done
		[ "$status" -ne 0 ] || status=1
	fi
	# The script may have taken the folder away itself.
	files=$(find "$sandbox/tmp" -mindepth 1 -maxdepth 1 2>/dev/null | head -n 5) || true
	if [ -n "$files" ] && [ "$status" -eq 0 ]; then
		printf 'temporary files left behind:\n%s\n' "$files" >&2
		status=1
	fi
	rm -rf "$sandbox"
	exit "$status"
}

# build_tree FOLDER [cmake arguments]: configures and builds; the compiler's output only when it fails.
build_tree()
{
	local folder=$1 log
	shift
	mkdir -p "$folder"
	log="$folder/build.log"
	if ! { cmake -S "$root" -B "$folder" "$@" && cmake --build "$folder" -j "$jobs"; } >"$log" 2>&1; then
		tail -n 80 "$log" >&2
		printf 'the build in %s failed; the whole output: %s\n' "$folder" "$log" >&2
		return 1
	fi
}
