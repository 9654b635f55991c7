/*
 * JSON of strangers: what is accepted is written again and read again as the same value, in the
 * one-line dialect and in the pretty one.
 */
#include <kitty/json.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"

static void again(const struct kt_json *value, enum kt_json_style style)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *copy = NULL;
	struct kt_error err = KT_ERROR_INIT;

	kt_json_write(value, style, &text);
	KT_BUG_UNLESS(kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &copy,
			      &err) == KT_E_OK);
	kt_json_free(copy);
	kt_buffer_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_json *value = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_json_parse((const char *)bytes, len, KT_JSON_LAST_WINS, &value, &err) == KT_E_OK) {
		again(value, KT_JSON_ROW);
		again(value, KT_JSON_PRETTY_SORTED);
		kt_json_free(value);
	} else {
		KT_BUG_UNLESS(err.detail[0] != '\0');
	}
	return 0;
}
