#!/bin/sh
# One resolver: the status files' names stand in code only in supervisor/mission and in the transaction that writes
# them; everything else gets its paths from there. Usage: paths.sh <source root>
cd "$1" || exit 2
grep -rnE '"[^"]*status\.(events\.jsonl|json)[^"]*"' ipc worker supervisor include --include='*.[ch]' |
	grep -vE '^supervisor/(mission|transaction)/'
[ $? -eq 1 ]
