/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/units.h"

#include "base/auto.h"
#include "base/parse.h"

#include <ctype.h>
#include <string.h>

/* A decimal number as whole and millionths, so that no floating point rounds. */
struct decimal {
	uint64_t whole, millionths;
};

enum { MILLION = 1000000 };

static int take_decimal(const char **s, struct decimal *ret)
{
	struct decimal d = { 0 };
	uint64_t place = MILLION / 10;
	const char *p = *s;
	bool any = false;

	for (; isdigit((unsigned char)*p); p++, any = true)
		if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
		    __builtin_add_overflow(d.whole, (uint64_t)(*p - '0'), &d.whole))
			return -ERANGE;
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p); p++, any = true, place /= 10)
			d.millionths += (uint64_t)(*p - '0') * place;
	if (!any)
		return -EINVAL;
	*s = p;
	*ret = d;
	return 0;
}

static int scale(const struct decimal *d, uint64_t unit, uint64_t *ret)
{
	uint64_t whole, part;

	if (__builtin_mul_overflow(d->whole, unit, &whole) ||
	    __builtin_mul_overflow(d->millionths, unit, &part) ||
	    __builtin_add_overflow(whole, part / MILLION, ret))
		return -ERANGE;
	return 0;
}

int unit_bytes(const char *s, int64_t *ret)
{
	static const char units[] = "kmgtp";
	struct decimal d;
	const char *at;
	uint64_t v;
	int shift = 0, r = take_decimal(&s, &d);

	if (r < 0)
		return r;
	s += *s == ' ';
	at = *s ? strchr(units, tolower((unsigned char)*s)) : NULL;
	if (at) {
		shift = 10 * (int)(at - units + 1);
		s++;
	}
	s += *s == 'i' || *s == 'I';
	s += *s == 'b' || *s == 'B';
	if (*s)
		return -EINVAL;
	r = scale(&d, UINT64_C(1) << shift, &v);
	if (r < 0 || v > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)v;
	return 0;
}

/* Longest names first: "ms" is no minute. */
static const struct duration_unit {
	const char *name;
	uint64_t ns;
} duration_units[] = {
	{ "ns", 1 },	     { "us", 1000 },	   { "\xc2\xb5s", 1000 },  { "ms", 1000000 },
	{ "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 },
};

static int take_unit(const char **s, uint64_t *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(duration_units); i++)
		if (str_starts(*s, duration_units[i].name)) {
			*s += strlen(duration_units[i].name);
			*ret = duration_units[i].ns;
			return 0;
		}
	return -EINVAL;
}

int unit_duration_ms(const char *s, uint64_t *ret)
{
	uint64_t ns = 0;

	if (str_eq(s, "0")) {
		*ret = 0;
		return 0;
	}
	if (!*s)
		return -EINVAL;
	while (*s) {
		struct decimal d;
		uint64_t unit = 0, part = 0;
		int r = take_decimal(&s, &d);

		if (r == 0)
			r = take_unit(&s, &unit);
		if (r == 0)
			r = scale(&d, unit, &part);
		if (r < 0)
			return r;
		if (__builtin_add_overflow(ns, part, &ns) || ns > INT64_MAX)
			return -ERANGE;
	}
	*ret = ns == 0 ? 0 : ns < 1000000 ? 1 : ns / 1000000;
	return 0;
}
