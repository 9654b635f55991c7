/*
 * What every fuzz target defines. Targets assert properties with KT_BUG_UNLESS, which aborts.
 */
#ifndef KITTY_TESTS_FUZZ_TARGET_H
#define KITTY_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#endif
