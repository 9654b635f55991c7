#!/bin/sh
# One resolver: in code the status files' names stand only in supervisor/mission; everything else gets its paths, and
# the names where it must compare them, from there. Texts for people may name the files. Usage: paths.sh <source root>
cd "$1" || exit 2
grep -rnE '"[^" ]*status\.(events\.jsonl|json)"' ipc worker supervisor include --include='*.[ch]' |
	grep -v '^supervisor/mission/'
[ $? -eq 1 ]
