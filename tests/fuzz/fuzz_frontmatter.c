/*
 * A work package file with anything in it: parsed or refused with a line; and what was parsed can
 * be edited, keeps its body byte for byte and parses again.
 */
#include <string.h>

#include <kitty/json.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/config/frontmatter.h"

static void edit(const char *text, size_t len, const struct kt_frontmatter *old)
{
	struct kt_json *values = kt_json_new_object();
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_frontmatter new;
	struct kt_error err = KT_ERROR_INIT;
	size_t body = len - old->body_offset;

	memset(&new, 0, sizeof new);
	kt_json_set_string(values, "merge_target_branch", "main");
	if (kt_frontmatter_edit(text, len, values, &out, &err) == KT_E_OK) {
		KT_BUG_UNLESS(out.len >= body && memcmp(out.data + out.len - body,
							 text + old->body_offset, body) == 0);
		KT_BUG_UNLESS(
			kt_frontmatter_parse(kt_buffer_text(&out), out.len, &new, &err) == KT_E_OK);
		kt_frontmatter_release(&new);
	}
	kt_buffer_release(&out);
	kt_json_free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_frontmatter frontmatter;
	struct kt_error err = KT_ERROR_INIT;

	memset(&frontmatter, 0, sizeof frontmatter);
	if (kt_frontmatter_parse((const char *)bytes, len, &frontmatter, &err) == KT_E_OK) {
		KT_BUG_UNLESS(frontmatter.body_offset <= len);
		edit((const char *)bytes, len, &frontmatter);
		kt_frontmatter_release(&frontmatter);
	} else {
		KT_BUG_UNLESS(err.detail[0] != '\0');
	}
	return 0;
}
