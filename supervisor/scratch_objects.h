/*
 * Folders for the objects of a dry run: <common>/kitty/objects.PID.START.XXXXXX, named with the
 * process that made them, so that those of killed ones can be told and swept. Where the repository
 * cannot be written to, $TMPDIR has them.
 */
#ifndef KITTY_SUPERVISOR_SCRATCH_OBJECTS_H
#define KITTY_SUPERVISOR_SCRATCH_OBJECTS_H

#include <kitty/error.h>

/* Sweeps what dead processes left, then makes a folder of mode 0700. Gives. */
KT_MUST_CHECK enum kt_code kt_scratch_objects_make(
	const char *common_dir, char **out, struct kt_error *err);

/* Those of dead processes. The callback may remove what it is given. */
void kt_scratch_objects_each_dead(
	const char *common_dir, void (*each)(const char *path, void *arg), void *arg);

#endif
