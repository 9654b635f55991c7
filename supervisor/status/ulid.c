/*
 * ULIDs and ISO-8601 times as text. Pure: the clock and the randomness come from the caller.
 */
#include <stdio.h>
#include <string.h>

#include "supervisor/status/event.h"

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
enum { ULID_LEN = 26, TIME_LEN = 10 };
#define YEAR_9999_MS UINT64_C(253402300799999)

/* Never asked for NUL, which would be found behind the last digit. */
static int digit_value(char digit)
{
	const char *at = strchr(crockford, digit);

	return at == NULL ? -1 : (int)(at - crockford);
}

bool kt_ulid_is_valid(const char *text)
{
	size_t len = 0;

	while (text != NULL && text[len] != '\0' && len <= ULID_LEN && digit_value(text[len]) >= 0)
		len++;
	return len == ULID_LEN && text[len] == '\0';
}

void kt_ulid_format(uint64_t ms, const unsigned char random[10], char out[27])
{
	unsigned bits = 0, held = 0;
	size_t at = 10;

	for (size_t i = 0; i < 10; i++)
		out[9 - i] = crockford[(ms >> (5 * i)) & 31];
	for (size_t i = 0; i < 10; i++) {
		bits = bits << 8 | random[i];
		held += 8;
		for (; held >= 5; held -= 5)
			out[at++] = crockford[bits >> (held - 5) & 31];
	}
	out[ULID_LEN] = '\0';
}

uint64_t kt_ulid_time(const char *text)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < TIME_LEN; i++)
		ms = ms << 5 | (uint64_t)digit_value(text[i]);
	return ms < YEAR_9999_MS ? ms : YEAR_9999_MS;
}

bool kt_ulid_successor(const char *text, char out[27])
{
	size_t at = ULID_LEN;

	if (!kt_ulid_is_valid(text))
		return false;
	memcpy(out, text, ULID_LEN + 1);
	while (at-- > 0) {
		int value = digit_value(out[at]);

		if (value < 31) {
			out[at] = crockford[value + 1];
			return true;
		}
		out[at] = crockford[0];
	}
	return false;
}

/* ---- times: days since the epoch by the proleptic Gregorian calendar ---- */

static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = yoe + era * 400 + (*month <= 2 ? 1 : 0);
}

void kt_time_format(int64_t microseconds, char out[33])
{
	int64_t seconds = microseconds / 1000000, fraction = microseconds % 1000000;
	int64_t days = 0, rest = 0, year = 0, month = 0, day = 0;
	char parts[64] = "";
	int len = 0;

	if (fraction < 0) {
		fraction += 1000000;
		seconds--;
	}
	days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
	rest = seconds - days * 86400;
	civil_from_days(days, &year, &month, &day);
	len = snprintf(parts, sizeof parts, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, (int)month,
		(int)day, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
	if (fraction != 0)
		len += snprintf(parts + len, sizeof parts - (size_t)len, ".%06d", (int)fraction);
	(void)snprintf(parts + len, sizeof parts - (size_t)len, "+00:00");
	memcpy(out, parts, 32);
	out[32] = '\0';
}

/* Reads exactly `count` digits; -1 when there are fewer. */
static int64_t read_digits(const char **text, int count)
{
	int64_t value = 0;

	for (int i = 0; i < count; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return -1;
		value = value * 10 + (**text - '0');
	}
	return value;
}

static bool read_char(const char **text, const char *any)
{
	if (**text == '\0' || strchr(any, **text) == NULL)
		return false;
	(*text)++;
	return true;
}

static int64_t read_fraction(const char **text)
{
	int64_t value = 0, scale = 100000;

	if (!read_char(text, ".,"))
		return 0;
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		value += (**text - '0') * scale;
		scale /= 10;
	}
	return value;
}

static bool read_offset(const char **text, int64_t *seconds)
{
	int64_t sign = **text == '-' ? -1 : 1, hours = 0, minutes = 0;

	*seconds = 0;
	if (**text == '\0' || read_char(text, "Zz"))
		return true;
	if (!read_char(text, "+-"))
		return false;
	hours = read_digits(text, 2);
	(void)read_char(text, ":");
	minutes = **text == '\0' ? 0 : read_digits(text, 2);
	*seconds = sign * (hours * 3600 + minutes * 60);
	return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

static bool is_in_range(const int64_t part[6])
{
	static const int smallest[6] = {0, 1, 1, 0, 0, 0};
	static const int greatest[6] = {9999, 12, 31, 23, 59, 60}; /* leap seconds exist */

	int64_t year = 0, month = 0, day = 0;

	for (int i = 0; i < 6; i++)
		if (part[i] < smallest[i] || part[i] > greatest[i])
			return false;
	/* The 31st of April would come back as another day. */
	civil_from_days(days_from_civil(part[0], part[1], part[2]), &year, &month, &day);
	return day == part[2];
}

bool kt_time_parse(const char *text, int64_t *microseconds)
{
	int64_t part[6], fraction = 0, offset = 0;
	static const int widths[6] = {4, 2, 2, 2, 2, 2};
	static const char *const separators[6] = {"-", "-", "Tt ", ":", ":", ""};

	for (int i = 0; i < 6; i++) {
		part[i] = read_digits(&text, widths[i]);
		if (part[i] < 0 || (i < 5 && !read_char(&text, separators[i])))
			return false;
	}
	fraction = read_fraction(&text);
	if (!read_offset(&text, &offset) || *text != '\0' || !is_in_range(part))
		return false;
	*microseconds = (days_from_civil(part[0], part[1], part[2]) * 86400 + part[3] * 3600 +
				part[4] * 60 + part[5] - offset) *
				1000000 +
			fraction;
	return true;
}
