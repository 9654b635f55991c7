#!/bin/bash
# Power loss on a real file system: ext4 in an image on a loop device, cut (the image copied) at each call of an
# operation and right after each acknowledgement; the copy is mounted, which replays its journal, and checked: what
# was acknowledged is committed, the repository is whole, the next run finishes, every promise holds. And the negative
# control: with fsync doing nothing, acknowledged events must be found lost.
# Needs root, losetup and mkfs.ext4; skipped visibly otherwise. KITTY_CRASH_STRIDE=1 cuts at every call.
# shellcheck source=tests/support/lib.sh
. "${KITTY_SOURCE:?}/tests/support/lib.sh"

[ "$(id -u)" = 0 ] || { echo "SKIPPED: power loss on a real file system needs root"; exit 77; }
command -v mkfs.ext4 >/dev/null || { echo "SKIPPED: no mkfs.ext4"; exit 77; }
stride=${KITTY_CRASH_STRIDE:-12}
library=$KITTY_BIN/tests/libkitty-faults.so
[ -f "$library" ] || { echo "SKIPPED: no library to preload in this build"; exit 77; }

box_open
REPO=$BOX/mnt/repo
power_end() {
	power_status=$?
	cd / && umount -l "$BOX/mnt" 2>/dev/null
	(exit "$power_status")
	box_remove
}
trap power_end EXIT
mkdir "$BOX/mnt"
# No commit of the journal by the clock: what is not synced is lost.
insert() { mount -o loop,commit=3000,noatime "$BOX/$1" "$BOX/mnt"; }
eject() { cd / && umount "$BOX/mnt" || fail "umount"; }
cut_power() { cp --sparse=always "$BOX/disk" "$BOX/cut"; }

truncate -s 24M "$BOX/disk"
mkfs.ext4 -q -J size=4 "$BOX/disk" 2>"$ERR" || fail "mkfs"
insert disk 2>"$ERR" || { echo "SKIPPED: no loop device can be mounted here: $(cat "$ERR")"; exit 77; }
git init -q --template= "$REPO"
cd "$REPO" || exit 2
mkdir -p src .git/hooks .git/info
echo "int main(void) { return 0; }" >src/main.c
git add . && git commit -q -m Initial
make_mission demo "WP01:src/a/**" "WP02:src/b/**"
kitty-check --note "$REPO" >"$BOX/before"
eject
mv "$BOX/disk" "$BOX/base"

ID=01KSPTVW00000000000000CRSH
# A name and a command line each; run again, the same event.
emit() { kitty agent status emit WP01 --to claimed --actor claude --event-id "$ID" --mission "$MISSION" --json; }
batch() { kitty-crash-batch "$MISSION" "$BOX/acknowledged"; }
hooks() { emit; }
hooks_prepare() { printf '#!/bin/sh\nexit 0\n' | hook pre-commit; }
PATH=$KITTY_BIN/tests:$PATH
ids_of() { case $1 in batch) cat "$BOX/acknowledged" 2>/dev/null ;; *) [ "$status" != 0 ] || echo "$ID" ;; esac; }

# strike FAULT AT OPERATION: on a fresh copy of the base; leaves the cut image in $BOX/cut
strike() {
	cp --sparse=always "$BOX/base" "$BOX/disk"
	insert disk || fail "mount"
	cd "$REPO" || exit 2
	if [ "$3" = hooks ]; then hooks_prepare; fi
	sync -f .
	rm -f "$BOX/acknowledged"
	kitty-fault-order "$BOX/order" kitty,kitty-crash-batch "$1" "$2"
	export -f emit batch hooks
	export ID BOX
	{ setsid -w env LD_PRELOAD="$library" KITTY_FAULTS="$BOX/order" bash -c "$3" >"$OUT" 2>"$ERR"; } 2>/dev/null
	status=$?
	cut_power
	ids_of "$3" >"$BOX/ids"
	eject
}

# lost: how many acknowledged ids the cut image has not got
lost() {
	insert cut 2>"$ERR" || fail "the image cannot be mounted: $(cat "$ERR")"
	cd "$REPO" || fail "no repository after the cut"
	missing=0
	git cat-file blob "refs/heads/$BRANCH:kitty-specs/$MISSION/status.events.jsonl" >"$BOX/rows" 2>"$ERR" || missing=1
	while read -r id; do grep -q "$id" "$BOX/rows" || missing=$((missing + 1)); done <"$BOX/ids"
}

# survive OPERATION: after lost
survive() {
	[ "$missing" = 0 ] || fail "$missing acknowledged events are lost"
	# A machine needs more than ten seconds to come back: git's locks that survived are older.
	find .git -name '*.lock' -not -path './.git/kitty/*' -not -path '*/spec-kitty-locks/*' -exec touch -d '-1 minute' {} +
	"$1" >"$OUT" 2>"$ERR" || fail "the next run does not finish"
	kitty-check "$REPO" "$MISSION" --before "$BOX/before" >"$OUT" 2>"$ERR" || fail "a promise is broken"
	kitty doctor >"$OUT" 2>"$ERR" || fail "doctor"
	eject
}

cuts=0
for operation in emit batch hooks; do
	say "$operation, counted"
	strike none 0 "$operation"
	read -r calls _ <<-EOT
		$(kitty-fault-order "$BOX/order")
	EOT
	[ "$calls" -ge 30 ] || fail "only $calls calls"
	say "$operation, cut after the acknowledgement"
	lost
	survive "$operation"
	cuts=$((cuts + 1))
	for ((at = 1 + RANDOM % stride; at <= calls; at += stride)); do
		say "$operation, cut at call $at of $calls"
		strike kill "$at" "$operation"
		lost
		survive "$operation"
		cuts=$((cuts + 1))
	done
done

say "one after the other, cut after each acknowledgement"
cp --sparse=always "$BOX/base" "$BOX/disk"
insert disk
cd "$REPO" || exit 2
: >"$BOX/ids"
series=$((120 / stride))
for ((i = 1; i <= series; i++)); do
	kitty agent status emit WP02 --to "$([ $((i % 2)) = 1 ] && echo claimed || echo planned)" --actor bob --event-id "$(printf '01KSPTVW000000000000S%05d' "$i")" \
		--override-reason "a test" --mission "$MISSION" --json >"$OUT" 2>"$ERR" || fail "emit $i"
	json "$OUT" receipt.event_ids.0 >>"$BOX/ids"
	cp --sparse=always "$BOX/disk" "$BOX/cut.$i"
	cp "$BOX/ids" "$BOX/ids.$i"
done
eject
for ((i = 1; i <= series; i++)); do
	mv "$BOX/cut.$i" "$BOX/cut"
	mv "$BOX/ids.$i" "$BOX/ids"
	lost
	survive emit
	cuts=$((cuts + 1))
done

say "negative control: fsync does nothing"
found=0
for round in 1 2 3; do
	strike no-sync "$round" emit
	[ "$status" = 0 ] || fail "not acknowledged"
	lost
	[ "$missing" = 0 ] || found=$((found + 1))
	eject
done
[ "$found" -gt 0 ] || fail "nothing was lost without fsync: this test proves nothing"
echo "$cuts cuts, nothing acknowledged was lost; without fsync $found of 3 were"
exit 0
