/*
 * Dependencies out of tasks.md, a text that people and agents write freely. Used by kitty only.
 * Never looks into fenced code and never decides whether a WP exists (validate.c does).
 */
#include "supervisor/mission/tasks_md.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ipc/buffer.h"

struct scan {
	const char *wp_id;
	struct kt_list *out;
	size_t section_level; /* of the heading of wp_id's section; 0 outside of it */
	bool in_bullets;      /* below "Dependencies" */
	bool in_code, has_said;
};

static size_t wp_id_len(const char *text)
{
	size_t digits = strncasecmp(text, "WP", 2) == 0 ? strspn(text + 2, "0123456789") : 0;

	return digits < 2 || digits + 2 > KT_WP_ID_MAX ? 0 : digits + 2;
}

static void add_id(struct scan *scan, const char *text, size_t len)
{
	char *id = kt_format("WP%.*s", (int)(len - 2), text + 2);

	if (kt_list_has(scan->out, id))
		free(id);
	else
		kt_list_push(scan->out, id);
	scan->has_said = true;
}

static bool starts_with(const char *text, const char *word)
{
	return strncasecmp(text, word, strlen(word)) == 0;
}

/* Ids separated by commas, blanks, "and" and decoration; stops at any other word. */
static bool add_ids(struct scan *scan, const char *text)
{
	bool has_any = false;

	while (*text != '\0') {
		size_t len = wp_id_len(text);

		if (len > 0) {
			add_id(scan, text, len);
			has_any = true;
			text += len;
		} else if (starts_with(text, "and")) {
			text += 3;
		} else if (strchr(" \t,;&+*`'\"[]()|:", *text) != NULL) {
			text++;
		} else {
			break;
		}
	}
	return has_any;
}

/* Behind bullets, bold marks, table bars and quotes. */
static const char *undecorated(const char *line)
{
	return line + strspn(line, " \t-*+|`_>");
}

static bool is_heading_of(const char *title, const char *wp_id)
{
	char id[32];
	const char *rest = title;

	if (starts_with(title, "Work Package ")) {
		size_t digits;

		rest = title + strlen("Work Package ");
		digits = strspn(rest, "0123456789");
		if (digits > 0 && digits < 5) {
			(void)snprintf(id, sizeof(id), "WP%02ld", strtol(rest, NULL, 10));
			return strcmp(id, wp_id) == 0;
		}
	}
	return wp_id_len(rest) == strlen(wp_id) && strncasecmp(rest, wp_id, strlen(wp_id)) == 0;
}

static bool is_heading_of_any(const char *title)
{
	const char *rest = title;

	if (starts_with(title, "Work Package "))
		rest = title + strlen("Work Package ");
	return wp_id_len(rest) > 0 || (rest != title && strspn(rest, "0123456789") > 0);
}

static void on_heading(struct scan *scan, size_t level, const char *title)
{
	title = undecorated(title);
	scan->in_bullets = false;
	if ((level == 2 || level == 3) && is_heading_of_any(title))
		scan->section_level = is_heading_of(title, scan->wp_id) ? level : 0;
	else if (scan->section_level > 0 && starts_with(title, "Dependencies"))
		scan->in_bullets = true;
	else if (level <= scan->section_level)
		scan->section_level = 0;
}

static bool says_none(const char *text)
{
	return starts_with(text, "none") || starts_with(text, "[]") ||
	       starts_with(text, "no deps") || starts_with(text, "no dependencies");
}

static bool on_label(struct scan *scan, const char *line)
{
	const char *rest = undecorated(line);

	if (!starts_with(rest, "Dependencies"))
		return false;
	rest += strlen("Dependencies");
	rest += strspn(rest, "*_` ");
	if (*rest != ':' && *rest != '|')
		return false;
	rest += strspn(rest, ":*_`| \t");
	if (says_none(rest))
		scan->has_said = true;
	else if (!add_ids(scan, rest))
		scan->in_bullets = true;
	return true;
}

static void on_text(struct scan *scan, const char *line)
{
	const char *phrase = strcasestr(line, "depends on ");
	const char *rest = undecorated(line);

	if (on_label(scan, line))
		return;
	if (scan->in_bullets && rest != line && wp_id_len(rest) > 0)
		add_id(scan, rest, wp_id_len(rest));
	else if (scan->in_bullets && says_none(rest))
		scan->has_said = true;
	else if (scan->in_bullets && *rest != '\0')
		scan->in_bullets = false;
	if (phrase != NULL)
		(void)add_ids(scan, phrase + strlen("depends on "));
}

static void on_line(struct scan *scan, const char *line)
{
	size_t level = strspn(line, "#");

	if (strncmp(line + strspn(line, " "), "```", 3) == 0 ||
		strncmp(line + strspn(line, " "), "~~~", 3) == 0) {
		scan->in_code = !scan->in_code;
		return;
	}
	if (scan->in_code)
		return;
	if (level > 0 && (line[level] == ' ' || line[level] == '\t'))
		on_heading(scan, level, line + level);
	else if (scan->section_level > 0)
		on_text(scan, line);
}

bool kt_tasks_md_dependencies(const char *text, const char *wp_id, struct kt_list *out)
{
	struct scan scan = {.wp_id = wp_id, .out = out};

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char *line = kt_strndup(text, len > 0 && text[len - 1] == '\r' ? len - 1 : len);

		on_line(&scan, line);
		free(line);
		text += len + (text[len] == '\n' ? 1 : 0);
	}
	return scan.has_said;
}
