#!/bin/sh
# One resolver: in code the status files' names stand only in supervisor/mission, in the transaction that writes them,
# and in the header for commands that are given a folder (--dir); everything else gets its paths from there. Texts for
# people may name the files. Usage: paths.sh <source root>
cd "$1" || exit 2
grep -rnE '"[^" ]*status\.(events\.jsonl|json)"' ipc worker supervisor include --include='*.[ch]' |
	grep -vE '^supervisor/(mission|transaction)/|^supervisor/cli/log_file\.h:'
[ $? -eq 1 ]
