/*
 * Agent output to rotated files, last line kept. Runs in the worker, called for every piece that an
 * agent prints. It must use the same memory for ten bytes and for ten megabytes without a line end,
 * and never fail its caller.
 */
#include "worker/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/fd.h"
#include "ipc/file.h"
#include "ipc/utf8.h"

static bool is_segment(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL &&
	       strcmp(name, "current") != 0;
}

static bool open_file(struct kt_output *output)
{
	char *path = kt_format("%s/%s", output->folder, output->name);
	struct stat facts = {0};

	output->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	output->file_len =
		output->fd >= 0 && fstat(output->fd, &facts) == 0 ? (size_t)facts.st_size : 0;
	free(path);
	return output->fd >= 0;
}

static void rotate(struct kt_output *output)
{
	kt_fd_close(&output->fd);
	for (int i = KT_OUTPUT_KEEP; i > 0; i--) {
		char *older = kt_format("%s/%s.%d", output->folder, output->name, i);
		char *newer = i > 1 ? kt_format("%s/%s.%d", output->folder, output->name, i - 1)
				    : kt_format("%s/%s", output->folder, output->name);

		(void)rename(newer, older); /* NOLINT(readability-suspicious-call-argument) */
		free(older);
		free(newer);
	}
	if (!open_file(output) && output->write_errno == 0)
		output->write_errno = errno;
}

/* The link is a convenience for people; that it cannot be made stops nothing. */
static void link_current(const struct kt_output *output)
{
	char *path = kt_format("%s/current", output->folder);
	char *draft = kt_format("%s/.current-%d", output->folder, (int)getpid());

	(void)unlink(draft);
	if (symlink(output->name, draft) == 0 && rename(draft, path) != 0)
		(void)unlink(draft);
	free(path);
	free(draft);
}

enum kt_code kt_output_open(struct kt_output *output, const char *folder, const char *name,
	size_t file_max, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	memset(output, 0, sizeof(*output));
	output->fd = -1;
	if (!is_segment(name))
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "log name \"%s\"", name);
	output->folder = kt_strdup(folder);
	output->name = kt_strdup(name);
	output->file_max = file_max != 0 ? file_max : KT_OUTPUT_FILE_MAX;
	code = kt_folder_make(folder, 0700, err);
	if (code != KT_E_OK)
		return code;
	if (!open_file(output))
		return kt_error_sys(
			err, kt_error_from_errno(errno), errno, "log %s/%s", folder, name);
	link_current(output);
	return KT_E_OK;
}

void kt_output_close(struct kt_output *output)
{
	kt_fd_close(&output->fd);
	free(output->folder);
	free(output->name);
	output->folder = output->name = NULL;
}

static size_t write_some(struct kt_output *output, const char *bytes, size_t len)
{
	ssize_t n = -1;

	do
		n = write(output->fd, bytes, len);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return (size_t)n;
	if (output->write_errno == 0)
		output->write_errno = n < 0 ? errno : EIO;
	return 0;
}

static void keep_bytes(struct kt_output *output, const char *bytes, size_t len)
{
	while (len > 0) {
		size_t room = 0, n = 0;

		if (output->file_len >= output->file_max)
			rotate(output);
		if (output->fd < 0)
			break;
		room = output->file_max - output->file_len;
		n = write_some(output, bytes, len < room ? len : room);
		if (n == 0)
			break;
		output->file_len += n;
		bytes += n;
		len -= n;
	}
	output->dropped += len;
}

static void end_line(struct kt_output *output)
{
	size_t text = 0;

	while (text < output->line_len && (unsigned char)output->line[text] <= ' ')
		text++;
	if (text < output->line_len) { /* blank lines do not replace what was said */
		memcpy(output->last, output->line, output->line_len);
		output->last_len = output->line_len;
	}
	output->line_len = 0;
	output->is_line_over = false;
}

/* A progress display rewrites its line after a CR; CR LF ends a line as LF does. */
static void follow_byte(struct kt_output *output, char byte)
{
	if (byte == '\n') {
		end_line(output);
		return;
	}
	if (output->is_line_over) {
		output->is_line_over = false;
		output->line_len = 0;
	}
	if (byte == '\r')
		output->is_line_over = true;
	else if (output->line_len < sizeof(output->line))
		output->line[output->line_len++] = byte;
}

void kt_output_write(struct kt_output *output, const char *bytes, size_t len)
{
	output->total += len;
	keep_bytes(output, bytes, len);
	for (size_t i = 0; i < len; i++)
		follow_byte(output, bytes[i]);
}

/* Bytes of a terminal sequence at text (ESC [ ... letter, ESC ] ... BEL, ESC x); 0 when there is
 * none. */
static size_t sequence_length(const char *text, size_t left)
{
	size_t at = 2;

	if (text[0] != '\033')
		return 0;
	if (left < 2)
		return left;
	if (text[1] == '[') {
		while (at < left && (text[at] < '@' || text[at] > '~'))
			at++;
		return at < left ? at + 1 : left;
	}
	if (text[1] == ']') {
		while (at < left && text[at] != '\a' && text[at] != '\033')
			at++;
		return at < left && text[at] == '\a' ? at + 1 : at;
	}
	return 2;
}

static void append_shown(const char *text, size_t len, struct kt_buffer *out)
{
	for (size_t at = 0; at < len;) {
		size_t skip = sequence_length(text + at, len - at);
		size_t wide = skip == 0 ? kt_utf8_length(text + at, len - at) : 0;

		if (skip > 0)
			at += skip;
		else if (wide == 0 && len - at < 4 && len == KT_OUTPUT_LINE_MAX)
			break; /* cut by our own bound, in the middle of a character */
		else if (wide == 0)
			kt_buffer_putc(out, '?');
		else if (wide > 1 || ((unsigned char)text[at] >= ' ' && text[at] != 0x7f))
			kt_buffer_append(out, text + at, wide);
		else if (text[at] == '\t')
			kt_buffer_putc(out, ' ');
		if (skip == 0)
			at += wide > 0 ? wide : 1;
	}
}

void kt_output_last_line(const struct kt_output *output, struct kt_buffer *out)
{
	size_t before = out->len;

	append_shown(output->line, output->line_len, out);
	if (strspn(kt_buffer_text(out) + before, " ") == out->len - before) {
		if (out->data != NULL)
			out->data[before] = '\0';
		out->len = before;
		append_shown(output->last, output->last_len, out);
	}
}
