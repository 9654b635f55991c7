/*
 * Are the requirements of spec.md and the references of the work packages in step? Used by kitty
 * only. Never invents a mapping: an unmapped requirement is only pointed at.
 */
#include "supervisor/mission/requirements.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/mission/wp.h"

static bool is_id_byte(char byte)
{
	return byte == '-' || byte == '_' || (byte >= '0' && byte <= '9') ||
	       (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* Is the id in the text as a word of its own? "FR-001" is not in "NFR-001" nor in "FR-0012". */
static bool mentions(const char *text, const char *id)
{
	size_t len = strlen(id);

	for (const char *at = strstr(text, id); at != NULL; at = strstr(at + 1, id)) {
		if ((at == text || !is_id_byte(at[-1])) && !is_id_byte(at[len]))
			return true;
	}
	return false;
}

static void collect(const char *spec, struct kt_list *ids)
{
	for (const char *at = strstr(spec, "FR-"); at != NULL; at = strstr(at + 3, "FR-")) {
		size_t digits = strspn(at + 3, "0123456789");
		char *id;

		if (digits == 0 || digits > 6 || is_id_byte(at[3 + digits]) ||
			(at != spec && is_id_byte(at[-1])))
			continue;
		id = kt_strndup(at, 3 + digits);
		if (kt_list_has(ids, id))
			free(id);
		else
			kt_list_push(ids, id);
	}
}

static void check_wp(struct kt_drafts *drafts, const struct kt_draft_wp *draft, const char *spec,
	struct kt_list *mapped)
{
	char **refs = kt_frontmatter_strings(kt_json_get(draft->values, "requirement_refs"));

	for (char **ref = refs; *ref != NULL; ref++) {
		if (!mentions(spec, *ref))
			kt_drafts_problem(drafts, kt_draft_path(drafts, draft),
				kt_draft_line(draft, "requirement_refs"),
				"the requirement \"%.40s\" is not in spec.md", *ref);
		kt_list_add(mapped, *ref);
	}
	kt_strings_free(refs);
}

void kt_requirements_check(struct kt_drafts *drafts)
{
	const struct kt_plan_file *spec = kt_drafts_find(drafts, "spec.md");
	struct kt_list declared = KT_LIST_INIT, mapped = KT_LIST_INIT;

	if (spec != NULL)
		collect(spec->bytes, &declared);
	for (size_t i = 0; declared.len > 0 && i < drafts->wps_len; i++)
		check_wp(drafts, &drafts->wps[i], spec->bytes, &mapped);
	for (size_t i = 0; mapped.len > 0 && i < declared.len; i++) {
		if (!kt_list_has(&mapped, declared.items[i]))
			kt_drafts_warning(drafts, spec->path, 1, "no work package refers to %s",
				declared.items[i]);
	}
	kt_list_release(&declared);
	kt_list_release(&mapped);
}
