/*
 * A meta.json with anything in it, for a folder whose name comes with it: refused with a reason, or
 * a mission whose names are good and whose paths all stay below the repository.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/meta.h"

static void check_below(const char *path, const char *root)
{
	KT_BUG_UNLESS(strncmp(path, root, strlen(root)) == 0);
	KT_BUG_UNLESS(strstr(path, "/../") == NULL && strstr(path, "//") == NULL);
}

static void check(const struct kt_mission *mission, const char *folder)
{
	KT_BUG_UNLESS(strcmp(mission->slug, folder) == 0);
	KT_BUG_UNLESS(mission->mission_id[0] == '\0' || kt_is_ulid(mission->mission_id));
	KT_BUG_UNLESS(strncmp(mission->mission_id, mission->mid8, strlen(mission->mid8)) == 0);
	KT_BUG_UNLESS(kt_branch_name_is_valid(mission->target_branch));
	if (mission->coordination_branch != NULL)
		KT_BUG_UNLESS(
			kt_branch_name_is_valid(mission->coordination_branch) &&
			strcmp(mission->coordination_ref + 11, mission->coordination_branch) == 0 &&
			strcmp(mission->coordination_branch, mission->target_branch) != 0);
	check_below(mission->draft_dir, "/nonexistent/kitty-specs/");
	check_below(mission->coord_worktree, "/nonexistent/.worktrees/");
	check_below(mission->run_dir, "/nonexistent/.git/kitty/");
	check_below(mission->lock_path, "/nonexistent/.git/spec-kitty-locks/");
	check_below(mission->log_path, "kitty-specs/");
}

/* The first line names the folder. */
static char *folder_of(const char **text, size_t *len)
{
	const char *newline = memchr(*text, '\n', *len);
	char *folder = NULL;

	if (newline == NULL)
		return kt_strdup("demo-01JABCDE");
	folder = kt_strndup(*text, (size_t)(newline - *text));
	*len -= (size_t)(newline - *text) + 1;
	*text = newline + 1;
	if (kt_segment_is_safe(folder))
		return folder;
	free(folder);
	return kt_strdup("demo");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char primary[] = "/nonexistent", common_dir[] = "/nonexistent/.git";
	const struct kt_repository repo = {.primary = primary,
		.common_dir = common_dir,
		.worktree = primary,
		.git_dir = common_dir};
	const char *text = (const char *)bytes;
	char *folder = folder_of(&text, &len);
	struct kt_json *meta = NULL;
	struct kt_mission *mission = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_meta_parse(folder, text, len, &meta, &err) == KT_E_OK &&
		kt_mission_from_meta(&repo, folder, meta, len % 2 == 0, &mission, &err) == KT_E_OK)
		check(mission, folder);
	else
		KT_BUG_UNLESS(err.detail[0] != '\0' && mission == NULL);
	kt_mission_free(mission);
	free(folder);
	return 0;
}
