#!/bin/sh
# git gc --prune=now while an event is written: what no ref holds yet stays. Usage: gc_guard.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
make_mission guarded 'WP01:src/a/**' 'WP02:src/b/**'
packs=.git/objects/pack

kept() { find "$packs" -name '*.keep' | wc -l; }
healthy_objects() {
	git fsck --full --strict >"$OUT" 2>"$ERR" || fail "git fsck"
	expect_exit 0 kitty verify --mission "$MISSION"
}

say "a gc that runs between the objects and the ref leaves the pack where it is"
# The hooks run when the pack is on the disk and no ref names it.
hook pre-commit <<-EOT
	#!/bin/sh
	exec >"$BOX/hook" 2>&1
	unset GIT_INDEX_FILE GIT_DIR
	cd "$REPO" || exit 1
	ls $packs/*.keep || exit 1
	ls $packs/*.pack | sort >"$BOX/before"
	git gc -q --prune=now || exit 1
	for kept in $packs/*.keep; do [ -f "\${kept%.keep}.pack" ] || exit 1; done
	git prune --expire=now
EOT
expect_exit 0 kitty implement WP01 --agent claude --mission "$MISSION"
grep -q keep "$BOX/hook" || fail "the hook did not run: $(cat "$BOX/hook")"
healthy_objects
expect_eq "$(kept)" 0 "kept packs afterwards"
rm .git/hooks/pre-commit

say "while a gc runs the mark stays, and goes when none runs any more"
sleep 600 &
gc=$!
printf '%s %s\n' "$gc" "$(hostname)" >.git/gc.pid
expect_exit 0 kitty implement WP02 --agent claude --mission "$MISSION"
expect_eq "$(kept)" 1 "kept packs beside a gc"
git repack -q -a -d
healthy_objects
kill "$gc"
wait "$gc" 2>/dev/null
# git overwrites the record of a dead one, and so may anybody.
expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --mission "$MISSION"
healthy_objects

say "a killed writer's mark is taken away by the next one"
pack=$(find "$packs" -name '*.pack' | head -n 1)
printf 'kitty 999999999 1\n' >"${pack%.pack}.keep"
printf '999999999 1 %s %040d\n' "$(cat /proc/sys/kernel/random/boot_id)" 0 >".git/kitty/$MISSION/intent"
expect_exit 0 kitty agent tasks move-task WP02 --to in_progress --mission "$MISSION"
expect_eq "$(kept)" 0 "kept packs"

say "a mark that somebody else made stays"
echo mine >"${pack%.pack}.keep"
printf '999999999 1 %s %040d\n' "$(cat /proc/sys/kernel/random/boot_id)" 0 >".git/kitty/$MISSION/intent"
expect_exit 0 kitty agent tasks add-history WP02 --note x --mission "$MISSION"
expect_eq "$(cat "${pack%.pack}.keep")" mine "the user's mark"
healthy_objects
