/*
 * Status files in checkouts that are not kitty's own: missions without a coordination branch keep
 * them in the primary checkout or, legacy, in the lanes. Reads only. For verify and the doctor.
 */
#ifndef KITTY_SUPERVISOR_CHECKOUTS_H
#define KITTY_SUPERVISOR_CHECKOUTS_H

#include <kitty/error.h>

#include "supervisor/transaction/destination.h"

/* Calls back for each status file (repo-relative path) that is not what the checkout's own branch
 * holds, on disk or in the index. A mission with a coordination branch has none. Errors:
 * KT_E_GIT_FAILED and the like. */
typedef void (*kt_checkout_cb)(const struct kt_destination *where, const char *path, void *arg);
KT_MUST_CHECK enum kt_code kt_checkouts_each_difference(const struct kt_repository *repo,
	const struct kt_mission *mission, kt_checkout_cb each, void *arg, struct kt_error *err);

#endif
