#!/bin/sh
# docs/requirements.md holds every id of requirements.txt exactly once, and each path and test function that it names exists.
# Usage: requirements.sh <source root>
cd "$1" || exit 2
page=docs/requirements.md
bad=0
tell() { echo "$page: $*"; bad=1; }

[ -s tests/rules/requirements.txt ] || tell "the list of ids is empty"
while read -r id; do
	# In a table's first column, or in the list of what no test holds.
	count=$(grep -cE "^(\| |- )$id " "$page")
	[ "$count" -eq 1 ] || tell "$id stands there $count times"
done <tests/rules/requirements.txt

# What the rows hold: a path, or path:function.
sed -n 's/^| \(.*[0-9]\) .*|$/&/p' "$page" | grep -o '`[a-z][A-Za-z0-9_./-]*\.[a-z]*\(:[a-z0-9_]*\)\?`' | tr -d '`' | sort -u |
	{
		while IFS=: read -r path function; do
			[ -f "$path" ] || tell "$path is not there"
			case $path in
			tests/*.sh) [ -x "$path" ] || tell "$path cannot be run" ;;
			esac
			[ -z "$function" ] || grep -qE "^static void $function\(void \*\*" "$path" || tell "$path has no test $function"
			[ -z "$function" ] || grep -qE "[(, 	{]${function}[),]" "$path" || tell "$path never runs $function"
		done
		exit $bad
	} || bad=1

# A row without a test holds nothing.
grep -E '^\| [A-Z]+-[0-9]+ ' "$page" | grep -vE '`tests/[^`]*` \|$' | while read -r row; do tell "no test: $row"; done | grep . && bad=1
exit $bad
