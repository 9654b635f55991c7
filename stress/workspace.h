/*
 * The real repository that the harness works on: made in a temporary folder, with one work package
 * per lane, through the kitty program itself (init, mission create, finalize-tasks). Also writes
 * down what the user's checkout looked like before the launch, so that the checker can compare.
 */
#ifndef KITTY_STRESS_WORKSPACE_H
#define KITTY_STRESS_WORKSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kt_workspace {
	char *folder;    /* the temporary folder */
	char *repo;      /* folder/repo */
	char *records;   /* folder/records: the agents' files */
	char *before;    /* folder/before: the user's checkout as it was */
	char *start_log; /* folder/start.log: the event log before the launch */
	char *slug;      /* of the mission */
	char *branch;    /* coordination branch, short */
	char *worktree;  /* coordination worktree */
	char *log_path;  /* repo-relative */
	char *snapshot_path;
	uint64_t seed;
	size_t lanes, events;
};

/* Folder that this program lies in: kitty and the agent lie beside it. Gives. */
char *kt_workspace_bin(void);

/* A new temporary folder below $TMPDIR, else /tmp; also gets an environment of our own
 * (kt_run_setup). Gives. */
char *kt_workspace_folder(const char *name);

struct kt_workspace_size {
	size_t lanes;  /* one work package each */
	size_t events; /* per lane */
	size_t files;  /* beside the work packages' own */
	uint64_t seed;
};

/* Everything up to and with finalize-tasks. Ends the harness when something fails. Takes folder. */
void kt_workspace_make(
	struct kt_workspace *out, char *folder, const struct kt_workspace_size *size);
/* Opens one that was kept (its facts stand in folder/facts.json). Takes folder. */
void kt_workspace_open(struct kt_workspace *out, char *folder);
void kt_workspace_release(struct kt_workspace *workspace);

char *kt_workspace_wp(size_t number); /* 0 -> "WP01"; gives */

/* The parts of a user's checkout that nothing may change: name -> bytes, as files below `folder`.
 */
void kt_workspace_photograph(const char *repo, const char *folder);
extern const char *const kt_workspace_parts[]; /* their names, NULL-terminated */

#endif
