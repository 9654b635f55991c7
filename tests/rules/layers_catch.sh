#!/bin/sh
# The layer rule must catch what it forbids: each planted line has to make layers.sh fail.
root=$1
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
bad=0
plant() { # path, line
	rm -rf "$work/tree"
	mkdir -p "$work/tree/ipc" "$work/tree/worker" "$work/tree/supervisor" "$work/tree/stress" "$work/tree/$(dirname "$1")"
	echo '#include <stdio.h>' >"$work/tree/ipc/fine.c"
	"$root/tests/rules/layers.sh" "$work/tree" "$root/tests/rules/layers.txt" || { echo "a clean tree was refused"; bad=1; }
	printf '%s\n' "$2" >"$work/tree/$1"
	if "$root/tests/rules/layers.sh" "$work/tree" "$root/tests/rules/layers.txt" >/dev/null; then
		echo "not caught in $1: $2"
		bad=1
	fi
}
plant worker/a.c '#include <git2.h>'
plant worker/a.c '#include "supervisor/report.h"'
plant supervisor/git/a.c '#include "supervisor/mission/mission.h"'
plant supervisor/lanes/a.c '#include "supervisor/transaction/writer.h"'
plant supervisor/lanes/a.c '#include "supervisor/cli/command.h"'
plant supervisor/dispatch.c '#include "supervisor/cli/command.h"'
plant supervisor/mission/a.c '#include <yaml.h>'
plant supervisor/lanes/a.c '#include <sys/wait.h>'
plant supervisor/cli/status.c '#include "supervisor/git/commit.h"'
plant supervisor/cli/status.c '#include "../report.h"'
exit $bad
