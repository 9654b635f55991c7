/*
 * One line of the log with anything in it: it is classified or refused with a reason; what a
 * transition or an annotation holds can be written again, and the written row reads back the same.
 */
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/status/event.h"

static void expect_equal_rows(const struct kt_event *left, const struct kt_event *right)
{
	KT_BUG_UNLESS(left->kind == right->kind);
	KT_BUG_UNLESS(strcmp(left->event_id, right->event_id) == 0);
	KT_BUG_UNLESS(strcmp(left->wp_id, right->wp_id) == 0);
	KT_BUG_UNLESS(strcmp(left->at, right->at) == 0);
	KT_BUG_UNLESS(strcmp(left->actor, right->actor) == 0);
	if (left->kind != KT_EVENT_MOVE)
		return;
	KT_BUG_UNLESS(strcmp(left->mission_slug, right->mission_slug) == 0);
	KT_BUG_UNLESS(left->from == right->from && left->to == right->to);
	KT_BUG_UNLESS(left->force == right->force);
}

static void expect_reads_back(const struct kt_event *event, const struct kt_buffer *row)
{
	struct kt_event again;
	struct kt_error err = KT_ERROR_INIT;

	/* A row is one line. */
	KT_BUG_UNLESS(memchr(row->data, '\n', row->len) == row->data + row->len - 1);
	KT_BUG_UNLESS(kt_event_decode(row->data, row->len, &again, &err) == KT_E_OK);
	expect_equal_rows(event, &again);
	kt_event_release(&again);
}

static void write_move(const struct kt_event *event)
{
	const struct kt_move_row row = {.event_id = event->event_id,
		.mission_slug = event->mission_slug,
		.wp_id = event->wp_id,
		.at = event->at,
		.from = event->from,
		.to = event->to,
		.actor = event->actor,
		.force = event->force,
		.execution_mode = "worktree",
		.evidence = kt_json_get(event->row, "evidence"),
		.policy_metadata = kt_json_get(event->row, "policy_metadata"),
		.review_result = kt_json_get(event->row, "review_result")};
	struct kt_buffer out = KT_BUFFER_INIT;

	kt_move_row_encode(&row, &out);
	expect_reads_back(event, &out);
	kt_buffer_release(&out);
}

/* The writer is stricter than the reader: it may refuse, then it has written nothing. */
static void write_annotation(const struct kt_event *event)
{
	const struct kt_annotation_row row = {.event_id = event->event_id,
		.wp_id = event->wp_id,
		.at = event->at,
		.actor = event->actor,
		.delta = event->delta};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_annotation_row_encode(&row, &out, &err) == KT_E_OK)
		expect_reads_back(event, &out);
	else
		KT_BUG_UNLESS(out.len == 0);
	kt_buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_event event;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_event_decode((const char *)bytes, len, &event, &err) != KT_E_OK) {
		KT_BUG_UNLESS(err.code == KT_E_EVENT_INVALID && err.detail[0] != '\0');
		return 0;
	}
	if (event.kind == KT_EVENT_MOVE)
		write_move(&event);
	else if (event.kind == KT_EVENT_ANNOTATION)
		write_annotation(&event);
	kt_event_release(&event);
	return 0;
}
