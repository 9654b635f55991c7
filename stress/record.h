/*
 * What an agent of the harness did, in a file of its own outside the repository: one line per
 * submission and one per acknowledgement, each written at once, so that a killed agent's file still
 * tells the truth.
 *
 *   S <number> <event id> <time ns>
 *   A <number> <event id> <time ns> <commit>
 *
 * The agent writes it (kt_record_submitted, kt_record_acknowledged) and reads it to go on; the
 * checker reads it.
 */
#ifndef KITTY_STRESS_RECORD_H
#define KITTY_STRESS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kt_buffer;

struct kt_record_event {
	char event_id[27];
	char commit[41];      /* empty: not acknowledged */
	unsigned submissions; /* more than one: resubmitted after a kill */
	int64_t submitted_ns; /* the last submission */
	int64_t acknowledged_ns;
};

struct kt_record {
	char *wp;
	struct kt_record_event *events; /* in submission order */
	size_t len;
};

/* Path of a WP's record below the harness's folder; gives. */
char *kt_record_path(const char *folder, const char *wp);
/* An empty record when there is no file. A torn last line is ignored. Gives the contents. */
void kt_record_read(const char *folder, const char *wp, struct kt_record *out);
void kt_record_release(struct kt_record *record);

void kt_record_submitted(int fd, size_t number, const char *event_id);
void kt_record_acknowledged(int fd, size_t number, const char *event_id, const char *commit);

/* The note that event `number` of that WP carries: depends on the seed only, so that a resubmission
 * is the same. */
void kt_record_note(uint64_t seed, const char *wp, size_t number, struct kt_buffer *out);
/* Its event id, from the same source and the time of the first submission. */
void kt_record_event_id(uint64_t seed, const char *wp, size_t number, char out[27]);

#endif
