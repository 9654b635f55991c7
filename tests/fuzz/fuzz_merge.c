/*
 * `git merge-tree -z` with anything in it, for every exit status: without a tree id it is an error
 * and nothing is given; a clean merge names no path; each path is there once and stands in the
 * output; a shorter output never names more.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/git/merge.h"

static size_t messages_len(const struct kt_merge_result *result)
{
	size_t len = 0;

	while (result->messages != NULL && result->messages[len] != NULL)
		len++;
	return len;
}

static void check(const struct kt_merge_result *result, const char *text, size_t len, int exit_code)
{
	struct kt_oid tree;

	KT_BUG_UNLESS(kt_oid_parse(text, &tree) && kt_oid_equal(&tree, &result->tree));
	KT_BUG_UNLESS(result->is_clean == (exit_code == 0));
	if (result->is_clean)
		KT_BUG_UNLESS(result->files_len == 0 && messages_len(result) == 0);
	for (size_t i = 0; i < result->files_len; i++) {
		const char *path = result->files[i];

		KT_BUG_UNLESS(path[0] != '\0' && memmem(text, len, path, strlen(path) + 1) != NULL);
		for (size_t j = 0; j < i; j++)
			KT_BUG_UNLESS(strcmp(path, result->files[j]) != 0);
	}
	for (size_t i = 0; i < messages_len(result); i++)
		KT_BUG_UNLESS(strchr(result->messages[i], '\n') == NULL);
}

static void check_cut(const struct kt_merge_result *whole, const char *text, size_t len)
{
	struct kt_merge_result cut = {.is_clean = false};
	struct kt_error err = KT_ERROR_INIT;

	if (kt_merge_parse(text, len, 1, &cut, &err) != KT_E_OK)
		return;
	KT_BUG_UNLESS(cut.files_len <= whole->files_len);
	KT_BUG_UNLESS(messages_len(&cut) <= messages_len(whole));
	kt_merge_result_release(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_merge_result result = {.is_clean = false};
	struct kt_error err = KT_ERROR_INIT;
	int exit_code = len > 0 ? bytes[0] % 4 : 0;
	const char *text = (const char *)bytes + 1;

	if (len < 2)
		return 0;
	len--;
	if (kt_merge_parse(text, len, exit_code, &result, &err) != KT_E_OK) {
		KT_BUG_UNLESS(err.code == KT_E_GIT_FAILED && result.files == NULL);
		return 0;
	}
	check(&result, text, len, exit_code);
	if (exit_code == 1)
		check_cut(&result, text, len / 2);
	kt_merge_result_release(&result);
	return 0;
}
