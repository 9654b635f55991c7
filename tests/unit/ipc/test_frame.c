/*
 * The frame codec: every way to cut a stream, every way to break a header, every message name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kitty/json.h>
#include <kitty/limits.h>

#include "ipc/frame.h"
#include "ipc/message.h"

#define FRAMES 3

static struct kt_buffer three_frames(void)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	for (unsigned i = 0; i < FRAMES; i++) {
		struct kt_json *body = kt_json_new_object();

		kt_json_set_int(body, "n", i);
		assert_int_equal(kt_frame_encode((uint16_t)(4 + i), 0x0102030405060708U + i,
					 i == 1 ? NULL : body, &out, &err),
			KT_E_OK);
		kt_json_free(body);
	}
	return out;
}

/* Takes all frames there are, checking each against its number. */
static unsigned take_all(struct kt_frame_decoder *decoder, unsigned next)
{
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = true;

	while (has_frame) {
		struct kt_frame frame = KT_FRAME_INIT;

		assert_int_equal(kt_frame_decoder_next(decoder, &frame, &has_frame, &err), KT_E_OK);
		if (!has_frame)
			break;
		assert_int_equal(frame.type, 4 + next);
		assert_true(frame.request_id == 0x0102030405060708U + next);
		assert_int_equal(kt_json_size(frame.body), next == 1 ? 0 : 1);
		next++;
		kt_frame_release(&frame);
	}
	return next;
}

static void three_frames_survive_every_pair_of_cuts(void **state)
{
	struct kt_buffer bytes = three_frames();

	(void)state;
	for (size_t first = 0; first <= bytes.len; first++) {
		for (size_t second = first; second <= bytes.len; second++) {
			struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
			unsigned next = 0;

			kt_frame_decoder_feed(&decoder, bytes.data, first);
			next = take_all(&decoder, next);
			kt_frame_decoder_feed(&decoder, bytes.data + first, second - first);
			next = take_all(&decoder, next);
			kt_frame_decoder_feed(&decoder, bytes.data + second, bytes.len - second);
			next = take_all(&decoder, next);
			assert_int_equal(next, FRAMES);
			assert_int_equal(kt_frame_decoder_pending(&decoder), 0);
			kt_frame_decoder_release(&decoder);
		}
	}
	kt_buffer_release(&bytes);
}

static void the_header_is_big_endian(void **state)
{
	static const unsigned char expected[] = {
		0, 0, 0, 2, 0, 5, 0, 1, 1, 2, 3, 4, 5, 6, 7, 9, '{', '}'};
	struct kt_buffer bytes = three_frames();

	(void)state;
	assert_memory_equal(
		bytes.data + KT_FRAME_HEADER + strlen("{\"n\": 0}"), expected, sizeof expected);
	kt_buffer_release(&bytes);
}

static void assert_fails(const void *bytes, size_t len, enum kt_code expected)
{
	struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
	struct kt_buffer good = three_frames();
	struct kt_frame frame = KT_FRAME_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = false;

	kt_frame_decoder_feed(&decoder, bytes, len);
	assert_int_equal(kt_frame_decoder_next(&decoder, &frame, &has_frame, &err), expected);
	assert_false(has_frame);
	/* Good frames later do not heal it. */
	kt_frame_decoder_feed(&decoder, good.data, good.len);
	assert_int_equal(kt_frame_decoder_next(&decoder, &frame, &has_frame, &err), expected);
	assert_false(has_frame);
	assert_null(frame.body);
	kt_buffer_release(&good);
	kt_frame_decoder_release(&decoder);
}

static void a_malformed_frame_fails_the_decoder_for_good(void **state)
{
	static const char too_long[] = "\0\x10\0\1\0\4\0\1\0\0\0\0\0\0\0\1";
	static const char longest[] = "\xff\xff\xff\xff\0\4\0\1\0\0\0\0\0\0\0\1";
	static const char version[] = "\0\0\0\2\0\4\0\2\0\0\0\0\0\0\0\1{}";
	static const char text[] = "\0\0\0\2\0\4\0\1\0\0\0\0\0\0\0\1{x";
	static const char array[] = "\0\0\0\2\0\4\0\1\0\0\0\0\0\0\0\1[]";
	static const char empty[] = "\0\0\0\0\0\4\0\1\0\0\0\0\0\0\0\1";
	static const char twice[] = "\0\0\0\15\0\4\0\1\0\0\0\0\0\0\0\1{\"a\":1,\"a\":2}";
	static const char tail[] = "\0\0\0\3\0\4\0\1\0\0\0\0\0\0\0\1{}x";

	(void)state;
	assert_fails(too_long, KT_FRAME_HEADER, KT_E_FRAME_TOO_LARGE);
	assert_fails(longest, KT_FRAME_HEADER, KT_E_FRAME_TOO_LARGE);
	assert_fails(version, sizeof version - 1, KT_E_PROTOCOL_VERSION);
	assert_fails(text, sizeof text - 1, KT_E_FRAME_INVALID);
	assert_fails(array, sizeof array - 1, KT_E_FRAME_INVALID);
	assert_fails(empty, KT_FRAME_HEADER, KT_E_FRAME_INVALID);
	assert_fails(twice, sizeof twice - 1, KT_E_FRAME_INVALID);
	assert_fails(tail, sizeof tail - 1, KT_E_FRAME_INVALID);
}

static struct kt_json *body_of_size(size_t size)
{
	struct kt_json *body = kt_json_new_object();
	size_t fill = size - strlen("{\"a\": \"\"}");
	char *text = malloc(fill + 1);

	memset(text, 'x', fill);
	text[fill] = '\0';
	kt_json_set_string(body, "a", text);
	free(text);
	return body;
}

static void a_body_of_exactly_the_limit_passes_and_one_more_byte_does_not(void **state)
{
	struct kt_json *fits = body_of_size(KT_FRAME_MAX), *large = body_of_size(KT_FRAME_MAX + 1);
	struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_frame frame = KT_FRAME_INIT;
	bool has_frame = false;

	(void)state;
	assert_int_equal(kt_frame_encode(4, 1, large, &out, &err), KT_E_FRAME_TOO_LARGE);
	assert_int_equal(out.len, 0);
	assert_int_equal(kt_frame_encode(4, 1, fits, &out, &err), KT_E_OK);
	kt_frame_decoder_feed(&decoder, out.data, out.len);
	assert_int_equal(kt_frame_decoder_next(&decoder, &frame, &has_frame, &err), KT_E_OK);
	assert_true(has_frame && kt_json_equal(frame.body, fits));
	kt_frame_release(&frame);
	kt_frame_decoder_release(&decoder);
	kt_buffer_release(&out);
	kt_json_free(fits);
	kt_json_free(large);
}

static void random_bytes_never_break_the_decoder(void **state)
{
	struct kt_buffer good = three_frames();
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
		struct kt_error err = KT_ERROR_INIT;
		bool has_frame = true;
		size_t at;

		seed = seed * 6364136223846793005U + 1442695040888963407U;
		at = (size_t)(seed >> 33) % good.len;
		kt_frame_decoder_feed(&decoder, good.data, at);
		kt_frame_decoder_feed(&decoder, &(char){(char)(seed >> 24)}, 1);
		kt_frame_decoder_feed(&decoder, good.data + at + 1, good.len - at - 1);
		while (has_frame) {
			struct kt_frame frame = KT_FRAME_INIT;

			if (kt_frame_decoder_next(&decoder, &frame, &has_frame, &err) != KT_E_OK)
				assert_false(has_frame);
			kt_frame_release(&frame);
		}
		kt_frame_decoder_release(&decoder);
	}
	kt_buffer_release(&good);
}

static void requests_are_even_and_their_answers_follow(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 100; type++) {
		if (!kt_message_is_known(type)) {
			assert_string_equal(kt_message_name(type), "unknown");
			assert_int_equal(kt_message_answer_of(type), 0);
			continue;
		}
		assert_int_equal(kt_message_find(kt_message_name(type)), type);
		if (type % 2 == 1)
			assert_true(kt_message_is_request(type - 1));
		else if (kt_message_is_request(type))
			assert_int_equal(kt_message_answer_of(type), type + 1);
	}
	assert_false(kt_message_is_request(KT_MSG_EXITED));
	assert_false(kt_message_is_request(KT_MSG_APPEND_ANSWER));
	assert_int_equal(kt_message_answer_of(KT_MSG_APPEND_REQUEST), KT_MSG_APPEND_ANSWER);
	assert_int_equal(kt_message_find("no-such"), 0);
}

static void senders_are_checked_by_the_table(void **state)
{
	(void)state;
	assert_true(kt_message_may_come_from(KT_MSG_APPEND_REQUEST, KT_FROM_CLIENT));
	assert_false(kt_message_may_come_from(KT_MSG_RUN_REQUEST, KT_FROM_CLIENT));
	assert_false(kt_message_may_come_from(KT_MSG_RUN_REQUEST, KT_FROM_WORKER));
	assert_true(kt_message_may_come_from(KT_MSG_LANE_REQUEST, KT_FROM_WORKER));
	assert_false(kt_message_may_come_from(999, KT_FROM_SUPERVISOR));
}

static void an_error_travels_with_code_detail_and_next_step(void **state)
{
	struct kt_error sent = KT_ERROR_INIT, received = KT_ERROR_INIT;
	struct kt_json *body;

	(void)state;
	(void)kt_error_sys(&sent, KT_E_BOOKKEEPING_LOCK_TIMEOUT, 13, "pid %d", 42);
	kt_error_next(&sent, "kill %d", 42);
	body = kt_message_error_encode(&sent);
	assert_true(kt_message_error_decode(body, &received));
	assert_int_equal(received.code, KT_E_BOOKKEEPING_LOCK_TIMEOUT);
	assert_string_equal(received.detail, "pid 42: Permission denied");
	assert_string_equal(kt_error_next_step(&received), "kill 42");
	kt_json_set_string(kt_json_get(body, "error"), "code", "CODE_OF_THE_FUTURE");
	assert_true(kt_message_error_decode(body, &received));
	assert_int_equal(received.code, KT_E_INTERNAL);
	kt_json_set_string(kt_json_get(body, "error"), "code", "OK");
	assert_true(kt_message_error_decode(body, &received));
	assert_int_equal(received.code, KT_E_INTERNAL);
	kt_json_remove(body, "error");
	assert_false(kt_message_error_decode(body, &received));
	kt_json_free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_frames_survive_every_pair_of_cuts),
		cmocka_unit_test(the_header_is_big_endian),
		cmocka_unit_test(a_malformed_frame_fails_the_decoder_for_good),
		cmocka_unit_test(a_body_of_exactly_the_limit_passes_and_one_more_byte_does_not),
		cmocka_unit_test(random_bytes_never_break_the_decoder),
		cmocka_unit_test(requests_are_even_and_their_answers_follow),
		cmocka_unit_test(senders_are_checked_by_the_table),
		cmocka_unit_test(an_error_travels_with_code_detail_and_next_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
