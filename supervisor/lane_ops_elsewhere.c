/*
 * Commits that an agent made in its worktree, but not on its lane: read from the worktree's own
 * reflog. Runs in short-lived helper processes. Read-only; a reflog that is not there
 * (core.logAllRefUpdates=false) tells nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/file.h"
#include "supervisor/lane_ops_private.h"

#define REFLOG_MAX (16 << 20)
#define TIPS_MAX 32
#define ID_LEN 40

struct walk {
	const char *branch;
	bool is_elsewhere; /* HEAD is not on the lane's branch at this line */
	bool has_tip;
	char tip[ID_LEN + 1];
	char *tips[TIPS_MAX];
	size_t len;
};

static void keep_tip(struct walk *walk)
{
	if (walk->has_tip && walk->len < TIPS_MAX)
		walk->tips[walk->len++] = kt_strdup(walk->tip);
	walk->has_tip = false;
}

static bool makes_commit(const char *message)
{
	static const char *const VERBS[] = {
		"commit", "cherry-pick", "merge", "revert", "am", "pull"};

	for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++)
		if (strncmp(message, VERBS[i], strlen(VERBS[i])) == 0)
			return true;
	return false;
}

/* One line: "<old> <new> name <mail> time zone\tmessage". */
static void read_line(struct walk *walk, const char *line)
{
	static const char MOVING[] = "checkout: moving from ";
	const char *message = strchr(line, '\t');

	if (message == NULL || strlen(line) < 2 * ID_LEN + 2)
		return;
	message++;
	if (strncmp(message, MOVING, sizeof(MOVING) - 1) == 0) {
		const char *to = strstr(message, " to ");

		keep_tip(walk);
		walk->is_elsewhere = to == NULL || strcmp(to + 4, walk->branch) != 0;
	} else if (walk->is_elsewhere && makes_commit(message)) {
		memcpy(walk->tip, line + ID_LEN + 1, ID_LEN);
		walk->tip[ID_LEN] = '\0';
		walk->has_tip = true;
	}
}

static void read_reflog(struct walk *walk, const char *git_dir)
{
	char *path = kt_format("%s/logs/HEAD", git_dir);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;

	if (kt_file_read(path, REFLOG_MAX, &text, &ignored) == KT_E_OK && text.len > 0)
		for (char *line = text.data; line != NULL && *line != '\0';) {
			char *end = strchr(line, '\n');

			if (end != NULL)
				*end++ = '\0';
			read_line(walk, line);
			line = end;
		}
	keep_tip(walk);
	kt_buffer_release(&text);
	free(path);
}

static void split_lines(char *text, struct kt_json *array)
{
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest))
		kt_json_append(array, kt_json_new_string(line));
}

struct kt_json *kt_lane_commits_elsewhere(const struct kt_lane_place *place, const char *since)
{
	struct walk walk = {.branch = place->branch};
	struct kt_json *array = kt_json_new_array();
	struct kt_error ignored = KT_ERROR_INIT;
	const char *args[TIPS_MAX + 8] = {"rev-list", "--no-walk", "--ignore-missing"};
	size_t len = 3;
	char *text = NULL;

	if (place->facts.git_dir != NULL)
		read_reflog(&walk, place->facts.git_dir);
	for (size_t i = 0; i < walk.len; i++)
		args[len++] = walk.tips[i];
	args[len++] = "--not";
	args[len++] = place->ref;
	args[len++] = since; /* NULL ends the list one earlier */
	if (walk.len > 0 &&
		kt_lane_git_text(place->worktree, args, &text, NULL, &ignored) == KT_E_OK)
		split_lines(text, array);
	free(text);
	for (size_t i = 0; i < walk.len; i++)
		free(walk.tips[i]);
	return array;
}
