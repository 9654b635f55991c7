/*
 * A repository in a temporary folder, prepared once by an operation's setup and put back before
 * every run; and the running of programs in it, with or without a fault. Process: kitty-crash,
 * which is made a subreaper, so that what a killed program leaves behind is waited for.
 *
 *   kt_scene_open -> (kt_scene_restore -> kt_scene_run -> kt_scene_script)* -> kt_scene_close
 */
#ifndef KITTY_TESTS_CRASH_SCENE_H
#define KITTY_TESTS_CRASH_SCENE_H

#include <stdbool.h>

#include "faults.h"
#include "ipc/buffer.h"
#include "operations.h"

struct kt_scene {
	const struct kt_operation *operation;
	char *box;   /* temporary folder; box/repo is the repository, box/saved what is restored */
	char *saved; /* name of the copy in the box: "saved", or "torn" for crashes inside recovery
		      */
	char *shim;  /* folder of a git that loads the library */
	struct kt_faults *faults; /* mapped from box/faults */
};

/* Folder of the programs, source root, preload library: found once. Sets this process's
 * environment. */
void kt_scene_setup(void);

/* Ends the program with status 2 when the setup fails. */
void kt_scene_open(struct kt_scene *scene, const struct kt_operation *operation);
void kt_scene_restore(const struct kt_scene *scene);
void kt_scene_save(const struct kt_scene *scene); /* the repository as it is, as scene->saved */
void kt_scene_close(struct kt_scene *scene, bool keeps);

/* How the faulty program ended. */
struct kt_scene_end {
	int status;     /* exit status; 128 + signal when killed */
	bool was_stuck; /* it or what it left had to be killed after a long while */
};

/* Runs the script with the order that stands in scene->faults, with the library loaded, or, shim
 * given, with that folder first in PATH. Everything it left has ended afterwards. */
struct kt_scene_end kt_scene_run(
	const struct kt_scene *scene, const char *script, const char *shim);

/* A plain script with the helpers of tests/support; adds what it says to out. Its exit status. */
int kt_scene_script(const struct kt_scene *scene, const char *script, struct kt_buffer *out);

#endif
