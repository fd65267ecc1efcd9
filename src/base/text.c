/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "base/json_scan.h"

uint32_t text_code_point(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c = n == 1 ? s[0] : s[0] & (0xffU >> (n + 1));

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3f);
	return c;
}

static bool is_hidden(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0x00, 0x1f },	    { 0x7f, 0x9f },	{ 0xad, 0xad },	      { 0x61c, 0x61c },
		{ 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f },
		{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return true;
	return false;
}

size_t text_seen(const char *s, size_t avail)
{
	size_t n = (unsigned char)*s < 0x80 ? 1 : json_utf8_len(s, avail);

	return n > 0 && !is_hidden(text_code_point(s, n)) ? n : 0;
}

void text_visible(struct buf *b, const char *s, size_t len)
{
	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = text_seen(s + i, len - i);
		if (n)
			buf_add(b, s + i, n);
		else
			buf_printf(b, "\\x%02x", (unsigned char)s[i]);
	}
}
