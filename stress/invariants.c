/*
 * One check of a repository: finds the mission, has `kitty verify` prove its history, and compares
 * with what was noted before. Runs in kitty-check. Must change nothing and believe nothing that
 * kitty says about its own state beyond that proof.
 */
#include "stress/invariants.h"

#include <stdlib.h>
#include <string.h>

#include "stress/invariants_private.h"
#include "stress/run.h"

/* ---- words and lines ---- */

char *kt_next_line(char **rest)
{
	char *line = *rest;
	char *end = NULL;

	if (line == NULL || *line == '\0')
		return NULL;
	end = strchr(line, '\n');
	*rest = end == NULL ? line + strlen(line) : end + 1;
	if (end != NULL)
		*end = '\0';
	return line;
}

void kt_words_add(struct kt_words *words, char *word)
{
	if (words->len == words->capacity) {
		words->capacity = words->capacity == 0 ? 256 : words->capacity * 2;
		words->words =
			kt_realloc_array(words->words, words->capacity, sizeof *words->words);
	}
	words->words[words->len++] = word;
}

static int by_text(const void *left, const void *right)
{
	const char *const *one = left;
	const char *const *other = right;

	return strcmp(*one, *other);
}

void kt_words_sort(struct kt_words *words)
{
	if (words->len > 1)
		qsort(words->words, words->len, sizeof *words->words, by_text);
}

size_t kt_words_count(const struct kt_words *words, const char *word)
{
	size_t low = 0, high = words->len, count = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(words->words[middle], word) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < words->len && strcmp(words->words[low], word) == 0; low++)
		count++;
	return count;
}

void kt_words_release(struct kt_words *words)
{
	free(words->words);
	*words = (struct kt_words){NULL, 0, 0};
}

/* ---- the proof of the history ---- */

static enum kt_promise promise_named(const char *name)
{
	for (int i = 0; i < KT_PROMISES; i++)
		if (name != NULL && strcmp(kt_promise_name((enum kt_promise)i), name) == 0)
			return (enum kt_promise)i;
	kt_run_die("kitty verify speaks of a promise that is not known here");
}

/* The report says "<commit> <ref>" of what was walked, with commas between several. */
static void refs_take(struct kt_invariants_walk *walk, const char *tip)
{
	struct kt_buffer refs = KT_BUFFER_INIT;

	for (const char *at = tip; at != NULL && *at != '\0'; at += strspn(at, ", ")) {
		at += strcspn(at, " ");
		at += strspn(at, " ");
		kt_buffer_printf(
			&refs, "%s%.*s", refs.len == 0 ? "" : " ", (int)strcspn(at, " ,\n"), at);
		at += strcspn(at, " ,\n");
	}
	if (refs.len == 0)
		kt_run_die("kitty verify names no ref");
	walk->ref = kt_strndup(kt_buffer_text(&refs), strcspn(kt_buffer_text(&refs), " "));
	walk->refs = kt_buffer_take(&refs);
}

static void take_checks(struct kt_invariants_walk *walk, const struct kt_json *report)
{
	int64_t commits = 0;

	for (const struct kt_json *check = kt_json_first(kt_json_get(report, "checks"));
		check != NULL; check = kt_json_next(check))
		kt_verdict_expect(walk->verdicts,
			promise_named(kt_json_get_string(check, "promise")),
			kt_json_get_bool(check, "ok", false), "%s: %s",
			kt_json_get_string(check, "name"), kt_json_get_string(check, "detail"));
	(void)kt_json_get_int(report, "commits", &commits);
	walk->verdicts->commits = (size_t)commits;
	walk->slug = kt_strdup(kt_json_get_string(report, "mission"));
	refs_take(walk, kt_json_get_string(report, "tip"));
}

/* The history could not be walked at all: damaged objects or refs. Nothing is proved then. */
static void take_failure(struct kt_invariants_walk *walk, const struct kt_json *error)
{
	static const enum kt_promise proofs[] = {KT_P2, KT_P4, KT_P5, KT_P6, KT_P14};
	const char *code = kt_json_get_string(error, "code");
	const char *detail = kt_json_get_string(error, "detail");

	if (code == NULL || strncmp(code, "MISSION_", 8) == 0 || strstr(code, "REPO") != NULL)
		kt_run_die("kitty verify: %s: %s", code ? code : "no answer", detail);
	for (size_t i = 0; i < sizeof proofs / sizeof proofs[0]; i++)
		kt_verdict_expect(walk->verdicts, proofs[i], false,
			"the history cannot be walked: %s: %s", code, detail);
	walk->slug = kt_strdup(walk->job->mission);
	walk->ref = kt_format("refs/heads/kitty/mission-%s", walk->slug);
	walk->refs = kt_strdup(walk->ref);
}

/* Runs `kitty verify` and takes its verdicts and the mission's names over. */
static void verify(struct kt_invariants_walk *walk)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	const char *argv[] = {"kitty", "verify", "--json", "--mission", walk->job->mission, NULL};
	int status = kt_run_status(walk->job->repo, &text, argv);

	if (kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &report, &err) !=
		KT_E_OK)
		kt_run_die("kitty verify ended with status %d: %s", status, kt_buffer_text(&text));
	if (kt_json_get(report, "checks") != NULL)
		take_checks(walk, report);
	else
		take_failure(walk, kt_json_get(report, "error"));
	walk->log_path = kt_format("kitty-specs/%s/status.events.jsonl", walk->slug);
	kt_json_free(report);
	kt_buffer_release(&text);
}

/* ---- what was there before ---- */

void kt_invariants_note(const char *repo, struct kt_buffer *out)
{
	/* Other worktrees than kitty's: the user's. */
	static const char script[] =
		"git for-each-ref --format='%(refname) %(objectname)'; "
		"git worktree list --porcelain | "
		"awk '/^worktree /{w=substr($0,10)} /^(branch|detached)/{print \"HEAD \" w \" \" "
		"$0}'; top=$(git rev-parse --path-format=absolute --git-common-dir)/.. && "
		"git -C \"$top\" ls-files -s | git hash-object --stdin | sed 's/^/INDEX primary "
		"/'; "
		"git rev-parse -q --verify refs/stash | sed 's/^/STASH primary /'";

	KT_RUN_OUT(repo, out, "sh", "-c", script);
}

/* Refs and worktrees that belong to the mission may come, go and move. */
static bool is_own(const struct kt_invariants_walk *walk, const char *line)
{
	char *branch = kt_format("refs/heads/kitty/mission-%s", walk->slug);
	char *worktree = kt_format("/.worktrees/%s-", walk->slug);
	bool is_mine = strncmp(line, "refs/kitty/", 11) == 0 ||
		       strncmp(line, branch, strlen(branch)) == 0 ||
		       (strncmp(line, "HEAD ", 5) == 0 && strstr(line, worktree) != NULL);

	for (size_t i = 0; !is_mine && walk->job->moved != NULL && walk->job->moved[i]; i++) {
		const char *moved = walk->job->moved[i];
		size_t len = strcspn(moved, "*");

		/* A target that is checked out takes its index along. */
		is_mine = (strncmp(line, moved, len) == 0 &&
				  (line[len] == ' ' || moved[len] == '*')) ||
			  strncmp(line, "INDEX ", 6) == 0;
	}
	free(branch);
	free(worktree);
	return is_mine;
}

static void compare_notes(
	struct kt_invariants_walk *walk, char *from, struct kt_words *other, const char *what)
{
	for (char *line = NULL; (line = kt_next_line(&from)) != NULL;)
		if (!is_own(walk, line))
			kt_verdict_expect(walk->verdicts, KT_P7, kt_words_count(other, line) > 0,
				"%s: %s", what, line);
}

static void words_of_lines(char *text, struct kt_words *words)
{
	for (char *line = NULL; (line = kt_next_line(&text)) != NULL;)
		kt_words_add(words, line);
	kt_words_sort(words);
}

static void compare_with_before(struct kt_invariants_walk *walk)
{
	struct kt_buffer before = KT_BUFFER_INIT, now = KT_BUFFER_INIT;
	struct kt_words then_words = {NULL, 0, 0}, now_words = {NULL, 0, 0};
	char *then_text = NULL, *now_text = NULL;

	if (!kt_run_read_file(walk->job->before, &before))
		kt_run_die("cannot read %s", walk->job->before);
	kt_invariants_note(walk->job->repo, &now);
	then_text = kt_strdup(kt_buffer_text(&before));
	now_text = kt_strdup(kt_buffer_text(&now));
	words_of_lines(then_text, &then_words);
	words_of_lines(now_text, &now_words);
	compare_notes(walk, before.data, &now_words, "changed or gone");
	compare_notes(walk, now.data, &then_words, "new or changed");
	kt_words_release(&then_words);
	kt_words_release(&now_words);
	free(then_text);
	free(now_text);
	kt_buffer_release(&before);
	kt_buffer_release(&now);
}

void kt_invariants_check(const struct kt_invariants *job, struct kt_verdicts *verdicts)
{
	struct kt_invariants_walk walk = {.job = job, .verdicts = verdicts};
	struct kt_buffer text = KT_BUFFER_INIT;

	KT_RUN_OUT(
		job->repo, &text, "git", "rev-parse", "--path-format=absolute", "--git-common-dir");
	kt_run_chomp(&text);
	walk.common_dir = kt_buffer_take(&text);
	verify(&walk);
	kt_invariants_log(&walk);
	kt_invariants_refs(&walk);
	if (job->before != NULL)
		compare_with_before(&walk);
	kt_buffer_release(&walk.log);
	free(walk.slug);
	free(walk.ref);
	free(walk.refs);
	free(walk.log_path);
	free(walk.common_dir);
}
