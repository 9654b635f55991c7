#!/bin/sh
# Every global of our archives starts with kt_; the status layer is pure: it calls nothing that reads a clock, a
# file, the environment or a process. Usage: symbols.sh <source root>, with KITTY_BIN naming the build folder.
bin=${KITTY_BIN:?}
bad=0
count=0
for archive in "$bin"/libkitty_*.a; do
	[ -e "$archive" ] || continue
	count=$((count + 1))
	foreign=$(nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 && $3 !~ /^(kt_|__)/ {print $3}' | sort -u)
	if [ -n "$foreign" ]; then
		echo "$(basename "$archive"): globals without kt_: $foreign"
		bad=1
	fi
done
[ "$count" -gt 0 ] || { echo "no archives in $bin"; exit 1; }

# Compilers may turn some calls into others (clang: memcmp into bcmp) and sanitizers add theirs: names that start with __ are theirs, but
# for the checked forms of functions that we would not allow by their own name.
impure=$(nm -u "$bin/libkitty_status.a" | awk '$1 == "U" {print $2}' | sort -u |
	grep -vE '^(kt_|mem|str|_GLOBAL_OFFSET_TABLE_)' |
	grep -vxE 'bcmp|snprintf|vsnprintf|malloc|calloc|realloc|free' |
	grep -vE '^__(asan|ubsan|sanitizer|stack_chk|isoc|mem|str|snprintf_chk|vsnprintf_chk|ctype|sancov|llvm|gcov)')
if [ -n "$impure" ]; then
	echo "libkitty_status.a calls: $impure"
	bad=1
fi
exit $bad
