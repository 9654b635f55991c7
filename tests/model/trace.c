/*
 * Reads a trace. Part of the acceptor; pure but for the one file.
 */
#include "model/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool step_of(const char *name, enum model_step *out)
{
	for (enum model_step step = 0; step < STEPS; step++)
		if (strcmp(kt_model_step_name(step), name) == 0) {
			*out = step;
			return true;
		}
	return false;
}

/* "id,id:v" */
static bool read_request(const char *text, struct trace_request *out)
{
	const char *colon = strrchr(text, ':');
	size_t len = strcspn(text, ",:");

	if (colon == NULL || strchr("-bone", colon[1]) == NULL || colon[2] != '\0' ||
		len >= TRACE_ID_MAX)
		return false;
	memcpy(out->id, text, len);
	out->id[len] = '\0';
	out->verdict = colon[1];
	return true;
}

static bool read_line(char *text, struct trace_line *out)
{
	char *rest = NULL, *word[5], *request = NULL;

	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < 5; i++)
		word[i] = strtok_r(i == 0 ? text : NULL, " \n", &rest);
	if (word[4] == NULL || !step_of(word[1], &out->from) || !step_of(word[2], &out->to) ||
		strlen(word[3]) != 40 || strlen(word[4]) != 40)
		return false;
	out->pid = strtol(word[0], NULL, 10);
	memcpy(out->tip, word[3], sizeof out->tip);
	memcpy(out->new_tip, word[4], sizeof out->new_tip);
	while ((request = strtok_r(NULL, " \n", &rest)) != NULL) {
		if (out->requests_len == TRACE_REQUESTS_MAX ||
			!read_request(request, &out->request[out->requests_len++]))
			return false;
	}
	return true;
}

static void add(struct trace *trace, const struct trace_line *line)
{
	if ((trace->len & (trace->len + 1)) == 0) {
		trace->lines = realloc(trace->lines, 2 * (trace->len + 1) * sizeof *trace->lines);
		if (trace->lines == NULL)
			abort();
	}
	trace->lines[trace->len++] = *line;
}

/* The line before this one of the same process. */
static struct trace_line *previous(struct trace *trace, size_t before, long pid)
{
	while (before-- > 0)
		if (trace->lines[before].pid == pid)
			return &trace->lines[before];
	return NULL;
}

/* "heal sync" and "sync gate" are "heal gate". */
static void join(struct trace *trace)
{
	size_t kept = 0;

	for (size_t i = 0; i < trace->len; i++) {
		struct trace_line line = trace->lines[i];
		struct trace_line *held = NULL;

		if (line.from == AT_SYNC)
			held = previous(trace, kept, line.pid);
		if (held != NULL && held->to == AT_SYNC) {
			line.from = held->from;
			memmove(held, held + 1,
				(size_t)(trace->lines + kept - held - 1) * sizeof *held);
			kept--;
		}
		trace->lines[kept++] = line;
	}
	trace->len = kept;
}

static void mark_last(struct trace *trace)
{
	for (size_t i = 0; i < trace->len; i++) {
		struct trace_line *before = previous(trace, i, trace->lines[i].pid);

		if (before != NULL)
			before->is_last = false;
		trace->lines[i].is_last = true;
	}
}

bool kt_trace_read(const char *path, struct trace *out)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	bool is_good = file != NULL;

	if (file == NULL)
		perror(path);
	while (is_good && getline(&text, &size, file) > 0) {
		struct trace_line line;

		is_good = read_line(text, &line);
		if (is_good)
			add(out, &line);
		else
			(void)fprintf(stderr, "line %zu is no line of a trace\n", out->len + 1);
	}
	free(text);
	if (file != NULL)
		(void)fclose(file);
	join(out);
	mark_last(out);
	return is_good;
}

void kt_trace_free(struct trace *trace)
{
	free(trace->lines);
	*trace = (struct trace){NULL, 0};
}
