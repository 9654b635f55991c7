#!/bin/sh
# kitty called by the user's own hooks, beyond those of a plain commit (accept_inside_git.sh has these): amend, merge,
# rebase, cherry-pick, am, push, in main and in a lane. One row more, and no byte of kitty's in what the user made.
# Usage: hostile_inside_hooks.sh <source root>
. "${KITTY_SOURCE:?}/tests/support/lib.sh"
. "$KITTY_SOURCE/tests/support/accept.sh"
. "$KITTY_SOURCE/tests/support/matrix.sh"
sandbox
kitty init >"$OUT" || fail init
git init -q --bare "$BOX/remote"
git remote add origin "$BOX/remote"
make_mission upsell 'WP01:src/a/**' 'WP02:src/b/**'
expect_exit 0 kitty implement WP01 --agent claude
expect_exit 0 kitty agent status emit WP01 --to in_progress --actor claude
lane=$REPO/.worktrees/$MISSION-lane-a

all='pre-commit pre-merge-commit post-merge post-rewrite pre-rebase applypatch-msg pre-applypatch post-applypatch pre-push'
for name in $all; do
	hook "$name" <<-EOT
		#!/bin/sh
		[ -z "\$SPEC_KITTY_IN_HOOK" ] || exit 0
		[ "\$(cat "$BOX/armed" 2>/dev/null)" = $name ] || exit 0
		rm -f "$BOX/armed"
		case \$(kitty status --mission $MISSION --json | kitty-json-get work_packages.0.lane) in
		blocked) to=in_progress ;;
		*) to=blocked ;;
		esac
		kitty agent status emit WP01 --to \$to --actor claude --reason turn --mission $MISSION --json \
			>"$BOX/hook.out" 2>"$BOX/hook.err"
		echo \$? >"$BOX/hook.exit"
	EOT
done

rows() { git -C "$REPO" cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" | wc -l; }
n=0
a_commit() { # a commit of its own here
	n=$((n + 1))
	echo "$n" >"src/n$n.c" && git add "src/n$n.c" && git commit -q -m "Number $n"
}
# What makes git run that hook, with something to do for it, and something else staged meanwhile.
provoke() {
	here=$(git symbolic-ref --short HEAD)
	a_commit
	case $1 in
	pre-commit | post-rewrite) echo "$n" >>src/main.c && armed "$1" git commit -q --amend -m "Again" -- src/main.c ;;
	pre-merge-commit | post-merge)
		git branch -q "side-$n" && a_commit && git switch -q "side-$((n - 1))" && a_commit && git switch -q "$here"
		armed "$1" git merge -q -m "Both" "side-$((n - 2))"
		;;
	pre-rebase)
		git branch -q "base-$n" HEAD~1 && git switch -q "base-$n" && a_commit && git switch -q "$here"
		armed "$1" git rebase -q "base-$((n - 1))"
		;;
	applypatch-msg | pre-applypatch | post-applypatch)
		git format-patch -q -1 -o "$BOX/patches-$n" && git reset -q --hard HEAD~1
		armed "$1" git am -q "$BOX/patches-$n"/*
		;;
	pre-push) armed "$1" git push -q origin "HEAD:refs/heads/pushed-$n" ;;
	esac
}
armed() {
	rm -f "$BOX/hook.exit"
	rows_before=$(rows)
	echo "$1" >"$BOX/armed"
	hook_name=$1
	shift
	"$@" >"$OUT" 2>"$ERR" || fail "exit $?: $*"
	[ -f "$BOX/hook.exit" ] || fail "$hook_name did not run"
	expect_eq "$(cat "$BOX/hook.exit")" 0 "kitty in the hook: $(cat "$BOX/hook.out" "$BOX/hook.err")"
	expect_eq "$(rows)" $((rows_before + 1)) "rows"
}

for place in "$REPO" "$lane"; do
	cd "$place" || exit 2
	for name in $all; do
		cell "+$name in ${place##*/}" || continue
		start=$(git rev-parse HEAD)
		branch=$(git symbolic-ref HEAD)
		provoke "$name"
		expect_eq "$(git symbolic-ref HEAD)" "$branch" HEAD
		expect_eq "$(git log --format= --name-only "$start..HEAD" | grep -c kitty)" 0 "kitty's files in the user's commits"
		silent git diff --cached --name-only
		silent git status --porcelain -uno
		check_clean
		cell_is ok
	done
done
matrix_end 21 "kitty from the user's hooks"
exit 0
