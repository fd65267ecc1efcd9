/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/json_scan.h"

#include <inttypes.h>
#include <string.h>

static void put_char(struct json_out *o, char c)
{
	buf_add(o->b, &c, 1);
}

static void new_line(struct json_out *o)
{
	if (!o->pretty)
		return;
	put_char(o, '\n');
	for (int i = 0; i < o->depth; i++)
		put_char(o, '\t');
}

static void put_escape(struct json_out *o, unsigned char c)
{
	static const char named[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};

	if (c == '"' || c == '\\')
		buf_printf(o->b, "\\%c", c);
	else if (c < sizeof(named) && named[c])
		buf_printf(o->b, "\\%c", named[c]);
	else
		buf_printf(o->b, "\\u%04x", c);
}

/* Bytes that are not UTF-8 become U+FFFD: the output must stay JSON. */
static void put_string(struct json_out *o, const char *s)
{
	const char *end = s + strlen(s);

	put_char(o, '"');
	while (s < end) {
		size_t n = 0;

		while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
			n++;
		if (!n && (unsigned char)*s >= 0x80)
			n = json_utf8_len(s, (size_t)(end - s));
		if (n)
			buf_add(o->b, s, n);
		else if ((unsigned char)*s < 0x80)
			put_escape(o, (unsigned char)*s);
		else
			buf_str(o->b, "\xef\xbf\xbd");
		s += n ? n : 1;
	}
	put_char(o, '"');
}

/* All that stands in front of a value. */
static void begin(struct json_out *o, const char *key)
{
	if (o->comma)
		put_char(o, ',');
	if (o->depth)
		new_line(o);
	if (key) {
		put_string(o, key);
		buf_str(o->b, o->pretty ? ": " : ":");
	}
	o->comma = true;
}

void jo_open(struct json_out *o, const char *key, char bracket)
{
	begin(o, key);
	put_char(o, bracket);
	o->depth++;
	o->comma = false;
}

void jo_close(struct json_out *o, char bracket)
{
	o->depth--;
	if (o->comma)
		new_line(o);
	put_char(o, bracket);
	o->comma = true;
}

void jo_str(struct json_out *o, const char *key, const char *value)
{
	begin(o, key);
	if (value)
		put_string(o, value);
	else
		buf_str(o->b, "null");
}

void jo_int(struct json_out *o, const char *key, int64_t value)
{
	begin(o, key);
	buf_printf(o->b, "%" PRId64, value);
}

void jo_uint(struct json_out *o, const char *key, uint64_t value)
{
	begin(o, key);
	buf_printf(o->b, "%" PRIu64, value);
}

void jo_bool(struct json_out *o, const char *key, bool value)
{
	begin(o, key);
	buf_str(o->b, value ? "true" : "false");
}

void jo_raw(struct json_out *o, const char *key, const char *json_text)
{
	begin(o, key);
	buf_str(o->b, json_text);
}
