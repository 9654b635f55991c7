/*
 * The status of a work package. The seeds call it a "lane" too;
 * in code a lane is always a branch with a worktree, and this is always a status.
 */
#ifndef KITTY_STATUS_H
#define KITTY_STATUS_H

#include <stdbool.h>

enum kt_status {
	KT_STATUS_GENESIS,       /* before finalisation; never displayed */
	KT_STATUS_UNINITIALIZED, /* read marker, never stored */
	KT_STATUS_PLANNED,
	KT_STATUS_CLAIMED,
	KT_STATUS_IN_PROGRESS,
	KT_STATUS_FOR_REVIEW,
	KT_STATUS_IN_REVIEW,
	KT_STATUS_APPROVED,
	KT_STATUS_DONE,
	KT_STATUS_BLOCKED,
	KT_STATUS_CANCELED,
	KT_STATUS_COUNT,
	KT_STATUS_NONE = -1 /* no such name */
};

const char *kt_status_name(enum kt_status status);
enum kt_status kt_status_from_name(const char *name); /* exact: the log's rule */
/* Trimmed, lower-cased, aliases: people's rule. */
enum kt_status kt_status_from_input(const char *name);
bool kt_status_satisfies_dependency(enum kt_status status);
bool kt_status_is_terminal(enum kt_status status);
bool kt_status_is_displayed(enum kt_status status);

#endif
