/*
 * Connections to the supervisor's socket: accepted, bounded, closed. Runs in the supervisor. One
 * that misbehaves or is slow costs itself and nobody else.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "ipc/socket.h"
#include "ipc/subreaper.h"
#include "supervisor/supervisor_private.h"

enum { ACCEPT_PER_TURN = 32, FINISH_MS = 1000 };

static void peer_frame(struct kt_channel *channel, struct kt_frame *frame, void *arg)
{
	struct kt_peer *peer = arg;

	(void)channel;
	if (peer->is_closing)
		return;
	if (peer->is_worker_of != NULL)
		kt_lane_run_frame(peer->is_worker_of, frame);
	else
		kt_dispatch_peer(peer, frame);
}

static void peer_closed(struct kt_channel *channel, const struct kt_error *err, void *arg)
{
	struct kt_peer *peer = arg;

	(void)channel;
	if (err->code != KT_E_OK)
		kt_log_failure(KT_LOG_INFO, err, "connection of pid %ld", (long)peer->pid);
	kt_peer_close(peer);
}

void kt_peer_close(struct kt_peer *peer)
{
	struct kt_lane_run *run = peer->is_worker_of;

	if (peer->is_closing)
		return;
	peer->is_closing = true;
	peer->is_worker_of = NULL;
	kt_publisher_remove(peer->supervisor->publisher, peer);
	if (run != NULL)
		kt_lane_run_peer_gone(run);
}

/* Who is it really? What it says about lanes does not count; whose descendant it is does. */
static char *lane_of(const struct kt_supervisor *supervisor, pid_t pid)
{
	for (size_t i = 0; i < supervisor->lanes_len; i++) {
		const struct kt_lane_run *run = supervisor->lanes[i];

		if (run->worker_pid > 0 && kt_process_descends_from(pid, run->worker_pid))
			return kt_strdup(run->id);
	}
	return NULL;
}

/* Something of ours whose worker is gone: it has no lane any more, and is no person either. */
static bool is_stray(pid_t pid, const char *lane)
{
	return lane == NULL && pid != getpid() && kt_process_descends_from(pid, getpid());
}

static void peer_add(struct kt_supervisor *supervisor, int fd)
{
	static const struct kt_channel_callbacks callbacks = {peer_frame, peer_closed};
	struct kt_peer *peer = kt_alloc(sizeof *peer);
	uid_t uid = 0;

	peer->supervisor = supervisor;
	peer->serial = ++supervisor->serial;
	peer->role = KT_ROLE_NEW;
	(void)kt_peer_credentials(fd, &peer->pid, &uid);
	peer->lane = lane_of(supervisor, peer->pid);
	peer->is_closing = is_stray(peer->pid, peer->lane);
	peer->hello_deadline_ms = kt_clock_monotonic_ms() + KT_HELLO_TIMEOUT_MS;
	peer->channel = kt_channel_new(supervisor->base, fd, fd, &callbacks, peer);
	peer->next = supervisor->peers;
	supervisor->peers = peer;
	supervisor->peers_len++;
}

static void on_connect(evutil_socket_t listener, short what, void *arg)
{
	struct kt_supervisor *supervisor = arg;
	struct kt_error err = KT_ERROR_INIT;
	int fd = -1;

	(void)what;
	for (int i = 0; i < ACCEPT_PER_TURN; i++) {
		if (kt_socket_accept((int)listener, &fd, &err) != KT_E_OK) {
			kt_log_failure(KT_LOG_WARN, &err, "a connection was not accepted");
			return;
		}
		if (fd < 0)
			return;
		if (supervisor->peers_len >= KT_PEERS_MAX)
			(void)close(fd);
		else
			peer_add(supervisor, fd);
	}
}

enum kt_code kt_sup_listen(struct kt_supervisor *supervisor, struct kt_error *err)
{
	const struct kt_mission *mission = supervisor->launch->mission;
	char *identity = kt_format("%s:%s:supervisor", mission->common_dir, mission->slug);
	enum kt_code code =
		kt_socket_listen(identity, &supervisor->socket_path, &supervisor->listener, err);

	free(identity);
	if (code != KT_E_OK)
		return code;
	supervisor->listen_event = event_new(supervisor->base, supervisor->listener,
		EV_READ | EV_PERSIST, on_connect, supervisor);
	(void)event_add(supervisor->listen_event, NULL);
	return KT_E_OK;
}

struct kt_peer *kt_peer_find(const struct kt_supervisor *supervisor, uint64_t serial)
{
	for (struct kt_peer *peer = supervisor->peers; peer != NULL; peer = peer->next)
		if (peer->serial == serial)
			return peer->is_closing ? NULL : peer;
	return NULL;
}

void kt_peer_count(struct kt_peer *peer, int change)
{
	peer->calls = (unsigned)((int)peer->calls + change);
	if (!peer->is_paused && peer->calls >= KT_PEER_CALLS_MAX) {
		peer->is_paused = true;
		kt_channel_pause(peer->channel);
	} else if (peer->is_paused && peer->calls < KT_PEER_CALLS_MAX / 2) {
		peer->is_paused = false;
		kt_channel_resume(peer->channel);
	}
}

static void peer_free(struct kt_peer *peer)
{
	kt_channel_free(peer->channel);
	kt_json_free(peer->stop_lanes);
	free(peer->lane);
	free(peer);
}

void kt_peers_collect(struct kt_supervisor *supervisor)
{
	int64_t now = kt_clock_monotonic_ms();

	for (struct kt_peer **at = &supervisor->peers; *at != NULL;) {
		struct kt_peer *peer = *at;

		if (peer->role == KT_ROLE_NEW && now >= peer->hello_deadline_ms)
			kt_peer_close(peer);
		if (!peer->is_closing) {
			at = &peer->next;
			continue;
		}
		*at = peer->next;
		supervisor->peers_len--;
		peer_free(peer);
	}
}

static bool has_queued(const struct kt_supervisor *supervisor)
{
	for (const struct kt_peer *peer = supervisor->peers; peer != NULL; peer = peer->next)
		if (!peer->is_closing && kt_channel_queued(peer->channel) > 0)
			return true;
	return false;
}

static void on_nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* Receipts and last events go out before the end, within a bound. */
void kt_peers_finish(struct kt_supervisor *supervisor)
{
	int64_t deadline = kt_clock_monotonic_ms() + FINISH_MS;
	struct timeval limit = {0, 50000};
	struct event *look = NULL;

	if (supervisor->base == NULL || supervisor->publisher == NULL || supervisor->writer == NULL)
		return;
	kt_sup_flush(supervisor);
	look = event_new(supervisor->base, -1, EV_PERSIST, on_nothing, NULL);
	(void)event_add(look, &limit);
	while (has_queued(supervisor) && kt_clock_monotonic_ms() < deadline)
		if (event_base_loop(supervisor->base, EVLOOP_ONCE) < 0)
			break;
		else
			kt_sup_flush(supervisor);
	event_free(look);
}

void kt_peers_free(struct kt_supervisor *supervisor)
{
	while (supervisor->peers != NULL) {
		struct kt_peer *peer = supervisor->peers;

		supervisor->peers = peer->next;
		peer_free(peer);
	}
}
