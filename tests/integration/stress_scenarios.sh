#!/bin/sh
# The quick form of kitty-stress's scenarios, with real processes; the long one is `kitty-stress --scenario all`.
# kills and load have their own script (stress.sh); foreign writers, watchers and the soak take longer than a test may.
# Usage: stress_scenarios.sh <source root>, with KITTY_BIN naming the build folder.
stress=${KITTY_BIN:?}/kitty-stress
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export TMPDIR="$work"
fail() {
	echo "$*"
	exit 1
}

"$stress" --list >"$work/list" || fail "no list"
for name in load kills workers creations supervisors foreign merges watchers escapes soak; do
	grep -q "^$name " "$work/list" || fail "$name is not listed"
done
"$stress" --scenario nonsense --quick 2>/dev/null
[ $? -eq 2 ] || fail "an unknown scenario is no usage error"

for name in workers creations supervisors merges escapes; do
	"$stress" --scenario "$name" --quick --json >"$work/$name.json" 2>"$work/$name.err" || {
		cat "$work/$name.json" "$work/$name.err"
		fail "$name: something broke"
	}
	[ "$(wc -l <"$work/$name.json")" -eq 1 ] || fail "$name: not one object"
	grep -q '"broken_scenarios": *0' "$work/$name.json" || fail "$name: $(cat "$work/$name.json")"
done
[ -z "$(find "$work" -maxdepth 1 -name 'kitty-*')" ] || fail "folders are left"
