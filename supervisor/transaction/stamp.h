/*
 * Time and id of a new row: append order, time order and id order are one order:
 * readers sort by either.
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_STAMP_H
#define KITTY_SUPERVISOR_TRANSACTION_STAMP_H

#include "supervisor/status/reduce.h"

/* Now, but strictly later than every row, as time and as text (real logs mix "Z" and offsets). */
void kt_stamp_at(const struct kt_reducer *state, char out[33]);
/* A ULID of that time, greater than every id of the log. */
void kt_stamp_event_id(const struct kt_reducer *state, const char *at, char out[27]);

#endif
