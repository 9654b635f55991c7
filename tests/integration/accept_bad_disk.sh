#!/bin/sh
# A read-only file system (queries still answer), folders that may not be written, and a full disk: a code, nothing half
# done, and all goes on once there is room. Usage: accept_bad_disk.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"

# The inner part: in a mount namespace of its own, so that nothing stays mounted whatever happens.
if [ "${1:-}" = --inside ]; then
	box_open
	DISK=$BOX/disk
	mkdir "$DISK"
	mount -t tmpfs -o "size=${2:?}" tmpfs "$DISK" || exit 99
	# shellcheck disable=SC2154
	trap 'inside=$?; cd /; umount -l "$DISK"; (exit $inside); box_remove' EXIT
	REPO=$DISK/repo
	git init -q "$REPO"
	cd "$REPO" || exit 2
	mkdir src
	echo x >src/x
	git add . && git commit -q -m one
	kitty init >"$OUT" || fail init
	make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**' 'WP03:src/c/**'
	expect_exit 0 kitty agent status emit WP01 --to claimed --actor claude
	expect_exit 0 kitty implement WP02 --agent claude
	WATCHED=$REPO
	emit='kitty agent status emit WP01 --to in_progress --actor claude'

	say "a read-only file system"
	mount -o remount,ro "$DISK" || exit 99
	for query in 'kitty status' 'kitty mission list' 'kitty agent tasks status' \
		"kitty agent status validate --dir $COORD/kitty-specs/$MISSION" \
		"kitty agent status materialize --stdout --dir $COORD/kitty-specs/$MISSION"; do
		# shellcheck disable=SC2086
		unchanged expect_exit 0 $query
	done
	expect_exit 0 kitty status --json
	expect_json "$OUT" work_packages.0.lane claimed
	for write in "$emit" 'kitty implement WP01 --agent claude' 'kitty implement WP03 --agent claude' \
		'kitty agent mission create second' 'kitty agent tasks move-task WP01 --to in_progress --agent claude'; do
		# shellcheck disable=SC2086
		refused 1 READ_ONLY_FILE_SYSTEM $write
	done
	unchanged kitty init >"$OUT" 2>"$ERR"
	mount -o remount,rw "$DISK" || exit 99
	expect_exit 0 $emit
	check_clean

	say "a full disk, a little room at a time"
	for room in 0 4 8 16 32 64 128; do
		before=$(tip)
		: >"$DISK/filler"
		cat /dev/zero >"$DISK/filler" 2>/dev/null
		size=$(wc -c <"$DISK/filler")
		truncate -s $((size - room * 1024)) "$DISK/filler"
		to=blocked
		[ "$(kitty status --json | kitty-json-get work_packages.0.lane)" = in_progress ] || to=in_progress
		say "$room KiB of room, $to"
		kitty agent status emit WP01 --to $to --reason full --actor claude --json >"$OUT" 2>"$ERR"
		emit_exit=$?
		one_object "$OUT"
		expect_exit 0 kitty status
		if [ $emit_exit -eq 0 ]; then
			expect_eq "$(git rev-list --count "$before..$BRANCH")" 1 "commits"
		elif [ "$(tip)" = "$before" ]; then
			kitty agent status emit WP01 --to $to --reason full --actor claude >"$OUT" 2>"$ERR"
			if [ $? -ne 0 ]; then
				expect_eq "$(grep -c ' \[NO_SPACE\]$' "$ERR")" 1 "the code"
				expect_eq "$(tip)" "$before" "the branch"
				git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" >"$BOX/committed"
				head -c "$(wc -c <"$LOG")" "$BOX/committed" | cmp -s - "$LOG" || fail "the log is ahead of the branch"
			fi
		fi
		git fsck --no-dangling >"$BOX/fsck" 2>&1 || fail "fsck: $(cat "$BOX/fsck")"
		rm "$DISK/filler"
		to=blocked
		[ "$(kitty status --json | kitty-json-get work_packages.0.lane)" = in_progress ] || to=in_progress
		expect_exit 0 kitty agent status emit WP01 --to $to --reason room --actor claude
		check_clean
	done

	say "a full disk where a lane is to be made"
	cat /dev/zero >"$DISK/filler" 2>/dev/null
	kitty implement WP03 --agent claude --json >"$OUT" 2>"$ERR" && fail "a lane without room"
	one_object "$OUT"
	rm "$DISK/filler"
	expect_exit 0 kitty implement WP03 --agent claude
	silent git -C ".worktrees/$MISSION-lane-c" status --porcelain
	check_clean
	exit 0
fi

if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	for size in 4m 16m; do
		unshare -m "$0" --inside $size
		case $? in
		0) ;;
		99) skipped "nothing can be mounted here" ;;
		*) exit 1 ;;
		esac
	done
else
	skipped "read-only file system and full disk: need root and a mount namespace"
fi

sandbox
kitty init >"$OUT" || fail init
make_mission upsell 'WP01:src/a/**'
expect_exit 0 kitty agent status emit WP01 --to claimed --actor claude
if [ "$(id -u)" -eq 0 ] && command -v setpriv >"$OUT"; then
	chown -R 12345:12345 "$BOX"
	chmod 711 "$BOX"
	as_user() { setpriv --reuid 12345 --regid 12345 --clear-groups "$@"; }
	as_user test -x "$KITTY_BIN/kitty" || as_user() { false; }
else
	as_user() { "$@"; }
fi
if as_user test -r "$REPO/.git/HEAD" && as_user kitty status >"$OUT" 2>"$ERR"; then
	say "folders that may not be written"
	chmod -R a-w "$REPO"
	expect_exit 0 as_user kitty status --json
	expect_json "$OUT" work_packages.0.lane claimed
	WATCHED=$REPO
	unchanged quietly as_user kitty agent status emit WP01 --to in_progress --actor claude --json
	one_object "$OUT"
	case $(json "$OUT" error.code) in
	IO_ERROR | READ_ONLY_FILE_SYSTEM) ;;
	*) fail "code $(json "$OUT" error.code)" ;;
	esac
	unchanged quietly as_user kitty implement WP01 --agent claude
	expect_eq "$(wc -l <"$ERR")" 2 "lines"
	chmod -R u+w "$REPO"
	expect_exit 0 as_user kitty agent status emit WP01 --to in_progress --actor claude
else
	skipped "folders that may not be written: no ordinary user can run kitty here"
fi
exit 0
