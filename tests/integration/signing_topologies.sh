#!/bin/sh
# sign: true where there is no coordination branch: signed on the branch that is checked out, and on a lane's of a
# legacy mission; a signature that cannot be had leaves both as they are. Usage: signing_topologies.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/topology.sh"
command -v ssh-keygen >/dev/null || { skipped "ssh-keygen is not installed"; exit 0; }

for kind in single_branch legacy; do
	sandbox
	old_mission "$kind" 099-name 'WP01:src/a/**' 'WP02:src/b/**'
	ssh-keygen -q -t ed25519 -N '' -C test -f "$BOX/key" </dev/null || fail "ssh-keygen"
	echo "$(git config user.email) $(cut -d' ' -f1,2 "$BOX/key.pub")" >"$BOX/signers"
	git config gpg.format ssh
	git config user.signingKey "$BOX/key.pub"
	git config gpg.ssh.allowedSignersFile "$BOX/signers"
	mkdir -p .kittify
	printf 'kitty:\n  sign: true\n' >.kittify/config.yaml

	say "$kind: the claim is signed where it lands"
	expect_exit 0 kitty implement WP01 --agent claude --mission 099-name
	place=$REPO
	[ "$kind" = single_branch ] || place=$REPO/.worktrees/099-name-lane-a
	git -C "$place" log -1 --format=%s | grep -q 'WP01 claimed' || fail "the claim is not in $place"
	git -C "$place" verify-commit HEAD >"$OUT" 2>"$ERR" || fail "not signed: $(cat "$ERR")"
	git -C "$place" diff --quiet HEAD -- kitty-specs || fail "the status files differ from HEAD"

	say "$kind: no key, no commit"
	git config user.signingKey "$BOX/missing.pub"
	log=$place/kitty-specs/099-name/status.events.jsonl
	before="$(git for-each-ref) $(sha256 "$log")"
	expect_exit 8 kitty agent tasks move-task WP01 --to in_progress --agent claude --mission 099-name
	grep -q '\[SIGNING_FAILED\]' "$ERR" || fail "no code: $(cat "$ERR")"
	expect_eq "$(git for-each-ref) $(sha256 "$log")" "$before" "branches and log"
	git -C "$place" diff --quiet HEAD -- kitty-specs || fail "the status files differ from HEAD"
	git config user.signingKey "$BOX/key.pub"
	expect_exit 0 kitty agent tasks move-task WP01 --to in_progress --agent claude --mission 099-name
	git -C "$place" verify-commit HEAD >"$OUT" 2>"$ERR" || fail "not signed"
	close_box
done
exit 0
