/*
 * JSON of strangers: what is accepted is written again and read again as an equal value, and
 * writing that one gives the same bytes, in every dialect.
 */
#include <string.h>

#include <kitty/json.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"

static void again(const struct kt_json *value, enum kt_json_style style)
{
	struct kt_buffer text = KT_BUFFER_INIT, second = KT_BUFFER_INIT;
	struct kt_json *copy = NULL;
	struct kt_error err = KT_ERROR_INIT;

	kt_json_write(value, style, &text);
	/* What was read holds each key once: the strict reader takes what we write. */
	KT_BUG_UNLESS(kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_NO_DUPLICATES, &copy,
			      &err) == KT_E_OK);
	KT_BUG_UNLESS(kt_json_equal(value, copy) && kt_json_equal(copy, value));
	kt_json_write(copy, style, &second);
	KT_BUG_UNLESS(text.len == second.len && memcmp(text.data, second.data, text.len) == 0);
	if (style == KT_JSON_ROW || style == KT_JSON_COMPACT)
		KT_BUG_UNLESS(memchr(text.data, '\n', text.len) == NULL);
	kt_json_free(copy);
	kt_buffer_release(&text);
	kt_buffer_release(&second);
}

static void every_style(const struct kt_json *value)
{
	static const enum kt_json_style styles[] = {KT_JSON_ROW, KT_JSON_COMPACT,
		KT_JSON_PRETTY_SORTED, KT_JSON_PRETTY_ORDERED, KT_JSON_PRETTY_RAW};
	struct kt_json *copy = kt_json_copy(value);

	KT_BUG_UNLESS(kt_json_equal(value, copy));
	kt_json_free(copy);
	for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++)
		again(value, styles[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_json *value = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_json_parse((const char *)bytes, len, KT_JSON_LAST_WINS, &value, &err) == KT_E_OK) {
		every_style(value);
		kt_json_free(value);
	} else {
		KT_BUG_UNLESS(err.code == KT_E_JSON_INVALID && err.detail[0] != '\0');
	}
	return 0;
}
