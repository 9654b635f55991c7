/*
 * The holder file. Written under the mission's lock; read by anybody at any time.
 * Must never be trusted alone: a pid counts only with its start time and boot id.
 */
#include "supervisor/transaction/holder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/file.h"

enum { HOLDER_MAX = 64 << 10 };

static char *holder_path(const struct kt_mission *mission)
{
	return kt_path_join(mission->run_dir, "holder");
}

static struct kt_json *describe_self(
	const struct kt_mission *mission, const char *command, const char *socket)
{
	struct kt_json *holder = kt_json_new_object();

	kt_json_set_int(holder, "pid", getpid());
	kt_json_set_int(holder, "start_time", (int64_t)kt_process_start_time(getpid()));
	kt_json_set_string(holder, "boot_id", kt_boot_id());
	kt_json_set_string(holder, "command", command);
	kt_json_set_int(holder, "since", kt_clock_wall_us() / 1000000);
	kt_json_set_string(holder, "socket", socket);
	kt_json_set_string(holder, "mission_id", mission->mission_id);
	kt_json_set_string(holder, "slug", mission->slug);
	kt_json_set_string(holder, "mid8", mission->mid8);
	return holder;
}

enum kt_code kt_holder_write(const struct kt_mission *mission, const char *command,
	const char *socket, struct kt_error *err)
{
	struct kt_json *holder = describe_self(mission, command, socket);
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = holder_path(mission);
	enum kt_code code = kt_folder_make(mission->run_dir, 0700, err);

	kt_json_write(holder, KT_JSON_COMPACT, &text);
	kt_buffer_putc(&text, '\n');
	if (code == KT_E_OK)
		code = kt_file_write_atomic(path, text.data, text.len, 0600, false, err);
	kt_buffer_release(&text);
	kt_json_free(holder);
	free(path);
	return code;
}

static struct kt_json *read_any(const struct kt_mission *mission)
{
	char *path = holder_path(mission);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *holder = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_file_read(path, HOLDER_MAX, &text, &err) == KT_E_OK &&
		kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &holder, &err) !=
			KT_E_OK)
		holder = NULL;
	kt_buffer_release(&text);
	free(path);
	return holder;
}

static bool is_alive(const struct kt_json *holder)
{
	const char *boot = kt_json_get_string(holder, "boot_id");
	int64_t pid = 0, start_time = 0;

	return boot != NULL && strcmp(boot, kt_boot_id()) == 0 &&
	       kt_json_get_int(holder, "pid", &pid) &&
	       kt_json_get_int(holder, "start_time", &start_time) && pid > 0 &&
	       kt_process_is_alive((pid_t)pid, (uint64_t)start_time);
}

struct kt_json *kt_holder_read(const struct kt_mission *mission)
{
	struct kt_json *holder = read_any(mission);

	if (holder != NULL && is_alive(holder))
		return holder;
	kt_json_free(holder);
	return NULL;
}

void kt_holder_clear(const struct kt_mission *mission)
{
	struct kt_json *holder = read_any(mission);
	char *path = holder_path(mission);
	int64_t pid = 0;

	if (holder != NULL && kt_json_get_int(holder, "pid", &pid) && pid == getpid())
		(void)unlink(path);
	kt_json_free(holder);
	free(path);
}

char *kt_holder_describe(const struct kt_mission *mission)
{
	struct kt_json *holder = kt_holder_read(mission);
	const char *command = kt_json_get_string(holder, "command");
	int64_t pid = 0, since = 0, age = 0;
	char *text = NULL;

	if (holder == NULL)
		return kt_strdup("another process");
	(void)kt_json_get_int(holder, "pid", &pid);
	(void)kt_json_get_int(holder, "since", &since);
	age = kt_clock_wall_us() / 1000000 - since;
	text = kt_format("pid %lld (%s, %lld %s)", (long long)pid, command ? command : "kitty",
		(long long)(age < 120 ? age : age / 60), age < 120 ? "s" : "min");
	kt_json_free(holder);
	return text;
}
