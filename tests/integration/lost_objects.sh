#!/bin/sh
# Objects of the coordination branch that somebody deleted: found, and made again with the same ids from the mission's
# journal and its log. Usage: lost_objects.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"

sandbox
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
kitty doctor >"$OUT" 2>"$ERR" || fail "not healthy at the start"
PACKS=$REPO/.git/objects/pack
JOURNAL=$REPO/.git/kitty/$MISSION/journal

packs() { find "$PACKS" -type f -printf '%f\n'; }

# Six rows; the packs that each brought are in $BOX/packs.N
emit() { kitty agent status emit "$@" --actor claude >"$OUT" 2>"$ERR" || fail "emit $*"; }
number=0
for move in 'WP01 --to claimed' 'WP01 --to in_progress' 'WP02 --to claimed' 'WP02 --to in_progress' \
	'WP02 --to blocked --reason x' 'WP02 --to in_progress'; do
	number=$((number + 1))
	packs >"$BOX/before"
	# shellcheck disable=SC2086
	emit $move
	packs | grep -vxF -f "$BOX/before" >"$BOX/packs.$number"
done
tip=$(tip)
head=$(sha256 "$LOG")

# The named packs go, and whatever git keeps beside them.
lose() {
	for number; do
		while read -r name; do
			rm -f "$PACKS/$name"
		done <"$BOX/packs.$number"
	done
	git fsck >"$BOX/fsck" 2>&1 && fail "nothing is missing"
}

healed() {
	expect_exit 1 kitty doctor --mission "$MISSION" --json
	grep -q OBJECTS_MISSING "$OUT" || fail "the doctor does not say so"
	kitty doctor --fix --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "doctor --fix"
	expect_eq "$(tip)" "$tip" "the branch"
	expect_eq "$(sha256 "$LOG")" "$head" "the log"
	check_clean
	git -C "$REPO" fsck --full --strict >"$BOX/fsck" 2>&1 || fail "fsck: $(cat "$BOX/fsck")"
	kitty verify --mission "$MISSION" >"$OUT" 2>"$ERR" || fail "verify"
	expect_exit 0 kitty doctor --mission "$MISSION"
	# What was made again is loose: the next loss finds packs to lose.
	git -C "$REPO" repack -q -a -d -k
	rm -f "$BOX"/packs.*
	packs | grep -v '\.keep$' >"$BOX/packs.all"
}

say "the last three, as a prune between the writing of objects and the ref would take them"
lose 4 5 6
healed

say "everything that kitty ever wrote for the rows"
git -C "$REPO" rev-list --objects "$BRANCH" --not main | cut -d' ' -f1 >"$BOX/ours"
mkdir "$BOX/loose"
mv "$PACKS"/pack-* "$BOX/loose"
for pack in "$BOX"/loose/*.pack; do git unpack-objects -q <"$pack"; done
emitted=$(git rev-list --count "$BRANCH" --not main)
[ "$emitted" -gt 6 ] || fail "only $emitted commits"
for id in $(git rev-list --objects "$BRANCH" --not "$BRANCH~5" | cut -d' ' -f1); do
	rm -f ".git/objects/$(echo "$id" | cut -c1-2)/$(echo "$id" | cut -c3-)"
done
healed

say "one commit in the middle, its record in the older half of the journal, behind a torn one"
mv "$JOURNAL" "$JOURNAL.1"
printf 'commit 300 0123456789012345678901234567890123456789\ntree 012' >"$BOX/torn"
cat "$BOX/torn" "$JOURNAL.1" >"$BOX/journal"
cp "$BOX/journal" "$JOURNAL.1"
mv "$PACKS"/pack-* "$BOX/loose"
for pack in "$BOX"/loose/*.pack; do git unpack-objects -q <"$pack"; done
id=$(git rev-parse "$BRANCH~3")
rm -f ".git/objects/$(echo "$id" | cut -c1-2)/$(echo "$id" | cut -c3-)"
healed

say "the journal goes on"
emit WP01 --to blocked --reason x
head=$(sha256 "$LOG")
[ -s "$JOURNAL" ] || fail "nothing was added to the journal"
check_clean

say "what nobody has any more stays a finding"
rm -f "$JOURNAL" "$JOURNAL.1"
mv "$PACKS"/pack-* "$BOX/loose" 2>/dev/null
for pack in "$BOX"/loose/*.pack; do git unpack-objects -q <"$pack"; done
id=$(git rev-parse "$BRANCH~2")
rm -f ".git/objects/$(echo "$id" | cut -c1-2)/$(echo "$id" | cut -c3-)"
expect_exit 1 kitty doctor --fix --mission "$MISSION"
grep -q OBJECTS_MISSING "$OUT" || fail "a lost commit is no finding any more"
