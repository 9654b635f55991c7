/*
 * A lease file with anything in it: none, or one that is written and read again without a change,
 * for its own work package only.
 */
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/lease.h"

static bool is_same_text(const char *left, const char *right)
{
	return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

static void check_same(const struct kt_lease *left, const struct kt_lease *right)
{
	KT_BUG_UNLESS(is_same_text(left->wp, right->wp) && is_same_text(left->lane, right->lane));
	KT_BUG_UNLESS(is_same_text(left->boot_id, right->boot_id) &&
		      is_same_text(left->since_head, right->since_head) &&
		      is_same_text(left->marker, right->marker));
	KT_BUG_UNLESS(left->attempt == right->attempt && left->worker_pid == right->worker_pid &&
		      left->worker_start_time == right->worker_start_time);
	KT_BUG_UNLESS(left->is_review == right->is_review && left->has_ended == right->has_ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_lease lease, again;
	struct kt_buffer text = KT_BUFFER_INIT;

	if (!kt_lease_parse((const char *)bytes, len, "WP01", &lease)) {
		KT_BUG_UNLESS(lease.wp == NULL && lease.marker == NULL);
		return 0;
	}
	KT_BUG_UNLESS(strcmp(lease.wp, "WP01") == 0 && strlen(lease.since_head) == 40);
	kt_lease_format(&lease, &text);
	KT_BUG_UNLESS(kt_lease_parse(text.data, text.len, "WP01", &again));
	check_same(&lease, &again);
	kt_lease_release(&again);
	KT_BUG_UNLESS(!kt_lease_parse(text.data, text.len, "WP02", &again));
	kt_lease_release(&again);
	kt_lease_release(&lease);
	kt_buffer_release(&text);
	return 0;
}
