/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parser_private.h"

#include "base/json_scan.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Lines, words and escapes. */

static int record(struct parser *ps, int code, unsigned int column, const char *fmt, va_list ap)
	FORMAT(4, 0);
static int record(struct parser *ps, int code, unsigned int column, const char *fmt, va_list ap)
{
	struct policy_fault f = { .line = ps->number, .column = column, .code = code };

	(void)vsnprintf(f.msg, sizeof(f.msg), fmt, ap);
	return buf_add(ps->faults, &f, sizeof(f)) ? code : -ENOMEM;
}

int fault_code(struct parser *ps, int code, unsigned int column, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = record(ps, code, column, fmt, ap);
	va_end(ap);
	return r;
}

int fault(struct parser *ps, size_t offset, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = record(ps, -EINVAL, ps->column + (unsigned int)offset, fmt, ap);
	va_end(ap);
	return r;
}

int text_check(struct parser *ps)
{
	const unsigned char *s = (const unsigned char *)ps->line;
	size_t n;

	for (size_t i = 0; i < ps->len; i += n) {
		unsigned int column = (unsigned int)i + 1;

		n = s[i] == '\t' ? 1 : text_seen(ps->line + i, ps->len - i);
		if (n > 0)
			continue;
		if (s[i] == '\r' && i + 1 == ps->len)
			return fault_code(ps, -EINVAL, column,
					  "carriage return: lines end with a newline alone");
		n = s[i] < 0x80 ? 1 : json_utf8_len(ps->line + i, ps->len - i);
		if (n == 0)
			return fault_code(ps, -EINVAL, column,
					  "byte %02x is no UTF-8: in a path write \\x%02x", s[i],
					  s[i]);
		return fault_code(ps, -EINVAL, column,
				  "character U+%04X can't be seen: in a path write its bytes as "
				  "\\xNN",
				  text_code_point(ps->line + i, n));
	}
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void text_next(struct parser *ps)
{
	size_t end;

	while (ps->at < ps->len && is_blank(ps->line[ps->at]))
		ps->at++;
	end = ps->at;
	if (end < ps->len && ps->line[end] == '#')
		ps->at = end = ps->len;
	while (end < ps->len && !is_blank(ps->line[end]))
		end++;
	ps->word = ps->line + ps->at;
	ps->word_len = end - ps->at;
	ps->column = (unsigned int)ps->at + 1;
	ps->at = end;
}

bool text_is(const struct parser *ps, const char *word)
{
	return strlen(word) == ps->word_len && memcmp(ps->word, word, ps->word_len) == 0;
}

bool text_more(const struct parser *ps)
{
	struct parser copy = *ps;

	text_next(&copy);
	return copy.word_len > 0;
}

const char *text_after(const struct parser *ps, const char *prefix)
{
	size_t n = strlen(prefix);

	return n <= ps->word_len && memcmp(ps->word, prefix, n) == 0 ? ps->word + n : NULL;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int text_plain(struct parser *ps, const char *s, size_t len, const char **ret, size_t *ret_len)
{
	char *out = arena_alloc(&ps->p->arena, len + 1);
	size_t n = 0;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		size_t at = (size_t)(s - ps->word) + i;

		if (strchr("*?[]{}", s[i]))
			return fault(ps, at,
				     "\"%c\" has no meaning here: patterns are an exact path, "
				     "dir/* and dir/**; for the character itself write \\x%02x",
				     s[i], (unsigned char)s[i]);
		if (s[i] != '\\') {
			out[n++] = s[i];
			continue;
		}
		if (len - i < 4 || s[i + 1] != 'x' || hex(s[i + 2]) < 0 || hex(s[i + 3]) < 0)
			return fault(ps, at, "\"\\\" stands only in \\xNN; write itself as \\x5c");
		out[n] = (char)(hex(s[i + 2]) << 4 | hex(s[i + 3]));
		if (!out[n++])
			return fault(ps, at, "no name holds a NUL");
		i += 3;
	}
	*ret = out;
	*ret_len = n;
	return 0;
}

bool parse_number(const char *s, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0 || (len > 1 && s[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned int)(unsigned char)s[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

bool parse_bytes(const char *s, size_t len, uint64_t *ret)
{
	static const char units[] = "KMGTkmgt";
	const char *unit = len > 0 ? memchr(units, s[len - 1], sizeof(units) - 1) : NULL;
	uint64_t v, factor = 1;

	if (unit) {
		factor = UINT64_C(1024) << 10 * ((unit - units) % 4);
		len--;
	}
	if (!parse_number(s, len, UINT64_MAX, &v) || __builtin_mul_overflow(v, factor, &v))
		return false;
	*ret = v;
	return true;
}
