/*
 * Faults where the transaction leaves its own files: the nth call of a function of git/, mission/,
 * status/, ipc/ or of a neighbouring step fails, in this process (linker's --wrap), so that the
 * code that deals with it runs under the eyes of the test.
 *
 *   kt_seam_fail("kt_commit_barrier", 1, KT_E_NO_SPACE);   NULL for the name: any call counts
 *   finish(f);
 *   assert_string_equal(kt_seam_end(), "kt_commit_barrier");
 *
 * The program must be linked with kitty_wrap_seams(target) in tests/CMakeLists.txt; what can fail
 * is listed in seams.def.
 */
#ifndef KITTY_TESTS_UNIT_TRANSACTION_SEAMS_H
#define KITTY_TESTS_UNIT_TRANSACTION_SEAMS_H

#include <kitty/error.h>

/* The nth call from now on (1: the next) does nothing and fails with code. */
void kt_seam_fail(const char *name, unsigned nth, enum kt_code code);
/* The same, but the call does its work first: what a failed flush after a rename looks like. */
void kt_seam_fail_afterwards(const char *name, unsigned nth, enum kt_code code, int sys_errno);
/* From the nth call on every one fails. */
void kt_seam_fail_from(const char *name, unsigned nth, enum kt_code code);
/* A second fault, armed when the first has struck: of a call after that one. */
void kt_seam_then(const char *name, unsigned nth, enum kt_code code);
/* Nothing fails, but somebody does something right before the nth call. */
void kt_seam_before(const char *name, unsigned nth, void (*action)(void *), void *arg);
/* Nothing fails any more. Name of the call that did last; NULL: none. */
const char *kt_seam_end(void);

#endif
