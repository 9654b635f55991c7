/*
 * A worker started by hand finds the supervisor of its mission: from the folder one stands in to
 * the repository's common git dir, from there to the holder files. Reads small files only; no git,
 * never any GIT_* variable.
 */
#ifndef KITTY_WORKER_HAND_H
#define KITTY_WORKER_HAND_H

#include <kitty/error.h>

struct kt_json;

/* Gives the common git dir of the repository that holds `start`. Errors: KT_E_NOT_A_REPOSITORY. */
KT_MUST_CHECK enum kt_code kt_hand_common_dir(const char *start, char **out, struct kt_error *err);

/*
 * Gives the holder file's facts ("socket", "slug", ...) of the live supervisor of that mission.
 * handle: ULID, mid8, slug, or slug without mid8; NULL: the only supervisor that lives. Errors:
 * KT_E_SUPERVISOR_ABSENT, KT_E_MISSION_AMBIGUOUS_SELECTOR.
 */
KT_MUST_CHECK enum kt_code kt_hand_find_supervisor(
	const char *common_dir, const char *handle, struct kt_json **out, struct kt_error *err);

#endif
