/*
 * Growing byte strings and memory that ends the program instead of failing. Both programs.
 * Never returns NULL for memory; never reads or writes a file.
 */
#include "ipc/buffer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <kitty/error.h>

static bool answers_json;

void kt_out_of_memory_is_json(bool is_json)
{
	answers_json = is_json;
}

/* All of it or none: nobody is there to be told that telling failed. */
static void tell(int fd, const char *const parts[], size_t len)
{
	struct iovec pieces[16];

	for (size_t i = 0; i < len; i++)
		pieces[i] = (struct iovec){(void *)(uintptr_t)parts[i], strlen(parts[i])};
	(void)!writev(fd, pieces, (int)len);
}

void kt_out_of_memory(void)
{
	const char *code = kt_error_text(KT_E_OUT_OF_MEMORY);
	const char *summary = kt_error_summary(KT_E_OUT_OF_MEMORY);
	struct kt_error err = {.code = KT_E_OUT_OF_MEMORY};
	const char *next = kt_error_next_step(&err);
	const char *text[] = {"kitty: ", summary, " [", code, "]\nnext: ", next, "\n"};
	const char *json[] = {"{\"error\": {\"code\": \"", code, "\", \"message\": \"", summary,
		"\", \"detail\": \"\", \"next_step\": \"", next, "\"}}\n"};

	if (answers_json)
		tell(STDOUT_FILENO, json, sizeof json / sizeof json[0]);
	else
		tell(STDERR_FILENO, text, sizeof text / sizeof text[0]);
	/* No handler of exit() may run: each could ask for memory, or write half of what it has. */
	_exit(kt_error_exit(KT_E_OUT_OF_MEMORY));
}

static void check(const void *memory)
{
	if (memory == NULL)
		kt_out_of_memory();
}

void kt_bug(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "kitty: BUG at %s:%d: %s does not hold\n", file, line, what);
	abort();
}

void *kt_alloc(size_t size)
{
	void *memory = calloc(1, size == 0 ? 1 : size);

	check(memory);
	return memory;
}

void *kt_realloc_array(void *old, size_t count, size_t size)
{
	void *memory = reallocarray(old, count == 0 ? 1 : count, size == 0 ? 1 : size);

	check(memory);
	return memory;
}

char *kt_strdup(const char *text)
{
	return text == NULL ? NULL : kt_strndup(text, strlen(text));
}

char *kt_strndup(const char *text, size_t len)
{
	char *copy = kt_alloc(len + 1);

	if (len > 0)
		memcpy(copy, text, len);
	return copy;
}

char *kt_format(const char *format, ...)
{
	struct kt_buffer buffer = KT_BUFFER_INIT;
	va_list args;

	va_start(args, format);
	kt_buffer_vprintf(&buffer, format, args);
	va_end(args);
	return kt_buffer_take(&buffer);
}

void kt_buffer_release(struct kt_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct kt_buffer)KT_BUFFER_INIT;
}

void kt_buffer_clear(struct kt_buffer *buffer)
{
	buffer->len = 0;
	if (buffer->data != NULL)
		buffer->data[0] = '\0';
}

void kt_buffer_reserve(struct kt_buffer *buffer, size_t extra)
{
	size_t need, capacity;

	KT_BUG_UNLESS(extra < SIZE_MAX / 4 && buffer->len < SIZE_MAX / 4);
	need = buffer->len + extra + 1;
	if (need <= buffer->capacity)
		return;
	capacity = buffer->capacity < 64 ? 64 : buffer->capacity + buffer->capacity / 2;
	if (capacity < need)
		capacity = need;
	buffer->data = kt_realloc_array(buffer->data, capacity, 1);
	buffer->capacity = capacity;
	buffer->data[buffer->len] = '\0';
}

void kt_buffer_append(struct kt_buffer *buffer, const void *bytes, size_t len)
{
	kt_buffer_reserve(buffer, len);
	if (len > 0)
		memcpy(buffer->data + buffer->len, bytes, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
}

void kt_buffer_puts(struct kt_buffer *buffer, const char *text)
{
	kt_buffer_append(buffer, text, strlen(text));
}

void kt_buffer_putc(struct kt_buffer *buffer, char byte)
{
	kt_buffer_append(buffer, &byte, 1);
}

void kt_buffer_vprintf(struct kt_buffer *buffer, const char *format, va_list args)
{
	va_list copy;
	int len;

	va_copy(copy, args);
	len = vsnprintf(NULL, 0, format, copy);
	va_end(copy);
	KT_BUG_UNLESS(len >= 0);
	kt_buffer_reserve(buffer, (size_t)len);
	(void)vsnprintf(buffer->data + buffer->len, (size_t)len + 1, format, args);
	buffer->len += (size_t)len;
}

void kt_buffer_printf(struct kt_buffer *buffer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	kt_buffer_vprintf(buffer, format, args);
	va_end(args);
}

void kt_buffer_consume(struct kt_buffer *buffer, size_t len)
{
	KT_BUG_UNLESS(len <= buffer->len);
	if (len == 0)
		return;
	memmove(buffer->data, buffer->data + len, buffer->len - len);
	buffer->len -= len;
	buffer->data[buffer->len] = '\0';
}

const char *kt_buffer_text(const struct kt_buffer *buffer)
{
	return buffer->data == NULL ? "" : buffer->data;
}

char *kt_buffer_take(struct kt_buffer *buffer)
{
	char *data = buffer->data == NULL ? kt_strdup("") : buffer->data;

	*buffer = (struct kt_buffer)KT_BUFFER_INIT;
	return data;
}

char *kt_shell_word(const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_@%+=:,./-";
	struct kt_buffer word = KT_BUFFER_INIT;

	if (text[0] != '\0' && text[strspn(text, plain)] == '\0')
		return kt_strdup(text);
	kt_buffer_putc(&word, '\'');
	for (const char *at = text; *at != '\0'; at++)
		if (*at == '\'')
			kt_buffer_puts(&word, "'\\''");
		else
			kt_buffer_putc(&word, *at);
	kt_buffer_putc(&word, '\'');
	return kt_buffer_take(&word);
}
