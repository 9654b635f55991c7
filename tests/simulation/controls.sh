#!/bin/sh
# The simulation itself on trial: a seed gives the same trace twice, another seed another one, and with
# any one protection taken away some seed notices. KITTY_SIM is the program.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for run in 1 2; do "$KITTY_SIM" --seed 7 --verbose >"$work/$run"; done
cmp "$work/1" "$work/2" || {
	echo "seed 7 does not repeat itself"
	exit 1
}
"$KITTY_SIM" --seed 8 --verbose >"$work/other"
if cmp -s "$work/1" "$work/other"; then
	echo "seeds 7 and 8 are the same"
	exit 1
fi
count=0
for mutation in $("$KITTY_SIM" --mutations); do
	if "$KITTY_SIM" --seeds 1-40 --mutate "$mutation" >"$work/out" 2>&1; then
		echo "without protection, and nothing noticed it: $mutation"
		exit 1
	fi
	grep -q '^repeat: kitty-sim --seed' "$work/out" || {
		echo "no line to repeat it with: $mutation"
		exit 1
	}
	count=$((count + 1))
done
test "$count" -ge 8
echo "$count controls are noticed"
