/*
 * Message names and error bodies. Both programs. Pure.
 */
#include "ipc/message.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <kitty/json.h>

static const struct row {
	const char *name;
	unsigned number;
	unsigned senders;
} rows[] = {
#define KT_MESSAGE(name, number, text, senders) {text, number, senders},
#include <kitty/messages.def>
#undef KT_MESSAGE
};

static const struct row *find_row(unsigned type)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].number == type)
			return &rows[i];
	return NULL;
}

const char *kt_message_name(unsigned type)
{
	const struct row *row = find_row(type);

	return row == NULL ? "unknown" : row->name;
}

unsigned kt_message_find(const char *name)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].number;
	return 0;
}

bool kt_message_is_known(unsigned type)
{
	return find_row(type) != NULL;
}

bool kt_message_is_request(unsigned type)
{
	return type % 2 == 0 && find_row(type) != NULL && find_row(type + 1) != NULL;
}

unsigned kt_message_answer_of(unsigned type)
{
	return kt_message_is_request(type) ? type + 1 : 0;
}

bool kt_message_may_come_from(unsigned type, enum kt_sender sender)
{
	const struct row *row = find_row(type);

	return row != NULL && (row->senders & (unsigned)sender) != 0;
}

struct kt_json *kt_message_error_encode(const struct kt_error *err)
{
	struct kt_json *error = kt_json_new_object(), *body = kt_json_new_object();

	kt_json_set_string(error, "code", kt_error_text(err->code));
	kt_json_set_string(error, "message", kt_error_summary(err->code));
	kt_json_set_string(error, "detail", err->detail);
	kt_json_set_string(error, "next_step", kt_error_next_step(err));
	kt_json_set(body, "error", error);
	return body;
}

static const char *text_or_empty(const struct kt_json *error, const char *key)
{
	const char *text = kt_json_get_string(error, key);

	return text == NULL ? "" : text;
}

bool kt_message_error_decode(const struct kt_json *body, struct kt_error *err)
{
	const struct kt_json *error = kt_json_get(body, "error");
	enum kt_code code;

	if (!kt_json_is(error, KT_JSON_OBJECT))
		return false;
	code = kt_error_from_text(kt_json_get_string(error, "code"));
	if (code == KT_E_OK) /* an error that says it is none */
		code = KT_E_INTERNAL;
	(void)kt_error_set(err, code, "%s", text_or_empty(error, "detail"));
	kt_error_next(err, "%s", text_or_empty(error, "next_step"));
	return true;
}
