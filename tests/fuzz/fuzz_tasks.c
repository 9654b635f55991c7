/*
 * A tasks.md with anything in it: every dependency is a work package's id and there once, asking
 * twice adds nothing, and line ends of the other kind say the same.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/tasks_md.h"

static char *with_crlf(const char *text)
{
	struct kt_buffer out = KT_BUFFER_INIT;

	for (; *text != '\0'; text++) {
		if (*text == '\n')
			kt_buffer_putc(&out, '\r');
		kt_buffer_putc(&out, *text);
	}
	return kt_buffer_take(&out);
}

static void check(const struct kt_list *list, bool has_said)
{
	KT_BUG_UNLESS(has_said || list->len == 0);
	for (size_t i = 0; i < list->len; i++) {
		KT_BUG_UNLESS(kt_wp_id_is_valid(list->items[i]));
		for (size_t j = 0; j < i; j++)
			KT_BUG_UNLESS(strcmp(list->items[i], list->items[j]) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_list list = KT_LIST_INIT, other = KT_LIST_INIT;
	char *text = kt_strndup((const char *)bytes, len), *crlf = NULL;
	bool has_said = kt_tasks_md_dependencies(text, "WP02", &list);
	size_t before = list.len;

	check(&list, has_said);
	KT_BUG_UNLESS(kt_tasks_md_dependencies(text, "WP02", &list) == has_said);
	KT_BUG_UNLESS(list.len == before);
	/* A file that has carriage returns of its own would get two of them. */
	if (strchr(text, '\r') == NULL) {
		crlf = with_crlf(text);
		KT_BUG_UNLESS(kt_tasks_md_dependencies(crlf, "WP02", &other) == has_said);
		KT_BUG_UNLESS(other.len == list.len);
		for (size_t i = 0; i < list.len; i++)
			KT_BUG_UNLESS(strcmp(list.items[i], other.items[i]) == 0);
	}
	kt_list_release(&list);
	kt_list_release(&other);
	free(crlf);
	free(text);
	return 0;
}
