/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_scan.h"

#include <stdbool.h>
#include <string.h>

struct scanner {
	const char *text;
	size_t len, at;
};

/* Behind the end every look-ahead sees a NUL. */
static unsigned char peek(const struct scanner *s, size_t ahead)
{
	return ahead < s->len - s->at ? (unsigned char)s->text[s->at + ahead] : 0;
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

size_t json_utf8_len(const char *text, size_t avail)
{
	unsigned char s[4] = { 0 };
	size_t n;

	memcpy(s, text, avail < sizeof(s) ? avail : sizeof(s));
	if (s[0] > 0xf4 || (s[0] >= 0x80 && s[0] < 0xc2))
		return 0;
	n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies above U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* From the opening quote to behind the closing one; an open end is json-c's to report. */
static const char *scan_string(struct scanner *s)
{
	bool has_nul = false;

	s->at++;
	while (s->at < s->len && peek(s, 0) != '"') {
		unsigned char c = peek(s, 0);
		size_t n = 1;

		if (c < 0x20)
			return "control character in a string";
		if (c == '\\') {
			has_nul |= s->len - s->at >= 6 && !memcmp(s->text + s->at, "\\u0000", 6);
			n = 2;
		} else if (c >= 0x80) {
			n = json_utf8_len(s->text + s->at, s->len - s->at);
		}
		if (!n)
			return "not valid UTF-8";
		s->at += n < s->len - s->at ? n : s->len - s->at;
	}
	if (s->at < s->len)
		s->at++;
	while (has_nul && s->at < s->len && strchr(" \t\r\n", s->text[s->at]))
		s->at++;
	return has_nul && peek(s, 0) == ':' ? "NUL in the name of a member" : NULL;
}

static size_t scan_digits(struct scanner *s)
{
	size_t n = 0;

	while (is_digit(peek(s, 0))) {
		s->at++;
		n++;
	}
	return n;
}

/* json-c saturates what doesn't fit, which would turn a typing error into "unlimited". */
static bool int_fits(const char *digits, size_t n, bool negative)
{
	const char *max = negative ? "9223372036854775808" : "18446744073709551615";
	size_t max_n = strlen(max);

	return n < max_n || (n == max_n && memcmp(digits, max, n) <= 0);
}

static const char *scan_number(struct scanner *s)
{
	static const char malformed[] = "malformed number";
	bool negative = peek(s, 0) == '-', whole = true;
	const char *digits;
	size_t n;

	s->at += negative;
	digits = s->text + s->at;
	n = scan_digits(s);
	if (!n || (n > 1 && digits[0] == '0'))
		return malformed;
	if (peek(s, 0) == '.') {
		s->at++;
		whole = false;
		if (!scan_digits(s))
			return malformed;
	}
	if (peek(s, 0) == 'e' || peek(s, 0) == 'E') {
		s->at += peek(s, 1) == '+' || peek(s, 1) == '-' ? 2 : 1;
		whole = false;
		if (!scan_digits(s))
			return malformed;
	}
	return whole && !int_fits(digits, n, negative) ? "number does not fit in 64 bits" : NULL;
}

const char *json_scan(const char *text, size_t len, size_t *ret_at, struct json_counts *ret)
{
	struct json_counts n = { 0 };
	struct scanner s = { .text = text, .len = len };

	while (s.at < s.len) {
		unsigned char c = peek(&s, 0);
		const char *fault = NULL;
		size_t start = s.at;

		if (c == '"')
			fault = scan_string(&s);
		else if (c == '-' || is_digit(c))
			fault = scan_number(&s);
		else if (c == '\'' || c == 'N' || c == 'I')
			fault = "not a JSON value";
		else
			s.at++;
		n.members += c == ':';
		n.gaps += c == ',';
		if (fault) {
			*ret_at = start;
			return fault;
		}
	}
	*ret = n;
	return NULL;
}
