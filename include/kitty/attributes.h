/*
 * Attributes and checks that every header uses.
 *
 * KT_MUST_CHECK    the result is an error code; ignoring it is a bug.
 * KT_PRINTF(a, b)  argument a is a printf format for the arguments from b.
 * KT_BUG_UNLESS(x) states what cannot happen; stays on in release builds and aborts.
 *                  Aborting is safe: recovery at start is a tested path.
 */
#ifndef KITTY_ATTRIBUTES_H
#define KITTY_ATTRIBUTES_H

#define KT_MUST_CHECK __attribute__((warn_unused_result))
#define KT_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define KT_NORETURN __attribute__((noreturn))

KT_NORETURN void kt_bug(const char *file, int line, const char *what);

#define KT_BUG_UNLESS(x) ((x) ? (void)0 : kt_bug(__FILE__, __LINE__, #x))

#endif
