/*
 * The real store against the git command: what kitty writes, git reads, and the other way round.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/store_ops.h"
#include "unit/git/store_fixture.h"

static const char log_path[] = "kitty-specs/m/status.events.jsonl";
static const char snapshot_path[] = "kitty-specs/m/status.json";

static int set_up(void **state)
{
	*state = open_store("git rev-parse main");
	return 0;
}

static struct kt_oid tip_of(struct fixture *it, const char *ref)
{
	struct kt_oid oid;

	if (kt_store_ref_read(it->store, ref, &oid, &it->err) != KT_E_OK)
		fail_msg("%s: %s", ref, it->err.detail);
	return oid;
}

/* A log of `rows` rows; appended row by row it shares its beginning with all shorter ones. */
static void put_rows(struct kt_buffer *log, int from, int rows)
{
	for (int i = from; i < from + rows; i++)
		kt_buffer_printf(log,
			"{\"actor\": \"a%d\", \"at\": \"2026-01-01T00:00:%08d\", \"event_id\": "
			"\"%026d\"}\n",
			i % 7, i * 7919, i);
}

struct chain {
	struct kt_buffer log, snapshot;
	struct kt_oid parent, log_blob, snapshot_blob;
	size_t log_len;
	int rows;
};

static void chain_release(struct chain *chain)
{
	kt_buffer_release(&chain->log);
	kt_buffer_release(&chain->snapshot);
}

/* One more event on the chain, as the transaction makes it. */
static void chain_add(struct fixture *it, struct chain *chain)
{
	char *message = kt_format("chore: event %d", chain->rows);
	struct kt_change changes[2] = {{.path = log_path}, {.path = snapshot_path}};
	struct kt_commit_plan plan = {.parents = &chain->parent,
		.parents_len = 1,
		.changes = changes,
		.changes_len = 2,
		.author = {"Ann <x>", "ann@example.com", 1700000000 + chain->rows},
		.committer = {"kitty", "kitty@example.com", 1700000000 + chain->rows},
		.message = message};
	struct kt_oid blobs[2], commit;

	put_rows(&chain->log, chain->rows, 1);
	kt_buffer_clear(&chain->snapshot);
	kt_buffer_printf(
		&chain->snapshot, "{\n  \"events\": %d,\n  \"x\": \"%0200d\"\n}\n", chain->rows, 7);
	changes[0].bytes = chain->log.data;
	changes[0].len = chain->log.len;
	changes[1].bytes = chain->snapshot.data;
	changes[1].len = chain->snapshot.len;
	if (chain->rows > 0) {
		changes[0].previous = &chain->log_blob;
		changes[0].shared_prefix = chain->log_len;
		changes[1].previous = &chain->snapshot_blob;
	}
	assert_int_equal(kt_commit_build(it->store, &plan, &commit, blobs, &it->err), KT_E_OK);
	chain->parent = commit;
	chain->log_blob = blobs[0];
	chain->snapshot_blob = blobs[1];
	chain->log_len = chain->log.len;
	chain->rows++;
	free(message);
}

static void fsck(struct fixture *it)
{
	kt_sandbox_expect(it->box, "", "git fsck --full --strict --no-dangling 2>&1");
}

static void a_chain_of_twenty_commits_lands_with_one_swap(void **state)
{
	struct fixture *it = *state;
	struct chain chain = {.parent = tip_of(it, "refs/heads/main")};
	struct kt_oid old = chain.parent, blob;
	struct kt_buffer read = KT_BUFFER_INIT;
	bool found = false;

	for (int i = 0; i < 20; i++)
		chain_add(it, &chain);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_swap(it->store, "refs/heads/main", &old, &chain.parent,
				 "kitty: 20 events", &it->err),
		KT_E_OK);
	fsck(it);
	kt_sandbox_expect(it->box, "21", "git rev-list --count main");
	kt_sandbox_expect(it->box, kt_oid_format(&chain.parent).text, "git rev-parse main");
	kt_sandbox_expect(it->box, "20", "git show main:%s | wc -l", log_path);
	kt_sandbox_expect(it->box, "1", "git show main~19:%s | wc -l", log_path);
	kt_sandbox_expect(
		it->box, "chore: event 19 Ann x kitty", "git log -1 --format='%%s %%an %%cn' main");
	kt_sandbox_expect(it->box, "hello", "git show main:README");
	kt_sandbox_expect(it->box, "kitty: 20 events", "git reflog -1 --format=%%gs main");
	kt_sandbox_expect(it->box, "1", "ls .git/objects/pack/*.pack | wc -l");
	free(kt_sandbox_run(it->box, "git log -p main"));
	assert_int_equal(kt_store_blob_read(it->store, &chain.parent, log_path, &found, &blob,
				 &read, &it->err),
		KT_E_OK);
	assert_true(found);
	assert_true(kt_oid_equal(&blob, &chain.log_blob));
	assert_int_equal(read.len, chain.log.len);
	assert_memory_equal(read.data, chain.log.data, read.len);
	kt_buffer_release(&read);
	chain_release(&chain);
}

static void a_log_that_grows_over_many_barriers_stays_readable(void **state)
{
	struct fixture *it = *state;
	struct chain chain = {.parent = tip_of(it, "refs/heads/main")};
	char *path = NULL;

	put_rows(&chain.log, 1000, 600); /* long enough for the kept compressor */
	for (int batch = 0; batch < 12; batch++) {
		struct kt_oid old = chain.parent;

		for (int i = 0; i < 1 + batch % 3; i++)
			chain_add(it, &chain);
		assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
		assert_int_equal(kt_commit_swap(it->store, "refs/heads/main", &old, &chain.parent,
					 "x", &it->err),
			KT_E_OK);
	}
	fsck(it);
	kt_sandbox_write(it->box, "expected", chain.log.data);
	path = kt_sandbox_path(it->box, "expected");
	kt_sandbox_expect(it->box, "", "git show main:%s | cmp - '%s'", log_path, path);
	kt_sandbox_expect(it->box, "", "git repack -q -a -d -f && git fsck --full --strict");
	free(path);
	chain_release(&chain);
}

static void forgotten_commits_leave_nothing(void **state)
{
	struct fixture *it = *state;
	struct chain chain = {.parent = tip_of(it, "refs/heads/main")};
	struct kt_buffer content = KT_BUFFER_INIT;
	struct kt_oid made;
	bool found = false;

	chain_add(it, &chain);
	made = chain.parent;
	assert_int_equal(kt_store_blob_read(
				 it->store, &made, snapshot_path, &found, NULL, &content, &it->err),
		KT_E_OK);
	assert_true(found);
	assert_string_equal(kt_buffer_text(&content), kt_buffer_text(&chain.snapshot));
	kt_commit_forget(it->store);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	assert_int_equal(
		kt_store_blob_read(it->store, &made, snapshot_path, &found, NULL, NULL, &it->err),
		KT_E_GIT_FAILED);
	kt_sandbox_expect(it->box, "0", "ls .git/objects/pack | wc -l");
	kt_buffer_release(&content);
	chain_release(&chain);
}

static void a_ref_that_moved_is_not_overwritten(void **state)
{
	struct fixture *it = *state;
	struct chain chain = {.parent = tip_of(it, "refs/heads/main")};
	struct kt_oid old = chain.parent;
	char *foreign;

	chain_add(it, &chain);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	foreign = kt_sandbox_run(
		it->box, "git commit -q --allow-empty -m foreign && git rev-parse main");
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/main", &old, &chain.parent, "x", &it->err),
		KT_E_REF_MOVED);
	kt_sandbox_expect(it->box, foreign, "git rev-parse main");
	assert_false(kt_sandbox_has(it->box, ".git/refs/heads/main.lock"));
	free(foreign);
	chain_release(&chain);
}

static void a_held_ref_lock_is_waited_for_and_then_reported(void **state)
{
	struct fixture *it = *state;
	struct chain chain = {.parent = tip_of(it, "refs/heads/main")};
	struct kt_oid old = chain.parent;
	char *lock = kt_ref_lock_path(it->repo->common_dir, "refs/heads/main");

	chain_add(it, &chain);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	free(kt_sandbox_run(it->box, ": >'%s'", lock));
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/main", &old, &chain.parent, "x", &it->err),
		KT_E_REF_LOCKED);
	assert_true(kt_sandbox_has(it->box, ".git/refs/heads/main.lock"));
	free(kt_sandbox_run(it->box, "(sleep 0.3; rm '%s') >/dev/null 2>&1 &", lock));
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/main", &old, &chain.parent, "x", &it->err),
		KT_E_OK);
	kt_sandbox_expect(it->box, kt_oid_format(&chain.parent).text, "git rev-parse main");
	free(lock);
	chain_release(&chain);
}

static void count_ref(const char *ref, const struct kt_oid *oid, void *arg)
{
	struct kt_buffer *names = arg;

	assert_false(kt_oid_is_zero(oid));
	kt_buffer_printf(names, "%s ", ref + strlen("refs/heads/"));
}

/* Found by the fuzzer: the listing had the half name, the look-up did not. */
static void half_a_line_of_packed_refs_is_no_ref(void **state)
{
	struct fixture *it = *state;
	struct kt_buffer names = KT_BUFFER_INIT;

	free(kt_sandbox_run(it->box,
		"git branch packed/one && git pack-refs --all && git rev-parse main | tr -d '\\n' "
		">>.git/packed-refs && printf ' refs/heads/packed/tw' >>.git/packed-refs"));
	assert_int_equal(
		kt_store_ref_each(it->store, "refs/heads/packed/", count_ref, &names, &it->err),
		KT_E_OK);
	assert_string_equal(kt_buffer_text(&names), "packed/one ");
	kt_buffer_release(&names);
}

/* A link to itself stands for a file that cannot be opened at this moment, for root, too. */
static void expect_unreadable(struct fixture *it, const char *ref)
{
	struct kt_oid zero = {{0}}, oid = {{0}}, to = tip_of(it, "refs/heads/main");

	assert_int_equal(kt_store_ref_read(it->store, ref, &oid, &it->err), KT_E_IO);
	assert_int_equal(it->err.sys_errno, ELOOP);
	assert_int_equal(
		kt_commit_swap(it->store, ref, &zero, &to, "x", &it->err), KT_E_GIT_FAILED);
}

static void a_ref_that_cannot_be_read_is_not_one_that_is_not_there(void **state)
{
	struct fixture *it = *state;
	struct kt_oid oid = {{0}};

	kt_sandbox_expect(it->box, "", "ln -s loop .git/refs/heads/loop");
	expect_unreadable(it, "refs/heads/loop");
	kt_sandbox_expect(it->box, "loop", "readlink .git/refs/heads/loop");
	kt_sandbox_expect(it->box, "",
		"rm .git/refs/heads/loop && git update-ref refs/heads/kept main && git update-ref "
		"refs/heads/a/b main && rm -f .git/packed-refs && ln -s packed-refs "
		".git/packed-refs");
	expect_unreadable(it, "refs/heads/none");
	kt_sandbox_expect(it->box, "", "rm .git/packed-refs");
	assert_int_equal(kt_store_ref_read(it->store, "refs/heads/none", &oid, &it->err),
		KT_E_DESTINATION_REF_NOT_FOUND);
	assert_int_equal(kt_store_ref_read(it->store, "refs/heads/a", &oid, &it->err),
		KT_E_DESTINATION_REF_NOT_FOUND);
	assert_int_equal(kt_store_ref_read(it->store, "refs/heads/kept/below", &oid, &it->err),
		KT_E_DESTINATION_REF_NOT_FOUND);
}

static void packed_refs_are_read_moved_and_listed(void **state)
{
	struct fixture *it = *state;
	struct kt_oid main_tip = tip_of(it, "refs/heads/main"), zero = {{0}};
	struct chain chain = {.parent = main_tip};
	struct kt_buffer names = KT_BUFFER_INIT;

	free(kt_sandbox_run(it->box,
		"git branch kitty/mission-b && git branch kitty/mission-a && git tag -a -m t tag"
		" && git pack-refs --all && git branch kitty/other && test ! -e "
		".git/refs/heads/main"));
	assert_true(kt_oid_equal(&main_tip, &(struct kt_oid[]){tip_of(it, "refs/heads/main")}[0]));
	assert_int_equal(kt_store_ref_each(it->store, "refs/heads/kitty/mission-", count_ref,
				 &names, &it->err),
		KT_E_OK);
	assert_string_equal(kt_buffer_text(&names), "kitty/mission-a kitty/mission-b ");
	chain_add(it, &chain);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_swap(it->store, "refs/heads/kitty/mission-a", &main_tip,
				 &chain.parent, "x", &it->err),
		KT_E_OK);
	kt_sandbox_expect(
		it->box, kt_oid_format(&chain.parent).text, "git rev-parse kitty/mission-a");
	assert_int_equal(kt_commit_swap(it->store, "refs/heads/kitty/mission-b/below", &zero,
				 &main_tip, "x", &it->err),
		KT_E_GIT_FAILED);
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/kitty", &zero, &main_tip, "x", &it->err),
		KT_E_GIT_FAILED);
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/new/one", &zero, &main_tip, "x", &it->err),
		KT_E_OK);
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/new/one", &zero, &main_tip, "x", &it->err),
		KT_E_REF_MOVED);
	kt_sandbox_expect(it->box, "", "git fsck --strict --no-dangling 2>&1");
	kt_buffer_release(&names);
	chain_release(&chain);
}

static void a_first_commit_needs_no_parent(void **state)
{
	struct fixture *it = *state;
	struct kt_change change = {.path = "a/b/c", .bytes = "x\n", .len = 2};
	struct kt_commit_plan plan = {.changes = &change,
		.changes_len = 1,
		.author = {"a", "b", 1},
		.committer = {"a", "b", 1},
		.message = "root\n"};
	struct kt_oid commit, zero = {{0}}, parent;
	long long at = 0;
	struct kt_buffer message = KT_BUFFER_INIT;

	assert_int_equal(kt_commit_build(it->store, &plan, &commit, NULL, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/orphan", &zero, &commit, NULL, &it->err),
		KT_E_OK);
	kt_sandbox_expect(it->box, "a/b/c", "git ls-tree -r --name-only orphan");
	assert_int_equal(kt_store_commit_read(it->store, &commit, &parent, &at, &message, &it->err),
		KT_E_OK);
	assert_true(kt_oid_is_zero(&parent));
	assert_int_equal(at, 1);
	assert_string_equal(message.data, "root\n");
	kt_buffer_release(&message);
}

static void edits_keep_modes_and_neighbours_and_refuse_to_delete(void **state)
{
	struct fixture *it = *state;
	struct kt_change changes[3] = {{.path = "run.sh", .bytes = "#!/bin/sh\n", .len = 10},
		{.path = "a-b", .bytes = "1", .len = 1}, {.path = "a/z", .bytes = "2", .len = 1}};
	struct kt_commit_plan plan = {.parents_len = 1,
		.changes = changes,
		.changes_len = 3,
		.author = {"a", "b", 1},
		.committer = {"a", "b", 1},
		.message = "edit"};
	struct kt_oid tip, commit;

	free(kt_sandbox_run(it->box,
		"mkdir a && echo x >a/y && echo x >a.c && echo x >run.sh && chmod +x run.sh"
		" && git add . && git commit -q -m files"));
	tip = tip_of(it, "refs/heads/main");
	plan.parents = &tip;
	assert_int_equal(kt_commit_build(it->store, &plan, &commit, NULL, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	kt_sandbox_expect(it->box, "README a-b a.c a/y a/z run.sh",
		"git ls-tree -r --name-only %s | xargs", kt_oid_format(&commit).text);
	kt_sandbox_expect(it->box, "100755 100644",
		"git ls-tree %s run.sh a-b | cut -c1-6 | sort -r | xargs",
		kt_oid_format(&commit).text);
	fsck(it);
	changes[0].path = "a";
	assert_int_equal(
		kt_commit_build(it->store, &plan, &commit, NULL, &it->err), KT_E_GIT_FAILED);
	changes[0].path = "README/below";
	assert_int_equal(
		kt_commit_build(it->store, &plan, &commit, NULL, &it->err), KT_E_GIT_FAILED);
	changes[0].path = "x/../y";
	assert_int_equal(
		kt_commit_build(it->store, &plan, &commit, NULL, &it->err), KT_E_GIT_FAILED);
	kt_commit_forget(it->store);
}

/* Every pair of the commits, as git tells it. */
static void expect_pairs(
	const struct kt_sandbox *box, struct kt_store *store, const char *const *ids)
{
	struct kt_error err = KT_ERROR_INIT;

	for (size_t i = 0; ids[i] != NULL; i++)
		for (size_t j = 0; ids[j] != NULL; j++) {
			struct kt_oid above, below;
			bool is_below = false;
			bool wanted = kt_sandbox_try(box, NULL,
					      "git -C ../shallow merge-base --is-ancestor %s %s",
					      ids[i], ids[j]) == 0;

			assert_true(kt_oid_parse(ids[i], &above));
			assert_true(kt_oid_parse(ids[j], &below));
			assert_int_equal(
				kt_store_is_ancestor(store, &above, &below, &is_below, &err),
				KT_E_OK);
			if (is_below != wanted)
				fail_msg("%zu %s below %zu %s: %d", j, ids[j], i, ids[i],
					(int)is_below);
		}
}

/* Two parents, and a history that ends at the boundary: libgit2's own walk would fail there. */
static void ancestry_in_a_shallow_clone_ends_at_its_boundary(void **state)
{
	struct fixture *it = *state;
	struct kt_repository *repo = NULL;
	struct kt_store *store = NULL;
	char *path = kt_format("%s/shallow", it->box->root);
	struct kt_oid tip, cut;
	bool is_below = false;
	char *ids[5] = {NULL}, *object = NULL;

	free(kt_sandbox_run(it->box,
		"git commit -q --allow-empty -m two && git checkout -q -b side && "
		"git commit -q --allow-empty -m three && git checkout -q main && "
		"git commit -q --allow-empty -m four && git merge -q --no-ff -m five side && "
		"git -c protocol.file.allow=always clone -q --depth 2 \"file://$PWD\" ../shallow "
		"&& "
		"git -C ../shallow config user.name T && git -C ../shallow config user.email t@e "
		"&& "
		"git -C ../shallow commit -q --allow-empty -m six"));
	for (size_t i = 0; i < 4; i++)
		ids[i] = kt_sandbox_run(it->box, "git -C ../shallow rev-parse HEAD%s",
			(const char *const[]){"", "^", "^^", "^^2"}[i]);
	assert_int_equal(kt_repository_find(path, &repo, &it->err), KT_E_OK);
	assert_int_equal(kt_store_open(repo, &store, &it->err), KT_E_OK);
	expect_pairs(it->box, store, (const char *const *)ids);
	/* What is cut off is not below anything that is there; what is lost is damage. */
	assert_true(kt_oid_parse(ids[0], &tip));
	object = kt_sandbox_run(it->box, "git rev-parse main~2");
	assert_true(kt_oid_parse(object, &cut));
	assert_int_equal(kt_store_is_ancestor(store, &cut, &tip, &is_below, &it->err), KT_E_OK);
	assert_false(is_below);
	kt_store_close(store);
	free(kt_sandbox_run(it->box,
		"cd ../shallow && git commit -q --allow-empty -m seven && rm -f "
		".git/objects/%.2s/%s",
		ids[0], ids[0] + 2));
	free(object);
	object = kt_sandbox_run(it->box, "git -C ../shallow rev-parse HEAD");
	assert_true(kt_oid_parse(object, &tip));
	assert_int_equal(kt_store_open(repo, &store, &it->err), KT_E_OK);
	assert_int_not_equal(kt_store_is_ancestor(store, &cut, &tip, &is_below, &it->err), KT_E_OK);
	assert_non_null(strstr(it->err.detail, ids[0]));
	kt_store_close(store);
	kt_repository_free(repo);
	for (size_t i = 0; i < 4; i++)
		free(ids[i]);
	free(object);
	free(path);
}

static void ancestry_and_trees_are_told_as_git_tells_them(void **state)
{
	struct fixture *it = *state;
	struct kt_oid first = tip_of(it, "refs/heads/main"), second;
	struct kt_buffer read = KT_BUFFER_INIT;
	bool is_below = false, found = true;

	free(kt_sandbox_run(it->box, "git commit -q --allow-empty -m two"));
	second = tip_of(it, "refs/heads/main");
	assert_int_equal(
		kt_store_is_ancestor(it->store, &first, &second, &is_below, &it->err), KT_E_OK);
	assert_true(is_below);
	assert_int_equal(
		kt_store_is_ancestor(it->store, &second, &first, &is_below, &it->err), KT_E_OK);
	assert_false(is_below);
	assert_int_equal(
		kt_store_blob_read(it->store, &first, "none/here", &found, NULL, &read, &it->err),
		KT_E_OK);
	assert_false(found);
	kt_buffer_release(&read);
}

static void a_pruned_batch_is_written_again_after_the_swap(void **state)
{
	struct fixture *it = *state;
	struct chain chain = {.parent = tip_of(it, "refs/heads/main")};
	struct kt_oid old = chain.parent;

	chain_add(it, &chain);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	free(kt_sandbox_run(it->box,
		"rm -f .git/objects/pack/*.keep && git gc -q --prune=now && test -z \"$(git "
		"cat-file -t %s 2>/dev/null)\"",
		kt_oid_format(&chain.parent).text));
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/main", &old, &chain.parent, "x", &it->err),
		KT_E_OK);
	fsck(it);
	chain_release(&chain);
}

/* Two of the four fit; prune-packed names what is loose and in a pack as well. */
static void of_many_large_blobs_as_many_are_copied_as_memory_allows(void **state)
{
	struct fixture *it = *state;
	static const char *const paths[] = {"a", "b", "c", "d"};
	struct kt_oid blobs[4], commit, parent = tip_of(it, "refs/heads/main");
	struct kt_change changes[4] = {{.path = NULL}};
	struct kt_commit_plan plan = {.parents = &parent,
		.parents_len = 1,
		.changes = changes,
		.changes_len = 4,
		.author = {"Ann <x>", "ann@example.com", 1700000000},
		.committer = {"kitty", "kitty@example.com", 1700000000},
		.message = "large"};

	for (size_t i = 0; i < 4; i++) {
		char *id = kt_sandbox_run(it->box,
			"(echo %s; head -c %zu /dev/zero) | git hash-object -w --stdin", paths[i],
			KT_ADOPT_MAX / 5 * 2);

		assert_true(kt_oid_parse(id, &blobs[i]));
		changes[i] = (struct kt_change){.path = paths[i], .blob = &blobs[i]};
		free(id);
	}
	for (int turn = 1; turn <= 2; turn++) {
		assert_int_equal(
			kt_commit_build(it->store, &plan, &commit, NULL, &it->err), KT_E_OK);
		if (turn == 1)
			kt_commit_forget(it->store);
	}
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	kt_sandbox_expect(it->box, "2", "git prune-packed -n | wc -l");
	assert_int_equal(kt_commit_swap(it->store, "refs/heads/main", &parent, &commit,
				 "kitty: large", &it->err),
		KT_E_OK);
	fsck(it);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_chain_of_twenty_commits_lands_with_one_swap),
		TEST(a_log_that_grows_over_many_barriers_stays_readable),
		TEST(forgotten_commits_leave_nothing),
		TEST(a_ref_that_moved_is_not_overwritten),
		TEST(a_held_ref_lock_is_waited_for_and_then_reported),
		TEST(a_ref_that_cannot_be_read_is_not_one_that_is_not_there),
		TEST(packed_refs_are_read_moved_and_listed),
		TEST(half_a_line_of_packed_refs_is_no_ref),
		TEST(a_first_commit_needs_no_parent),
		TEST(edits_keep_modes_and_neighbours_and_refuse_to_delete),
		TEST(ancestry_and_trees_are_told_as_git_tells_them),
		TEST(ancestry_in_a_shallow_clone_ends_at_its_boundary),
		TEST(a_pruned_batch_is_written_again_after_the_swap),
		TEST(of_many_large_blobs_as_many_are_copied_as_memory_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
