/*
 * One event to one sink. Runs in commands and in kitty's helper processes. Blocks until the sink's
 * deadline at most.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/file.h"
#include "supervisor/fanout/outbox_private.h"

enum { SINK_OUTPUT_MAX = 4096 };

/* Member of a row -> variable of the sink's command. */
static const struct {
	const char *key, *variable;
} facts[] = {
	{"event_id", "SPEC_KITTY_EVENT_ID"},
	{"wp_id", "SPEC_KITTY_EVENT_WP"},
	{"from_lane", "SPEC_KITTY_EVENT_FROM"},
	{"to_lane", "SPEC_KITTY_EVENT_TO"},
	{"actor", "SPEC_KITTY_EVENT_ACTOR"},
	{"at", "SPEC_KITTY_EVENT_AT"},
	{"reason", "SPEC_KITTY_EVENT_REASON"},
	{"event_type", "SPEC_KITTY_EVENT_TYPE"},
};

#define FACTS_LEN (sizeof facts / sizeof facts[0])
#define EXTRA_LEN 3 /* kind, mission, mission id */

static const char *kind_of(const struct kt_json *event)
{
	if (kt_json_get(event, "to_lane") != NULL)
		return "transition";
	return kt_json_get_string(event, "kind") != NULL ? "annotation" : "lifecycle";
}

/* The caller's environment less what names another repository or a running agent. */
static bool is_inherited(const char *variable)
{
	return strncmp(variable, "GIT_DIR=", 8) != 0 &&
	       strncmp(variable, "GIT_INDEX_FILE=", 15) != 0 &&
	       strncmp(variable, "GIT_WORK_TREE=", 14) != 0 &&
	       strncmp(variable, "SPEC_KITTY_EVENT_", 17) != 0 &&
	       strncmp(variable, "SPEC_KITTY_SOCKET=", 18) != 0 &&
	       strncmp(variable, "SPEC_KITTY_LANE=", 16) != 0 &&
	       strncmp(variable, "SPEC_KITTY_WP=", 14) != 0;
}

/* NULL-terminated; owned[0..owned_len) are freed by the caller, too. */
static const char **environment_build(
	const struct kt_outbound *outbound, char *owned[FACTS_LEN + EXTRA_LEN])
{
	const struct kt_outbox *outbox = outbound->outbox;
	const char **list = NULL;
	size_t len = 0, at = 0;

	for (char **variable = environ; *variable != NULL; variable++)
		len++;
	list = kt_realloc_array(NULL, len + FACTS_LEN + EXTRA_LEN + 1, sizeof *list);
	for (char **variable = environ; *variable != NULL; variable++)
		if (is_inherited(*variable))
			list[at++] = *variable;
	for (size_t i = 0; i < FACTS_LEN; i++) {
		const char *value = kt_json_get_string(outbound->event, facts[i].key);

		owned[i] = kt_format("%s=%s", facts[i].variable, value == NULL ? "" : value);
	}
	owned[FACTS_LEN] = kt_format("SPEC_KITTY_EVENT_KIND=%s", kind_of(outbound->event));
	owned[FACTS_LEN + 1] = kt_format("SPEC_KITTY_EVENT_MISSION=%s", outbox->mission_slug);
	owned[FACTS_LEN + 2] = kt_format("SPEC_KITTY_EVENT_MISSION_ID=%s", outbox->mission_id);
	for (size_t i = 0; i < FACTS_LEN + EXTRA_LEN; i++)
		list[at++] = owned[i];
	list[at] = NULL;
	return list;
}

/* The last line of what it said on standard error, for the failure's text. */
static void failure_tell(const struct kt_child_status *status, const struct kt_buffer *errors,
	char *why, size_t size)
{
	char end[64];
	const char *text = kt_buffer_text(errors);
	size_t len = strcspn(text, "\n");

	kt_child_describe(status, end, sizeof end);
	(void)snprintf(why, size, "%s%s%.*s", end, len > 0 ? ": " : "",
		(int)(len < 200 ? len : 200), text);
}

static bool command_send(const struct kt_outbound *outbound, char *why, size_t size)
{
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_child_status status = {0};
	struct kt_buffer input = KT_BUFFER_INIT, output = KT_BUFFER_INIT, errors = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	char *owned[FACTS_LEN + EXTRA_LEN];
	const char **environment = environment_build(outbound, owned);
	bool was_taken = false;

	kt_buffer_append(&input, outbound->row, outbound->len);
	kt_buffer_putc(&input, '\n');
	spec.path = outbound->sink->argv[0];
	spec.argv = outbound->sink->argv;
	spec.envp = environment;
	spec.cwd = outbound->outbox->folder;
	spec.new_session = true;
	if (kt_child_run(&spec, input.data, input.len, SINK_OUTPUT_MAX, &output, &errors,
		    (int)outbound->sink->timeout_ms, &status, &err) != KT_E_OK)
		(void)snprintf(why, size, "%s", err.detail);
	else if (status.timed_out || !status.exited || status.exit_code != 0)
		failure_tell(&status, &errors, why, size);
	else
		was_taken = true;
	for (size_t i = 0; i < FACTS_LEN + EXTRA_LEN; i++)
		free(owned[i]);
	free(environment);
	kt_buffer_release(&input);
	kt_buffer_release(&output);
	kt_buffer_release(&errors);
	return was_taken;
}

/* A line that an earlier attempt could not finish must not swallow this one. */
static bool ends_in_a_line(int fd)
{
	struct stat facts_now;
	char last = '\n';

	if (fstat(fd, &facts_now) != 0 || facts_now.st_size == 0)
		return true;
	return pread(fd, &last, 1, facts_now.st_size - 1) != 1 || last == '\n';
}

static bool file_send(const struct kt_outbound *outbound, char *why, size_t size)
{
	char *path = kt_path_join(outbound->outbox->folder, outbound->sink->path);
	struct kt_buffer line = KT_BUFFER_INIT;
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
	bool was_taken = false;

	if (fd >= 0) {
		if (!ends_in_a_line(fd))
			kt_buffer_putc(&line, '\n');
		kt_buffer_append(&line, outbound->row, outbound->len);
		kt_buffer_putc(&line, '\n');
		was_taken = kt_file_write_all(fd, line.data, line.len) == 0 &&
			    (fdatasync(fd) == 0 || errno == EINVAL);
	}
	if (!was_taken)
		/* No threads. NOLINTNEXTLINE(concurrency-mt-unsafe) */
		(void)snprintf(why, size, "%.200s: %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	kt_buffer_release(&line);
	free(path);
	return was_taken;
}

bool kt_outbound_send(const struct kt_outbound *outbound, char *why, size_t size)
{
	return outbound->sink->argv != NULL ? command_send(outbound, why, size)
					    : file_send(outbound, why, size);
}
