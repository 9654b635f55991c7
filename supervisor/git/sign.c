/*
 * Signing a commit through `git commit-tree -S`. Started by whichever process writes, waited for by
 * its step machine; must never block, never ask a person, and never take git's word for it: the
 * signed object is read back and compared with the one it stands for.
 */
#include "supervisor/git/sign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/fd.h"
#include "supervisor/git/adopt.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/store_ops.h"

enum { PARENTS_MAX = 2, REASON_MAX = 400 };

const char *const kt_sign_variables[] = {
	"SSH_ASKPASS_REQUIRE=never", "GIT_TERMINAL_PROMPT=0", "GPG_TTY=", "GIT_EDITOR=false", NULL};

static const char header[] = "\ngpgsig ";

/* ---- the commit in the words of commit-tree ---- */

struct words {
	const char *args[16];
	size_t args_len;
	char *made[16]; /* strings of args and variables */
	size_t made_len;
	const char *variables[12];
	size_t variables_len;
};

static const char *keep(struct words *words, char *text)
{
	words->made[words->made_len++] = text;
	return text;
}

static void words_release(struct words *words)
{
	for (size_t i = 0; i < words->made_len; i++)
		free(words->made[i]);
}

/* The value of the first header line of that name; gives; NULL: none. */
static char *header_of(const char *bytes, const char *name)
{
	char *wanted = kt_format("\n%s ", name);
	size_t len = strlen(wanted);
	bool is_first = strstr(bytes, wanted + 1) == bytes;
	const char *at = is_first ? bytes - 1 : strstr(bytes, wanted);
	char *value = at == NULL ? NULL : kt_strndup(at + len, strcspn(at + len, "\n"));

	free(wanted);
	return value;
}

/* "name <email> seconds zone" as git's three variables. */
static bool add_person(
	struct words *words, const char *bytes, const char *header_name, const char *role)
{
	char *line = header_of(bytes, header_name);
	const char *less = line == NULL ? NULL : strstr(line, " <");
	const char *more = less == NULL ? NULL : strchr(less, '>');

	if (more != NULL) {
		words->variables[words->variables_len++] =
			keep(words, kt_format("GIT_%s_NAME=%.*s", role, (int)(less - line), line));
		words->variables[words->variables_len++] = keep(words,
			kt_format("GIT_%s_EMAIL=%.*s", role, (int)(more - less - 2), less + 2));
		words->variables[words->variables_len++] =
			keep(words, kt_format("GIT_%s_DATE=@%s", role, more + 2));
	}
	free(line);
	return more != NULL;
}

static void add_parents(struct words *words, const char *bytes)
{
	const char *at = strstr(bytes, "\nparent ");

	for (size_t i = 0; i < PARENTS_MAX && at != NULL; i++) {
		words->args[words->args_len++] = "-p";
		words->args[words->args_len++] = keep(words, kt_strndup(at + 8, 40));
		at = strncmp(at + 48, "\nparent ", 8) == 0 ? at + 48 : NULL;
	}
}

static bool words_make(struct words *words, const char *bytes)
{
	static const char *const first[] = {"-c", "i18n.commitEncoding=UTF-8", "commit-tree", "-S"};
	char *tree = header_of(bytes, "tree");

	for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
		words->args[words->args_len++] = first[i];
	for (size_t i = 0; kt_sign_variables[i] != NULL; i++)
		words->variables[words->variables_len++] = kt_sign_variables[i];
	if (tree == NULL)
		return false;
	add_parents(words, bytes);
	words->args[words->args_len++] = keep(words, tree);
	return add_person(words, bytes, "author", "AUTHOR") &&
	       add_person(words, bytes, "committer", "COMMITTER");
}

/* The message as the child's standard input. */
static int message_fd(const char *bytes)
{
	const char *blank = strstr(bytes, "\n\n");
	int fd = memfd_create("kitty-message", MFD_CLOEXEC);
	size_t len = blank == NULL ? 0 : strlen(blank + 2);

	if (fd >= 0 && (blank == NULL || pwrite(fd, blank + 2, len, 0) != (ssize_t)len))
		kt_fd_close(&fd);
	return fd;
}

enum kt_code kt_sign_start(struct kt_store *store, const char *worktree,
	const struct kt_oid *commit, int output_fd, struct kt_child *out, struct kt_error *err)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct words words = {.args_len = 0};
	struct kt_git_descriptors descriptors = {
		.input = -1, .output = output_fd, .errors = output_fd};
	enum kt_code code = kt_object_read(store, commit, KT_OBJECT_COMMIT, &bytes, err);

	if (code == KT_E_OK && !words_make(&words, kt_buffer_text(&bytes)))
		code = kt_error_set(err, KT_E_GIT_FAILED, "commit %s cannot be signed: no header",
			kt_oid_format(commit).text);
	if (code == KT_E_OK) {
		const struct kt_git_call call = {.cwd = worktree,
			.args = words.args,
			.profile = KT_GIT_USER,
			.extra_env = words.variables,
			.no_terminal = true};

		descriptors.input = message_fd(kt_buffer_text(&bytes));
		code = descriptors.input < 0
			       ? kt_error_sys(err, KT_E_SPAWN_FAILED, errno, "the message")
			       : kt_git_start(&call, &descriptors, out, err);
	}
	kt_fd_close(&descriptors.input);
	words_release(&words);
	kt_buffer_release(&bytes);
	return code;
}

/* ---- what came of it ---- */

/* git prints the id on a line of its own; signers may print before it. */
static bool find_id(const char *output, struct kt_oid *out)
{
	for (const char *line = output; *line != '\0';) {
		size_t len = strcspn(line, "\n");
		char text[41] = {0};

		if (len == 40) {
			memcpy(text, line, 40);
			if (kt_oid_parse(text, out))
				return true;
		}
		line += len + (line[len] == '\n' ? 1 : 0);
	}
	return false;
}

/* Cuts the signature out; false: there is none. */
static bool strip_signature(struct kt_buffer *bytes)
{
	char *start = strstr(bytes->data, header);
	const char *blank = strstr(bytes->data, "\n\n"), *end = NULL;

	if (start == NULL || blank == NULL || start >= blank + 1)
		return false;
	end = strchr(start + 1, '\n');
	while (end != NULL && end[1] == ' ')
		end = strchr(end + 1, '\n');
	if (end == NULL)
		return false;
	memmove(start, end, strlen(end) + 1);
	bytes->len -= (size_t)(end - start);
	return true;
}

static bool is_the_same(
	struct kt_store *store, const struct kt_oid *commit, const struct kt_oid *signed_one)
{
	struct kt_buffer wanted = KT_BUFFER_INIT, made = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_same =
		kt_object_read(store, commit, KT_OBJECT_COMMIT, &wanted, &ignored) == KT_E_OK &&
		kt_object_read(store, signed_one, KT_OBJECT_COMMIT, &made, &ignored) == KT_E_OK &&
		strip_signature(&made) && made.len == wanted.len &&
		memcmp(made.data, wanted.data, wanted.len) == 0;

	kt_buffer_release(&wanted);
	kt_buffer_release(&made);
	return is_same;
}

/* The first line that says something and is no id. */
static const char *reason_of(const char *output)
{
	const char *error = strstr(output, "error: ");

	return error != NULL ? error + 7 : output + strspn(output, "\n ");
}

enum kt_code kt_sign_finish(struct kt_store *store, const struct kt_oid *commit, const char *output,
	const struct kt_child_status *status, struct kt_oid *out, struct kt_error *err)
{
	const char *reason = reason_of(output);
	size_t len = strcspn(reason, "\n");

	if (status->timed_out)
		return kt_error_set(err, KT_E_SIGNING_FAILED, "the signer did not end in time");
	if (!status->exited || status->exit_code != 0)
		return kt_error_set(err, KT_E_SIGNING_FAILED, "git commit-tree -S: %.*s",
			(int)(len < REASON_MAX ? len : REASON_MAX), reason);
	if (!find_id(output, out) || !is_the_same(store, commit, out))
		return kt_error_set(err, KT_E_SIGNING_FAILED,
			"git commit-tree -S made no signed copy of %s", kt_oid_format(commit).text);
	return kt_commit_adopt(store, out, err);
}
