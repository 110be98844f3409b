/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/size.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char units[] = "KMGTPE";

/* The factor of a suffix, 0 if it is none. */
static uint64_t suffix_factor(const char *s)
{
	uint64_t base = 1024;
	uint64_t factor = 1;
	const char *unit;

	if (*s == '\0' || strcmp(s, "B") == 0)
		return 1;
	unit = strchr(units, toupper((unsigned char)*s));
	if (!unit)
		return 0;
	if (strcmp(s + 1, "B") == 0)
		base = 1000;
	else if (s[1] != '\0' && strcmp(s + 1, "i") != 0 && strcmp(s + 1, "iB") != 0)
		return 0;
	for (ptrdiff_t i = unit - units; i >= 0; i--)
		factor *= base;
	return factor;
}

/* Digits of a decimal fraction as `nominator / denominator`, at most six of them: beyond that a
 * size in TiB changes by less than a sector would matter to anybody who types a fraction. */
static const char *parse_fraction(const char *s, uint64_t *nominator, uint64_t *denominator)
{
	*nominator = 0;
	*denominator = 1;
	for (; isdigit((unsigned char)*s); s++) {
		if (*denominator >= 1000000)
			continue;
		*nominator = *nominator * 10 + (uint64_t)(*s - '0');
		*denominator *= 10;
	}
	return s;
}

bool bmr_size_parse(const char *text, uint64_t *bytes)
{
	uint64_t whole = 0;
	uint64_t nominator = 0;
	uint64_t denominator = 1;
	uint64_t factor;
	const char *s = text;

	if (!isdigit((unsigned char)*s))
		return false;
	for (; isdigit((unsigned char)*s); s++)
		if (!bmr_size_mul(whole, 10, &whole) ||
		    !bmr_size_add(whole, (uint64_t)(*s - '0'), &whole))
			return false;
	if (*s == '.') {
		if (!isdigit((unsigned char)s[1]))
			return false;
		s = parse_fraction(s + 1, &nominator, &denominator);
	}
	factor = suffix_factor(s);
	if (factor == 0 || (denominator > 1 && factor == 1))
		return false;
	if (!bmr_size_mul(whole, factor, &whole))
		return false;
	/* factor <= 2^60 and nominator < 10^6 < 2^20: 80 bits hold the product. */
	return bmr_size_add(whole, (uint64_t)((unsigned __int128)factor * nominator / denominator),
	                    bytes);
}

char *bmr_size_text(uint64_t bytes, char *buf, size_t len)
{
	double value = (double)bytes;
	int unit = -1;

	while (value >= 999.5 && unit < (int)sizeof units - 2) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, len, "%u B", (unsigned)bytes);
	else
		snprintf(buf, len, "%.*f %ciB",
		         value < 9.995   ? 2
		         : value < 99.95 ? 1
		                         : 0,
		         value, units[unit]);
	return buf;
}
