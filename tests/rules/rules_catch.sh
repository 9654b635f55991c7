#!/bin/sh
# The rules about symbols, links, headers, paths and requirements must catch what they forbid, and pass what they allow:
# each planted violation has to make its script fail. (layers_catch.sh does the same for layers.sh.)
# Usage: rules_catch.sh <source root>
root=$1
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
bad=0

# verdict fine|caught WHAT RULE SOURCE_ROOT
verdict() {
	wanted=$1 what=$2 rule=$root/tests/rules/$3.sh
	shift 3
	got=caught
	KITTY_BIN=$work/bin "$rule" "$@" >"$work/words" 2>&1 && got=fine
	if [ "$got" != "$wanted" ]; then
		echo "$rule: '$what' was $got"
		cat "$work/words"
		bad=1
	fi
}

# status NAME BODY: a pure layer of that one function
status() {
	rm -rf "${work:?}/bin"
	mkdir "$work/bin"
	printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\n%s { %s }\n' "$1" "$2" \
		>"$work/a.c"
	cc -c -O0 "$work/a.c" -o "$work/a.o" && ar rc "$work/bin/libkitty_status.a" "$work/a.o" 2>/dev/null
}
status 'size_t kt_fine(const char *s)' 'char b[9]; snprintf(b, 9, "%s", s); return strlen(b);'
verdict fine 'a pure function' symbols "$root"
status 'size_t status_fine(const char *s)' 'return strlen(s);'
verdict caught 'a global without kt_' symbols "$root"
for call in 'time(0)' 'getenv("HOME") != 0' 'puts("x")' 'rand()' 'system("true")' 'fopen("x", "re") != 0'; do
	status 'long kt_impure(void)' "return (long)($call);"
	verdict caught "$call" symbols "$root"
done

# worker BODY [linker arguments]
worker() {
	body=$1
	shift
	rm -rf "${work:?}/bin"
	mkdir "$work/bin"
	printf '%s\nint main(void) { return 0; }\n' "$body" >"$work/w.c"
	cc "$work/w.c" -o "$work/bin/kitty-worker" -Wl,--no-as-needed "$@"
}
worker ''
verdict fine 'a worker of its own' worker_links "$root"
worker '' -lyaml
verdict caught 'a worker with libyaml' worker_links "$root"
worker 'void kt_writer_start(void) { }'
verdict caught 'a worker with code of the supervisor' worker_links "$root"

# tree PATH TEXT: a source tree of that one file
tree() {
	rm -rf "${work:?}/tree"
	for folder in include/kitty ipc worker supervisor/cli stress tests/support; do
		mkdir -p "$work/tree/$folder"
	done
	printf '%s\n' "$2" >"$work/tree/$1"
}
guarded='#ifndef KITTY_IPC_A_H
#define KITTY_IPC_A_H'
tree ipc/a.h "$guarded
#include <stddef.h>
size_t kt_a(void);
#endif"
verdict fine 'a header' headers "$work/tree"
tree ipc/a.h "$guarded
size_t kt_a(void);
#endif"
verdict caught 'a header that needs another before it' headers "$work/tree"
tree ipc/a.h '#ifndef A_H
#define A_H
#endif'
verdict caught 'another include guard' headers "$work/tree"

tree supervisor/cli/a.c 'static const char text[] = "see status.json in the folder";'
verdict fine 'a text for people' paths "$work/tree"
tree supervisor/cli/a.c 'static const char path[] = "%s/status.events.jsonl";'
verdict caught 'a path outside the resolver' paths "$work/tree"

# page ROW...: a page of requirements with the one id FR-001, a script and a unit test
page() {
	rm -rf "${work:?}/tree"
	mkdir -p "$work/tree/docs" "$work/tree/tests/rules" "$work/tree/tests/unit"
	echo FR-001 >"$work/tree/tests/rules/requirements.txt"
	printf '#!/bin/sh\n' >"$work/tree/tests/a.sh"
	chmod +x "$work/tree/tests/a.sh"
	printf 'static void it_holds(void **state)\n{ }\nstatic void it_never_runs(void **state)\n{ }\nt(it_holds),\n' \
		>"$work/tree/tests/unit/a.c"
	printf '%s\n' "$@" >"$work/tree/docs/requirements.md"
}
row='| FR-001 | it holds | `tests/a.sh` |'
page "$row"
verdict fine 'a requirement with its test' requirements "$work/tree"
page '| FR-001 | it holds | `tests/unit/a.c:it_holds` |'
verdict fine 'a requirement with its test function' requirements "$work/tree"
page "$row" "$row"
verdict caught 'a requirement twice' requirements "$work/tree"
page 'nothing'
verdict caught 'a requirement that is missing' requirements "$work/tree"
page '| FR-001 | it holds | nobody knows |'
verdict caught 'a requirement without a test' requirements "$work/tree"
page '| FR-001 | it holds | `tests/b.sh` |'
verdict caught 'a script that is not there' requirements "$work/tree"
page '| FR-001 | it holds | `tests/unit/a.c:it_is_gone` |'
verdict caught 'a test function that is not there' requirements "$work/tree"
page '| FR-001 | it holds | `tests/unit/a.c:it_never_runs` |'
verdict caught 'a test function that is never run' requirements "$work/tree"

exit $bad
