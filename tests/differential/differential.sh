#!/bin/sh
# The reducer in C and a second one, written apart from it in Perl: equal byte for byte on the vectors and on random logs.
# Usage: differential.sh [LOGS] [SEED]
set -eu
perl -MJSON::PP -e1 2>/dev/null || { echo "skipped: no perl with JSON::PP"; exit 77; }
here=${KITTY_SOURCE:?}/tests/differential
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/kitty-differential.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
perl "$here/reduce.pl" vectors "$KITTY_SOURCE/tests/vectors/reducer"
perl "$here/reduce.pl" random "${KITTY_BIN:?}/tests/kitty-reduce-many" "${1:-1000}" "${2:-1}"
# The comparison notices: with one field of every snapshot changed, it must fail.
cat >"$TMPDIR/liar" <<'LIAR'
#!/bin/sh
"$KITTY_BIN/tests/kitty-reduce-many" "$1" | sed 's/"force_count": 1/"force_count": 2/'
LIAR
chmod +x "$TMPDIR/liar"
if perl "$here/reduce.pl" random "$TMPDIR/liar" 50 1 >/dev/null 2>&1; then
	echo "a changed snapshot was not noticed" >&2
	exit 1
fi
