/*
 * Hooks and signers around a commit, where something around them fails: git's own part, the
 * identity, the files they left, the time they take. Nothing is committed that they did not pass,
 * and everything is as it was.
 */
#include <poll.h>

#include "ipc/fd.h"
#include "unit/transaction/fake_git.h"
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"
#include "unit/transaction/uncoordinated.h"

#define REF "kitty/mission-" SLUG
#define QUARANTINE ".git/kitty/" SLUG "/quarantine"

static void install_hook(struct fixture *f, const char *name, const char *body)
{
	char *path = kt_format(".git/hooks/%s", name);
	char *text = kt_format("#!/bin/sh\n%s\n", body);

	shell(f, "mkdir -p .git/hooks");
	write_file(f, path, text);
	shell(f, "chmod +x %s", path);
	free(text);
	free(path);
}

static const char *claim(struct fixture *f, const char *wp)
{
	submit(f, move(wp, KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	return last_code(f);
}

/* WP01 is not claimed, with that code; nothing of the attempt is anywhere, and nothing of it stands
 * in the way of the next one. */
static void expect_nothing(struct fixture *f, const char *code)
{
	static const char state[] = "git rev-parse " REF " && sha256sum " COORD "/kitty-specs/" SLUG
				    "/status.* && git -C " COORD " ls-files -s && git -C " COORD
				    " status --porcelain && ls .git/worktrees/" SLUG "-coord";
	char *before = ask(f, "touch .git/worktrees/" SLUG "-coord/COMMIT_EDITMSG && %s", state);

	assert_string_equal(claim(f, "WP01"), code);
	assert_ask(f, before, "%s", state);
	free(before);
}

static void reopen(struct fixture *f, const struct kt_writer_options *more)
{
	struct kt_writer_options options = *more;
	struct kt_error err = KT_ERROR_INIT;

	options.repo = f->repo;
	options.mission = f->mission;
	options.program = KITTY_BINARY_DIR "/kitty";
	options.on_notice = on_notice;
	options.arg = f;
	kt_writer_free(f->writer);
	f->writer = NULL;
	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
}

/* Turned until it waits for a child that prints that line first, and a few times more. */
static void turn_until(struct fixture *f, const char *there)
{
	struct kt_wait wait = {-1, -1};

	for (int more = 3; more > 0; more -= kt_sandbox_has(f->box, there) ? 1 : 0) {
		assert_false(kt_writer_turn(f->writer, &wait));
		(void)kt_fd_wait(wait.fd, POLLIN, 1);
	}
	assert_true(wait.fd >= 0 && wait.deadline_ms > 0);
}

/* ---- before the hooks ---- */

static void a_private_index_that_git_cannot_make_refuses(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "pre-commit", "touch ../../seen");
	fake_git(f, "*\" read-tree \"*", "exit 1");
	expect_nothing(f, "GIT_FAILED");
	fake_git(f, "*\" read-tree \"*", "kill -9 $$");
	expect_nothing(f, "GIT_FAILED");
	fake_git_end();
	assert_string_equal(kt_json_get_string(f->last, "rejected_by"), "git");
	assert_false(kt_sandbox_has(f->box, "seen"));
	assert_string_equal(claim(f, "WP01"), "OK");
	assert_true(kt_sandbox_has(f->box, "seen"));
	expect_clean(f);
}

/* Neither a name nor a time of their own: kitty's. What was refused before is no business of the
 * hooks. */
static void hooks_of_an_identity_nobody_configured_run(void **state)
{
	static const struct kt_writer_options defaults = {.hold_lock = false};
	struct fixture *f = *state;

	install_hook(f, "pre-commit", "echo \"$GIT_AUTHOR_NAME $GIT_AUTHOR_EMAIL\" >../../seen");
	shell(f, "git config --unset user.name && git config --unset user.email");
	reopen(f, &defaults);
	submit(f, move("WP02", KT_STATUS_APPROVED, "codex"), NULL);
	assert_string_equal(claim(f, "WP01"), "OK");
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->successes, 1);
	assert_ask(f, "kitty kitty@localhost.invalid", "cat seen && rm seen");
	expect_clean(f);
}

/* ---- after the hooks ---- */

static const char *reason(const struct fixture *f)
{
	return kt_json_get_string(f->last, "rejected_reason");
}

/* Files of all kinds, a folder and the log itself: git status is as clean as before. */
static void what_a_hook_changed_comes_back_as_it_was(void **state)
{
	struct fixture *f = *state;

	shell(f, "cd " COORD
		 " && echo top >top.txt && echo run >src/run.sh && chmod +x src/run.sh && "
		 "ln -s a.txt src/link && git add . && git commit -qm files");
	install_hook(f, "pre-commit",
		"rm -r src; echo more >>top.txt; echo tail >>$(echo "
		"kitty-specs/*/status.events.jsonl)");
	expect_nothing(f, "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(reason(f),
		"a hook may not change files, and changed src/a.txt, "
		"src/link, src/run.sh, top.txt, " FOLDER "/status.events.jsonl");
	assert_ask(f, "top\nmore", "cat " QUARANTINE "/*-top.txt");
	assert_ask(f, "a.txt", "readlink " COORD "/src/link && test -x " COORD "/src/run.sh");
	expect_clean(f);
	/* Refused already: that is the reason, and the files come back all the same. */
	install_hook(f, "pre-commit", "chmod -x src/run.sh; rm src/link; echo no; exit 1");
	expect_nothing(f, "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(reason(f), "exit status 1: no (and it changed src/link, src/run.sh)");
	expect_clean(f);
}

static void files_that_cannot_come_back_are_told_of(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "pre-commit", "echo more >>src/a.txt");
	fake_git(f, "*\" checkout-index \"*", "echo no disk >&2; exit 1");
	assert_string_equal(claim(f, "WP01"), "BOOKKEEPING_COMMIT_FAILED");
	fake_git_end();
	assert_non_null(strstr(kt_buffer_text(&f->notices),
		"could not be restored: git checkout-index: exit status 1: no disk"));
	kt_buffer_clear(&f->notices);
	kt_seam_fail("kt_git_start", 3, KT_E_SPAWN_FAILED);
	assert_string_equal(claim(f, "WP01"), "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(kt_seam_end(), "kt_git_start");
	assert_non_null(strstr(kt_buffer_text(&f->notices), "could not be restored: "));
	/* Somebody else's doing by now, and refused as the hook's: the files come back. */
	shell(f, "rm .git/hooks/pre-commit");
	install_hook(f, "pre-commit", "exit 0");
	assert_string_equal(claim(f, "WP01"), "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(claim(f, "WP01"), "OK");
	expect_clean(f);
}

static void an_emptied_message_refuses(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "commit-msg", "echo >\"$1\"");
	expect_nothing(f, "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(reason(f), "it emptied the commit message");
	assert_string_equal(kt_json_get_string(f->last, "rejected_by"), "commit-msg");
}

static void a_message_that_cannot_be_taken_over_refuses(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "commit-msg", "echo 'Ticket: 7' >>\"$1\"");
	kt_seam_fail("kt_commit_build", 2, KT_E_NO_SPACE);
	assert_string_equal(claim(f, "WP01"), "NO_SPACE");
	assert_string_equal(kt_seam_end(), "kt_commit_build");
	assert_string_equal(kt_json_get_string(f->last, "rejected_by"), "git");
	expect_clean(f);
	assert_string_equal(claim(f, "WP01"), "OK");
	assert_ask(f, "Ticket: 7", "git log -1 --format=%%B " REF " | sed -n 2p");
}

/* Nobody knows what the hooks did, so nothing passes; half a path is none. */
static void a_look_that_fails_refuses(void **state)
{
	static const char *const acts[] = {"exit 1", "kill -9 $$", "printf '?\\077 sr'; exit 1",
		"printf '?\\077 src/kept.o'; exit 1", "printf '?'; exit 1"};
	struct fixture *f = *state;

	install_hook(f, "pre-commit", "exit 0");
	shell(f, "echo '*.o' >>.git/info/exclude && touch " COORD "/src/kept.o");
	for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
		fake_git(f, "*\" status --porcelain -z \"*", acts[i]);
		expect_nothing(f, "GIT_FAILED");
		fake_git_end();
		assert_string_equal(reason(f), "git status after the hooks");
	}
	assert_true(kt_sandbox_has(f->box, COORD "/src/kept.o"));
	assert_string_equal(claim(f, "WP01"), "OK");
	expect_clean(f);
}

/* It was told to end, and said that all was well. */
static void a_hook_that_passes_too_late_has_not_passed(void **state)
{
	static const struct kt_writer_options soon = {.hook_timeout_ms = 200};
	struct fixture *f = *state;

	install_hook(f, "pre-commit", "trap 'exit 0' TERM\nsleep 1000 >/dev/null 2>&1 &\nwait");
	reopen(f, &soon);
	expect_nothing(f, "BOOKKEEPING_COMMIT_FAILED");
	assert_non_null(strstr(kt_json_get_string(f->last, "rejected_reason"), "timed out"));
}

/* Files that cannot be taken back are told of; the branch is right, and the next one heals. */
static void a_roll_back_that_fails_is_healed_by_the_next_one(void **state)
{
	struct fixture *f = *state;
	char *tip = ask(f, "git rev-parse " REF);

	install_hook(f, "pre-commit", "exit 1");
	kt_seam_fail("kt_working_restore", 1, KT_E_NO_SPACE);
	assert_string_equal(claim(f, "WP01"), "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(kt_seam_end(), "kt_working_restore");
	assert_non_null(strstr(kt_buffer_text(&f->notices), "[BOOKKEEPING_ROLLBACK_FAILED]"));
	assert_ask(f, tip, "git rev-parse " REF);
	shell(f, "rm .git/hooks/pre-commit");
	assert_string_equal(claim(f, "WP02"), "OK");
	assert_ask(f, "WP02",
		"git show " REF ":" FOLDER "/status.events.jsonl | grep claimed | grep -o WP0.");
	expect_clean(f);
	free(tip);
}

static void a_post_commit_hook_is_waited_for_after_the_receipt(void **state)
{
	struct fixture *f = *state;
	size_t others = 9;

	install_hook(f, "post-commit", "touch ../../there; cat ../../../go");
	shell(f, "mkfifo ../go");
	f->hook_timeout_ms = 600000;
	kt_writer_free(f->writer);
	open_writer(f, false);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	turn_until(f, "there");
	assert_string_equal(last_code(f), "OK");
	assert_string_equal(kt_writer_hook(f->writer, &others), "post-commit");
	assert_int_equal(others, 0);
	shell(f, ": >../go && rm there");
	finish(f);
	expect_clean(f);
}

/* Whoever asks what everybody waits for is told the hook, and how many others wait; git's own part
 * is no hook. */
static void the_hook_that_is_waited_for_has_a_name(void **state)
{
	struct fixture *f = *state;
	struct kt_wait wait = {-1, -1};
	size_t others = 9;

	install_hook(f, "pre-commit", "touch ../../there; cat ../../../go");
	shell(f, "mkfifo ../go");
	f->hook_timeout_ms = 600000;
	kt_writer_free(f->writer);
	open_writer(f, false);
	assert_null(kt_writer_hook(f->writer, &others));
	assert_int_equal(others, 0);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	submit(f, move("WP02", KT_STATUS_CLAIMED, "claude"), NULL);
	assert_false(kt_writer_turn(f->writer, &wait));
	assert_null(kt_writer_hook(f->writer, &others));
	turn_until(f, "there");
	assert_string_equal(kt_writer_hook(f->writer, &others), "pre-commit");
	assert_int_equal(others, 1);
	shell(f, ": >../go && rm ../go && : >../go && rm there");
	finish(f);
	assert_int_equal(f->successes, 2);
	shell(f, "rm there");
	expect_clean(f);
}

/* Somebody's own last message stays theirs; the hooks have one of ours, which goes again. */
static void hooks_in_somebodys_checkout_leave_its_message_alone(void **state)
{
	struct fixture *f = *state;

	install_hook(f, "commit-msg",
		"echo \"$1\" >../seen; cat \"$1\" >>../seen; echo more >>src/a.txt");
	shell(f, "echo theirs >.git/COMMIT_EDITMSG");
	assert_string_equal(claim(f, "WP01"), "OK");
	assert_ask(f, "theirs", "cat .git/COMMIT_EDITMSG");
	assert_ask(f, "kitty-commit-message\nchore: WP01 claimed for implementation [claude]",
		"sed '1s,.*/,,' ../seen; ls .git/kitty-commit-message 2>/dev/null || true");
	/* Nor is what the hook did to other files ours to take back. */
	assert_ask(f, "hi\nmore", "cat src/a.txt");
}

/* ---- signers ---- */

static void use_signer(struct fixture *f, const char *body)
{
	struct kt_writer_options options = {.sign = true};

	shell(f,
		"printf '#!/bin/sh\\n%s\\ncat >/dev/null\\nprintf \"\\\\n[GNUPG:] SIG_CREATED \" "
		">&2\\nprintf -- \"-----BEGIN PGP SIGNATURE-----\\\\n\\\\nx\\\\n-----END PGP "
		"SIGNATURE-----\\\\n\"\\n' >../signer && chmod +x ../signer && git config "
		"gpg.program \"$PWD/../signer\" && git config user.signingKey x",
		body);
	reopen(f, &options);
}

static void a_signer_that_takes_its_time_is_waited_for(void **state)
{
	struct fixture *f = *state;
	char *body = kt_format("touch %s/there; cat %s/go", f->box->repo, f->box->root);
	size_t others = 9;

	shell(f, "mkfifo ../go");
	use_signer(f, body);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	turn_until(f, "there");
	assert_int_equal(f->answers, 0);
	assert_null(kt_writer_hook(f->writer, &others));
	shell(f, ": >../go && rm there");
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "1", "git cat-file commit " REF " | grep -c '^gpgsig '");
	expect_clean(f);
	free(body);
}

/* Nothing is shown to a signer that a power cut could take away. */
static void a_commit_that_cannot_be_flushed_is_not_signed(void **state)
{
	struct fixture *f = *state;
	char *body = kt_format("touch %s/there", f->box->repo);

	use_signer(f, body);
	kt_seam_fail("kt_commit_barrier", 1, KT_E_NO_SPACE);
	expect_nothing(f, "NO_SPACE");
	assert_string_equal(kt_seam_end(), "kt_commit_barrier");
	assert_false(kt_sandbox_has(f->box, "there"));
	assert_string_equal(claim(f, "WP01"), "OK");
	assert_true(kt_sandbox_has(f->box, "there"));
	free(body);
}

static int setup_single(void **state)
{
	return setup_uncoordinated(state, ",\\n  \"topology\": \"single_branch\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_private_index_that_git_cannot_make_refuses),
		TEST(hooks_of_an_identity_nobody_configured_run),
		TEST(what_a_hook_changed_comes_back_as_it_was),
		TEST(files_that_cannot_come_back_are_told_of),
		TEST(an_emptied_message_refuses),
		TEST(a_message_that_cannot_be_taken_over_refuses),
		TEST(a_look_that_fails_refuses),
		TEST(a_hook_that_passes_too_late_has_not_passed),
		TEST(a_roll_back_that_fails_is_healed_by_the_next_one),
		TEST(the_hook_that_is_waited_for_has_a_name),
		TEST(a_post_commit_hook_is_waited_for_after_the_receipt),
		cmocka_unit_test_setup_teardown(hooks_in_somebodys_checkout_leave_its_message_alone,
			setup_single, teardown),
		TEST(a_signer_that_takes_its_time_is_waited_for),
		TEST(a_commit_that_cannot_be_flushed_is_not_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
