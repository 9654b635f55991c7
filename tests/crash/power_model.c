/*
 * Effects, their durability, and their doing. Runs in kitty-power. Must touch only paths that the
 * trace names, which lie in the harness's own folder.
 */
#include "power_model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"
#include "ipc/buffer.h"

#define NEVER ((size_t)-1)

/* ---- reading ---- */

static char *text_read(FILE *trace, size_t len)
{
	char *text = kt_alloc(len + 1);

	if (len > 0 && fread(text, 1, len, trace) != len)
		len = 0;
	text[len] = '\0';
	return text;
}

static bool effect_read(FILE *trace, struct kt_effect *effect)
{
	struct kt_effect_head head;

	if (fread(&head, sizeof head, 1, trace) != 1)
		return false;
	*effect = (struct kt_effect){.kind = head.kind,
		.offset = head.offset,
		.data_len = head.data_len,
		.durable_at = NEVER};
	effect->path = text_read(trace, head.path_len);
	effect->other = text_read(trace, head.other_len);
	effect->data = text_read(trace, head.data_len);
	return true;
}

/* ---- which file a name means at a moment ---- */

struct names {
	struct {
		const char *path;
		size_t file; /* 0: nobody */
	} * rows;
	size_t len, files;
};

static size_t *row_of(struct names *names, const char *path)
{
	for (size_t i = 0; i < names->len; i++)
		if (strcmp(names->rows[i].path, path) == 0)
			return &names->rows[i].file;
	names->rows = kt_realloc_array(names->rows, names->len + 1, sizeof *names->rows);
	names->rows[names->len].path = path;
	names->rows[names->len].file = ++names->files;
	return &names->rows[names->len++].file;
}

static void follow(struct names *names, struct kt_effect *effect)
{
	size_t file = *row_of(names, effect->path);

	if (effect->kind == 'C' && file == 0)
		file = *row_of(names, effect->path) = ++names->files;
	if (effect->kind == 'R' || effect->kind == 'L')
		*row_of(names, effect->other) = file;
	if (effect->kind == 'R' || effect->kind == 'U')
		*row_of(names, effect->path) = 0;
	effect->file = file;
}

/* ---- durability ---- */

static bool is_in(const char *path, const char *folder)
{
	const char *slash = strrchr(path, '/');
	size_t len = strlen(folder);

	return slash != NULL && (size_t)(slash - path) == len && strncmp(path, folder, len) == 0;
}

static bool makes_safe(const struct kt_effect *sync, const struct kt_effect *effect)
{
	if (effect->kind == 'W' || effect->kind == 'T')
		return sync->file == effect->file && sync->file != 0;
	if (effect->kind == 'R' || effect->kind == 'L')
		return is_in(effect->other, sync->path);
	return is_in(effect->path, sync->path);
}

static void settle(struct kt_effects *out)
{
	for (size_t i = 0; i < out->len; i++)
		for (size_t k = i + 1; k < out->len && out->effects[i].durable_at == NEVER; k++)
			if (out->effects[k].kind == 'S' &&
				makes_safe(&out->effects[k], &out->effects[i]))
				out->effects[i].durable_at = k;
}

void kt_effects_read(const char *path, bool ignores_syncs, struct kt_effects *out)
{
	FILE *trace = fopen(path, "re");
	struct names names = {NULL, 0, 0};
	struct kt_effect effect;

	*out = (struct kt_effects){NULL, 0};
	while (trace != NULL && effect_read(trace, &effect)) {
		out->effects = kt_realloc_array(out->effects, out->len + 1, sizeof *out->effects);
		out->effects[out->len++] = effect;
	}
	if (trace != NULL)
		(void)fclose(trace);
	for (size_t i = 0; i < out->len; i++)
		follow(&names, &out->effects[i]);
	if (!ignores_syncs)
		settle(out);
	free(names.rows);
}

void kt_effects_release(struct kt_effects *effects)
{
	for (size_t i = 0; i < effects->len; i++) {
		free(effects->effects[i].path);
		free(effects->effects[i].other);
		free(effects->effects[i].data);
	}
	free(effects->effects);
	*effects = (struct kt_effects){NULL, 0};
}

bool kt_effect_is_loose(const struct kt_effects *effects, size_t i, size_t prefix)
{
	const struct kt_effect *effect = &effects->effects[i];

	return i < prefix && effect->kind != 'S' &&
	       (effect->durable_at == NEVER || effect->durable_at >= prefix);
}

/* ---- doing ---- */

static void data_do(const struct kt_effect *effect)
{
	int fd = open(effect->path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return; /* its creation was dropped */
	if (effect->kind == 'T')
		(void)!ftruncate(fd, effect->offset);
	else
		(void)!pwrite(fd, effect->data, effect->data_len, effect->offset);
	(void)close(fd);
}

static void effect_do(const struct kt_effect *effect)
{
	int fd = -1;

	switch (effect->kind) {
	case 'C':
		fd = open(effect->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd >= 0)
			(void)close(fd);
		break;
	case 'R':
		(void)rename(effect->path, effect->other);
		break;
	case 'L':
		(void)!link(effect->path, effect->other);
		break;
	case 'U':
		(void)remove(effect->path);
		break;
	case 'M':
		(void)mkdir(effect->path, 0755);
		break;
	case 'Y':
		(void)!symlink(effect->other, effect->path);
		break;
	case 'S':
		break;
	default:
		data_do(effect);
	}
}

void kt_effects_apply(
	const struct kt_effects *effects, size_t prefix, const size_t *dropped, size_t dropped_len)
{
	for (size_t i = 0; i < prefix; i++) {
		bool is_dropped = false;

		for (size_t k = 0; k < dropped_len; k++)
			is_dropped = is_dropped || dropped[k] == i;
		if (!is_dropped)
			effect_do(&effects->effects[i]);
	}
}
