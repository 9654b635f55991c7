/*
 * The record file of one agent of the harness. Runs in kitty-stress-agent (writes) and kitty-stress
 * (reads). Must never buffer: a line that was not written before the kill would be a lost
 * acknowledgement.
 */
#include "stress/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "stress/run.h"
#include "supervisor/status/event.h"

char *kt_record_path(const char *folder, const char *wp)
{
	return kt_format("%s/%s.record", folder, wp);
}

static struct kt_record_event *slot(struct kt_record *record, size_t number)
{
	if (number != record->len && number + 1 != record->len)
		kt_run_die("%s: event %zu after %zu", record->wp, number, record->len);
	if (number == record->len) {
		record->events =
			kt_realloc_array(record->events, record->len + 1, sizeof *record->events);
		memset(&record->events[record->len++], 0, sizeof *record->events);
	}
	return &record->events[number];
}

static void read_line(struct kt_record *record, const char *line)
{
	char kind = 0;
	char id[27] = "";
	char commit[41] = "";
	size_t number = 0;
	long long at = 0;
	/* The harness wrote these numbers itself. NOLINTNEXTLINE(cert-err34-c) */
	int fields = sscanf(line, "%c %zu %26s %lld %40s", &kind, &number, id, &at, commit);
	struct kt_record_event *event = NULL;

	if (fields < 4)
		kt_run_die("%s: bad record line: %s", record->wp, line);
	event = slot(record, number);
	(void)snprintf(event->event_id, sizeof event->event_id, "%s", id);
	if (kind == 'S') {
		event->submissions++;
		event->submitted_ns = at;
	} else {
		(void)snprintf(event->commit, sizeof event->commit, "%s", commit);
		event->acknowledged_ns = at;
	}
}

void kt_record_read(const char *folder, const char *wp, struct kt_record *out)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = kt_record_path(folder, wp);
	char *end = NULL;

	memset(out, 0, sizeof *out);
	out->wp = kt_strdup(wp);
	if (kt_run_read_file(path, &text) && text.len > 0)
		for (char *line = text.data; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			read_line(out, line);
		}
	kt_buffer_release(&text);
	free(path);
}

void kt_record_release(struct kt_record *record)
{
	free(record->wp);
	free(record->events);
	memset(record, 0, sizeof *record);
}

static void write_line(int fd, const char *line, size_t len)
{
	if (write(fd, line, len) != (ssize_t)len)
		kt_run_die("the record could not be written");
}

void kt_record_submitted(int fd, size_t number, const char *event_id)
{
	char line[128];
	int len = snprintf(
		line, sizeof line, "S %zu %s %lld\n", number, event_id, (long long)kt_run_now_ns());

	write_line(fd, line, (size_t)len);
}

void kt_record_acknowledged(int fd, size_t number, const char *event_id, const char *commit)
{
	char line[128];
	int len = snprintf(line, sizeof line, "A %zu %s %lld %s\n", number, event_id,
		(long long)kt_run_now_ns(), commit);

	write_line(fd, line, (size_t)len);
}

static uint64_t state_of(uint64_t seed, const char *wp, size_t number)
{
	uint64_t state = seed * 1000003 + number;

	for (const char *letter = wp; *letter; letter++)
		state = state * 131 + (unsigned char)*letter;
	return state;
}

void kt_record_note(uint64_t seed, const char *wp, size_t number, struct kt_buffer *out)
{
	uint64_t state = state_of(seed, wp, number);
	size_t len = 16 + kt_run_random(&state) % 120;
	const char *fixed = getenv("SPEC_KITTY_STRESS_NOTE_BYTES");

	/* What a slow watcher is to choke on. */
	if (fixed)
		len = strtoul(fixed, NULL, 10);
	/* One note in sixteen is long. */
	else if (kt_run_random(&state) % 16 == 0)
		len += kt_run_random(&state) % 1500;
	kt_buffer_printf(out, "%s %zu ", wp, number);
	for (size_t i = 0; i < len; i++)
		kt_buffer_putc(out, "etaoin shrdlu cmfwyp"[kt_run_random(&state) % 20]);
	kt_buffer_putc(out, '.');
}

void kt_record_event_id(uint64_t seed, const char *wp, size_t number, char out[27])
{
	uint64_t state = state_of(seed, wp, number) ^ 0x5bd1e995;
	unsigned char random[10];
	struct timespec now = {0};

	for (size_t i = 0; i < sizeof random; i++)
		random[i] = (unsigned char)kt_run_random(&state);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	kt_ulid_format((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, random, out);
}
