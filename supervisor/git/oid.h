/* Object ids: 20 bytes of SHA-1, and their 40-character text. */
#ifndef KITTY_SUPERVISOR_GIT_OID_H
#define KITTY_SUPERVISOR_GIT_OID_H

#include <stdbool.h>

struct kt_oid {
	unsigned char bytes[20];
};

struct kt_oid_text {
	char text[41];
};

struct kt_oid_text kt_oid_format(const struct kt_oid *oid);
bool kt_oid_parse(const char *text, struct kt_oid *out); /* exactly 40 hex digits */
bool kt_oid_equal(const struct kt_oid *left, const struct kt_oid *right);
bool kt_oid_is_zero(const struct kt_oid *oid);

#endif
