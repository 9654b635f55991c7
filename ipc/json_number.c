/*
 * Numbers as Python prints them. Both programs. Pure.
 * Must never change the locale and never be called with text that breaks JSON's grammar.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json_tree.h"

#define DIGITS_MAX 17 /* a double never needs more */

static bool reads_back(const char *text, double value)
{
	return strtod(text, NULL) == value;
}

/*
 * Just above a power of two doubles lie twice as far apart as below it: there the digits nearest to
 * the value may miss it although the next ones up read back as it.
 */
static bool next_digits_read_back(char *text, double value)
{
	char *last = strchr(text, 'e') - 1;

	if (*last == '9')
		return false;
	*last = (char)(*last + 1);
	return reads_back(text, value);
}

/* The fewest significant digits that read back as value, in the form d.ddde[+-]xx. */
static void shortest_digits(double value, char text[KT_NUMBER_TEXT_MAX])
{
	for (int digits = 0; digits < DIGITS_MAX; digits++) {
		(void)snprintf(text, KT_NUMBER_TEXT_MAX, "%.*e", digits, value);
		if (reads_back(text, value) || next_digits_read_back(text, value))
			return;
	}
}

/* Fixed notation: the digits with the point after position + 1 of them, zeros filled in. */
static void write_fixed(char *out, const char *digits, int position)
{
	int count = (int)strlen(digits);
	size_t len = 0;

	if (position < 0)
		len = (size_t)sprintf(out, "0.%.*s", -position - 1, "0000000000000000");
	for (int i = 0; i < count || i <= position; i++) {
		out[len++] = (char)(i < count ? digits[i] : '0');
		if (i == position)
			out[len++] = '.';
	}
	if (out[len - 1] == '.')
		out[len++] = '0';
	out[len] = '\0';
}

static void write_exponent(char *out, const char *digits, int exponent)
{
	const char *point = digits[1] == '\0' ? "" : ".";

	(void)snprintf(out, KT_NUMBER_TEXT_MAX - 1, "%c%s%se%c%02d", digits[0], point, digits + 1,
		exponent < 0 ? '-' : '+', abs(exponent));
}

void kt_number_repr(double value, char out[KT_NUMBER_TEXT_MAX])
{
	char text[KT_NUMBER_TEXT_MAX], digits[DIGITS_MAX + 1] = "";
	size_t len = 0;
	int exponent;

	shortest_digits(fabs(value), text);
	for (const char *c = text; *c != 'e'; c++)
		if (*c != '.')
			digits[len++] = *c;
	digits[len] = '\0';
	exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	if (signbit(value))
		*out++ = '-';
	if (exponent >= -4 && exponent < 16)
		write_fixed(out, digits, exponent);
	else
		write_exponent(out, digits, exponent);
}

static void copy_integer(const char *text, size_t len, char out[KT_NUMBER_TEXT_MAX])
{
	if (len == 2 && text[0] == '-' && text[1] == '0') {
		text++;
		len = 1;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

bool kt_number_canonical(const char *text, size_t len, char out[KT_NUMBER_TEXT_MAX])
{
	char copy[KT_NUMBER_TEXT_MAX];
	double value;

	if (len >= KT_NUMBER_TEXT_MAX)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (strpbrk(copy, ".eE") == NULL) {
		copy_integer(copy, len, out);
		return true;
	}
	value = strtod(copy, NULL);
	if (!isfinite(value))
		return false;
	kt_number_repr(value, out);
	return true;
}
