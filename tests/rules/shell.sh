#!/bin/sh
# Runs the shell checker over every script of the project. Usage: shell.sh <source root>
cd "$1" || exit 2
if ! command -v shellcheck >/dev/null; then
	echo "shellcheck is not installed: nothing was checked"
	exit 77
fi
find scripts .ci tests stress -type f -exec sh -c '
for file; do
	head -n 1 "$file" | grep -qE "^#!/(bin/sh|usr/bin/env bash)" && printf "%s\n" "$file"
done' sh {} + | sort | xargs -P 2 -n 12 shellcheck -x -S warning -e SC1010,SC1083 # `--status done` is no loop, stash@{0} no expansion
