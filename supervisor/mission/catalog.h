/*
 * Private to supervisor/mission: every mission that can be seen, in the order of authority. Filled
 * step by step: files first, the object store only when a question needs it.
 */
#ifndef KITTY_SUPERVISOR_MISSION_CATALOG_H
#define KITTY_SUPERVISOR_MISSION_CATALOG_H

#include "supervisor/mission/mission.h"
#include "supervisor/mission/names.h"

struct kt_catalog_entry {
	char *folder;               /* name under kitty-specs/ */
	struct kt_mission *mission; /* NULL: meta.json is broken, see error */
	struct kt_error error;
	bool is_draft; /* seen in the primary checkout */
};

struct kt_catalog {
	const struct kt_repository *repo;
	struct kt_catalog_entry *entries;
	size_t len;
	bool has_names, has_store;
	struct kt_list branches; /* short names of branches that may be coordination branches */
	struct kt_list closed;   /* folder names under refs/kitty/closed/ */
};

/* Drafts in the primary checkout: files only. */
void kt_catalog_open(struct kt_catalog *catalog, const struct kt_repository *repo);
/* Names of refs: files only. */
void kt_catalog_add_names(struct kt_catalog *catalog);
/* Missions of branches and closed refs that no draft explains. Opens the object store. */
KT_MUST_CHECK enum kt_code kt_catalog_add_store(struct kt_catalog *catalog, struct kt_error *err);
void kt_catalog_release(struct kt_catalog *catalog);

/* Is there a branch or closed ref that no entry explains? human: only of that human slug; NULL: of
 * any. */
bool kt_catalog_has_unseen(const struct kt_catalog *catalog, const char *human);

/* Only the closed ref is left of it. Needs the names. */
bool kt_catalog_is_closed(const struct kt_catalog *catalog, const struct kt_mission *mission);

#endif
