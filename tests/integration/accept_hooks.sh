#!/bin/sh
# What a hook rejects leaves no trace: both of the seed's hooks, a hundred times each with implement and with emit; then
# hooks that hang, rewrite, are killed or cannot run. Usage: accept_hooks.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
kitty init >"$OUT" || fail init
sed -i 's/^  hook_timeout: .*/  hook_timeout: 400ms/' .kittify/config.yaml
grep -q '^  hook_timeout: 400ms$' .kittify/config.yaml || fail "no hook_timeout in the configuration"
make_mission checkout-upsell-flow 'WP01:src/a/**' 'WP03:src/c/**' 'WP04:src/d/**'
expect_exit 0 kitty agent status emit WP01 --to claimed --actor claude
hooks=$(git rev-parse --path-format=absolute --git-common-dir)/hooks
# A post-commit hook is an effect to the outside that shows when it ran.
hook post-commit <<'EOT'
#!/bin/sh
echo ran >>"$(git rev-parse --path-format=absolute --git-common-dir)/effects"
EOT
primary_before=$(git status --porcelain=v1 && git rev-parse HEAD && sha256 .git/index)

implement() { kitty implement WP03 --agent claude "$@"; }
emit() { kitty agent status emit WP03 --to claimed --actor claude "$@"; }

message='chore: WP03 claimed for implementation [claude]'
goldens() { # HOOK REASON
	cat >"$BOX/block" <<-EOT
		Tracking commit '$message' was rejected by $1 hook on branch $BRANCH.
		Lane transition planned → claimed for WP03 has been rolled back.
		status.events.jsonl restored to pre-emit state.
		Next step: Fix the $1 hook configuration and re-run.
		kitty: the commit was refused and everything was rolled back: $1 hook: $2 [BOOKKEEPING_COMMIT_FAILED]
	EOT
	next="Fix the $1 hook configuration and re-run."
	printf '{"error": {"code": "BOOKKEEPING_COMMIT_FAILED", "message": "%s", "detail": "%s", "next_step": "%s"}, ' \
		"the commit was refused and everything was rolled back" "$1 hook: $2" "$next" >"$BOX/object"
	printf '"error_code": "BOOKKEEPING_COMMIT_FAILED", "destination_ref": "%s", "rejected_message": "%s", ' \
		"$BRANCH" "$message" >>"$BOX/object"
	printf '"rejected_reason": "%s", "rejected_by": "%s", "rolled_back_transition": {"wp_id": "WP03", ' \
		"$2" "$1" >>"$BOX/object"
	printf '"from_lane": "planned", "to_lane": "claimed"}, "next_step": "%s"}\n' "$next" >>"$BOX/object"
}

remember() {
	tip_before=$(tip)
	sha_before=$(sha256 "$LOG")
	snapshot_before=$(sha256 "${LOG%/*}/status.json")
	index_before=$(git -C "$COORD" ls-files -s | sha256sum)
	rm -f .git/effects
}

nothing_happened() {
	expect_eq "$(sha256 "$LOG")" "$sha_before" "the log's SHA-256"
	expect_eq "$(sha256 "${LOG%/*}/status.json")" "$snapshot_before" "the snapshot's SHA-256"
	expect_eq "$(tip)" "$tip_before" "the branch"
	expect_eq "$(git -C "$COORD" ls-files -s | sha256sum)" "$index_before" "the index"
	[ ! -e .git/effects ] || fail "an effect ran although nothing was committed"
}

clean_all_over() {
	silent git -C "$COORD" status --porcelain --ignored
	expect_eq "$(git status --porcelain=v1 && git rev-parse HEAD && sha256 .git/index)" "$primary_before" "the primary checkout"
	find .git .worktrees -name '*.lock' ! -name '*.status.lock' ! -name worktrees.lock | grep . && fail "a git lock is left"
	find .git -name kitty-hook-index | grep . && fail "a private index is left"
	check_clean
}

rejected_text() {
	expect_exit 8 "$1"
	[ ! -s "$OUT" ] || fail "something on standard output"
	cmp -s "$ERR" "$BOX/block" || fail "not the block: $(diff "$BOX/block" "$ERR")"
	nothing_happened
}

rejected_json() {
	expect_exit 8 "$1" --json
	cmp -s "$OUT" "$BOX/object" || fail "not the object: $(diff "$BOX/object" "$OUT")"
	nothing_happened
}

hundred() { # COMMAND
	remember
	n=0
	while [ $n -lt 50 ]; do
		rejected_text "$1"
		rejected_json "$1"
		n=$((n + 1))
	done
	clean_all_over
}

pre_commit() {
	hook pre-commit <<-'EOT'
		#!/bin/sh
		git diff --cached | grep -q '^+.*"wp_id": "WP03"' || exit 0
		echo "WP03 is frozen"
		exit 1
	EOT
}
commit_msg() {
	hook commit-msg <<-'EOT'
		#!/bin/sh
		! grep -qxF 'chore: WP03 claimed for implementation [claude]' "$1"
	EOT
}

for command in implement emit; do
	say "a hundred times pre-commit and $command"
	pre_commit
	goldens pre-commit 'exit status 1: WP03 is frozen'
	hundred "$command"
	rm "$hooks/pre-commit"

	say "a hundred times commit-msg and $command"
	commit_msg
	goldens commit-msg 'exit status 1'
	hundred "$command"
	rm "$hooks/commit-msg"
done

say "a prepare-commit-msg hook that refuses"
hook prepare-commit-msg <<'EOT'
#!/bin/sh
exit 7
EOT
goldens prepare-commit-msg 'exit status 7'
remember
rejected_text implement
rejected_json emit
rm "$hooks/prepare-commit-msg"

# The deadline is 400 ms, and the hook would take a minute; only the reason differs.
odd() { # HOOK; its text on standard input; PATTERN of the reason
	say "$1: $2"
	hook "$1"
	remember
	for command in implement emit; do
		started=$(date +%s%3N)
		expect_exit 8 "$command" --json
		[ $(($(date +%s%3N) - started)) -lt 30000 ] || fail "the deadline did not hold"
		one_object "$OUT"
		expect_json "$OUT" error_code BOOKKEEPING_COMMIT_FAILED
		expect_json "$OUT" rejected_by "$1"
		expect_json "$OUT" rejected_message "$message"
		expect_json "$OUT" rolled_back_transition.wp_id WP03
		reason=$(json "$OUT" rejected_reason)
		printf '%s\n' "$reason" | grep -qE "$2" || fail "the reason is: $reason"
		nothing_happened
		goldens "$1" "$(printf '%s' "$reason" | tr '\n' ' ')"
		expect_exit 8 "$command"
		sed -n 1,4p "$ERR" | cmp -s - "$BOX/block.4" || {
			head -n 4 "$BOX/block" >"$BOX/block.4"
			sed -n 1,4p "$ERR" | cmp -s - "$BOX/block.4" || fail "not the block"
		}
		nothing_happened
	done
	clean_all_over
	rm "$hooks/$1" "$BOX/block.4"
}

for name in pre-commit commit-msg; do
	odd $name 'timed out' <<-'EOT'
		#!/bin/sh
		trap '' TERM HUP INT
		sleep 60 & sleep 60
	EOT
	odd $name 'may not change files' <<-'EOT'
		#!/bin/sh
		for log in kitty-specs/*/status.events.jsonl; do echo tampered >"$log"; done
	EOT
	odd $name 'may not change files' <<-'EOT'
		#!/bin/sh
		rm kitty-specs/*/status.events.jsonl kitty-specs/*/status.json
	EOT
	odd $name 'may not change files' <<-'EOT'
		#!/bin/sh
		sed -i 's/WP03/WP04/' kitty-specs/*/status.events.jsonl && git add -u
	EOT
	odd $name 'may not change files.*src/main.c' <<-'EOT'
		#!/bin/sh
		echo formatted >>src/main.c
	EOT
	odd $name 'signal 9' <<-'EOT'
		#!/bin/sh
		kill -9 $$
	EOT
	odd $name 'interpreter|cannot|No such file' <<-'EOT'
		#!/no/such/interpreter
	EOT
	odd $name 'HOOK_REENTRY_REFUSED' <<-'EOT'
		#!/bin/sh
		unset SPEC_KITTY_SOCKET
		kitty agent status emit WP04 --to claimed --actor claude
	EOT
done

say "nothing that a hook started has stayed"
left() {
	for process in /proc/[0-9]*; do
		grep -qsz '^60$' "$process/cmdline" && grep -qsz "^KITTY_TEST_BOX=$BOX$" "$process/environ" &&
			tr '\0' ' ' <"$process/cmdline"
	done
}
expect_eq "$(left)" "" "hooks that still run"
sleep 60 &
until [ "$(left)" = "sleep 60 " ]; do kill -0 $! || fail "one that does was never seen"; done
kill $!

say "what a hook made beside the files is moved away, and the commit goes on"
hook pre-commit <<'EOT'
#!/bin/sh
echo cache >.cache-of-a-linter
EOT
expect_exit 0 kitty agent status emit WP04 --to claimed --actor claude
clean_all_over
rm "$hooks/pre-commit"

say "hooks of core.hooksPath, relative and absolute"
mkdir "$BOX/elsewhere" team-hooks
cp "$hooks/post-commit" "$BOX/elsewhere"
printf '#!/bin/sh\nexit 3\n' >"$BOX/elsewhere/pre-commit"
chmod +x "$BOX/elsewhere/pre-commit"
git config core.hooksPath "$BOX/elsewhere"
goldens pre-commit 'exit status 3'
remember
rejected_text implement
git config --unset core.hooksPath
rmdir team-hooks

say "without the hook the same command succeeds, and what waited for the commit runs"
rm -f .git/effects
expect_exit 0 implement
grep -qxF -- "- $BRANCH $message ✓" "$OUT" || fail "the commit is not listed"
expect_eq "$(git log -1 --format=%s "$BRANCH")" "$message" "the commit's message"
expect_eq "$(cat .git/effects)" ran "post-commit"
expect_exit 0 kitty agent status emit WP03 --to in_progress --actor claude
clean_all_over
exit 0
