/*
 * Private to supervisor/mission: which refs exist, from files alone.
 *
 * The resolver answers most questions without the object store, whose library takes longer to start
 * than the whole answer. Only names are read here; what a ref points to is the store's business.
 */
#ifndef KITTY_SUPERVISOR_MISSION_REFNAMES_H
#define KITTY_SUPERVISOR_MISSION_REFNAMES_H

#include <stdbool.h>

#include "supervisor/mission/names.h"

/* Adds every ref whose full name begins with prefix ("refs/heads/kitty/"), sorted, each once.
 * Prefix ends in '/'. */
void kt_ref_names(const char *common_dir, const char *prefix, struct kt_list *out);
bool kt_ref_name_exists(const char *common_dir, const char *ref);

#endif
