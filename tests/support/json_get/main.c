/*
 * kitty-json-get [PATH]: one value of the one JSON text on standard input, for the scripts of the
 * tests.
 *
 * PATH is names and indexes joined by dots ("receipt.event_ids.0"); a last "#" gives the number of
 * members. Strings are printed bare, everything else as JSON. Exit 1: no such value; 2: the input
 * is not exactly one JSON value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kitty/json.h>

#include "ipc/buffer.h"

static const struct kt_json *step(const struct kt_json *value, const char *name)
{
	const struct kt_json *child = NULL;
	unsigned long index = 0;

	if (kt_json_is(value, KT_JSON_OBJECT))
		return kt_json_get(value, name);
	index = strtoul(name, NULL, 10);
	for (child = kt_json_first(value); child != NULL && index > 0; index--)
		child = kt_json_next(child);
	return child;
}

static int show(const struct kt_json *value)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	if (value == NULL)
		return 1;
	if (kt_json_string(value) != NULL)
		kt_buffer_puts(&text, kt_json_string(value));
	else
		kt_json_write(value, KT_JSON_COMPACT, &text);
	(void)puts(kt_buffer_text(&text));
	kt_buffer_release(&text);
	return 0;
}

static int show_path(const struct kt_json *value, char *path)
{
	char *save = NULL;

	for (char *name = strtok_r(path, ".", &save); name != NULL && value != NULL;
		name = strtok_r(NULL, ".", &save)) {
		if (strcmp(name, "#") == 0)
			return printf("%zu\n", kt_json_size(value)) < 0;
		value = step(value, name);
	}
	return show(value);
}

int main(int argc, char **argv)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *value = NULL;
	struct kt_error err = KT_ERROR_INIT;
	char bytes[4096];
	size_t got = 0;
	int status = 0;

	while ((got = fread(bytes, 1, sizeof bytes, stdin)) > 0)
		kt_buffer_append(&text, bytes, got);
	if (kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_NO_DUPLICATES, &value, &err) !=
		KT_E_OK) {
		(void)fprintf(stderr, "kitty-json-get: %s\n", err.detail);
		status = 2;
	} else {
		status = argc > 1 ? show_path(value, argv[1]) : show(value);
	}
	kt_json_free(value);
	kt_buffer_release(&text);
	return status;
}
