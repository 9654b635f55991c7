/*
 * The body of a message: an error that was taken is sent again and arrives as the same error; the
 * table of messages agrees with itself for every number.
 */
#include <string.h>

#include <kitty/json.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "ipc/message.h"

static void check_type(unsigned type)
{
	unsigned answer = kt_message_answer_of(type);

	KT_BUG_UNLESS(kt_message_is_known(type) == (strcmp(kt_message_name(type), "unknown") != 0));
	if (kt_message_is_known(type))
		KT_BUG_UNLESS(kt_message_find(kt_message_name(type)) == type);
	KT_BUG_UNLESS((answer != 0) == kt_message_is_request(type));
	if (answer != 0)
		KT_BUG_UNLESS(answer == type + 1 && kt_message_is_known(answer) &&
			      !kt_message_is_request(answer));
}

static struct kt_json *over_the_wire(struct kt_json *body)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *copy = NULL;
	struct kt_error err = KT_ERROR_INIT;

	kt_json_write(body, KT_JSON_COMPACT, &text);
	KT_BUG_UNLESS(
		kt_json_parse(text.data, text.len, KT_JSON_NO_DUPLICATES, &copy, &err) == KT_E_OK);
	kt_buffer_release(&text);
	kt_json_free(body);
	return copy;
}

/* A long detail is cut, perhaps in the middle of a character; one trip mends that, a second one
 * changes nothing. */
static void check_error(const struct kt_json *body)
{
	struct kt_error err = KT_ERROR_INIT, first = KT_ERROR_INIT, second = KT_ERROR_INIT;
	struct kt_json *copy = NULL;

	if (!kt_message_error_decode(body, &err)) {
		KT_BUG_UNLESS(err.code == KT_E_OK && err.detail[0] == '\0');
		return;
	}
	KT_BUG_UNLESS(err.code != KT_E_OK && err.code < KT_E_COUNT);
	copy = over_the_wire(kt_message_error_encode(&err));
	KT_BUG_UNLESS(kt_message_error_decode(copy, &first));
	kt_json_free(copy);
	copy = over_the_wire(kt_message_error_encode(&first));
	KT_BUG_UNLESS(kt_message_error_decode(copy, &second));
	kt_json_free(copy);
	KT_BUG_UNLESS(first.code == err.code && second.code == err.code);
	KT_BUG_UNLESS(strcmp(first.detail, second.detail) == 0);
	KT_BUG_UNLESS(strcmp(kt_error_next_step(&first), kt_error_next_step(&second)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_json *body = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (len < 2)
		return 0;
	check_type(bytes[0]);
	check_type((unsigned)bytes[0] << 8 | bytes[1]);
	if (kt_json_parse((const char *)bytes + 2, len - 2, KT_JSON_LAST_WINS, &body, &err) ==
		KT_E_OK)
		check_error(body);
	kt_json_free(body);
	return 0;
}
