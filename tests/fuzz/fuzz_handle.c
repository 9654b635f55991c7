/*
 * A handle with anything in it, against a repository that is not there: never a crash, never a
 * mission, and no name that passes as safe can leave its folder.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/mission.h"

static void check_names(const char *text)
{
	char *lane = kt_lane_id_parse(text);

	if (kt_slug_is_valid(text))
		KT_BUG_UNLESS(kt_segment_is_safe(text));
	if (kt_segment_is_safe(text))
		KT_BUG_UNLESS(strpbrk(text, "/\\\n ") == NULL && strstr(text, "..") == NULL &&
			      text[0] != '-' && text[0] != '.');
	if (kt_branch_name_is_valid(text))
		KT_BUG_UNLESS(text[0] != '-' && strstr(text, "..") == NULL);
	if (lane != NULL)
		KT_BUG_UNLESS(strncmp(lane, "lane-", 5) == 0 && kt_segment_is_safe(lane));
	free(lane);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char primary[] = "/nonexistent", common_dir[] = "/nonexistent/.git";
	struct kt_repository repo = {.primary = primary,
		.common_dir = common_dir,
		.worktree = primary,
		.git_dir = common_dir};
	char *handle = kt_strndup((const char *)bytes, len);
	struct kt_mission *mission = NULL;
	struct kt_json *candidates = NULL;
	struct kt_error err = KT_ERROR_INIT;

	check_names(handle);
	KT_BUG_UNLESS(kt_mission_resolve(&repo, handle, NULL, &mission, &candidates, &err) ==
		      KT_E_MISSION_NOT_FOUND);
	free(handle);
	return 0;
}
