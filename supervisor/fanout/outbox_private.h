/*
 * Private to the outbox: one event on its way to one sink.
 */
#ifndef KITTY_SUPERVISOR_FANOUT_OUTBOX_PRIVATE_H
#define KITTY_SUPERVISOR_FANOUT_OUTBOX_PRIVATE_H

#include "supervisor/fanout/outbox.h"

struct kt_outbound {
	const struct kt_outbox *outbox;
	const struct kt_sink *sink;
	const char *row; /* without its newline */
	size_t len;
	const struct kt_json *event; /* the row, parsed */
};

/* One attempt. False: *why says what the sink did (at most size bytes). */
bool kt_outbound_send(const struct kt_outbound *outbound, char *why, size_t size);

#endif
