/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Both
 * programs.
 */
#ifndef KITTY_IPC_UTF8_H
#define KITTY_IPC_UTF8_H

#include <stddef.h>

/* Bytes of the character at text (1 to 4), 0 when it is not valid or is cut off. left is at
 * least 1. */
size_t kt_utf8_length(const char *text, size_t left);

/* The code point of a character whose length kt_utf8_length gave. */
unsigned kt_utf8_decode(const char *text, size_t len);

#endif
