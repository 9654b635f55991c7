#!/bin/sh
# cmake --install: both programs and the alias are in place and run; a foreign file of the alias's name survives,
# our own link is renewed. Usage: install.sh <source root>, with KITTY_BIN naming the build folder.
bin=${KITTY_BIN:?}
prefix=$(mktemp -d) || exit 2
trap 'rm -rf "$prefix"' EXIT
fail() {
	echo "$*"
	exit 1
}
into() { cmake --install "$bin" --prefix "$prefix" >"$prefix/log" 2>&1 || { cat "$prefix/log"; fail "install failed"; }; }

into
for program in kitty kitty-worker spec-kitty; do
	[ -x "$prefix/bin/$program" ] || fail "$program is not installed"
done
[ "$(readlink "$prefix/bin/spec-kitty")" = kitty ] || fail "spec-kitty is not a link to kitty"
version=$("$prefix/bin/kitty" --version) || fail "kitty --version failed"
[ "$("$prefix/bin/spec-kitty" --version)" = "$version" ] || fail "spec-kitty answers otherwise than kitty"

# Only a build for tests can be told to kill itself.
grep -q '^KITTY_FAILPOINTS:BOOL=ON$' "$bin/CMakeCache.txt" && wanted=yes || wanted=no
grep -q SPEC_KITTY_FAILPOINT "$prefix/bin/kitty" && found=yes || found=no
[ "$found" = "$wanted" ] || fail "failpoints in the program: $found, in the options: $wanted"

into # again, over our own link
[ "$(readlink "$prefix/bin/spec-kitty")" = kitty ] || fail "our own link was not renewed"

rm "$prefix/bin/spec-kitty"
echo "somebody else's program" >"$prefix/bin/spec-kitty"
into
[ "$(cat "$prefix/bin/spec-kitty")" = "somebody else's program" ] || fail "a foreign file was overwritten"
grep -q "Kept: $prefix/bin/spec-kitty" "$prefix/log" || fail "nothing was said about the foreign file"

rm "$prefix/bin/spec-kitty"
ln -s /nowhere/spec-kitty "$prefix/bin/spec-kitty"
into
[ "$(readlink "$prefix/bin/spec-kitty")" = /nowhere/spec-kitty ] || fail "a foreign link was overwritten"
