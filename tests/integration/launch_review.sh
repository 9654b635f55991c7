#!/bin/sh
# Reviews: a diamond of work packages whose agents fail once and whose reviewer asks for changes once, and every way in
# which a reviewer can go wrong.
# shellcheck source=tests/support/lib.sh
. "$KITTY_SOURCE/tests/support/lib.sh"
sandbox
export BOX

agent_config() {
	mkdir -p .kittify
	cat >.kittify/config.yaml <<YAML
kitty:
  review: critic
$1
  agents:
    coder:
      command: ["$BOX/agent"]
      capacity: 10
    critic:
      command: ["$BOX/critic"]
      capacity: 10
      timeout: 2s
YAML
}

status_of() { kitty-json-get work_packages <"$BOX/summary" | tr '{' '\n' | sed -n "s/.*\"id\": \"$1\".*\"lane\": \"\([^\"]*\)\".*/\1/p"; }
lane_of() { kitty-json-get work_packages <"$BOX/summary" | tr '{' '\n' | sed -n "s/.*\"id\": \"$1\".*\"lane_id\": \"\([^\"]*\)\".*/\1/p"; }
# rows WP FROM TO: how often the log has that move
rows() { grep -c "\"from_lane\": \"$2\".*\"to_lane\": \"$3\".*\"wp_id\": \"$1\"" "$LOG"; }
row() { grep "\"from_lane\": \"$2\".*\"to_lane\": \"$3\".*\"wp_id\": \"$1\"" "$LOG" | tail -n 1 >"$BOX/row"; }

cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >"$BOX/prompt-$SPEC_KITTY_WP"
echo "$SPEC_KITTY_ROLE" >"$BOX/role-$SPEC_KITTY_WP"
n=$(($(cat "$BOX/runs-$SPEC_KITTY_WP" 2>/dev/null || echo 0) + 1))
echo $n >"$BOX/runs-$SPEC_KITTY_WP"
[ $n -gt "${FAILURES:-0}" ] || exit 3
mkdir -p "$SPEC_KITTY_WP"
echo "$n" >>"$SPEC_KITTY_WP/work.txt"
git add -A . && git commit -q -m "$SPEC_KITTY_WP: attempt $n"
# An implementer cannot approve itself, whatever name it takes.
kitty agent tasks move-task "$SPEC_KITTY_WP" --to approved --reviewer Ada --approval-ref me --json >"$BOX/self-$SPEC_KITTY_WP"
echo $? >"$BOX/self-exit-$SPEC_KITTY_WP"
exit 0
AGENT
cat >"$BOX/critic" <<'CRITIC'
#!/bin/sh
cat >"$BOX/review-prompt-$SPEC_KITTY_WP"
echo "$SPEC_KITTY_ROLE" >"$BOX/review-role-$SPEC_KITTY_WP"
pwd >"$BOX/review-cwd-$SPEC_KITTY_WP"
n=$(($(cat "$BOX/reviews-$SPEC_KITTY_WP" 2>/dev/null || echo 0) + 1))
echo $n >"$BOX/reviews-$SPEC_KITTY_WP"
case ${HOW:-once} in
once) [ $n -gt 1 ] && exit 0; echo "please name it properly in $SPEC_KITTY_WP"; exit 1 ;;
good) exit 0 ;;
never) echo "round $n is not good enough"; exit 1 ;;
crash) kill -9 $$ ;;
hang) sleep 60 ;;
odd) exit 7 ;;
edits) echo mine >critic.txt; exit 0 ;;
commits) git commit -q --allow-empty -m "mine"; exit 0 ;;
both) echo better >"$SPEC_KITTY_WP/work.txt"; git commit -q -am "mine"; rm "$SPEC_KITTY_WP/work.txt"; echo more >critic.txt; exit 0 ;;
detaches) git checkout -q --detach; echo mine >critic.txt; git add -A; git commit -q -m "mine"; exit 1 ;;
moves) kitty agent tasks move-task "$SPEC_KITTY_WP" --to approved --agent coder --reviewer critic --approval-ref x --json >"$BOX/critic-move"; echo $? >"$BOX/critic-move-exit"; exit 0 ;;
esac
CRITIC
chmod +x "$BOX/agent" "$BOX/critic"
agent_config ""

say "a reviewer that implements is refused"
make_mission self "WP01:a/**"
expect_exit 4 kitty launch --lanes all --agent critic --json
expect_json "$OUT" error.code REVIEW_OWN_WORK
expect_exit 3 kitty launch --lanes all --agent coder --review nobody --json
expect_json "$OUT" error.code AGENT_UNKNOWN
expect_eq "$(git cat-file blob "$BRANCH:kitty-specs/$MISSION/status.events.jsonl" | grep -o '"to_lane": "[a-z]*"')" '"to_lane": "planned"' "the moves"

say "what the reviewer implemented in an earlier launch waits for another one"
agent_config "  review_rounds: 3"
sed -i '/review: critic/d' .kittify/config.yaml
expect_exit 0 kitty launch --lanes all --agent critic --json -- "$BOX/agent"
rm -f "$BOX"/runs-*
expect_exit 0 kitty launch --lanes all --agent coder --review critic --json --mission "$MISSION"
cp "$OUT" "$BOX/summary"
expect_eq "$(status_of WP01)" for_review
grep -q "WP01 is for_review and waits for another reviewer than the one who implemented it" "$BOX/summary" || fail "it does not say what it waits for"

say "unless the configuration allows it"
agent_config "  review_self: true"
HOW=good expect_exit 0 kitty launch --lanes all --agent critic --json --mission "$MISSION"
cp "$OUT" "$BOX/summary"
expect_eq "$(status_of WP01)" "done"
agent_config ""
rm -f "$BOX"/runs-* "$BOX"/reviews-*

say "a diamond: agents fail once"
make_mission diamond "WP01:a/**" "WP02:b/**:WP01" "WP03:c/**:WP01" "WP04:d/**:WP02,WP03"
export FAILURES=1
expect_exit 1 kitty launch --lanes all --agent coder --mission "$MISSION" --json
cp "$OUT" "$BOX/summary"
expect_eq "$(status_of WP01)" blocked

say "again with --retry-blocked: reviewed, sent back once, approved, integrated"
expect_exit 0 kitty launch --lanes all --agent coder --review critic --retry-blocked --mission "$MISSION" --json
one_object "$OUT"
cp "$OUT" "$BOX/summary"
for wp in WP01 WP02 WP03 WP04; do
	expect_eq "$(status_of $wp)" "done" "$wp"
	expect_eq "$(rows $wp for_review in_review)" 2 "reviews of $wp"
	expect_eq "$(rows $wp in_review in_progress)" 1 "changes asked of $wp"
	expect_eq "$(rows $wp approved "done")" 1 "$wp"
	expect_eq "$(cat "$BOX/self-exit-$wp")" 4 "self-approval of $wp"
	expect_json "$BOX/self-$wp" error.code TRANSITION_REJECTED
	row $wp in_review approved
	expect_json "$BOX/row" actor critic
	expect_json "$BOX/row" review_result.reviewer critic
	expect_json "$BOX/row" review_result.verdict approved
	expect_json "$BOX/row" review_result.reference "review:$wp:2"
	git merge-base --is-ancestor "$(json "$BOX/row" policy_metadata.approved_commit)" "$BRANCH" || fail "$wp: the approved commit is not integrated"
	row $wp in_review in_progress
	expect_json "$BOX/row" review_result.verdict changes_requested
	expect_json "$BOX/row" review_result.reference "review:$wp:1"
	expect_eq "$(json "$BOX/row" reason | head -n 1)" "please name it properly in $wp"
	expect_eq "$(cat "$(json "$BOX/row" review_result.feedback_path)")" "please name it properly in $wp"
	grep -q "please name it properly in $wp" "$BOX/prompt-$wp" || fail "$wp: the next attempt is not told"
	grep -q "please name it properly in $wp" "$BOX/review-prompt-$wp" || fail "$wp: the next review is not told"
	expect_eq "$(cat "$BOX/role-$wp") $(cat "$BOX/review-role-$wp")" "implementer reviewer"
	expect_eq "$(cat "$BOX/review-cwd-$wp")" "$REPO/.worktrees/$MISSION-$(lane_of $wp)"
done
grep -q '"force": true' "$LOG" && fail "an override was used"
grep -q "which was implemented by coder" "$BOX/review-prompt-WP01" || fail "the reviewer is not told whose work it is"
grep -Eq "what the lane authored: [0-9a-f]{40}\.\.[0-9a-f]{40}" "$BOX/review-prompt-WP01" || fail "the reviewer is not told what to look at"
for dependency in WP02 WP03; do
	row $dependency in_review approved
	git merge-base --is-ancestor "$(json "$BOX/row" policy_metadata.approved_commit)" "$BRANCH-$(lane_of WP04)" || fail "WP04 was built without $dependency"
done
expect_exit 0 kitty verify --mission "$MISSION"
check_clean

say "and merged"
expect_exit 0 kitty merge --mission "$MISSION" --json
for wp in WP01 WP02 WP03 WP04; do
	git cat-file -e "main:$wp/work.txt" || fail "main lacks the work of $wp"
done
expect_exit 0 kitty verify --mission "$MISSION"
unset FAILURES

say "every way in which a reviewer can fail approves nothing"
for how in crash hang odd; do
	rm -f "$BOX"/runs-* "$BOX"/reviews-*
	make_mission "fails-$how" "WP01:a/**"
	HOW=$how expect_exit 0 kitty launch --lanes all --agent coder --mission "$MISSION" --json
	cp "$OUT" "$BOX/summary"
	expect_eq "$(status_of WP01)" for_review "$how"
	expect_eq "$(cat "$BOX/reviews-WP01")" 2 "tries of a reviewer that $how"
	row WP01 in_review for_review
	expect_json "$BOX/row" actor kitty
	expect_json "$BOX/row" force true
	case $how-$(json "$BOX/row" reason) in
	"crash-reviewer failed: killed by signal 9" | "hang-reviewer failed: timed out after 2s" | "odd-reviewer failed: exit status 7") ;;
	*) fail "the reason of $how: $(json "$BOX/row" reason)" ;;
	esac
	grep -q "WP01 is for_review and waits for a review: its reviewer failed" "$BOX/summary" || fail "it does not say what it waits for"
done

say "and the next launch reviews it again"
HOW=once expect_exit 0 kitty launch --lanes all --agent coder --mission "$MISSION" --json
cp "$OUT" "$BOX/summary"
expect_eq "$(status_of WP01)" "done"

say "a reviewer that changes the lane does not count"
for how in edits commits both detaches; do
	rm -f "$BOX"/runs-* "$BOX"/reviews-*
	make_mission "changes-$how" "WP01:a/**"
	HOW=$how expect_exit 0 kitty launch --lanes all --agent coder --mission "$MISSION" --json
	cp "$OUT" "$BOX/summary"
	expect_eq "$(status_of WP01)" for_review "$how"
	expect_eq "$(cat "$BOX/reviews-WP01")" 1
	row WP01 in_review for_review
	case $how-$(json "$BOX/row" reason) in
	edits-*"changed the lane"*"critic.txt;"* | commits-*"changed the lane"*"head was "* | both-*"changed the lane"* | detaches-*"changed the lane"*) ;;
	*) fail "the reason of $how: $(json "$BOX/row" reason)" ;;
	esac
	expect_eq "$(rows WP01 in_review approved)" 0
	row WP01 in_review for_review
	lane=$REPO/.worktrees/$MISSION-lane-a
	expect_eq "$(git -C "$lane" symbolic-ref HEAD)" "refs/heads/$BRANCH-lane-a" "$how"
	expect_eq "$(git -C "$lane" log -1 --first-parent --no-merges --format=%s)" "WP01: attempt 1" "the lane's tip after a reviewer that $how"
	silent git -C "$lane" status --porcelain
	expect_eq "$(tail -n 1 "$lane/WP01/work.txt")" 1
	kept=$(git for-each-ref --format='%(refname)' "refs/kitty/rescue/$MISSION/lane-a/")
	[ -n "$kept" ] || fail "$how: nothing is kept"
	for ref in $kept; do
		json "$BOX/row" reason | grep -q "$ref" || fail "$how: $ref is not named"
	done
	case $how in
	edits | detaches) expect_eq "$(git cat-file blob "$(echo "$kept" | head -n 1):critic.txt")" mine ;;
	both)
		expect_eq "$(echo "$kept" | wc -l)" 2
		expect_eq "$(git cat-file blob "$(echo "$kept" | head -n 1):critic.txt")" more
		expect_eq "$(git cat-file blob "$(echo "$kept" | tail -n 1):WP01/work.txt")" better
		;;
	esac
done

say "the lane that was restored is reviewed by another reviewer, and what it approves is the implementer's"
rm -f "$BOX"/reviews-*
HOW=good expect_exit 0 kitty launch --lanes all --agent coder --mission "$MISSION" --json
expect_eq "$(git cat-file blob "$BRANCH:WP01/work.txt" | tail -n 1)" 1
not_in "$BRANCH" critic.txt "the reviewer's file was integrated"
expect_exit 0 kitty verify --mission "$MISSION"

say "--no-review leaves the reviews to people, once"
rm -f "$BOX"/runs-* "$BOX"/reviews-*
make_mission unreviewed "WP01:a/**"
expect_exit 2 kitty launch --lanes all --agent coder --review critic --no-review --mission "$MISSION" --json
expect_exit 0 kitty launch --lanes all --agent coder --no-review --mission "$MISSION" --json
cp "$OUT" "$BOX/summary"
expect_eq "$(status_of WP01)" for_review
[ ! -e "$BOX/reviews-WP01" ] || fail "it was reviewed all the same"
HOW=good expect_exit 0 kitty launch --lanes all --agent coder --mission "$MISSION" --json
cp "$OUT" "$BOX/summary"
expect_eq "$(status_of WP01)" "done"

say "a reviewer's own commands move nothing"
rm -f "$BOX"/runs-* "$BOX"/reviews-*
make_mission moves "WP01:a/**"
HOW=moves expect_exit 0 kitty launch --lanes all --agent coder --mission "$MISSION" --json
expect_eq "$(cat "$BOX/critic-move-exit")" 4
expect_json "$BOX/critic-move" error.code TRANSITION_REJECTED
row WP01 in_review approved
expect_json "$BOX/row" review_result.reference "review:WP01:1"

say "rounds are limited"
rm -f "$BOX"/runs-* "$BOX"/reviews-*
agent_config "  review_rounds: 2"
make_mission rounds "WP01:a/**"
HOW=never expect_exit 1 kitty launch --lanes all --agent coder --mission "$MISSION" --json
cp "$OUT" "$BOX/summary"
expect_eq "$(status_of WP01)" blocked
expect_eq "$(cat "$BOX/reviews-WP01")" 2
expect_eq "$(rows WP01 in_review in_progress)" 1
row WP01 in_review blocked
expect_json "$BOX/row" force false
case $(json "$BOX/row" reason) in
"2 rounds of review asked for changes; the last: round 2 is not good enough"*) ;;
*) fail "the reason: $(json "$BOX/row" reason)" ;;
esac

say "a conflict leaves it approved, and is said"
rm -f "$BOX"/runs-* "$BOX"/reviews-*
agent_config ""
make_mission clash "WP01:a/**" "WP02:b/**"
cat >"$BOX/agent" <<'AGENT'
#!/bin/sh
cat >/dev/null
touch "$BOX/here-$SPEC_KITTY_WP"
for i in 1 2 3 4 5 6 7 8 9 10; do
	[ -e "$BOX/here-WP01" ] && [ -e "$BOX/here-WP02" ] && break
	sleep 0.5
done
echo "$SPEC_KITTY_WP" >same.txt
git add -A . && git commit -q -m "$SPEC_KITTY_WP"
AGENT
cat >"$BOX/critic" <<'CRITIC'
#!/bin/sh
cat >/dev/null
# Both at once: what is integrated before a review begins is brought into the lane, and conflicts there.
touch "$BOX/reviewed-$SPEC_KITTY_WP"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
	[ -e "$BOX/reviewed-WP01" ] && [ -e "$BOX/reviewed-WP02" ] && break
	sleep 0.1
done
exit 0
CRITIC
expect_exit 0 kitty launch --lanes all --agent coder --mission "$MISSION" --json
cp "$OUT" "$BOX/summary"
# At the second one's review when the first is integrated by then (a sync point), else at its integration.
case $(printf '%s\n' "$(status_of WP01)" "$(status_of WP02)" | sort | tr '\n' ' ') in
"approved done ") grep -q "is approved and not integrated.*MERGE_CONFLICT" "$BOX/summary" || fail "the conflict is not said" ;;
"done for_review ") grep -q "cannot be brought up to date for the review.*MERGE_CONFLICT" "$BOX/summary" || fail "the conflict is not said" ;;
*) fail "WP01 is $(status_of WP01), WP02 is $(status_of WP02)" ;;
esac
check_clean
exit 0
