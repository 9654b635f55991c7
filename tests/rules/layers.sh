#!/bin/sh
# Every #include must follow an edge listed in layers.txt. Usage: layers.sh <source root> [rules]
cd "$1" || exit 2
rules=${2:-tests/rules/layers.txt}
grep -rHn '^[[:space:]]*#[[:space:]]*include' ipc worker supervisor stress --include='*.[ch]' |
	awk -F: '
function folder(path,  p, n) {
	n = split(path, p, "/")
	return (p[1] == "supervisor" && n > 2) ? p[1] "/" p[2] : p[1]
}
function fail(why) { print $1 ":" $2 ": " why; bad = 1 }
function allowed(key, from) { return index(ok[key], " " from " ") || index(ok[key], " " $1 " ") }
FNR == NR {
	if (/^#/ || NF < 2) next
	k = $1; gsub(/[ \t]+/, "", k); ok[k] = " " $2 " "
	if (k ~ /^[<"]/) closed[k]
	next
}
{
	inc = $3; sub(/^[^"<]*/, "", inc); from = folder($1); count++
	if (inc ~ /^"\.\./ || (inc ~ /^"/ && inc !~ /\//)) { fail("includes name their path from the root"); next }
	for (l in closed)
		if (index(inc, l) == 1 && !allowed(l, from)) fail($1 " may not include " inc)
	if (inc ~ /^"/) {
		to = folder(substr(inc, 2))
		if (to != from && !index(ok[from], " " to " ") && !index(ok[$1], " " to " "))
			fail(from " may not include " to)
	}
}
END { if (!count) { print "no includes found"; bad = 1 } exit bad }' "$rules" -
