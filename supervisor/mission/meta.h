/*
 * Private to supervisor/mission: meta.json to struct kt_mission, and the target branch.
 */
#ifndef KITTY_SUPERVISOR_MISSION_META_H
#define KITTY_SUPERVISOR_MISSION_META_H

#include "supervisor/mission/mission.h"

#define KT_META_MAX (1U << 20) /* bytes of a meta.json */

/*
 * folder: name under kitty-specs/. meta (takes; NULL: a folder made by hand). has_lanes: there is a
 * lanes.json beside it. Identity in meta must agree with the folder. Errors: KT_E_META_INVALID,
 * KT_E_MISSION_TOPOLOGY_INVALID. Gives.
 */
KT_MUST_CHECK enum kt_code kt_mission_from_meta(const struct kt_repository *repo,
	const char *folder, struct kt_json *meta, bool has_lanes, struct kt_mission **out,
	struct kt_error *err);

/* Parses meta.json's text: an object. Gives. */
KT_MUST_CHECK enum kt_code kt_meta_parse(const char *folder, const char *text, size_t len,
	struct kt_json **out, struct kt_error *err);

/* Does meta.json say that the mission was merged already? */
bool kt_meta_is_merged(const struct kt_json *meta);

const char *kt_topology_name(enum kt_topology topology);

/* The target when nobody named one: local origin/HEAD, else main, else master. Gives; NULL: none of
 * them exists. */
char *kt_target_default(const struct kt_repository *repo);

#endif
