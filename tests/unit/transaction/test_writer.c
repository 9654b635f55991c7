/*
 * The write path on real repositories: one event, one commit, or nothing. Every test checks with
 * git itself.
 */
#include "unit/transaction/fixture.h"

static void one_move_is_one_commit_with_one_row(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "git rev-list --count kitty/mission-" SLUG);
	char *after = NULL;

	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	after = ask(f, "git rev-list --count kitty/mission-" SLUG);
	assert_int_equal(strtol(after, NULL, 10), strtol(before, NULL, 10) + 1);
	assert_ask(f, "chore: WP01 claimed for implementation [claude]",
		"git log -1 --format=%%s kitty/mission-" SLUG);
	assert_ask(f, "1\t0\tkitty-specs/" SLUG "/status.events.jsonl",
		"git diff --numstat kitty/mission-" SLUG "~1 kitty/mission-" SLUG " -- '*.jsonl'");
	expect_clean(f);
	free(before);
	free(after);
}

static void a_batch_is_one_commit_per_request(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "git rev-list --count kitty/mission-" SLUG);
	char *after = NULL;

	for (int i = 0; i < 20; i++) {
		struct kt_json *request = kt_request_new("note");
		struct kt_json *delta = kt_json_new_object();
		char note[16];

		(void)snprintf(note, sizeof note, "note %d", i);
		kt_json_set_string(delta, "note", note);
		(void)kt_request_add_annotation(request, i % 2 ? "WP01" : "WP02", "claude", delta);
		submit(f, request, NULL);
	}
	finish(f);
	assert_int_equal(f->successes, 20);
	after = ask(f, "git rev-list --count kitty/mission-" SLUG);
	assert_int_equal(strtol(after, NULL, 10), strtol(before, NULL, 10) + 20);
	expect_clean(f);
	free(before);
	free(after);
}

static void one_bad_request_in_a_batch_fails_alone(void **state)
{
	struct fixture *f = *state;

	submit(f, move("WP01", KT_STATUS_CLAIMED, "a"), NULL);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "b"), NULL);
	submit(f, move("WP02", KT_STATUS_APPROVED, "b"), NULL);
	submit(f, move("WP99", KT_STATUS_CLAIMED, "b"), NULL);
	submit(f, move("WP02", KT_STATUS_CLAIMED, "b"), NULL);
	finish(f);
	assert_int_equal(f->answers, 5);
	assert_int_equal(f->successes, 2);
	expect_clean(f);
}

static void a_foreign_claim_is_a_conflict_that_names_the_holder(void **state)
{
	struct fixture *f = *state;

	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "codex"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "WP_ALREADY_CLAIMED");
	assert_string_equal(kt_json_get_string(f->last, "holder"), "claude");
}

static void the_same_actor_claiming_again_gets_the_same_receipt(void **state)
{
	struct fixture *f = *state;
	char *first = NULL;

	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	first = kt_strdup(kt_json_get_string(kt_json_get(f->last, "receipt"), "commit_sha"));
	submit(f, move("WP02", KT_STATUS_CLAIMED, "claude"), NULL);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_string_equal(
		kt_json_get_string(kt_json_get(f->last, "receipt"), "commit_sha"), first);
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	free(first);
}

static void the_same_event_id_twice_commits_once(void **state)
{
	struct fixture *f = *state;
	struct kt_json *request = kt_request_new("emit");
	char *count = NULL, *first = NULL;

	kt_json_set_string(kt_request_add_move(request, "WP01", KT_STATUS_CLAIMED, "claude"),
		"event_id", "01KSPTVW00000000000000AAAA");
	kt_writer_submit(f->writer, request, NULL, on_outcome, f);
	/* The second is in the same batch as the first, the third comes later. */
	kt_writer_submit(f->writer, request, NULL, on_outcome, f);
	finish(f);
	assert_int_equal(f->successes, 2);
	first = kt_strdup(kt_json_get_string(kt_json_get(f->last, "receipt"), "commit_sha"));
	submit(f, move("WP01", KT_STATUS_IN_PROGRESS, "claude"), NULL);
	submit(f, request, NULL);
	finish(f);
	assert_int_equal(f->successes, 4);
	assert_string_equal(
		kt_json_get_string(kt_json_get(f->last, "receipt"), "commit_sha"), first);
	count = ask(f, "grep -c 01KSPTVW00000000000000AAAA " LOG);
	assert_string_equal(count, "1");
	free(count);
	free(first);
}

static void the_same_event_id_with_other_content_is_a_conflict(void **state)
{
	struct fixture *f = *state;
	struct kt_json *request = move("WP01", KT_STATUS_CLAIMED, "claude");

	kt_json_set_string(kt_json_first(kt_json_get(request, "ops")), "event_id",
		"01KSPTVW00000000000000AAAA");
	submit(f, request, NULL);
	request = move("WP02", KT_STATUS_CLAIMED, "claude");
	kt_json_set_string(kt_json_first(kt_json_get(request, "ops")), "event_id",
		"01KSPTVW00000000000000AAAA");
	submit(f, request, NULL);
	finish(f);
	assert_string_equal(last_code(f), "EVENT_ID_CONFLICT");
}

static void a_lane_may_move_only_its_own_work_packages(void **state)
{
	struct fixture *f = *state;

	submit(f, move("WP02", KT_STATUS_CLAIMED, "claude"), "lane-a");
	finish(f);
	assert_string_equal(last_code(f), "LANE_FOREIGN_WP");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), "lane-a");
	finish(f);
	assert_string_equal(last_code(f), "OK");
}

static void install_hook(struct fixture *f, const char *name, const char *script)
{
	char *path = kt_format(".git/hooks/%s", name);

	shell(f, "mkdir -p .git/hooks");
	write_file(f, path, script);
	shell(f, "chmod +x %s", path);
	free(path);
}

static void expect_rejection(struct fixture *f, const char *hook)
{
	char *log = ask(f, "sha256sum < " LOG), *snapshot = NULL, *after = NULL, *tip = NULL;
	char *index = ask(f, "git -C " COORD " ls-files -s | sha256sum");
	char *now = NULL;

	tip = ask(f, "git rev-parse kitty/mission-" SLUG);
	snapshot = ask(f, "sha256sum < " COORD "/kitty-specs/" SLUG "/status.json");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(kt_json_get_string(f->last, "rejected_by"), hook);
	assert_string_equal(kt_json_get_string(f->last, "rejected_message"),
		"chore: WP01 claimed for implementation [claude]");
	assert_string_equal(
		kt_json_get_string(kt_json_get(f->last, "rolled_back_transition"), "to_lane"),
		"claimed");
	after = ask(f, "sha256sum < " LOG);
	assert_string_equal(after, log);
	now = ask(f, "sha256sum < " COORD "/kitty-specs/" SLUG "/status.json");
	assert_string_equal(now, snapshot);
	free(now);
	now = ask(f, "git -C " COORD " ls-files -s | sha256sum");
	assert_string_equal(now, index);
	assert_ask(f, tip, "git rev-parse kitty/mission-" SLUG);
	expect_clean(f);
	free(log);
	free(snapshot);
	free(after);
	free(tip);
	free(index);
	free(now);
}

static void a_rejecting_pre_commit_hook_leaves_everything_as_it_was(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "pre-commit",
		"#!/bin/sh\ngit diff --cached | grep -q WP01 && { echo no WP01; exit 1; }\nexit "
		"0\n");
	expect_rejection(f, "pre-commit");
	assert_non_null(strstr(kt_json_get_string(f->last, "rejected_reason"), "no WP01"));
	shell(f, "rm .git/hooks/pre-commit");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
}

static void a_rejecting_commit_msg_hook_leaves_everything_as_it_was(void **state)
{
	install_hook(*state, "commit-msg", "#!/bin/sh\n! grep -q claimed \"$1\"\n");
	expect_rejection(*state, "commit-msg");
}

static void a_hook_that_hangs_is_a_rejection(void **state)
{
	install_hook(*state, "pre-commit", "#!/bin/sh\nexec sleep 1000\n");
	expect_rejection(*state, "pre-commit");
}

static void a_hook_that_is_killed_is_a_rejection(void **state)
{
	install_hook(*state, "pre-commit", "#!/bin/sh\nkill -9 $$\n");
	expect_rejection(*state, "pre-commit");
}

static void a_hook_without_its_interpreter_is_a_rejection(void **state)
{
	install_hook(*state, "pre-commit", "#!/no/such/interpreter\n");
	expect_rejection(*state, "pre-commit");
}

static void a_hook_that_rewrites_the_log_is_a_rejection(void **state)
{
	install_hook(*state, "pre-commit",
		"#!/bin/sh\nfor f in kitty-specs/*/status.events.jsonl; do sed -i 's/WP02/WP03/' "
		"$f; git add $f; done\n");
	expect_rejection(*state, "pre-commit");
}

static void a_hook_that_deletes_the_log_is_a_rejection(void **state)
{
	install_hook(*state, "pre-commit", "#!/bin/sh\nrm kitty-specs/*/status.*\n");
	expect_rejection(*state, "pre-commit");
}

static void a_hook_that_edits_another_file_is_a_rejection(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "pre-commit", "#!/bin/sh\necho more >> src/a.txt; git add src/a.txt\n");
	expect_rejection(f, "pre-commit");
	assert_ask(f, "hi", "cat " COORD "/src/a.txt");
}

static void a_hook_that_lets_it_pass_sees_the_commit_it_judges(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "pre-commit",
		"#!/bin/sh\ngit diff --cached --name-only > ../../seen\npwd >> ../../seen\n");
	install_hook(f, "prepare-commit-msg", "#!/bin/sh\necho 'Ticket: 7' >> \"$1\"\n");
	install_hook(
		f, "post-commit", "#!/bin/sh\ngit log -1 --format=%s > ../../posted; exit 7\n");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "kitty-specs/" SLUG "/status.events.jsonl", "head -1 seen");
	assert_ask(f, "Ticket: 7", "git log -1 --format=%%B kitty/mission-" SLUG " | sed -n 2p");
	assert_ask(f, "chore: WP01 claimed for implementation [claude] Ticket: 7", "cat posted");
	shell(f, "rm seen posted");
	expect_clean(f);
}

static void a_hook_that_leaves_a_new_file_passes_and_the_worktree_stays_clean(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "pre-commit", "#!/bin/sh\nmkdir -p .cache && echo x > .cache/lint\n");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "x", "cat .git/kitty/" SLUG "/quarantine/*-lint");
	expect_clean(f);
}

static void hooks_do_not_mix_requests_of_a_batch(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "pre-commit",
		"#!/bin/sh\n! git diff --cached | grep '^+' | grep -q '\"wp_id\": \"WP01\"'\n");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "a"), NULL);
	submit(f, move("WP02", KT_STATUS_CLAIMED, "a"), NULL);
	finish(f);
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->successes, 1);
	expect_clean(f);
}

static void effect_ran(const struct kt_json *outcome, void *arg)
{
	(void)outcome;
	(*(int *)arg)++;
}

static void an_effect_does_not_run_after_a_rejection(void **state)
{
	struct fixture *f = *state;
	int ran = 0;
	const struct kt_effect effect = {effect_ran, NULL, &ran};
	const struct kt_effects effects = {&effect, 1};
	struct kt_json *request = move("WP01", KT_STATUS_CLAIMED, "claude");

	install_hook(f, "pre-commit", "#!/bin/sh\nexit 1\n");
	kt_buffer_clear(&f->committed);
	kt_writer_submit_with_effects(f->writer, request, NULL, on_outcome, f, &effects);
	finish(f);
	assert_int_equal(ran, 0);
	assert_int_equal(f->committed.len, 0);
	shell(f, "rm .git/hooks/pre-commit");
	kt_writer_submit_with_effects(f->writer, request, NULL, on_outcome, f, &effects);
	finish(f);
	assert_int_equal(ran, 1);
	assert_non_null(strstr(kt_buffer_text(&f->committed), "claimed"));
	kt_json_free(request);
}

static void reopen(struct fixture *f)
{
	kt_writer_free(f->writer);
	open_writer(f, true);
}

static void an_uncommitted_tail_goes_to_quarantine(void **state)
{
	struct fixture *f = *state;

	shell(f, "echo '{\"half\": ' >> " LOG);
	reopen(f);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_non_null(strstr(kt_buffer_text(&f->notices), "quarantine"));
	assert_ask(f, "{\"half\": ", "cat .git/kitty/" SLUG "/quarantine/*tail");
	expect_clean(f);
}

static void a_running_writer_heals_too(void **state)
{
	struct fixture *f = *state;

	shell(f, "echo garbage >> " LOG);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
}

static void a_short_or_missing_log_is_written_again(void **state)
{
	struct fixture *f = *state;

	shell(f, "truncate -s -40 " LOG);
	reopen(f);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	shell(f, "rm " LOG " " COORD "/kitty-specs/" SLUG "/status.json");
	reopen(f);
	submit(f, move("WP02", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
}

static void edited_history_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	char *before = NULL;

	shell(f, "sed -i 's/WP02/WP03/' " LOG);
	before = ask(f, "sha256sum < " LOG);
	reopen(f);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "EVENT_LOG_EDITED");
	assert_ask(f, before, "sha256sum < " LOG);
	free(before);
}

static void a_commit_that_rewrites_the_log_is_refused(void **state)
{
	struct fixture *f = *state;

	shell(f, "sed -i 's/WP02/WP03/' " LOG " && git -C " COORD " commit -qam evil");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "COORDINATION_FOREIGN_COMMIT");
}

static void a_foreign_commit_of_another_file_is_built_upon(void **state)
{
	struct fixture *f = *state;

	shell(f, "echo x > " COORD "/new.txt && git -C " COORD " add new.txt && git -C " COORD
		 " commit -qm theirs");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "x", "git show kitty/mission-" SLUG ":new.txt");
	expect_clean(f);
}

static void a_ref_that_moved_behind_the_worktree_is_synced(void **state)
{
	struct fixture *f = *state;

	shell(f, "git worktree add -q --detach ../$$-other kitty/mission-" SLUG
		 " && cd ../$$-other && echo y > other.txt && "
		 "git add other.txt && git commit -qm moved && git update-ref "
		 "refs/heads/kitty/mission-" SLUG
		 " HEAD && cd - && git worktree remove -f ../$$-other");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "y", "cat " COORD "/other.txt");
	expect_clean(f);
}

static void a_detached_head_is_refused(void **state)
{
	struct fixture *f = *state;
	char *tip = ask(f, "git rev-parse kitty/mission-" SLUG);

	shell(f, "git -C " COORD " switch -q --detach");
	reopen(f);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "COORDINATION_WORKTREE_BRANCH_MISMATCH");
	assert_ask(f, tip, "git rev-parse kitty/mission-" SLUG);
	free(tip);
}

static void a_protected_coordination_branch_is_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const globs[] = {"kitty/*", NULL};
	struct kt_writer_options options = {
		.repo = f->repo, .mission = f->mission, .protected_branches = globs};
	struct kt_error err = KT_ERROR_INIT;

	kt_writer_free(f->writer);
	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "BOOKKEEPING_POLICY_REFUSED");
	assert_string_equal(kt_json_get_string(kt_json_get(f->last, "refusal"), "error_code"),
		"PROTECTED_BRANCH_REFUSED");
}

static void a_held_lock_times_out_with_its_code(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;
	int fd = -1;

	kt_writer_free(f->writer);
	assert_int_equal(kt_lock_try(f->mission->lock_path, &fd, &err), KT_E_OK);
	assert_true(fd >= 0);
	open_writer(f, false);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "BOOKKEEPING_LOCK_TIMEOUT");
	kt_lock_release(fd);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
}

static void a_stale_lock_of_a_dead_writer_is_broken(void **state)
{
	struct fixture *f = *state;

	kt_writer_free(f->writer);
	f->writer = NULL;
	shell(f, "printf '999999 1 %%s 0000000000000000000000000000000000000000\\n' $(cat "
		 "/proc/sys/kernel/random/boot_id) > .git/kitty/" SLUG
		 "/intent; touch .git/refs/heads/kitty/mission-" SLUG ".lock .git/worktrees/" SLUG
		 "-coord/index.lock");
	open_writer(f, true);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
}

static void a_reference_transaction_hook_may_refuse(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "reference-transaction",
		"#!/bin/sh\n[ \"$1\" != prepared ] || { echo closed; exit 1; }\n");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(kt_json_get_string(f->last, "rejected_by"), "reference-transaction");
	shell(f, "rm .git/hooks/reference-transaction");
	expect_clean(f);
}

static void a_reference_transaction_hook_that_hangs_is_a_refusal(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "reference-transaction",
		"#!/bin/sh\n[ \"$1\" != prepared ] || exec sleep 1000\n");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "BOOKKEEPING_COMMIT_FAILED");
	shell(f, "rm .git/hooks/reference-transaction");
	expect_clean(f);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
}

static void order_of_time_and_ids_is_the_order_of_the_log(void **state)
{
	struct fixture *f = *state;

	shell(f, "printf '%%s\\n' '{\"actor\": \"x\", \"at\": \"2040-01-01T00:00:00Z\", \"delta\": "
		 "{\"note\": \"future\"}, \"event_id\": \"7KSPTVW0000000000000000000\", \"kind\": "
		 "\"annotation\", \"wp_id\": \"WP01\"}' >> " LOG " && git -C " COORD
		 " commit -qam 'a clock that ran ahead'");
	for (int i = 0; i < 5; i++)
		submit(f,
			move(i % 2 ? "WP01" : "WP02",
				i < 2 ? KT_STATUS_CLAIMED : KT_STATUS_IN_PROGRESS, "c"),
			NULL);
	finish(f);
	assert_ask(f, "sorted",
		"tail -n 5 " LOG
		" | sed 's/.*\"at\": \"\\([^\"]*\\)\".*/\\1/' | LC_ALL=C sort -c && echo sorted");
	assert_ask(f, "sorted",
		"tail -n 5 " LOG " | sed 's/.*\"event_id\": \"\\([^\"]*\\)\".*/\\1/' | LC_ALL=C "
		"sort -c && echo sorted");
	expect_clean(f);
}

static void a_reader_sees_what_was_committed(void **state)
{
	struct fixture *f = *state;
	struct kt_view *view = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_wp_state wp = {0};

	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	shell(f, "echo decoy >> " LOG);
	assert_int_equal(kt_view_load(f->repo, f->mission, &view, &err), KT_E_OK);
	assert_true(kt_reducer_wp(view->state, "WP01", &wp));
	assert_int_equal(wp.status, KT_STATUS_CLAIMED);
	assert_string_equal(wp.claim_actor, "claude");
	kt_view_free(view);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_move_is_one_commit_with_one_row),
		TEST(a_batch_is_one_commit_per_request),
		TEST(one_bad_request_in_a_batch_fails_alone),
		TEST(a_foreign_claim_is_a_conflict_that_names_the_holder),
		TEST(the_same_actor_claiming_again_gets_the_same_receipt),
		TEST(the_same_event_id_twice_commits_once),
		TEST(the_same_event_id_with_other_content_is_a_conflict),
		TEST(a_lane_may_move_only_its_own_work_packages),
		TEST(a_rejecting_pre_commit_hook_leaves_everything_as_it_was),
		TEST(a_rejecting_commit_msg_hook_leaves_everything_as_it_was),
		TEST(a_hook_that_hangs_is_a_rejection),
		TEST(a_hook_that_is_killed_is_a_rejection),
		TEST(a_hook_without_its_interpreter_is_a_rejection),
		TEST(a_hook_that_rewrites_the_log_is_a_rejection),
		TEST(a_hook_that_deletes_the_log_is_a_rejection),
		TEST(a_hook_that_edits_another_file_is_a_rejection),
		TEST(a_hook_that_lets_it_pass_sees_the_commit_it_judges),
		TEST(a_hook_that_leaves_a_new_file_passes_and_the_worktree_stays_clean),
		TEST(hooks_do_not_mix_requests_of_a_batch),
		TEST(an_effect_does_not_run_after_a_rejection),
		TEST(an_uncommitted_tail_goes_to_quarantine),
		TEST(a_running_writer_heals_too),
		TEST(a_short_or_missing_log_is_written_again),
		TEST(edited_history_is_refused_and_left_alone),
		TEST(a_commit_that_rewrites_the_log_is_refused),
		TEST(a_foreign_commit_of_another_file_is_built_upon),
		TEST(a_ref_that_moved_behind_the_worktree_is_synced),
		TEST(a_detached_head_is_refused),
		TEST(a_protected_coordination_branch_is_refused),
		TEST(a_held_lock_times_out_with_its_code),
		TEST(a_stale_lock_of_a_dead_writer_is_broken),
		TEST(a_reference_transaction_hook_may_refuse),
		TEST(a_reference_transaction_hook_that_hangs_is_a_refusal),
		TEST(order_of_time_and_ids_is_the_order_of_the_log),
		TEST(a_reader_sees_what_was_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
