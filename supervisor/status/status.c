/*
 * Names of statuses. Pure. The log knows exact names only; people may write them their way.
 */
#include <stddef.h>
#include <string.h>

#include <kitty/status.h>

enum { NAME_MAX_LEN = 32 };

struct status_row {
	const char *name;
	bool satisfies_dependency, is_terminal, is_displayed;
};

static const struct status_row rows[KT_STATUS_COUNT] = {
	[KT_STATUS_GENESIS] = {"genesis", false, false, false},
	[KT_STATUS_UNINITIALIZED] = {"uninitialized", false, false, false},
	[KT_STATUS_PLANNED] = {"planned", false, false, true},
	[KT_STATUS_CLAIMED] = {"claimed", false, false, true},
	[KT_STATUS_IN_PROGRESS] = {"in_progress", false, false, true},
	[KT_STATUS_FOR_REVIEW] = {"for_review", false, false, true},
	[KT_STATUS_IN_REVIEW] = {"in_review", false, false, true},
	[KT_STATUS_APPROVED] = {"approved", true, false, true},
	[KT_STATUS_DONE] = {"done", true, true, true},
	[KT_STATUS_BLOCKED] = {"blocked", false, false, true},
	[KT_STATUS_CANCELED] = {"canceled", false, true, true},
};

static const struct status_row *row_get(enum kt_status status)
{
	return status >= 0 && status < KT_STATUS_COUNT ? &rows[status] : NULL;
}

const char *kt_status_name(enum kt_status status)
{
	const struct status_row *row = row_get(status);

	return row == NULL ? "" : row->name;
}

enum kt_status kt_status_from_name(const char *name)
{
	for (int i = 0; name != NULL && i < KT_STATUS_COUNT; i++)
		if (strcmp(rows[i].name, name) == 0)
			return (enum kt_status)i;
	return KT_STATUS_NONE;
}

static char to_lower(char letter)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
	const char *at = strchr(upper, letter);

	if (at == NULL)
		return letter;
	return lower[at - upper];
}

enum kt_status kt_status_from_input(const char *name)
{
	static const char blanks[] = " \t\r\n\v\f";
	char text[NAME_MAX_LEN];
	size_t len = 0;

	if (name == NULL)
		return KT_STATUS_NONE;
	name += strspn(name, blanks);
	while (name[len] != '\0' && strchr(blanks, name[len]) == NULL && len < sizeof text - 1) {
		text[len] = to_lower(name[len]);
		len++;
	}
	text[len] = '\0';
	if (name[len + strspn(name + len, blanks)] != '\0')
		return KT_STATUS_NONE;
	return strcmp(text, "doing") == 0 ? KT_STATUS_IN_PROGRESS : kt_status_from_name(text);
}

bool kt_status_satisfies_dependency(enum kt_status status)
{
	return row_get(status) != NULL && row_get(status)->satisfies_dependency;
}

bool kt_status_is_terminal(enum kt_status status)
{
	return row_get(status) != NULL && row_get(status)->is_terminal;
}

bool kt_status_is_displayed(enum kt_status status)
{
	return row_get(status) != NULL && row_get(status)->is_displayed;
}
