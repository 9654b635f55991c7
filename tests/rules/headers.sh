#!/bin/sh
# Every header compiles alone and has the include guard of its path. Usage: headers.sh <source root>
cd "$1" || exit 2
bad=0
flags=$(pkg-config --cflags libevent_core libgit2 yaml-0.1 libcjson cmocka) || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
for header in $(find include ipc worker supervisor stress tests/support -name '*.h' | sort); do
	name=${header#include/}
	printf '#include "%s"\n#include "%s"\ntypedef int not_empty;\n' "$name" "$name" >"$work/alone.c"
	# shellcheck disable=SC2086
	if ! "${CC:-cc}" -std=c17 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude -I. -Itests \
		$flags "$work/alone.c"; then
		echo "$header does not compile alone"
		bad=1
	fi
	case $header in
	tests/*) continue ;;
	esac
	guard=$(printf '%s' "${header#include/kitty/}" | tr 'a-z/.' 'A-Z__')
	if ! grep -q "^#ifndef KITTY_$guard\$" "$header"; then
		echo "$header: the include guard is not KITTY_$guard"
		bad=1
	fi
done
exit $bad
