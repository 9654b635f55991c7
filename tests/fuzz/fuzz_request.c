/*
 * A write request of a stranger: refused with a reason, or every op is of a known kind, the request
 * passes again after a trip over the wire, and it has a message for its commit.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/transaction/request.h"

static void check_ops(const struct kt_json *ops)
{
	for (struct kt_json *op = kt_json_first(ops); op != NULL; op = kt_json_next(op)) {
		const char *kind = kt_json_get_string(op, "op");
		const char *wp = kt_json_get_string(op, "wp");

		KT_BUG_UNLESS(kind != NULL);
		if (strcmp(kind, "lifecycle") == 0)
			continue;
		KT_BUG_UNLESS(wp != NULL && kt_wp_id_is_valid(wp));
		if (strcmp(kind, "move") == 0)
			KT_BUG_UNLESS(kt_status_from_name(kt_json_get_string(op, "to")) !=
				      KT_STATUS_NONE);
		else
			KT_BUG_UNLESS(strcmp(kind, "annotate") == 0);
	}
}

static void check_message(const struct kt_json *request)
{
	char *message = NULL;

	if (kt_json_size(kt_json_get(request, "ops")) == 0)
		return;
	message = kt_request_message(request, KT_STATUS_PLANNED);
	KT_BUG_UNLESS(message != NULL);
	free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_json *request = NULL, *copy = NULL;
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT, again = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	if (kt_json_parse((const char *)bytes, len, KT_JSON_LAST_WINS, &request, &err) != KT_E_OK)
		return 0;
	code = kt_request_check(request, &err);
	kt_json_write(request, KT_JSON_COMPACT, &text);
	KT_BUG_UNLESS(kt_json_parse(text.data, text.len, KT_JSON_NO_DUPLICATES, &copy, &again) ==
		      KT_E_OK);
	KT_BUG_UNLESS(kt_request_check(copy, &again) == code);
	if (code == KT_E_OK) {
		check_ops(kt_json_get(request, "ops"));
		check_message(request);
	} else {
		KT_BUG_UNLESS(err.detail[0] != '\0');
	}
	kt_buffer_release(&text);
	kt_json_free(copy);
	kt_json_free(request);
	return 0;
}
