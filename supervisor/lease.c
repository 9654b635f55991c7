/*
 * Leases as small JSON files. Runs in the supervisor. A lease that is torn or foreign counts as
 * none: what decides is the log, the lease only tells how to go on.
 */
#include "supervisor/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/file.h"

enum { LEASE_MAX = 16 << 10 };

static char *lease_path(const struct kt_mission *mission, const char *wp_id)
{
	return kt_format("%s/claims/%s.json", mission->run_dir, wp_id);
}

void kt_lease_format(const struct kt_lease *lease, struct kt_buffer *out)
{
	struct kt_json *json = kt_json_new_object();

	kt_json_set_string(json, "wp", lease->wp);
	kt_json_set_string(json, "lane", lease->lane);
	kt_json_set_int(json, "attempt", lease->attempt);
	kt_json_set_int(json, "worker_pid", lease->worker_pid);
	kt_json_set_int(json, "worker_start_time", (int64_t)lease->worker_start_time);
	kt_json_set_string(json, "boot_id", lease->boot_id);
	kt_json_set_string(json, "since_head", lease->since_head);
	kt_json_set_string(json, "marker", lease->marker);
	if (lease->is_review)
		kt_json_set_bool(json, "review", true);
	if (lease->has_ended)
		kt_json_set_bool(json, "ended", true);
	kt_json_write(json, KT_JSON_COMPACT, out);
	kt_buffer_putc(out, '\n');
	kt_json_free(json);
}

enum kt_code kt_lease_write(
	const struct kt_mission *mission, const struct kt_lease *lease, struct kt_error *err)
{
	char *folder = kt_format("%s/claims", mission->run_dir);
	char *path = lease_path(mission, lease->wp);
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = kt_folder_make(folder, 0700, err);

	kt_lease_format(lease, &text);
	if (code == KT_E_OK)
		code = kt_file_write_atomic(path, text.data, text.len, 0600, false, err);
	kt_buffer_release(&text);
	free(path);
	free(folder);
	return code;
}

void kt_lease_remove(const struct kt_mission *mission, const char *wp_id)
{
	char *path = lease_path(mission, wp_id);

	(void)unlink(path);
	free(path);
}

void kt_lease_end(const struct kt_mission *mission, const char *wp_id)
{
	struct kt_lease lease = {0};
	struct kt_error ignored = KT_ERROR_INIT;

	if (kt_lease_read(mission, wp_id, &lease)) {
		lease.has_ended = true;
		if (kt_lease_write(mission, &lease, &ignored) != KT_E_OK)
			kt_lease_remove(mission, wp_id);
	}
	kt_lease_release(&lease);
}

static bool is_hex40(const char *text)
{
	return text != NULL && strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

static bool lease_fill(const struct kt_json *json, const char *wp_id, struct kt_lease *out)
{
	const char *wp = kt_json_get_string(json, "wp");
	const char *lane = kt_json_get_string(json, "lane");
	const char *since = kt_json_get_string(json, "since_head");
	int64_t attempt = 0;
	int64_t pid = 0;
	int64_t start = 0;

	if (wp == NULL || strcmp(wp, wp_id) != 0 || lane == NULL || !is_hex40(since) ||
		!kt_json_get_int(json, "attempt", &attempt) ||
		!kt_json_get_int(json, "worker_pid", &pid) ||
		!kt_json_get_int(json, "worker_start_time", &start))
		return false;
	out->wp = kt_strdup(wp);
	out->lane = kt_strdup(lane);
	out->attempt = (long)attempt;
	out->worker_pid = (pid_t)pid;
	out->worker_start_time = (uint64_t)start;
	out->boot_id = kt_strdup(kt_json_get_string(json, "boot_id"));
	out->since_head = kt_strdup(since);
	out->marker = kt_strdup(kt_json_get_string(json, "marker"));
	out->is_review = kt_json_get_bool(json, "review", false);
	out->has_ended = kt_json_get_bool(json, "ended", false);
	return true;
}

bool kt_lease_parse(const char *text, size_t len, const char *wp_id, struct kt_lease *out)
{
	struct kt_json *json = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_good = false;

	*out = (struct kt_lease){0};
	if (kt_json_parse(text, len, KT_JSON_LAST_WINS, &json, &ignored) == KT_E_OK)
		is_good = lease_fill(json, wp_id, out);
	kt_json_free(json);
	return is_good;
}

bool kt_lease_read(const struct kt_mission *mission, const char *wp_id, struct kt_lease *out)
{
	char *path = lease_path(mission, wp_id);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_there = false;

	*out = (struct kt_lease){0};
	if (kt_file_read(path, LEASE_MAX, &text, &ignored) == KT_E_OK)
		is_there = kt_lease_parse(kt_buffer_text(&text), text.len, wp_id, out);
	kt_buffer_release(&text);
	free(path);
	return is_there;
}

void kt_lease_release(struct kt_lease *lease)
{
	free(lease->wp);
	free(lease->lane);
	free(lease->boot_id);
	free(lease->since_head);
	free(lease->marker);
	*lease = (struct kt_lease){0};
}

bool kt_lease_is_alive(const struct kt_lease *lease)
{
	return !lease->has_ended && lease->boot_id != NULL &&
	       strcmp(lease->boot_id, kt_boot_id()) == 0 && lease->worker_pid > 0 &&
	       kt_process_is_alive(lease->worker_pid, lease->worker_start_time);
}
