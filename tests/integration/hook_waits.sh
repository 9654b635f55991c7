#!/bin/sh
# While a hook of the repository takes its time nobody's commit can go on, but everybody can ask why: `kitty status` and
# `kitty ps` answer and name it. Usage: hook_waits.sh
# shellcheck source=tests/support/lib.sh
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
sandbox
kitty init >"$OUT" || fail init
sed -i 's/^  hook_timeout: .*/  hook_timeout: 30m/' .kittify/config.yaml
grep -q '^  hook_timeout: 30m$' .kittify/config.yaml || fail "no hook_timeout in the configuration"
make_mission slow "WP01:a/**" "WP02:b/**" "WP03:c/**"
export BOX
mkfifo "$BOX/go" "$BOX/agent-go"
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
cat "$BOX/agent-go"
echo done >a.txt
AGENT
chmod +x "$BOX/agent"
waits() { # COMMAND...: until it succeeds
	for _ in $(seq 600); do
		"$@" && return 0
		sleep 0.05
	done
	fail "in vain: $*"
}
asks() { # JSON PATH VALUE
	kitty ps --json >"$OUT" 2>"$ERR" && [ "$(json "$OUT" "$1")" = "$2" ]
}

kitty launch --lanes a -- "$BOX/agent" >"$BOX/launch" 2>&1 &
launch=$!
works() { kitty status --json >"$OUT" 2>"$ERR" && [ "$(json "$OUT" work_packages.0.lane)" = in_progress ]; }
waits works
waits asks supervisor.hook null
expect_json "$OUT" supervisor.waiting 0

say "a hook that takes its time is named, and who waits for it is counted"
hook pre-commit <<EOT
#!/bin/sh
[ -p "$BOX/go" ] && cat "$BOX/go"
exit 0
EOT
kitty agent status emit WP02 --to claimed --actor one >"$BOX/one" 2>&1 &
one=$!
waits asks supervisor.hook pre-commit
kitty agent status emit WP03 --to claimed --actor two >"$BOX/two" 2>&1 &
two=$!
waits asks supervisor.waiting 1
expect_exit 0 kitty status
grep -qxF "the pre-commit hook runs; 1 more request waits for it" "$OUT" || fail "$(cat "$OUT")"

say "then all goes on"
exec 3>"$BOX/go"
rm "$BOX/go"
exec 3>&-
wait "$one" || fail "$(cat "$BOX/one")"
wait "$two" || fail "$(cat "$BOX/two")"
: >"$BOX/agent-go"
wait "$launch" || fail "$(cat "$BOX/launch")"
check_clean
