/* Decoding RUN. Used by the worker for every agent that it starts. It must never start with half a
 * request. */
#include "worker/run.h"

#include <stdlib.h>
#include <string.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/file.h"

static const char PLACEHOLDER[] = "{prompt_file}";
static const char SOCKET_NAME[] = "SPEC_KITTY_SOCKET=";

static enum kt_code invalid(const char *member, struct kt_error *err)
{
	return kt_error_set(err, KT_E_INVALID_ARGUMENT, "run request: \"%s\"", member);
}

static void free_strings(char **strings)
{
	for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
		free(strings[i]);
	free(strings);
}

void kt_run_free(struct kt_run *run)
{
	if (run == NULL)
		return;
	free(run->wp);
	free(run->cwd);
	free(run->log);
	free(run->prompt);
	free(run->prompt_file);
	free_strings(run->argv);
	free_strings(run->environment);
	free(run);
}

/* Room for one more string than the array has. NULL when it is no array of strings. */
static char **copy_strings(const struct kt_json *array, size_t *len)
{
	const struct kt_json *at = NULL;
	char **strings = NULL;

	if (!kt_json_is(array, KT_JSON_ARRAY))
		return NULL;
	strings = kt_realloc_array(NULL, kt_json_size(array) + 2, sizeof(*strings));
	at = kt_json_first(array);
	for (*len = 0; at != NULL && kt_json_string(at) != NULL; at = kt_json_next(at))
		strings[(*len)++] = kt_strdup(kt_json_string(at));
	strings[*len] = NULL;
	if (at == NULL)
		return strings;
	free_strings(strings);
	return NULL;
}

/* Takes text. */
static char *put_path(char *text, const char *path)
{
	char *at = strstr(text, PLACEHOLDER);
	char *whole = NULL;

	if (at == NULL)
		return text;
	*at = '\0';
	whole = kt_format("%s%s%s", text, path, at + sizeof(PLACEHOLDER) - 1);
	free(text);
	return whole;
}

static enum kt_code give_by_stdin(struct kt_run *run, size_t len, struct kt_error *err)
{
	(void)len;
	(void)err;
	run->input = run->prompt;
	return KT_E_OK;
}

static enum kt_code give_by_argument(struct kt_run *run, size_t len, struct kt_error *err)
{
	if (run->prompt == NULL)
		return invalid("prompt", err);
	run->argv[len] = kt_strdup(run->prompt);
	run->argv[len + 1] = NULL;
	return KT_E_OK;
}

static enum kt_code give_by_file(struct kt_run *run, size_t len, struct kt_error *err)
{
	if (run->prompt_file == NULL)
		return invalid("prompt_file", err);
	for (size_t i = 0; i < len; i++)
		run->argv[i] = put_path(run->argv[i], run->prompt_file);
	return KT_E_OK;
}

static enum kt_code decode_prompt(
	const struct kt_json *body, struct kt_run *run, size_t argv_len, struct kt_error *err)
{
	static const struct {
		const char *name;
		enum kt_code (*give)(struct kt_run *run, size_t len, struct kt_error *err);
	} WAYS[] = {
		{"stdin", give_by_stdin}, {"argument", give_by_argument}, {"file", give_by_file}};
	const char *name = kt_json_get_string(body, "prompt_by");

	run->prompt = kt_strdup(kt_json_get_string(body, "prompt"));
	run->prompt_file = kt_strdup(kt_json_get_string(body, "prompt_file"));
	for (size_t i = 0; i < sizeof(WAYS) / sizeof(WAYS[0]); i++)
		if (strcmp(name != NULL ? name : "stdin", WAYS[i].name) == 0)
			return WAYS[i].give(run, argv_len, err);
	return invalid("prompt_by", err);
}

/* The lane's socket is told to the agent by the one who listens on it. */
static void set_socket(struct kt_run *run, size_t len, const char *path)
{
	size_t at = 0;

	while (at < len && strncmp(run->environment[at], SOCKET_NAME, sizeof(SOCKET_NAME) - 1) != 0)
		at++;
	if (path != NULL) {
		free(run->environment[at]);
		run->environment[at] = kt_format("%s%s", SOCKET_NAME, path);
		if (at == len)
			run->environment[len + 1] = NULL;
	}
	run->marker = run->environment[at];
}

static enum kt_code decode_lists(const struct kt_json *body, const char *socket_path,
	struct kt_run *run, size_t *argv_len, struct kt_error *err)
{
	size_t len = 0;

	run->argv = copy_strings(kt_json_get(body, "argv"), argv_len);
	if (run->argv == NULL || *argv_len == 0 || run->argv[0][0] == '\0')
		return invalid("argv", err);
	run->environment = copy_strings(kt_json_get(body, "environment"), &len);
	if (run->environment == NULL)
		return invalid("environment", err);
	for (size_t i = 0; i < len; i++)
		if (strchr(run->environment[i], '=') == NULL)
			return invalid("environment", err);
	set_socket(run, len, socket_path);
	return KT_E_OK;
}

static enum kt_code decode(const struct kt_json *body, const char *socket_path, struct kt_run *run,
	struct kt_error *err)
{
	size_t argv_len = 0;
	enum kt_code code = KT_E_OK;

	run->wp = kt_strdup(kt_json_get_string(body, "wp"));
	run->cwd = kt_strdup(kt_json_get_string(body, "cwd"));
	run->log = kt_strdup(kt_json_get_string(body, "log"));
	if (run->wp == NULL)
		return invalid("wp", err);
	if (run->cwd == NULL || run->cwd[0] != '/')
		return invalid("cwd", err);
	if (run->log == NULL)
		return invalid("log", err);
	if (!kt_json_get_int(body, "attempt", &run->attempt))
		return invalid("attempt", err);
	if (kt_json_get(body, "timeout_ms") != NULL &&
		(!kt_json_get_int(body, "timeout_ms", &run->timeout_ms) || run->timeout_ms < 0))
		return invalid("timeout_ms", err);
	code = decode_lists(body, socket_path, run, &argv_len, err);
	return code == KT_E_OK ? decode_prompt(body, run, argv_len, err) : code;
}

enum kt_code kt_run_decode(const struct kt_json *body, const char *socket_path, struct kt_run **out,
	struct kt_error *err)
{
	struct kt_run *run = kt_alloc(sizeof(*run));
	enum kt_code code = decode(body, socket_path, run, err);

	if (code == KT_E_OK)
		*out = run;
	else
		kt_run_free(run);
	return code;
}

enum kt_code kt_run_write_prompt(const struct kt_run *run, struct kt_error *err)
{
	char *folder = NULL;
	enum kt_code code = KT_E_OK;

	if (run->prompt_file == NULL || run->prompt == NULL)
		return KT_E_OK;
	folder = kt_path_parent(run->prompt_file);
	code = kt_folder_make(folder, 0700, err);
	if (code == KT_E_OK)
		code = kt_file_write_atomic(
			run->prompt_file, run->prompt, strlen(run->prompt), 0600, false, err);
	free(folder);
	return code;
}
