#!/bin/sh
# What signs a bookkeeping commit, or does not, under each policy: fifteen runs and two more for the
# hanging signer. A signature that cannot be had refuses the request and changes nothing.
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/merge.sh"
sandbox
kitty init >"$OUT" || fail init
sed -i 's/^  hook_timeout: .*/  hook_timeout: 20s/' .kittify/config.yaml
grep -q '^  hook_timeout: 20s$' .kittify/config.yaml || fail "no hook_timeout in the configuration"
make_mission payments 'WP01:src/a/**' 'WP02:src/b/**'
expect_exit 0 kitty agent status emit WP01 --to claimed --actor first
runs=0

# ---- the policies ----
off() { sed -i '/^  sign: /d' .kittify/config.yaml && git config --unset commit.gpgSign; :; }
on() { off && sed -i 's/^kitty:$/kitty:\n  sign: true/' .kittify/config.yaml; }
users() { off && git config commit.gpgSign true; } # the user's own wish, which is not kitty's to follow

# ---- the signers ----
plain() { for key in gpg.format gpg.program user.signingKey gpg.ssh.program gpg.ssh.allowedSignersFile; do
	git config --unset "$key"
done; :; }
ssh_key() { # NAME PASSPHRASE
	ssh-keygen -q -t ed25519 -N "$2" -C test -f "$BOX/$1" </dev/null || fail "ssh-keygen"
	echo "$(git config user.email) $(cut -d' ' -f1,2 "$BOX/$1.pub")" >>"$BOX/signers"
}
use_ssh() {
	plain
	git config gpg.format ssh
	git config user.signingKey "$BOX/$1.pub"
	git config gpg.ssh.allowedSignersFile "$BOX/signers"
}
unset SSH_AUTH_SOCK DISPLAY GPG_TTY

annotate() { kitty agent tasks add-history WP01 --note "$1" --agent first --mission "$MISSION"; }
commit_raw() { git cat-file commit "$BRANCH"; }

passes_unsigned() { # WHAT
	runs=$((runs + 1))
	before=$(tip)
	expect_exit 0 annotate "$1"
	[ "$(tip)" != "$before" ] || fail "$1: no commit"
	! commit_raw | grep -q '^gpgsig ' || fail "$1: signed"
	check_clean
}
passes_signed() {
	runs=$((runs + 1))
	before=$(tip)
	expect_exit 0 annotate "$1"
	expect_eq "$(git rev-parse "$BRANCH^")" "$before" "the parent"
	commit_raw | grep -q '^gpgsig ' || fail "$1: not signed"
	git verify-commit "$BRANCH" >"$OUT" 2>"$ERR" || fail "$1: git verify-commit"
	check_clean
	expect_exit 0 kitty verify --mission "$MISSION"
}
is_refused() { # WHAT REASON
	runs=$((runs + 1))
	before=$(tip)
	sum=$(sha256 "$LOG")
	expect_exit 8 annotate "$1"
	grep -q '\[SIGNING_FAILED\]' "$ERR" || fail "$1: no code"
	grep -q "$2" "$ERR" || fail "$1: does not say $2"
	expect_eq "$(tip)" "$before" "the branch after: $1"
	expect_eq "$(sha256 "$LOG")" "$sum" "the log after: $1"
	check_clean
}
three() { # WHAT VERDICT [REASON]
	off
	say "$1, off"
	passes_unsigned "$1, off"
	users
	say "$1, commit.gpgSign"
	passes_unsigned "$1, commit.gpgSign"
	on
	say "$1, sign: true"
	"$2" "$1, sign: true" "${3:-}"
}

say "a signer that hangs"
plain
printf '#!/bin/sh\nexec tail -f /dev/null\n' >"$BOX/hangs"
chmod +x "$BOX/hangs"
git config gpg.program "$BOX/hangs"
sed -i 's/^  hook_timeout: .*/  hook_timeout: 400ms/' .kittify/config.yaml
three "a hanging signer" is_refused 'did not end in time'
sed -i 's/^  hook_timeout: .*/  hook_timeout: 20s/' .kittify/config.yaml

say "a signer that signs nothing, and one that lies"
for lie in 'exit 0' 'echo "[GNUPG:] SIG_CREATED " >&2; exit 1'; do
	printf '#!/bin/sh\ncat >/dev/null\n%s\n' "$lie" >"$BOX/lies"
	chmod +x "$BOX/lies"
	git config gpg.program "$BOX/lies"
	is_refused "a lying signer" 'git commit-tree -S'
done

if command -v gpg >/dev/null; then
	GNUPGHOME=$BOX/g
	export GNUPGHOME
	mkdir -m 700 "$GNUPGHOME"
	plain
	gpg --batch --quiet --passphrase '' --quick-generate-key "Test <$(git config user.email)>" default default never \
		>"$OUT" 2>"$ERR" || fail "gpg makes no key"
	git config user.signingKey "$(git config user.email)"
	three "gpg" passes_signed
	git config user.signingKey nobody@nowhere.invalid
	three "gpg without the key" is_refused 'gpg'
	gpgconf --kill all
else
	skipped "gpg is not installed"
fi

if command -v ssh-keygen >/dev/null; then
	ssh_key open ''
	use_ssh open
	three "ssh" passes_signed
	say "with hooks, and a message that a hook changes"
	hook commit-msg <<-'EOT'
		#!/bin/sh
		echo "by the hook" >>"$1"
	EOT
	passes_signed "hooks and a signature"
	commit_raw | grep -q '^by the hook$' || fail "the hook's message is lost"
	say "a hook that refuses, a signer that fails after hooks"
	git config user.signingKey "$BOX/missing.pub"
	is_refused "hooks, then no key" 'missing.pub'
	rm "$(git rev-parse --git-common-dir)/hooks/commit-msg"
	git config user.signingKey "$BOX/open.pub"
	say "many at once: each commit signed in turn"
	for i in 1 2 3 4 5; do annotate "together $i" >"$BOX/out.$i" 2>&1 & done
	wait
	[ "$(git rev-list -5 "$BRANCH" | xargs git verify-commit 2>&1 | grep -c '^Good')" = 5 ] || fail "not each is signed"
	check_clean
	say "integration, and what a merge makes on the target"
	off
	make_mission refunds 'WP01:src/a/**' 'WP02:src/b/**'
	for lane in a b; do
		wp=WP01
		[ "$lane" = b ] && wp=WP02
		work "$wp" "$lane" "src/$lane/$lane.c" "int $lane;"
		approve "$wp"
	done
	on
	start=$(tip)
	git config user.signingKey "$BOX/missing.pub"
	main=$(git rev-parse main)
	expect_exit 8 merge --strategy squash
	grep -q '\[SIGNING_FAILED\]' "$ERR" || fail "a merge without the key: no code"
	expect_eq "$(git rev-parse main) $(tip)" "$main $start" "the branches after a merge that could not sign"
	git config user.signingKey "$BOX/open.pub"
	expect_exit 0 merge --strategy squash
	git verify-commit main >"$OUT" 2>"$ERR" || fail "the target's commit is not signed"
	git verify-commit "$(git for-each-ref --format='%(objectname)' refs/kitty/closed | tail -n 1)" >"$OUT" 2>"$ERR" ||
		fail "the integration is not signed"
	off
	make_mission credits 'WP01:src/a/**'
	expect_exit 0 kitty agent status emit WP01 --to claimed --actor first --mission "$MISSION"
	ssh_key closed secret
	use_ssh closed
	three "ssh with a passphrase" is_refused 'passphrase\|incorrect\|sign'
else
	skipped "ssh-keygen is not installed"
fi
echo "$runs runs"
