/*
 * kitty-crash-batch MISSION FILE: twenty requests handed to one writer at once, so that they become
 * one batch: what the supervisor does when twenty lanes speak in the same moment, in a process that
 * kitty-crash can kill. FILE gets the id of every request that was acknowledged, one a line.
 * Running it again sends the same twenty. Exit 0: all were acknowledged.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/transaction/writer.h"

enum { REQUESTS = 20 };

struct submission {
	char id[32];
	int fd;
	bool is_acknowledged;
};

static void on_outcome(const struct kt_json *outcome, void *arg)
{
	struct submission *submission = arg;
	struct kt_error err = KT_ERROR_INIT;
	char line[40];
	int len = snprintf(line, sizeof line, "%s\n", submission->id);

	if (kt_outcome_code(outcome, &err) != KT_E_OK) {
		(void)fprintf(stderr, "%s: %s\n", submission->id, err.detail);
		return;
	}
	submission->is_acknowledged = true;
	if (kt_file_write_all(submission->fd, line, (size_t)len) != 0)
		exit(2);
}

static void submit(struct kt_writer *writer, struct submission *submission, int number)
{
	struct kt_json *request = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object();
	struct kt_json *op = NULL;

	(void)snprintf(submission->id, sizeof submission->id, "01KSPTVW0000000000000B%04d", number);
	kt_json_set_string(delta, "note", "one of twenty");
	op = kt_request_add_annotation(request, number % 2 ? "WP01" : "WP02", "claude", delta);
	kt_json_set_string(op, "event_id", submission->id);
	kt_writer_submit(writer, request, NULL, on_outcome, submission);
	kt_json_free(request);
}

static int run(struct kt_writer *writer, int fd)
{
	struct submission all[REQUESTS] = {0};
	int acknowledged = 0;

	for (int i = 0; i < REQUESTS; i++) {
		all[i].fd = fd;
		submit(writer, &all[i], i);
	}
	kt_writer_finish(writer);
	for (int i = 0; i < REQUESTS; i++)
		acknowledged += all[i].is_acknowledged;
	return acknowledged == REQUESTS ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct kt_repository *repo = NULL;
	struct kt_mission *mission = NULL;
	struct kt_writer *writer = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int fd = argc == 3 ? open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	int status = 1;

	if (fd < 0)
		return 2;
	if (kt_repository_find(".", &repo, &err) == KT_E_OK &&
		kt_mission_resolve(repo, argv[1], NULL, &mission, NULL, &err) == KT_E_OK) {
		struct kt_writer_options options = {.repo = repo,
			.mission = mission,
			.holder_command = "kitty-crash-batch",
			.program = "kitty",
			.hold_lock = true};

		if (kt_writer_new(&options, &writer, &err) == KT_E_OK)
			status = run(writer, fd);
	}
	if (writer == NULL)
		(void)fprintf(stderr, "%s\n", err.detail);
	kt_writer_free(writer);
	kt_mission_free(mission);
	kt_repository_free(repo);
	return status;
}
