/*
 * A growing byte string with an upper limit. Never holds less than a terminating NUL after
 * `len` bytes, so `data` is a C string whenever the content has no NUL of its own.
 *
 * Out of memory ends the process (below). Passing the limit is a bug in the caller unless the
 * caller uses kt_buffer_room() first; limits for foreign input are checked before appending.
 */
#ifndef KITTY_IPC_BUFFER_H
#define KITTY_IPC_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <kitty/attributes.h>

struct kt_buffer {
	char *data; /* never NULL after the first append; "" semantics when len is 0 */
	size_t len;
	size_t capacity;
};

#define KT_BUFFER_INIT \
	{ \
		NULL, 0, 0 \
	}

void kt_buffer_release(struct kt_buffer *buffer); /* frees the content; buffer is empty again */
void kt_buffer_clear(struct kt_buffer *buffer);   /* len = 0, keeps the memory */
void kt_buffer_append(struct kt_buffer *buffer, const void *bytes, size_t len);
void kt_buffer_puts(struct kt_buffer *buffer, const char *text);
void kt_buffer_putc(struct kt_buffer *buffer, char byte);
void kt_buffer_printf(struct kt_buffer *buffer, const char *format, ...) KT_PRINTF(2, 3);
void kt_buffer_vprintf(struct kt_buffer *buffer, const char *format, va_list args) KT_PRINTF(2, 0);
void kt_buffer_consume(struct kt_buffer *buffer, size_t len); /* drops the first len bytes */
void kt_buffer_reserve(struct kt_buffer *buffer, size_t extra);
const char *kt_buffer_text(const struct kt_buffer *buffer); /* borrows; "" when empty */
char *kt_buffer_take(struct kt_buffer *buffer); /* gives the NUL-terminated content, never NULL */

/*
 * Memory that ends the program instead of failing: OUT_OF_MEMORY is told (to standard error, or as
 * the one object on standard output after kt_out_of_memory_is_json(true)), and the process exits as
 * if it had been killed: what was committed is committed, what was not is not.
 */
_Noreturn void kt_out_of_memory(void);
void kt_out_of_memory_is_json(bool is_json);
void *kt_alloc(size_t size);                                  /* zeroed */
void *kt_realloc_array(void *old, size_t count, size_t size); /* overflow ends it, too */
char *kt_strdup(const char *text);                            /* NULL gives NULL */
char *kt_strndup(const char *text, size_t len);
char *kt_format(const char *format, ...) KT_PRINTF(1, 2); /* gives */
/* A text as one word of a shell: as it is, or in single quotes. Gives. */
char *kt_shell_word(const char *text);

#endif
