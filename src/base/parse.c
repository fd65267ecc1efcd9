/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"

#include <errno.h>
#include <string.h>

static int parse_base(const char *s, unsigned int base, uint64_t *ret)
{
	uint64_t v = 0;

	if (!s || !*s)
		return -EINVAL;
	for (; *s; s++) {
		unsigned int digit = (unsigned int)(unsigned char)*s - '0';

		if (digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int parse_u64(const char *s, uint64_t *ret)
{
	return parse_base(s, 10, ret);
}

int parse_i64(const char *s, int64_t *ret)
{
	bool minus = s && *s == '-';
	uint64_t v;
	int r = parse_u64(minus ? s + 1 : s, &v);

	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + (minus ? 1 : 0))
		return -ERANGE;
	*ret = minus ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int parse_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = parse_u64(s, &v);

	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int parse_octal(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = parse_base(s, 8, &v);

	if (r < 0)
		return r;
	if (v > 07777)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

/* One number of a list, up to '-', ',' or the end. */
static int list_number(const char **s, uint32_t limit, uint32_t *ret)
{
	uint64_t v = 0;

	if (**s < '0' || **s > '9')
		return -EINVAL;
	for (; **s >= '0' && **s <= '9'; ++*s) {
		v = v * 10 + (uint64_t)(**s - '0');
		if (v >= limit)
			return -ERANGE;
	}
	*ret = (uint32_t)v;
	return 0;
}

static int list_range(const char **s, uint32_t limit, uint32_t *ret_first, uint32_t *ret_last)
{
	int r = list_number(s, limit, ret_first);

	*ret_last = *ret_first;
	if (r == 0 && **s == '-') {
		++*s;
		r = list_number(s, limit, ret_last);
	}
	if (r < 0)
		return r;
	return *ret_last < *ret_first || (**s && **s != ',') ? -EINVAL : 0;
}

/* The first pass only looks, so that a faulty list sets nothing. */
int parse_list(const char *s, unsigned char *bits, uint32_t nbits)
{
	uint32_t first = 0, last = 0;

	for (int pass = 0; pass < 2; pass++) {
		const char *p = s;

		do {
			int r = p ? list_range(&p, nbits, &first, &last) : -EINVAL;

			if (r < 0)
				return r;
			for (uint32_t i = first; pass && i <= last; i++)
				bits[i / 8] |= (unsigned char)(1U << (i % 8));
		} while (*p++ == ',');
	}
	return 0;
}

bool str_eq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

const char *str_after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_starts(const char *s, const char *prefix)
{
	return str_after(s, prefix) != NULL;
}

bool path_is_clean(const char *path)
{
	const char *p = path;

	if (!p || *p != '/')
		return false;
	while (*p) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
	}
	return true;
}
