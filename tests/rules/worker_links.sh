#!/bin/sh
# kitty-worker needs neither libgit2 nor libyaml, and holds nothing of the supervisor. Usage: worker_links.sh <source root>
worker=${KITTY_BIN:?}/kitty-worker
needed=$(readelf -d "$worker") || exit 1
bad=0
for library in libgit2 libyaml; do
	if printf '%s\n' "$needed" | grep -q "NEEDED.*$library"; then
		echo "kitty-worker needs $library"
		bad=1
	fi
done
if nm "$worker" 2>/dev/null | grep -qE ' T (git_|yaml_|kt_(store|reducer|writer|mission|config)_)'; then
	echo "kitty-worker holds code of the supervisor:"
	nm "$worker" | grep -E ' T (git_|yaml_|kt_(store|reducer|writer|mission|config)_)' | head -n 5
	bad=1
fi
exit $bad
