/*
 * A packed-refs file with anything in it: every ref that is listed is found, with the id of its
 * first line; what is found is listed; a prefix only leaves out.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/git/refs.h"

struct listing {
	const char *text, *prefix;
	size_t rows, rows_below;
};

static void on_ref(const char *name, const struct kt_oid *oid, void *arg)
{
	struct listing *listing = arg;
	struct kt_oid found, again;

	KT_BUG_UNLESS(name[0] != '\0' && strchr(name, '\n') == NULL);
	KT_BUG_UNLESS(kt_packed_refs_find(listing->text, name, &found));
	/* A second line of the same name may have another id; then the first one counts. */
	if (!kt_oid_equal(oid, &found))
		KT_BUG_UNLESS(kt_packed_refs_find(listing->text, name, &again) &&
			      kt_oid_equal(&found, &again));
	listing->rows++;
	if (strncmp(name, listing->prefix, strlen(listing->prefix)) == 0)
		listing->rows_below++;
}

static void on_count(const char *name, const struct kt_oid *oid, void *arg)
{
	(void)oid;
	KT_BUG_UNLESS(strncmp(name, "refs/heads/", 11) == 0);
	++*(size_t *)arg;
}

struct search {
	const char *name;
	bool found;
};

static void on_search(const char *name, const struct kt_oid *oid, void *arg)
{
	struct search *search = arg;

	(void)oid;
	search->found = search->found || strcmp(name, search->name) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char *const asked[] = {"refs/heads/main", "refs/heads/a"};
	char *text = kt_strndup((const char *)bytes, len);
	struct listing listing = {.text = text, .prefix = "refs/heads/"};
	size_t below = 0;
	struct kt_oid oid;

	kt_packed_refs_each(text, "", on_ref, &listing);
	kt_packed_refs_each(text, listing.prefix, on_count, &below);
	KT_BUG_UNLESS(below == listing.rows_below);
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		struct search search = {asked[i], false};

		kt_packed_refs_each(text, asked[i], on_search, &search);
		KT_BUG_UNLESS(kt_packed_refs_find(text, asked[i], &oid) == search.found);
	}
	free(text);
	return 0;
}
