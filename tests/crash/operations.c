/*
 * The operations that kitty-crash breaks, and what each must have done in the end. Data only.
 */
#include "operations.h"

#define MISSION "make_mission demo 'WP01:src/a/**' 'WP02:src/b/**:WP01'; "
#define EMIT \
	"exec kitty agent status emit WP01 --to claimed --actor claude --event-id $ID --mission " \
	"$MISSION --json"

/* The id is in the committed log once, and in no commit but one. */
#define ID_ONCE \
	"log_rows $BRANCH >$BOX/rows; [ $(grep -c $ID $BOX/rows) = 1 ] || fail \"the id stands " \
	"$(grep -c $ID $BOX/rows) times in the log\"; "

#define EMIT_STARTED \
	"exec kitty agent status emit WP01 --to in_progress --actor claude --event-id $ID " \
	"--mission $MISSION --json"

/* Missions without a coordination branch: the log is in the checkout, or in the lanes. */
#define SINGLE \
	"old_mission single_branch 099-name 'WP01:src/a/**' 'WP02:src/b/**'; BRANCH=feature " \
	"COORD=$REPO; "
#define LEGACY \
	"old_mission legacy 099-name 'WP01:src/a/**' 'WP02:src/b/**'; " \
	"BRANCH=kitty/mission-$MISSION-lane-a COORD=$(lane a) LOG=$(lane " \
	"a)/kitty-specs/$MISSION/status.events.jsonl; "
#define CLAIMED_LEGACY \
	LEGACY "kitty implement WP01 --agent claude --mission $MISSION >$OUT 2>$ERR || fail " \
	       "claim; "

#define CLAIMED_ONCE \
	"log_rows $BRANCH >$BOX/rows; [ $(grep -c '\"to_lane\": \"claimed\"' $BOX/rows) = 1 ] || " \
	"fail 'not claimed once'; "
/* Where git was killed, a success says what it could not do yet; the next run does it. */
#define SAID(words) "{ grep -q '" words "' $BOX/said && [ ! -e $BOX/next ]; }"
#define LANE_MADE \
	"lane=$(lane a); [ \"$(git -C $lane symbolic-ref --short HEAD)\" = " \
	"kitty/mission-$MISSION-lane-a ] || fail 'no lane'; [ -z \"$(git -C $lane status " \
	"--porcelain)\" ] || " SAID("the worktree lags") " || fail 'dirty'; [ -f " \
							 "$lane/src/main.c ] || fail 'empty'; "
/* Merged into main, the log in `home`; the lanes are gone. */
#define MERGED_INTO(home) \
	"log_rows " home " >$BOX/rows; [ $(grep -c '\"to_lane\": \"done\"' $BOX/rows) = 2 ] || " \
	"fail 'not done twice'; for f in a b; do git cat-file -e main:src/$f/$f.c || fail 'code " \
	"is missing'; done; " SAID( \
		"\"kept\": .{") " || { [ -z \"$(git for-each-ref " \
				"refs/heads/kitty)\" ] || fail 'lane branches are left'; [ $(git " \
				"worktree list | wc -l) " \
				"= 1 ] || fail 'worktrees are left'; }; [ -z \"$(git status " \
				"--porcelain -uno)\" ] || " SAID( \
					"the worktree lags") " || fail 'the checkout is dirty'; "
#define CLEAN_UP \
	"grep -qE 'MERGE_CHECKOUT_BLOCKED|META_INVALID' $BOX/again && rm -f .git/*.lock " \
	".git/refs/heads/*.lock && git reset -q --hard && git clean -fdq kitty-specs src"

#define APPROVED(wp, lane) \
	"work " wp " " lane " src/" lane "/" lane ".c 'int " lane ";'; approve " wp "; "

/* What a mission leaves: nothing in progress, nothing staged, one worktree. */
#define ONLY_PRIMARY \
	"[ $(git worktree list | wc -l) = 1 ] || fail 'worktrees are left'; " \
	"[ -z \"$(ls .worktrees 2>/dev/null)\" ] || fail \"left: $(ls .worktrees)\"; " \
	"[ \"$(git for-each-ref refs/heads --format='%(refname:short)' | tr '\\n' ' ')\" = 'main " \
	"' ] || fail 'branches are left'; [ -z \"$(git status --porcelain -uno)\" ] || fail 'the " \
	"checkout is dirty'; "

const struct kt_operation kt_operations[] = {
	{.name = "emit", .setup = MISSION, .run = EMIT, .check = ID_ONCE, .is_core = true},
	{.name = "batch",
		.setup = MISSION,
		.run = "exec kitty-crash-batch $MISSION $BOX/acknowledged",
		.check = "log_rows $BRANCH >$BOX/rows; [ $(grep -c 'B00[01][0-9]' $BOX/rows) = 20 "
			 "] && [ $(grep -o '01KSPTVW0000000000000B00[01][0-9]' $BOX/rows | sort -u "
			 "| wc -l) = 20 ] || fail 'not twenty rows'",
		.is_core = true},
	{.name = "emit-hooks",
		.setup = MISSION "for h in pre-commit commit-msg post-commit; do printf "
				 "'#!/bin/sh\\ngit diff --cached --quiet; exit 0\\n' | hook $h; "
				 "done",
		.run = EMIT,
		.check = ID_ONCE,
		.is_core = true,
		.spawns_git = true},
	{.name = "annotation",
		.setup = "SUBTASKS=T001 make_mission demo 'WP01:src/a/**'",
		.run = "exec kitty agent tasks mark-status T001 --status done --mission $MISSION "
		       "--json",
		/* A mark has no id: said again, it may stand there again, under another id. */
		.check = "log_rows $BRANCH >$BOX/rows; count=$(grep -c '\"T001\"' $BOX/rows); [ "
			 "$count = 1 ] || { [ $count = 2 ] && cat $BOX/again $BOX/next 2>$ERR | "
			 "grep -q .; } || fail "
			 "\"$count rows of T001\"",
		.is_core = true},
	{.name = "heal",
		.setup = MISSION "echo '{\"tail\": ' >>$LOG; rm $COORD/kitty-specs/$MISSION/"
				 "status.json; git -C $COORD rm -q --cached "
				 "kitty-specs/$MISSION/status.json",
		.run = EMIT,
		.check = ID_ONCE,
		.is_core = true},
	{.name = "recovery", .setup = MISSION, .run = EMIT, .check = ID_ONCE, .is_recovery = true},
	{.name = "coordination-worktree",
		.setup = MISSION "rm -rf $COORD",
		.run = EMIT,
		.check = ID_ONCE "[ -f $LOG ] || fail 'no worktree'",
		.spawns_git = true},
	{.name = "mission-create",
		.setup = MISSION,
		.run = "exec kitty agent mission create other --json",
		.check = "[ $(ls -d kitty-specs/other-* | wc -l) = 1 ] || fail 'not one folder'; [ "
			 "$(git for-each-ref 'refs/heads/kitty/mission-other-*' | wc -l) = 1 ] || "
			 "fail 'not one branch'; kitty agent mission create other --json >$OUT; "
			 "expect_json $OUT created false; for f in spec.md plan.md tasks.md "
			 "tasks/README.md meta.json; do [ -s kitty-specs/other-*/$f ] || fail \"no "
			 "$f\"; done; [ $(git log --oneline main | wc -l) = 1 ] || fail 'main "
			 "moved'",
		.moved = "refs/heads/kitty/mission-other-*"},
	{.name = "finalize",
		.setup = "draft_mission demo 'WP01:src/a/**' 'WP02:src/b/**:WP01'",
		.run = "exec kitty agent mission finalize-tasks --mission $MISSION --json",
		.check =
			"log_rows $BRANCH >$BOX/rows; [ $(grep -c '\"to_lane\": \"planned\"' "
			"$BOX/rows) = 2 ] || fail 'not two planned'; for f in lanes.json meta.json "
			"tasks/WP01-part.md; do git show $BRANCH:kitty-specs/$MISSION/$f | cmp -s "
			"- "
			"kitty-specs/$MISSION/$f || fail \"$f differs\"; done",
		.spawns_git = true},
	{.name = "lane-create",
		.setup = MISSION,
		.run = "exec kitty implement WP01 --agent claude --mission $MISSION --json",
		.check = LANE_MADE "[ ! -e $lane/kitty-specs/$MISSION/status.json ] || fail 'not "
				   "sparse'; " CLAIMED_ONCE,
		.spawns_git = true},
	{.name = "lane-remove",
		.setup = MISSION APPROVED("WP01", "a")
			APPROVED("WP02", "b") "kitty merge "
					      "--keep-worktrees --mission $MISSION >$OUT 2>$ERR",
		.run = "exec kitty mission close --mission $MISSION --json",
		.check = ONLY_PRIMARY "git cat-file -e refs/kitty/closed/$MISSION || fail 'not "
				      "kept'",
		.spawns_git = true},
	{.name = "integration",
		.setup = MISSION APPROVED("WP01", "a"),
		.run = "exec kitty agent tasks move-task WP01 --to done --mission $MISSION --json",
		.again = "kitty agent tasks move-task WP01 --to done --mission $MISSION >$BOX/say "
			 "2>&1 || grep -q 'WP01 is done already' $BOX/say || { cat $BOX/say; exit "
			 "1; }",
		.check = "log_rows $BRANCH >$BOX/rows; [ $(grep -c '\"to_lane\": \"done\"' "
			 "$BOX/rows) = 1 ] || fail 'not done once'; git cat-file -e "
			 "$BRANCH:src/a/a.c || fail 'the code is missing'",
		.spawns_git = true},
	{.name = "merge",
		.setup = MISSION APPROVED("WP01", "a")
			APPROVED("WP02", "b") "for wp in WP01 WP02; "
					      "do kitty agent tasks move-task $wp --to done "
					      "--mission $MISSION >$OUT "
					      "2>$ERR; done",
		.run = "exec kitty merge --mission $MISSION --json",
		/* What it could not take away it keeps, and says so: merged it is. */
		.check = "if grep -q '\"kept\": .{' $BOX/said; then kitty mission close --mission "
			 "$MISSION >$OUT 2>$ERR || fail 'what was kept cannot be closed'; "
			 "fi; " ONLY_PRIMARY
			 "log_rows main >$BOX/rows; [ $(grep -c '\"to_lane\": \"done\"' $BOX/rows) "
			 "= 2 ] || fail 'not done twice'; for f in a b; do git cat-file -e "
			 "main:src/$f/$f.c && [ -f src/$f/$f.c ] || fail 'code is missing'; done; "
			 "git cat-file -e refs/kitty/closed/$MISSION || fail 'not closed'",
		.after = "[ ! -e .git/kitty/$MISSION/merge.json ] || fail 'the record is left'",
		.manual = CLEAN_UP,
		.moved = "refs/heads/main",
		.spawns_git = true},
	{.name = "single-emit",
		.setup = SINGLE,
		.run = EMIT,
		.check = ID_ONCE,
		.moved = "refs/heads/feature",
		.is_core = true},
	{.name = "legacy-emit",
		.setup = CLAIMED_LEGACY,
		.run = EMIT_STARTED,
		.check = ID_ONCE,
		.is_core = true},
	{.name = "legacy-claim",
		.setup = LEGACY,
		.run = "exec kitty implement WP01 --agent claude --mission $MISSION --json",
		/* What lags behind the branch is brought up to it by the next write. */
		.again = "kitty implement WP01 --agent claude --mission $MISSION && "
			 "kitty agent status emit WP01 --to in_progress --actor claude --event-id "
			 "$ID --mission $MISSION",
		.check = LANE_MADE CLAIMED_ONCE,
		.spawns_git = true},
	{.name = "single-merge",
		.setup = SINGLE APPROVED("WP01", "a") APPROVED("WP02", "b"),
		.run = "exec kitty merge --mission $MISSION --json",
		.check = MERGED_INTO("feature"),
		.moved = "refs/heads/main refs/heads/feature",
		.spawns_git = true},
	{.name = "legacy-merge",
		.setup = LEGACY APPROVED("WP01", "a") APPROVED("WP02", "b"),
		.run = "exec kitty merge --mission $MISSION --json",
		.check = MERGED_INTO("main"),
		.manual = CLEAN_UP,
		.moved = "refs/heads/main",
		.spawns_git = true},
	{.name = "discard",
		.setup = MISSION APPROVED("WP01", "a") "echo unfinished >$(lane a)/src/a/more.c",
		.run = "exec kitty mission close --discard --mission $MISSION --json",
		.check = ONLY_PRIMARY "[ $(git log --oneline main | wc -l) = 1 ] || fail 'main "
				      "moved'",
		.after = "kitty mission restore --mission $MISSION >$OUT 2>$ERR || fail 'cannot be "
			 "restored'; log_rows $BRANCH >$BOX/rows; [ $(grep -c '\"to_lane\": "
			 "\"approved\"' $BOX/rows) = 1 ] || fail 'the log is not what it was'; git "
			 "cat-file -e $BRANCH-lane-a:src/a/a.c || fail 'the lane is not what it "
			 "was'; git for-each-ref --format='%(refname)' refs/kitty | while read -r "
			 "r; "
			 "do git cat-file -e $r:src/a/more.c 2>$ERR && echo yes; done >$BOX/found; "
			 "[ -s $BOX/found ] || [ -f $(lane a)/src/a/more.c ] || fail 'the "
			 "unfinished file is lost'",
		.spawns_git = true},
};

const size_t kt_operations_len = sizeof kt_operations / sizeof kt_operations[0];
