/*
 * SHA-1 (FIPS 180-4) in portable C, and with x86 SHA instructions where the processor has them.
 * Pure but for the one-time look at the processor.
 */
#include "supervisor/git/sha1.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#define HAS_X86 1
#else
#define HAS_X86 0
#endif

typedef void (*blocks_fn)(uint32_t state[5], const unsigned char *bytes, size_t count);

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

static uint32_t big_endian(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* One round; the caller rotates the names, so that no register is ever copied. */
#define ROUND(a, b, c, d, e, f, k, w) \
	do { \
		(e) += rotate(a, 5) + (f) + (k) + (w); \
		(b) = rotate(b, 30); \
	} while (0)
#define CHOOSE(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define PARITY(b, c, d) ((b) ^ (c) ^ (d))
#define MAJORITY(b, c, d) (((b) & (c)) | ((d) & ((b) | (c))))
#define FIVE(F, k, w) \
	do { \
		ROUND(a, b, c, d, e, F(b, c, d), k, (w)[0]); \
		ROUND(e, a, b, c, d, F(a, b, c), k, (w)[1]); \
		ROUND(d, e, a, b, c, F(e, a, b), k, (w)[2]); \
		ROUND(c, d, e, a, b, F(d, e, a), k, (w)[3]); \
		ROUND(b, c, d, e, a, F(c, d, e), k, (w)[4]); \
	} while (0)
#define TWENTY(F, k, w) \
	do { \
		FIVE(F, k, w); \
		FIVE(F, k, (w) + 5); \
		FIVE(F, k, (w) + 10); \
		FIVE(F, k, (w) + 15); \
	} while (0)

/* Eighty rounds, written out by macros. NOLINTBEGIN(*-function-size,*-cognitive-complexity) */
static void blocks_portable(uint32_t state[5], const unsigned char *bytes, size_t count)
{
	uint32_t w[80];

	for (; count > 0; count--, bytes += 64) {
		uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

		for (size_t i = 0; i < 16; i++)
			w[i] = big_endian(bytes + 4 * i);
		for (size_t i = 16; i < 80; i++)
			w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
		TWENTY(CHOOSE, 0x5a827999U, w);
		TWENTY(PARITY, 0x6ed9eba1U, w + 20);
		TWENTY(MAJORITY, 0x8f1bbcdcU, w + 40);
		TWENTY(PARITY, 0xca62c1d6U, w + 60);
		state[0] += a;
		state[1] += b;
		state[2] += c;
		state[3] += d;
		state[4] += e;
	}
}

#if HAS_X86
/* Four rounds on m0; m1..m3 are the next message words, prepared on the way. */
#define QUAD(e_in, e_out, m0, constant) \
	do { \
		(e_in) = _mm_sha1nexte_epu32(e_in, m0); \
		(e_out) = abcd; \
		abcd = _mm_sha1rnds4_epu32(abcd, e_in, constant); \
	} while (0)
#define SCHEDULE(m0, m1, m2, m3) \
	do { \
		(m0) = _mm_sha1msg1_epu32(m0, m1); \
		(m0) = _mm_xor_si128(m0, m2); \
		(m0) = _mm_sha1msg2_epu32(m0, m3); \
	} while (0)
#define QUAD_SCHEDULE(e_in, e_out, m0, m1, m2, m3, constant) \
	do { \
		QUAD(e_in, e_out, m0, constant); \
		SCHEDULE(m0, m1, m2, m3); \
	} while (0)

__attribute__((target("sha,ssse3,sse4.1"))) static __m128i load_words(
	const unsigned char *bytes, __m128i order)
{
	__m128i words;

	memcpy(&words, bytes, sizeof words);
	return _mm_shuffle_epi8(words, order);
}

__attribute__((target("sha,ssse3,sse4.1"))) static void blocks_hardware(
	uint32_t state[5], const unsigned char *bytes, size_t count)
{
	const __m128i order = _mm_set_epi64x(0x0001020304050607LL, 0x08090a0b0c0d0e0fLL);
	__m128i abcd, e0, e1, abcd_saved, e_saved, m0, m1, m2, m3;

	memcpy(&abcd, state, sizeof abcd);
	abcd = _mm_shuffle_epi32(abcd, 0x1b);
	e0 = _mm_set_epi32((int)state[4], 0, 0, 0);
	for (; count > 0; count--, bytes += 64) {
		abcd_saved = abcd;
		e_saved = e0;
		m0 = load_words(bytes, order);
		m1 = load_words(bytes + 16, order);
		m2 = load_words(bytes + 32, order);
		m3 = load_words(bytes + 48, order);
		e0 = _mm_add_epi32(e0, m0);
		e1 = abcd;
		abcd = _mm_sha1rnds4_epu32(abcd, e0, 0);
		SCHEDULE(m0, m1, m2, m3);
		QUAD_SCHEDULE(e1, e0, m1, m2, m3, m0, 0);
		QUAD_SCHEDULE(e0, e1, m2, m3, m0, m1, 0);
		QUAD_SCHEDULE(e1, e0, m3, m0, m1, m2, 0);
		QUAD_SCHEDULE(e0, e1, m0, m1, m2, m3, 0);
		QUAD_SCHEDULE(e1, e0, m1, m2, m3, m0, 1);
		QUAD_SCHEDULE(e0, e1, m2, m3, m0, m1, 1);
		QUAD_SCHEDULE(e1, e0, m3, m0, m1, m2, 1);
		QUAD_SCHEDULE(e0, e1, m0, m1, m2, m3, 1);
		QUAD_SCHEDULE(e1, e0, m1, m2, m3, m0, 1);
		QUAD_SCHEDULE(e0, e1, m2, m3, m0, m1, 2);
		QUAD_SCHEDULE(e1, e0, m3, m0, m1, m2, 2);
		QUAD_SCHEDULE(e0, e1, m0, m1, m2, m3, 2);
		QUAD_SCHEDULE(e1, e0, m1, m2, m3, m0, 2);
		QUAD_SCHEDULE(e0, e1, m2, m3, m0, m1, 2);
		QUAD_SCHEDULE(e1, e0, m3, m0, m1, m2, 3);
		QUAD(e0, e1, m0, 3);
		QUAD(e1, e0, m1, 3);
		QUAD(e0, e1, m2, 3);
		QUAD(e1, e0, m3, 3);
		e0 = _mm_sha1nexte_epu32(e0, e_saved);
		abcd = _mm_add_epi32(abcd, abcd_saved);
	}
	abcd = _mm_shuffle_epi32(abcd, 0x1b);
	memcpy(state, &abcd, sizeof abcd);
	state[4] = (uint32_t)_mm_extract_epi32(e0, 3);
}

/* NOLINTEND(*-function-size,*-cognitive-complexity) */

static bool has_hardware(void)
{
	unsigned a = 0, b = 0, c = 0, d = 0;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & 1U << 29) != 0 &&
	       __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}
#endif

static blocks_fn blocks;

void kt_sha1_allow_hardware(bool allow)
{
	blocks = blocks_portable;
#if HAS_X86
	if (allow && has_hardware())
		blocks = blocks_hardware;
#else
	(void)allow;
#endif
}

void kt_sha1_init(struct kt_sha1 *sha)
{
	static const uint32_t start[5] = {
		0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U, 0xc3d2e1f0U};

	if (blocks == NULL)
		kt_sha1_allow_hardware(true);
	memcpy(sha->state, start, sizeof start);
	sha->total = 0;
}

void kt_sha1_update(struct kt_sha1 *sha, const void *bytes, size_t len)
{
	const unsigned char *from = bytes;
	size_t held = (size_t)(sha->total % 64);

	sha->total += len;
	if (held > 0) {
		size_t take = len < 64 - held ? len : 64 - held;

		memcpy(sha->pending + held, from, take);
		from += take;
		len -= take;
		if (held + take < 64)
			return;
		blocks(sha->state, sha->pending, 1);
	}
	if (len >= 64)
		blocks(sha->state, from, len / 64);
	if (len % 64 > 0)
		memcpy(sha->pending, from + len / 64 * 64, len % 64);
}

void kt_sha1_final(struct kt_sha1 *sha, struct kt_oid *out)
{
	static const unsigned char padding[64] = {0x80};
	uint64_t bits = sha->total * 8;
	size_t held = (size_t)(sha->total % 64);
	unsigned char length[8];

	for (size_t i = 0; i < 8; i++)
		length[i] = (unsigned char)(bits >> (56 - 8 * i));
	kt_sha1_update(sha, padding, held < 56 ? 56 - held : 120 - held);
	kt_sha1_update(sha, length, sizeof length);
	for (size_t i = 0; i < 20; i++)
		out->bytes[i] = (unsigned char)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}

void kt_object_hash(const char *type, const void *bytes, size_t len, struct kt_oid *out)
{
	struct kt_sha1 sha;
	char header[40];
	int header_len = snprintf(header, sizeof header, "%s %zu", type, len);

	kt_sha1_init(&sha);
	kt_sha1_update(&sha, header, (size_t)header_len + 1);
	kt_sha1_update(&sha, bytes, len);
	kt_sha1_final(&sha, out);
}
