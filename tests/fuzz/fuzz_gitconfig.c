/*
 * A git configuration file with anything in it: every key has a section and a name, and what was
 * read, written in git's own syntax, reads back as the same keys and values in the same order.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/git/gitconfig.h"

static void put_quoted(struct kt_buffer *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			kt_buffer_putc(out, '\\');
		if (text[i] == '\n')
			kt_buffer_puts(out, "\\n");
		else
			kt_buffer_putc(out, text[i]);
	}
}

/* "section.sub.name" as a section line and a key line. */
static void put_setting(const char *key, const char *value, void *arg)
{
	struct kt_buffer *out = arg;
	const char *first = strchr(key, '.'), *last = strrchr(key, '.');

	KT_BUG_UNLESS(first != NULL && first > key - 1 && isalpha((unsigned char)last[1]));
	for (const char *at = last + 1; *at != '\0'; at++)
		KT_BUG_UNLESS(!isupper((unsigned char)*at));
	kt_buffer_putc(out, '[');
	kt_buffer_append(out, key, (size_t)(first - key));
	if (first < last) {
		kt_buffer_puts(out, " \"");
		put_quoted(out, first + 1, (size_t)(last - first) - 1);
		kt_buffer_putc(out, '"');
	}
	kt_buffer_printf(out, "]\n\t%s", last + 1);
	if (value != NULL) {
		kt_buffer_puts(out, " = \"");
		put_quoted(out, value, strlen(value));
		kt_buffer_putc(out, '"');
	}
	kt_buffer_putc(out, '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_buffer first = KT_BUFFER_INIT, second = KT_BUFFER_INIT;
	char *text = kt_strndup((const char *)bytes, len);

	(void)kt_gitconfig_text(text, put_setting, &first);
	KT_BUG_UNLESS(kt_gitconfig_text(kt_buffer_text(&first), put_setting, &second));
	KT_BUG_UNLESS(first.len == second.len &&
		      memcmp(kt_buffer_text(&first), kt_buffer_text(&second), first.len) == 0);
	free(text);
	kt_buffer_release(&first);
	kt_buffer_release(&second);
	return 0;
}
