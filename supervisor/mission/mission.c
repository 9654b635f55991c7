/*
 * What follows from a resolved mission: lane names, sparse patterns, which lane holds a path. Used
 * by kitty only. Pure but for realpath; never looks at a ref.
 */
#include "supervisor/mission/mission.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/names.h"
#include "supervisor/mission/place.h"

char *kt_lane_id_parse(const char *text)
{
	const char *letters = text;
	size_t len;

	if (text == NULL)
		return NULL;
	if (strncmp(text, "lane-", 5) == 0)
		letters = text + 5;
	len = strspn(letters, "abcdefghijklmnopqrstuvwxyz");
	if (len == 0 || len > KT_LANE_LETTERS_MAX || letters[len] != '\0')
		return NULL;
	return kt_format("lane-%s", letters);
}

char *kt_mission_lane_branch(const struct kt_mission *mission, const char *lane_id)
{
	const char *id = mission->mission_id[0] == '\0' ? NULL : mission->mission_id;
	char *base, *branch;

	/* Planning work has no branch of its own: it happens where people plan. */
	if (strcmp(lane_id, "lane-planning") == 0)
		return kt_strdup(mission->target_branch);
	if (mission->coordination_branch != NULL)
		return kt_name_lane_branch(mission->coordination_branch, lane_id);
	base = kt_name_mission_branch(mission->slug, id);
	branch = kt_name_lane_branch(base, lane_id);
	free(base);
	return branch;
}

char *kt_mission_lane_worktree(const struct kt_mission *mission, const char *lane_id)
{
	if (strcmp(lane_id, "lane-planning") == 0)
		return kt_strdup(mission->repo_root);
	return kt_format("%s/.worktrees/%s-%s", mission->repo_root, mission->slug, lane_id);
}

const char *kt_mission_files_root(const struct kt_mission *mission)
{
	return mission->coordination_branch != NULL ? mission->coord_worktree : mission->repo_root;
}

enum kt_code kt_mission_check_open(const struct kt_mission *mission, struct kt_error *err)
{
	if (!mission->is_closed && !mission->is_discarded)
		return KT_E_OK;
	(void)kt_error_set(err, KT_E_MISSION_NOT_FOUND, "%s is %s", mission->slug,
		mission->is_discarded ? "discarded" : "closed");
	if (mission->is_discarded)
		kt_error_next(err, "kitty mission restore --mission %s", mission->slug);
	return KT_E_MISSION_NOT_FOUND;
}

char **kt_mission_sparse_patterns(const struct kt_mission *mission)
{
	struct kt_list list = KT_LIST_INIT;

	kt_list_add(&list, "/*");
	kt_list_push(&list, kt_format("!%s", mission->log_path));
	kt_list_push(&list, kt_format("!%s", mission->snapshot_path));
	return kt_list_take(&list);
}

char **kt_mission_absent_paths(const struct kt_mission *mission)
{
	struct kt_list list = KT_LIST_INIT;

	kt_list_add(&list, mission->log_path);
	kt_list_add(&list, mission->snapshot_path);
	return kt_list_take(&list);
}

/* Name of the folder directly below `folder` on the way to `path`; gives; NULL when path is not
 * below. */
char *kt_path_component_below(const char *folder, const char *path)
{
	size_t len = strlen(folder);

	if (strncmp(path, folder, len) != 0 || path[len] != '/')
		return NULL;
	path += len + 1;
	return path[0] == '\0' ? NULL : kt_strndup(path, strcspn(path, "/"));
}

char *kt_path_real(const char *path)
{
	char *real = realpath(path, NULL);

	return real == NULL ? kt_strdup(path) : real;
}

char *kt_mission_worktree_name(const struct kt_mission *mission, const char *path)
{
	char *folder = kt_format("%s/.worktrees", mission->repo_root);
	char *real_folder = kt_path_real(folder);
	char *real = kt_path_real(path);
	char *name = kt_path_component_below(real_folder, real);

	free(folder);
	free(real_folder);
	free(real);
	return name;
}

char *kt_mission_lane_at(const struct kt_mission *mission, const char *path)
{
	char *name = kt_mission_worktree_name(mission, path);
	size_t len = strlen(mission->slug);
	char *lane = NULL;

	/* "<slug>-lane-a" and nothing else: the rest must be a full lane id. */
	if (name != NULL && strncmp(name, mission->slug, len) == 0 &&
		strncmp(name + len, "-lane-", 6) == 0)
		lane = kt_lane_id_parse(name + len + 1);
	free(name);
	return lane;
}
