/*
 * meta.json to struct kt_mission: validates and composes every path and name of a mission. Used by
 * kitty only. Never reads a file and never derives what is written wrongly: garbage is an error.
 */
#include "supervisor/mission/meta.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/names.h"
#include "supervisor/mission/refnames.h"

static const char *const topology_names[] = {
	[KT_TOPOLOGY_LANES_WITH_COORD] = "lanes_with_coord",
	[KT_TOPOLOGY_COORD] = "coord",
	[KT_TOPOLOGY_LANES] = "lanes",
	[KT_TOPOLOGY_SINGLE_BRANCH] = "single_branch",
};

#define TOPOLOGIES_LEN (sizeof(topology_names) / sizeof(topology_names[0]))

const char *kt_topology_name(enum kt_topology topology)
{
	return (size_t)topology < TOPOLOGIES_LEN ? topology_names[topology] : NULL;
}

static enum kt_code invalid(
	struct kt_error *err, const char *folder, const char *key, const char *why)
{
	return kt_error_set(
		err, KT_E_META_INVALID, "kitty-specs/%s/meta.json: %s: %s", folder, key, why);
}

enum kt_code kt_meta_parse(const char *folder, const char *text, size_t len, struct kt_json **out,
	struct kt_error *err)
{
	struct kt_error inner = KT_ERROR_INIT;
	struct kt_json *meta = NULL;

	if (len > KT_META_MAX)
		return invalid(err, folder, "the file", "larger than 1 MiB");
	/* Editors put a byte order mark there. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	if (kt_json_parse(text, len, KT_JSON_LAST_WINS, &meta, &inner) != KT_E_OK)
		return invalid(err, folder, "the file", inner.detail);
	if (!kt_json_is(meta, KT_JSON_OBJECT)) {
		kt_json_free(meta);
		return invalid(err, folder, "the file", "not an object");
	}
	*out = meta;
	return KT_E_OK;
}

/* Absent and null are no value; any other type than text is an error. */
static bool text_or_absent(const struct kt_json *meta, const char *key, const char **out)
{
	const struct kt_json *value = kt_json_get(meta, key);

	*out = kt_json_string(value);
	return value == NULL || kt_json_is(value, KT_JSON_NULL) || *out != NULL;
}

static enum kt_code texts_check(
	const char *folder, const struct kt_json *meta, struct kt_error *err)
{
	static const char *const keys[] = {"slug", "mission_slug", "mission_id", "mid8",
		"friendly_name", "mission_type", "target_branch", "coordination_branch",
		"created_at", "purpose_tldr", "purpose_context"};
	const char *text;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!text_or_absent(meta, keys[i], &text))
			return invalid(err, folder, keys[i], "a text is wanted");
	}
	return KT_E_OK;
}

static bool is_digits(const char *text)
{
	return strspn(text, "0123456789") == strlen(text);
}

static enum kt_code number_check(
	const char *folder, const struct kt_json *meta, struct kt_error *err)
{
	const struct kt_json *value = kt_json_get(meta, "mission_number");
	int64_t number;

	if (value == NULL || kt_json_is(value, KT_JSON_NULL) || kt_json_int(value, &number))
		return KT_E_OK;
	if (kt_json_string(value) != NULL && is_digits(kt_json_string(value)))
		return KT_E_OK;
	return invalid(err, folder, "mission_number", "a number or null is wanted");
}

bool kt_meta_is_merged(const struct kt_json *meta)
{
	const struct kt_json *value = kt_json_get(meta, "mission_number");
	const char *text = kt_json_string(value);
	int64_t number;

	return kt_json_int(value, &number) || (text != NULL && text[0] != '\0' && is_digits(text));
}

/* The identity fields may not contradict the folder, or two readers would see two missions. */
static enum kt_code identity_check(
	const char *folder, const struct kt_json *meta, struct kt_error *err)
{
	const char *id = kt_json_get_string(meta, "mission_id");
	const char *mid8 = kt_json_get_string(meta, "mid8");
	const char *slug = kt_json_get_string(meta, "mission_slug");
	const char *tail = kt_name_tail8(folder);
	bool has_id = id != NULL && id[0] != '\0';

	if (has_id && !kt_is_ulid(id))
		return invalid(err, folder, "mission_id", "not a ULID");
	if (mid8 != NULL && (!has_id || strncmp(mid8, id, 8) != 0 || strlen(mid8) != 8))
		return invalid(err, folder, "mid8", "not the beginning of mission_id");
	if (has_id && tail != NULL && strncmp(tail, id, 8) != 0)
		return invalid(err, folder, "mission_id", "does not agree with the folder's name");
	if (slug != NULL && strcmp(slug, folder) != 0) {
		char *bare = kt_name_strip_number(folder);
		bool is_same = strcmp(slug, bare) == 0;

		free(bare);
		if (!is_same)
			return invalid(err, folder, "mission_slug", "is not the folder's name");
	}
	return KT_E_OK;
}

static enum kt_code branches_check(
	const char *folder, const struct kt_json *meta, struct kt_error *err)
{
	const char *target = kt_json_get_string(meta, "target_branch");
	const char *coordination = kt_json_get_string(meta, "coordination_branch");

	if (target != NULL && !kt_branch_name_is_valid(target))
		return invalid(err, folder, "target_branch", "not a branch's name");
	if (coordination != NULL && !kt_branch_name_is_valid(coordination))
		return invalid(err, folder, "coordination_branch", "not a branch's name");
	return KT_E_OK;
}

static enum kt_code topology_invalid(struct kt_error *err, const char *folder, const char *why)
{
	return kt_error_set(err, KT_E_MISSION_TOPOLOGY_INVALID,
		"kitty-specs/%s/meta.json: topology: %s", folder, why);
}

static enum kt_code topology_read(const char *folder, const struct kt_json *meta, bool has_lanes,
	enum kt_topology *out, struct kt_error *err)
{
	const struct kt_json *value = kt_json_get(meta, "topology");
	bool has_branch = kt_json_get_string(meta, "coordination_branch") != NULL;
	const char *name = kt_json_string(value);

	if (value == NULL) {
		if (has_branch)
			*out = KT_TOPOLOGY_LANES_WITH_COORD;
		else
			*out = has_lanes ? KT_TOPOLOGY_LEGACY : KT_TOPOLOGY_SINGLE_BRANCH;
		return KT_E_OK;
	}
	for (size_t i = 0; name != NULL && i < TOPOLOGIES_LEN; i++) {
		bool needs_branch = i == KT_TOPOLOGY_LANES_WITH_COORD || i == KT_TOPOLOGY_COORD;

		if (strcmp(topology_names[i], name) != 0)
			continue;
		if (needs_branch != has_branch)
			return topology_invalid(err, folder,
				needs_branch ? "it needs a coordination_branch"
					     : "it contradicts coordination_branch");
		*out = (enum kt_topology)i;
		return KT_E_OK;
	}
	return topology_invalid(
		err, folder, "one of lanes_with_coord, coord, lanes, single_branch is wanted");
}

char *kt_target_default(const struct kt_repository *repo)
{
	char *branch = kt_repository_default_branch(repo);

	if (branch != NULL)
		return branch;
	if (kt_ref_name_exists(repo->common_dir, "refs/heads/main"))
		return kt_strdup("main");
	if (kt_ref_name_exists(repo->common_dir, "refs/heads/master"))
		return kt_strdup("master");
	return NULL;
}

static void names_fill(struct kt_mission *mission, const struct kt_repository *repo)
{
	const char *id = kt_json_get_string(mission->meta, "mission_id");
	const char *target = kt_json_get_string(mission->meta, "target_branch");
	const char *branch = kt_json_get_string(mission->meta, "coordination_branch");

	mission->mission_id = kt_strdup(id == NULL ? "" : id);
	mission->mid8 = kt_strndup(mission->mission_id, mission->mission_id[0] == '\0' ? 0 : 8);
	mission->target_branch = target == NULL ? kt_target_default(repo) : kt_strdup(target);
	if (mission->target_branch == NULL)
		mission->target_branch = kt_strdup("main");
	mission->coordination_branch = kt_strdup(branch);
	if (branch != NULL)
		mission->coordination_ref = kt_format("refs/heads/%s", branch);
}

static void paths_fill(struct kt_mission *mission, const struct kt_repository *repo)
{
	const char *slug = mission->slug;
	char *coord = kt_name_coord_dir(slug, mission->mid8);

	mission->repo_root = kt_strdup(repo->primary);
	mission->common_dir = kt_strdup(repo->common_dir);
	mission->folder = kt_format("kitty-specs/%s", slug);
	mission->log_path = kt_format("kitty-specs/%s/status.events.jsonl", slug);
	mission->snapshot_path = kt_format("kitty-specs/%s/status.json", slug);
	mission->draft_dir = kt_format("%s/kitty-specs/%s", repo->primary, slug);
	mission->coord_worktree = kt_format("%s/.worktrees/%s-coord", repo->primary, coord);
	mission->run_dir = kt_format("%s/kitty/%s", repo->common_dir, slug);
	mission->lock_path =
		kt_format("%s/spec-kitty-locks/%s.status.lock", repo->common_dir, slug);
	free(coord);
}

enum kt_code kt_mission_from_meta(const struct kt_repository *repo, const char *folder,
	struct kt_json *meta, bool has_lanes, struct kt_mission **out, struct kt_error *err)
{
	struct kt_mission *mission = kt_alloc(sizeof(*mission));
	enum kt_code code;

	mission->meta = meta == NULL ? kt_json_new_object() : meta;
	meta = mission->meta;
	code = texts_check(folder, meta, err);
	if (code == KT_E_OK)
		code = number_check(folder, meta, err);
	if (code == KT_E_OK)
		code = identity_check(folder, meta, err);
	if (code == KT_E_OK)
		code = branches_check(folder, meta, err);
	if (code == KT_E_OK)
		code = topology_read(folder, meta, has_lanes, &mission->topology, err);
	if (code != KT_E_OK) {
		kt_mission_free(mission);
		return code;
	}
	mission->slug = kt_strdup(folder);
	names_fill(mission, repo);
	/* The target may be the repository's default, which no line of the file names. */
	if (mission->coordination_branch != NULL &&
		strcmp(mission->coordination_branch, mission->target_branch) == 0) {
		kt_mission_free(mission);
		return invalid(err, folder, "coordination_branch", "is the target branch");
	}
	paths_fill(mission, repo);
	*out = mission;
	return KT_E_OK;
}

void kt_mission_free(struct kt_mission *mission)
{
	if (mission == NULL)
		return;
	free(mission->mission_id);
	free(mission->mid8);
	free(mission->slug);
	free(mission->target_branch);
	free(mission->coordination_branch);
	kt_json_free(mission->meta);
	free(mission->repo_root);
	free(mission->common_dir);
	free(mission->folder);
	free(mission->log_path);
	free(mission->snapshot_path);
	free(mission->draft_dir);
	free(mission->coord_worktree);
	free(mission->run_dir);
	free(mission->lock_path);
	free(mission->coordination_ref);
	free(mission);
}
