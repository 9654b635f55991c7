/*
 * kitty-stress-agent: an agent that reports as fast as it gets answers. `kitty launch` starts it in
 * a lane; it sends its events over the lane's socket, one at a time, and writes down every
 * submission and every acknowledgement. After a kill it goes on from its record and sends the
 * unacknowledged event again under the same id.
 *
 * With --baseline REPOSITORY WP the same events go through `git add` and `git commit` under a flock
 * instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/client.h"
#include "ipc/message.h"
#include "stress/record.h"
#include "stress/run.h"
#include "supervisor/status/event.h"

enum { KT_AGENT_ANSWER_MS = 60000, KT_AGENT_TOGETHER_MS = 60000, KT_AGENT_PATIENCE_MS = 100 };

struct agent {
	const char *records; /* folder of the record files */
	const char *wp;
	uint64_t seed;
	size_t events, together;
	const char *until;   /* goes on until this file is there; NULL: all events */
	unsigned long pause; /* ms between two events */
	bool is_patient;     /* sends a refused event again */
	int record_fd;
	struct kt_record record; /* as read at the start */
	/* One of the two ways to write an event. */
	struct kt_client *client;
	const char *repo;
};

static const char *need(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		kt_run_die("%s is not set", name);
	return value;
}

static void configure(struct agent *agent)
{
	const char *pause = getenv("SPEC_KITTY_STRESS_PAUSE_MS");

	agent->records = need("SPEC_KITTY_STRESS_RECORDS");
	agent->seed = strtoull(need("SPEC_KITTY_STRESS_SEED"), NULL, 10);
	agent->events = strtoul(need("SPEC_KITTY_STRESS_EVENTS"), NULL, 10);
	agent->together = strtoul(need("SPEC_KITTY_STRESS_TOGETHER"), NULL, 10);
	agent->until = getenv("SPEC_KITTY_STRESS_UNTIL");
	agent->pause = pause ? strtoul(pause, NULL, 10) : 0;
	agent->is_patient = getenv("SPEC_KITTY_STRESS_PATIENT") != NULL;
}

/* Two agents in one lane at the same time would be a broken promise: written down, not survived. */
static void note_overlap(const struct agent *agent)
{
	char *path = kt_format("%s/overlaps", agent->records);
	char *line = kt_format("%s has two agents, one is %d\n", agent->wp, (int)getpid());
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		kt_run_die("%s", path);
	kt_run_die("%s", line);
}

static void open_record(struct agent *agent)
{
	char *path = kt_record_path(agent->records, agent->wp);

	agent->record_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (agent->record_fd < 0)
		kt_run_die("%s: %s", path, strerrorname_np(errno));
	if (flock(agent->record_fd, LOCK_EX | LOCK_NB) != 0)
		note_overlap(agent);
	kt_record_read(agent->records, agent->wp, &agent->record);
	free(path);
}

/* All agents begin at once: each leaves a file and waits for the others', for a minute at most. */
static void wait_for_others(const struct agent *agent)
{
	char *mine = kt_format("%s/%s.ready", agent->records, agent->wp);
	int64_t until = kt_run_now_ns() + (int64_t)KT_AGENT_TOGETHER_MS * 1000000;
	size_t ready = 0;

	kt_run_write_file(mine, "", 0);
	free(mine);
	while (ready < agent->together && kt_run_now_ns() < until) {
		char *other = kt_format("%s/WP%02zu.ready", agent->records, ready + 1);
		struct stat facts;
		if (stat(other, &facts) == 0)
			ready++;
		else
			kt_run_pause_ms(2);
		free(other);
	}
}

static struct kt_json *note_delta(const struct agent *agent, size_t number)
{
	struct kt_buffer note = KT_BUFFER_INIT;
	struct kt_json *delta = kt_json_new_object();

	kt_record_note(agent->seed, agent->wp, number, &note);
	kt_json_set_string(delta, "note", kt_buffer_text(&note));
	kt_buffer_release(&note);
	return delta;
}

static struct kt_json *annotation(const struct agent *agent, size_t number, const char *event_id)
{
	struct kt_json *request = kt_json_new_object();
	struct kt_json *ops = kt_json_new_array();
	struct kt_json *op = kt_json_new_object();

	kt_json_set_string(op, "op", "annotate");
	kt_json_set_string(op, "wp", agent->wp);
	kt_json_set_string(op, "actor", "stress");
	kt_json_set(op, "delta", note_delta(agent, number));
	kt_json_set_string(op, "event_id", event_id);
	kt_json_append(ops, op);
	kt_json_set(request, "ops", ops);
	return request;
}

/* The supervisor is gone: the worker is about to stop us, and ending by ourselves would say
 * something untrue. */
KT_NORETURN static void wait_for_the_end(const struct kt_error *err)
{
	(void)fprintf(stderr, "stress agent: %s: %s\n", kt_error_text(err->code), err->detail);
	kt_run_pause_ms(15000);
	kt_run_die("nobody stopped this agent");
}

/* A refusal: waits and returns when the event shall be sent again, else does not return. */
static void take_refusal(const struct agent *agent, size_t number, const struct kt_error *err)
{
	if (err->code == KT_E_SUPERVISOR_ABSENT || err->code == KT_E_INTERRUPTED ||
		err->code == KT_E_OUTCOME_UNKNOWN)
		wait_for_the_end(err);
	if (!agent->is_patient)
		kt_run_die("event %zu of %s was refused: %s: %s", number, agent->wp,
			kt_error_text(err->code), err->detail);
	kt_run_pause_ms(KT_AGENT_PATIENCE_MS);
}

/* Sends one event and waits for its receipt; commit gets the receipt's commit. */
static void send_event(struct agent *agent, size_t number, const char *event_id, char commit[41])
{
	struct kt_json *request = annotation(agent, number, event_id);
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;
	const char *sha = NULL;

	for (bool is_refused = true; is_refused;) {
		kt_json_free(outcome);
		if (kt_client_call(agent->client, KT_MSG_APPEND_REQUEST, request,
			    KT_AGENT_ANSWER_MS, &outcome, &err) != KT_E_OK)
			wait_for_the_end(&err);
		is_refused = kt_message_error_decode(outcome, &err);
		if (is_refused)
			take_refusal(agent, number, &err);
	}
	sha = kt_json_get_string(kt_json_get(outcome, "receipt"), "commit_sha");
	if (!sha)
		kt_run_die("event %zu of %s has no receipt", number, agent->wp);
	(void)snprintf(commit, 41, "%s", sha);
	kt_json_free(outcome);
	kt_json_free(request);
}

/* The same event as a row, appended and committed by git. */
static void commit_event(struct agent *agent, size_t number, const char *event_id, char commit[41])
{
	struct kt_json *delta = note_delta(agent, number);
	struct kt_annotation_row row = {
		event_id, agent->wp, "2026-01-01T00:00:00+00:00", "stress", delta};
	struct kt_buffer line = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	int lock = open(".git/baseline.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	int log = -1;

	if (kt_annotation_row_encode(&row, &line, &err) != KT_E_OK)
		kt_run_die("%s", err.detail);
	if (lock < 0 || flock(lock, LOCK_EX) != 0)
		kt_run_die("no lock");
	log = open("log.jsonl", O_WRONLY | O_APPEND | O_CLOEXEC);
	if (log < 0 || write(log, line.data, line.len) != (ssize_t)line.len)
		kt_run_die("log.jsonl cannot be written");
	(void)close(log);
	KT_RUN(agent->repo, "git", "add", "log.jsonl");
	KT_RUN(agent->repo, "git", "commit", "-q", "-m", "chore: WP note");
	(void)close(lock);
	memset(commit, '0', 40);
	commit[40] = '\0';
	kt_buffer_release(&line);
	kt_json_free(delta);
}

static void do_event(struct agent *agent, size_t number)
{
	char id[27];
	char commit[41];

	if (number < agent->record.len)
		(void)snprintf(id, sizeof id, "%s", agent->record.events[number].event_id);
	else
		kt_record_event_id(agent->seed, agent->wp, number, id);
	kt_record_submitted(agent->record_fd, number, id);
	if (agent->repo)
		commit_event(agent, number, id, commit);
	else
		send_event(agent, number, id, commit);
	kt_record_acknowledged(agent->record_fd, number, id, commit);
}

static bool is_called_in(const struct agent *agent)
{
	return agent->until && access(agent->until, F_OK) == 0;
}

/* From the first event that was not acknowledged to the last. */
static void do_events(struct agent *agent)
{
	size_t number = agent->record.len;

	if (number > 0 && !agent->record.events[number - 1].commit[0])
		number--;
	for (; number < agent->events && !is_called_in(agent); number++) {
		do_event(agent, number);
		if (agent->pause > 0)
			kt_run_pause_ms((int64_t)agent->pause);
	}
}

/* One file of work, so that the work package goes to review. */
static void leave_work(const struct agent *agent)
{
	unsigned long number = strtoul(agent->wp + 2, NULL, 10);
	char *path = kt_format("src/part%02lu.c", number);
	char *text = kt_format(
		"int part_%lu(void);\n\nint part_%lu(void)\n{\n\treturn -1; /* %s was here */\n}\n",
		number - 1, number - 1, agent->wp);

	kt_run_write_file(path, text, strlen(text));
	free(path);
	free(text);
}

/* The first agent sends few events, the last one twice as many as the average. */
static void stagger(struct agent *agent)
{
	size_t number = strtoul(agent->wp + 2, NULL, 10);
	const char *lanes = getenv("SPEC_KITTY_STRESS_STAGGER");

	if (lanes)
		agent->events = 2 * agent->events * number / strtoul(lanes, NULL, 10);
}

static void connect_lane(struct agent *agent)
{
	struct kt_json *hello = kt_json_new_object();
	struct kt_error err = KT_ERROR_INIT;

	kt_json_set_string(hello, "role", "lane");
	kt_json_set_string(hello, "mission", need("SPEC_KITTY_MISSION"));
	if (kt_client_open(need("SPEC_KITTY_SOCKET"), hello, &agent->client, &err) != KT_E_OK)
		wait_for_the_end(&err);
	kt_json_free(hello);
}

int main(int argc, char **argv)
{
	struct agent agent = {.record_fd = -1};

	configure(&agent);
	if (argc == 4 && strcmp(argv[1], "--baseline") == 0) {
		agent.repo = argv[2];
		agent.wp = argv[3];
	} else {
		agent.wp = need("SPEC_KITTY_WP");
		connect_lane(&agent);
	}
	open_record(&agent);
	stagger(&agent);
	if (agent.together > 0)
		wait_for_others(&agent);
	do_events(&agent);
	if (!agent.repo)
		leave_work(&agent);
	kt_client_close(agent.client);
	kt_record_release(&agent.record);
	(void)close(agent.record_fd);
	return 0;
}
