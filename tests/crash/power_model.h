/*
 * The modelled power loss: effects of a run as the preloaded library traced them, which of them a
 * power cut may drop, and a folder made as such a cut would leave it.
 *
 * The model is stricter than ext4: data is safe once its file was synced, a name once its folder
 * was; everything else may be missing in any combination.
 */
#ifndef KITTY_TESTS_CRASH_POWER_MODEL_H
#define KITTY_TESTS_CRASH_POWER_MODEL_H

#include <stdbool.h>
#include <stddef.h>

struct kt_effect {
	char kind; /* faults.h */
	char *path, *other;
	long long offset;
	char *data;
	size_t data_len;
	size_t file;       /* whose data: the same number is the same file, whatever its name */
	size_t durable_at; /* position of the sync that made it safe; (size_t)-1: none */
};

struct kt_effects {
	struct kt_effect *effects;
	size_t len;
};

/* Reads a trace. With ignores_syncs nothing ever becomes safe (negative control). */
void kt_effects_read(const char *path, bool ignores_syncs, struct kt_effects *out);
void kt_effects_release(struct kt_effects *effects);

/* May a cut right after the first `prefix` effects drop effect i? */
bool kt_effect_is_loose(const struct kt_effects *effects, size_t i, size_t prefix);

/* Does to the file system what the first `prefix` effects did, without the dropped ones. */
void kt_effects_apply(
	const struct kt_effects *effects, size_t prefix, const size_t *dropped, size_t dropped_len);

#endif
