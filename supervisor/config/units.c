/*
 * Numbers with units, as people write them: durations in Go's style, sizes in bytes. Used by kitty
 * only. Pure; never guesses a unit that is not there (a bare number is refused, but 0).
 */
#include <stdint.h>
#include <string.h>

#include "supervisor/config/settings.h"

struct unit {
	const char *name;
	long long factor;
};

static const struct unit durations[] = {
	{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};

static const struct unit sizes[] = {{"B", 1}, {"KiB", 1LL << 10}, {"MiB", 1LL << 20},
	{"GiB", 1LL << 30}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {NULL, 0}};

#define AMOUNT_MAX 1000000000000LL

/* One "12h" at *text, which is moved behind it. */
static bool part_parse(const char **text, const struct unit *units, long long *sum)
{
	size_t digits = strspn(*text, "0123456789");
	size_t letters =
		strspn(*text + digits, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	long long amount = 0;

	if (digits == 0 || digits > 12)
		return false;
	for (size_t i = 0; i < digits; i++)
		amount = amount * 10 + ((*text)[i] - '0');
	for (; units->name != NULL; units++) {
		if (strlen(units->name) == letters &&
			strncmp(*text + digits, units->name, letters) == 0)
			break;
	}
	if (units->name == NULL || amount > AMOUNT_MAX / units->factor)
		return false;
	*sum += amount * units->factor;
	*text += digits + letters;
	return *sum <= AMOUNT_MAX;
}

static bool parts_parse(const char *text, const struct unit *units, long long *out)
{
	long long sum = 0;

	if (strcmp(text, "0") == 0) {
		*out = 0;
		return true;
	}
	if (*text == '\0')
		return false;
	while (*text != '\0') {
		if (!part_parse(&text, units, &sum))
			return false;
	}
	*out = sum;
	return true;
}

bool kt_duration_parse(const char *text, long long *milliseconds)
{
	return parts_parse(text, durations, milliseconds);
}

bool kt_bytes_parse(const char *text, long long *bytes)
{
	return parts_parse(text, sizes, bytes);
}
