/*
 * Sequences of events, always zero behind their end so that equal states have equal bytes. Part of
 * the model; pure.
 */
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

bool kt_sequence_has(const struct sequence *sequence, uint8_t item)
{
	return memchr(sequence->item, item, sequence->len) != NULL;
}

void kt_sequence_add(struct sequence *sequence, uint8_t item)
{
	if (sequence->len >= SEQUENCE_MAX)
		abort();
	sequence->item[sequence->len++] = item;
}

void kt_sequence_cut(struct sequence *sequence, uint8_t len)
{
	while (sequence->len > len)
		sequence->item[--sequence->len] = 0;
}

void kt_sequence_events(const struct sequence *ref, uint8_t len, struct sequence *out)
{
	memset(out, 0, sizeof *out);
	for (uint8_t i = 0; i < len; i++)
		if (ref->item[i] != FOREIGN)
			kt_sequence_add(out, ref->item[i]);
}

bool kt_sequence_equal(const struct sequence *left, const struct sequence *right)
{
	return left->len == right->len && memcmp(left->item, right->item, left->len) == 0;
}

void kt_sequence_drop(struct sequence *sequence, uint8_t item)
{
	uint8_t *found = memchr(sequence->item, item, sequence->len);

	if (found == NULL)
		return;
	memmove(found, found + 1, (size_t)(sequence->item + sequence->len - found) - 1);
	sequence->item[--sequence->len] = 0;
}
