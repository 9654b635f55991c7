/*
 * Time and id of a new row. Runs in the writer, and in the merge of a legacy mission. Must never
 * give a row a place before one that is there.
 */
#include "supervisor/transaction/stamp.h"

#include <stdio.h>
#include <string.h>

#include "ipc/clock.h"
#include "supervisor/status/event.h"

enum { MICROSECONDS = 1000000 };

void kt_stamp_at(const struct kt_reducer *state, char out[33])
{
	int64_t now = kt_clock_wall_us(), last = kt_reducer_max_time(state), as_text = 0;
	const char *max_at = kt_reducer_max_at(state);
	char prefix[40] = "";

	if (now <= last)
		now = last + 1;
	kt_time_format(now, out);
	if (max_at == NULL || strcmp(out, max_at) > 0)
		return;
	/* Notation decides: step to the second after the one the greatest text names. */
	(void)snprintf(prefix, sizeof prefix, "%.19sZ", max_at);
	if (kt_time_parse(prefix, &as_text) && as_text + MICROSECONDS > now)
		now = as_text + MICROSECONDS;
	kt_time_format(now, out);
}

void kt_stamp_event_id(const struct kt_reducer *state, const char *at, char out[27])
{
	const char *max = kt_reducer_max_event_id(state);
	unsigned char random[10];
	int64_t time = 0;

	kt_random_bytes(random, sizeof random);
	(void)kt_time_parse(at, &time);
	kt_ulid_format((uint64_t)(time / 1000), random, out);
	if (max != NULL && strcmp(out, max) <= 0 && !kt_ulid_successor(max, out))
		kt_ulid_format((uint64_t)(time / 1000), random, out);
}
