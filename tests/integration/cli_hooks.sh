#!/bin/sh
# Hooks that reject, hang, rewrite or cannot run: the quickstart's diagnostic, the same log, exit 8, and success once the
# hook is gone. Usage: cli_hooks.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
kitty init >/dev/null || fail init
make_mission checkout-upsell-flow 'WP01:src/a/**' 'WP03:src/c/**'
# The coordination worktree and the log's bytes, before anything is rejected.
expect_exit 0 kitty agent status emit WP01 --to claimed --actor claude

rejected() { # HOOK: an implement of WP03 that this hook refuses
	before=$(tip)
	sha=$(sha256 "$LOG")
	snapshot=$(sha256 "${LOG%/*}/status.json")
	expect_exit 8 kitty implement WP03 --agent claude
	{
		echo "Tracking commit 'chore: WP03 claimed for implementation [claude]' was rejected by $1 hook on branch $BRANCH."
		echo "Lane transition planned → claimed for WP03 has been rolled back."
		echo "status.events.jsonl restored to pre-emit state."
		echo "Next step: Fix the $1 hook configuration and re-run."
	} >"$BOX/block"
	grep -E '^(Tracking|Lane|status|Next)' "$ERR" >"$BOX/got"
	cmp -s "$BOX/got" "$BOX/block" || fail "not the seed's block"
	grep -q '\[BOOKKEEPING_COMMIT_FAILED\]$' "$ERR" || fail "no code after the block"
	expect_exit 8 kitty implement WP03 --agent claude --json
	one_object "$OUT"
	expect_json "$OUT" error.code BOOKKEEPING_COMMIT_FAILED
	expect_json "$OUT" error_code BOOKKEEPING_COMMIT_FAILED
	expect_json "$OUT" destination_ref "$BRANCH"
	expect_json "$OUT" rejected_message "chore: WP03 claimed for implementation [claude]"
	expect_json "$OUT" rejected_by "$1"
	expect_json "$OUT" rolled_back_transition.wp_id WP03
	expect_json "$OUT" rolled_back_transition.from_lane planned
	expect_json "$OUT" rolled_back_transition.to_lane claimed
	[ -n "$(json "$OUT" rejected_reason)" ] || fail "no reason"
	[ -n "$(json "$OUT" next_step)" ] || fail "no next step"
	expect_eq "$(sha256 "$LOG")" "$sha" "the log's SHA-256"
	expect_eq "$(sha256 "${LOG%/*}/status.json")" "$snapshot" "the snapshot's SHA-256"
	expect_eq "$(tip)" "$before" "the branch"
	silent git -C "$COORD" status --porcelain
}
hooks=$(git rev-parse --path-format=absolute --git-common-dir)/hooks

say "pre-commit rejects what names WP03"
hook pre-commit <<'EOT'
#!/bin/sh
if git diff --cached | grep -q '^+.*"wp_id": "WP03"'; then
	echo "WP03 is frozen"
	exit 1
fi
EOT
rejected pre-commit
json "$OUT" rejected_reason | grep -q 'WP03 is frozen' || fail "the hook's words are lost"
say "others pass the same hook"
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor claude
check_clean
rm "$hooks/pre-commit"

say "commit-msg rejects the message"
hook commit-msg <<'EOT'
#!/bin/sh
grep -qx 'chore: WP03 claimed for implementation \[claude\]' "$1" && exit 1
exit 0
EOT
rejected commit-msg
rm "$hooks/commit-msg"

say "a hook that rewrites the log"
hook pre-commit <<'EOT'
#!/bin/sh
for log in kitty-specs/*/status.events.jsonl; do echo tampered >"$log"; done
EOT
rejected pre-commit
rm "$hooks/pre-commit"

say "a hook without its interpreter"
hook pre-commit <<'EOT'
#!/no/such/interpreter
EOT
rejected pre-commit

say "a hook that is killed"
hook pre-commit <<'EOT'
#!/bin/sh
kill -9 $$
EOT
rejected pre-commit

say "a hook that hangs, within the deadline"
grep -q 'hook_timeout' .kittify/config.yaml || fail "the configuration does not know hook_timeout"
sed -i 's/^\(  *\)#* *hook_timeout.*/  hook_timeout: 1s/' .kittify/config.yaml
grep -q '^kitty:' .kittify/config.yaml || printf 'kitty:\n  hook_timeout: 1s\n' >>.kittify/config.yaml
hook pre-commit <<'EOT'
#!/bin/sh
sleep 60
EOT
started=$(date +%s)
rejected pre-commit
[ $(($(date +%s) - started)) -lt 20 ] || fail "the deadline did not hold"

say "a hook that calls kitty is refused at once"
hook pre-commit <<'EOT'
#!/bin/sh
kitty agent status emit WP01 --to blocked --actor claude
EOT
rejected pre-commit
json "$OUT" rejected_reason | grep -q HOOK_REENTRY_REFUSED || fail "the inner refusal is not shown"

say "without the hook the same command succeeds"
rm "$hooks/pre-commit"
expect_exit 0 kitty implement WP03 --agent claude
check_clean
exit 0
