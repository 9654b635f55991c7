/*
 * Commands and watchers on the supervisor's socket. Test program only.
 *
 * A command sends one note with an id of its own and waits for the receipt, or hangs up before it;
 * then the same id is sent again in this launch or the next, and must be in the log once. The
 * watcher remembers over all launches what it was told, and asks to go on from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/fd.h"
#include "ipc/message.h"
#include "ipc/socket.h"
#include "simulation/simulation.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/transaction/request.h"

enum { WAITING_MAX = 8, NOTES_MAX = 64, SPAN_MS = 90000, RETRY_MS = 700, FIRST_MS = 50 };

enum role { ROLE_NOTER, ROLE_WATCHER, ROLE_STOPPER, ROLE_NOISE };

struct client {
	struct client *next;
	struct sim_process *process;
	enum role role;
	int fd;
	struct kt_frame_decoder decoder;
	size_t note; /* of a noter */
	bool is_closed;
};

static struct client *clients;
static struct {
	char id[27];
	bool is_acknowledged, is_under_way;
} notes[NOTES_MAX];
static size_t notes_len;
static struct kt_buffer seen; /* the watcher's rows */
static bool has_watcher;
static bool is_watched; /* in this launch somebody asked for the rows, and was answered */

static void note_again(void *arg);
static void watcher_begin(void *arg);
static int timers; /* what client deeds that have no client belong to */

/* ---- connections ---- */

static void client_close(struct client *client)
{
	if (client->is_closed)
		return;
	client->is_closed = true;
	sim_unwatch(client->fd);
	sim_forget(client);
	kt_fd_close(&client->fd);
	sim_process_end(client->process, 0, 0);
	if (client->role == ROLE_WATCHER)
		has_watcher = false;
	if (client->role == ROLE_NOTER)
		notes[client->note].is_under_way = false;
}

static void client_send(struct client *client, unsigned type, const struct kt_json *body)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	sim_trace("client %d: %s", (int)client->process->pid, kt_message_name(type));
	if (kt_frame_encode((uint16_t)type, type, body, &bytes, &err) != KT_E_OK)
		sim_broken("a client cannot say %s", kt_message_name(type));
	(void)kt_fd_write_quietly(client->fd, bytes.data, bytes.len);
	kt_buffer_release(&bytes);
}

static void on_frame(struct client *client, const struct kt_frame *frame);

static void on_readable(void *arg)
{
	struct client *client = arg;
	char bytes[65536];
	ssize_t len = read(client->fd, bytes, sizeof bytes);
	struct kt_frame frame = KT_FRAME_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = true;

	if (len < 0 && errno == EAGAIN)
		return;
	if (len <= 0) {
		client_close(client);
		return;
	}
	kt_frame_decoder_feed(&client->decoder, bytes, (size_t)len);
	while (!client->is_closed && has_frame) {
		if (kt_frame_decoder_next(&client->decoder, &frame, &has_frame, &err) != KT_E_OK)
			sim_broken("the supervisor sent a client a bad frame: %s", err.detail);
		if (has_frame)
			on_frame(client, &frame);
		kt_frame_release(&frame);
	}
}

static void hello(struct client *client)
{
	struct kt_json *body = kt_json_new_object();

	kt_json_set_int(body, "version", KT_PROTOCOL_VERSION);
	kt_json_set_string(body, "role", client->role == ROLE_WATCHER ? "watcher" : "client");
	kt_json_set_int(body, "pid", client->process->pid);
	client_send(client, KT_MSG_HELLO_REQUEST, body);
	kt_json_free(body);
}

/* NULL: nobody listens. */
static struct client *client_new(enum role role)
{
	const char *path = sim.supervisor == NULL ? NULL : sim.supervisor->socket_path;
	struct client *client = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int fd = -1;

	/* A supervisor that waits for git accepts nobody; a full backlog would hold us for ever. */
	if (!sim.is_running || path == NULL || sim_peers_waiting() >= WAITING_MAX ||
		kt_socket_connect(path, &fd, &err) != KT_E_OK)
		return NULL;
	client = kt_alloc(sizeof *client);
	client->next = clients;
	clients = client;
	client->role = role;
	client->fd = sim_fd_keep(fd, true);
	(void)fcntl(client->fd, F_SETFL, O_NONBLOCK);
	client->process = sim_process_new(SIM_CLIENT, 1);
	sim_peer_push(client->process->pid);
	sim_watch(client->fd, on_readable, client);
	hello(client);
	return client;
}

static void hang_up(void *arg)
{
	client_close(arg);
}

/* ---- a command with a note ---- */

static void note_send(struct client *client)
{
	struct kt_json *request = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object();
	struct kt_json *op = NULL;

	kt_json_set_string(delta, "note", notes[client->note].id);
	op = kt_request_add_annotation(
		request, sim_wp(client->note % sim.plan.wps_len), "person", delta);
	kt_json_set_string(op, "event_id", notes[client->note].id);
	client_send(client, KT_MSG_APPEND_REQUEST, request);
	kt_json_free(request);
	if (sim_fault(20))
		sim_later((int64_t)sim_below(10), hang_up, client);
}

static void on_noted(struct client *client, const struct kt_json *outcome)
{
	const struct kt_json *receipt = kt_json_get(outcome, "receipt");
	const struct kt_json *ids = kt_json_get(receipt, "event_ids");

	if (receipt != NULL) {
		notes[client->note].is_acknowledged = true;
		for (const struct kt_json *id = kt_json_first(ids); id != NULL;
			id = kt_json_next(id))
			sim_check_acknowledged(kt_json_string(id));
		sim_check_acknowledged(notes[client->note].id);
	} else {
		sim_trace("a note is refused: %s",
			kt_json_get_string(kt_json_get(outcome, "error"), "code"));
	}
	client_close(client);
}

static void note_start(size_t note)
{
	struct client *client = notes[note].is_under_way ? NULL : client_new(ROLE_NOTER);

	if (client == NULL)
		return;
	client->note = note;
	notes[note].is_under_way = true;
}

static void note_fresh(void *arg)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	char *id = notes[notes_len].id;

	(void)arg;
	if (notes_len == NOTES_MAX)
		return;
	memcpy(id, "01KS", 4);
	for (size_t i = 4; i < 26; i++)
		id[i] = digits[sim_below(32)];
	id[26] = '\0';
	note_start(notes_len++);
}

static void note_again(void *arg)
{
	bool is_left = false;

	for (size_t i = 0; i < notes_len; i++) {
		is_left = is_left || !notes[i].is_acknowledged;
		/* Also what was acknowledged: the same id is the same receipt. */
		if (!notes[i].is_acknowledged || sim_chance(5))
			note_start(i);
	}
	if (is_left && sim.is_running)
		sim_later(RETRY_MS, note_again, arg);
}

/* ---- the watcher ---- */

static void watch_send(struct client *client)
{
	struct kt_json *body = kt_json_new_object();

	kt_json_set_bool(body, "snapshot", sim_chance(30));
	kt_json_set_int(body, "seq", (int64_t)seen.len);
	client_send(client, KT_MSG_WATCH_REQUEST, body);
	kt_json_free(body);
	if (sim_fault(30))
		sim_later((int64_t)sim_below(SPAN_MS), hang_up, client);
}

static void on_watched(struct client *client, const struct kt_json *body)
{
	int64_t seq = -1;

	if (client->role != ROLE_WATCHER)
		return;
	if (!kt_json_get_int(body, "seq", &seq) || (size_t)seq != seen.len)
		sim_broken("a watcher asks to go on at %zu and is served from %lld", seen.len,
			(long long)seq);
	is_watched = true;
}

static void on_event(struct client *client, const struct kt_json *body)
{
	for (const struct kt_json *row = kt_json_first(kt_json_get(body, "rows")); row != NULL;
		row = kt_json_next(row)) {
		const struct kt_buffer *log = sim_check_log();
		size_t len = strlen(kt_json_string(row));

		sim_check_row(kt_json_string(row));
		if (client->role != ROLE_WATCHER)
			continue;
		if (seen.len + len + 1 > log->len ||
			memcmp(log->data + seen.len, kt_json_string(row), len) != 0)
			sim_broken(
				"a watcher is told of a row that is not the next one of the log");
		kt_buffer_append(&seen, kt_json_string(row), len);
		kt_buffer_putc(&seen, '\n');
	}
}

static void watcher_begin(void *arg)
{
	if (!sim.is_running)
		return;
	if (!has_watcher)
		has_watcher = client_new(ROLE_WATCHER) != NULL;
	sim_later(RETRY_MS, watcher_begin, arg);
}

bool sim_clients_have_seen(const struct kt_buffer *log)
{
	/* A launch that has nothing to do is over before anybody connects. */
	return seen.len <= log->len && (seen.len == log->len || !is_watched) &&
	       memcmp(kt_buffer_text(&seen), kt_buffer_text(log), seen.len) == 0;
}

/* ---- those who stop and those who disturb ---- */

static void stop_send(struct client *client)
{
	struct kt_json *body = kt_json_new_object();
	struct kt_json *lanes = NULL;

	if (sim_chance(50)) {
		lanes = kt_json_new_array();
		kt_json_append(lanes, kt_json_new_string(sim_lane(sim_below(sim.plan.lanes_len))));
		kt_json_set(body, "lanes", lanes);
	}
	client_send(client, KT_MSG_STOP_REQUEST, body);
	kt_json_free(body);
}

static void stop_begin(void *arg)
{
	(void)arg;
	if (sim_chance(60))
		(void)client_new(ROLE_STOPPER);
	else if (sim.is_running)
		sim_loop_signal(sim_chance(50) ? SIGTERM : SIGINT);
}

static void noise_begin(void *arg)
{
	struct client *client = client_new(ROLE_NOISE);
	char bytes[64];

	(void)arg;
	if (client == NULL)
		return;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)sim_below(256);
	if (sim_chance(70))
		(void)kt_fd_write_quietly(client->fd, bytes, 1 + sim_below(sizeof bytes));
	else
		client_send(client, (unsigned)(2 * sim_below(20)), NULL);
	sim_later((int64_t)sim_below(SPAN_MS), hang_up, client);
}

/* ---- answers ---- */

static void on_hello(struct client *client, const struct kt_json *body)
{
	static void (*const next[])(struct client *) = {
		[ROLE_NOTER] = note_send, [ROLE_WATCHER] = watch_send, [ROLE_STOPPER] = stop_send};

	if (kt_json_get(body, "error") == NULL && client->role != ROLE_NOISE)
		next[client->role](client);
}

static void on_frame(struct client *client, const struct kt_frame *frame)
{
	static const struct {
		unsigned type;
		void (*handle)(struct client *client, const struct kt_json *body);
	} rows[] = {
		{KT_MSG_HELLO_ANSWER, on_hello},
		{KT_MSG_APPEND_ANSWER, on_noted},
		{KT_MSG_WATCH_ANSWER, on_watched},
		{KT_MSG_EVENT, on_event},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].type == frame->type) {
			rows[i].handle(client, frame->body);
			return;
		}
}

/* ---- launches ---- */

void sim_clients_begin(void)
{
	is_watched = false;
	sim_later(FIRST_MS, note_again, &timers);
	sim_later(FIRST_MS, watcher_begin, &timers);
	for (size_t i = sim_below(8); i > 0; i--)
		sim_later((int64_t)sim_below(SPAN_MS), note_fresh, &timers);
	for (int i = 0; i < 3; i++)
		if (sim_fault(10))
			sim_later((int64_t)sim_below(SPAN_MS), noise_begin, &timers);
	if (sim_fault(20))
		sim_later((int64_t)sim_below(SPAN_MS), stop_begin, &timers);
}

void sim_clients_supervisor_died(void)
{
	sim_forget(&timers);
	while (clients != NULL) {
		struct client *client = clients;

		/* What was sent before the end still arrives. */
		if (!client->is_closed)
			on_readable(client);
		client_close(client);
		clients = client->next;
		kt_frame_decoder_release(&client->decoder);
		free(client);
	}
}

void sim_clients_end(void)
{
	kt_buffer_release(&seen);
	notes_len = 0;
	memset(notes, 0, sizeof notes);
}
