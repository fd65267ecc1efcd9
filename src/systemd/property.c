/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/systemd.h"

#include "base/parse.h"

#include <string.h>

static int bad(struct err *e, const char *name)
{
	return err_set(e, EINVAL, "property %.64s: bad request", name);
}

/* Whole numbers by D-Bus type; the value fits, or the line was not written by cay. */
static int append_number(sd_bus_message *m, char type, const char *text)
{
	uint64_t u = 0;
	int64_t i = 0;

	if (strchr("nix", type) ? parse_i64(text, &i) < 0 : parse_u64(text, &u) < 0)
		return -EINVAL;
	switch (type) {
	case 'y':
		return u > UINT8_MAX ? -ERANGE : sd_bus_message_append(m, "y", (int)u);
	case 'q':
		return u > UINT16_MAX ? -ERANGE : sd_bus_message_append(m, "q", (int)u);
	case 'u':
		return u > UINT32_MAX ? -ERANGE : sd_bus_message_append(m, "u", (uint32_t)u);
	case 't':
		return sd_bus_message_append(m, "t", u);
	case 'n':
		return i < INT16_MIN || i > INT16_MAX ? -ERANGE
						      : sd_bus_message_append(m, "n", (int)i);
	case 'i':
		return i < INT32_MIN || i > INT32_MAX ? -ERANGE
						      : sd_bus_message_append(m, "i", (int32_t)i);
	case 'x':
		return sd_bus_message_append(m, "x", i);
	}
	return -EINVAL;
}

static int append_scalar(sd_bus_message *m, char type, const char *text)
{
	if (type == 'b')
		return sd_bus_message_append(m, "b", str_eq(text, "true"));
	if (strchr("sog", type))
		return sd_bus_message_append_basic(m, type, text);
	return append_number(m, type, text);
}

static int append_elements(sd_bus_message *m, char type, char *text)
{
	int r = 0;

	while (r >= 0 && text && *text) {
		char *tab = strchr(text, '\t');

		if (tab)
			*tab++ = '\0';
		r = append_scalar(m, type, text);
		text = tab;
	}
	return r;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int append_bytes(sd_bus_message *m, const char *text)
{
	unsigned char bytes[1024];
	size_t n = strlen(text) / 2;

	if (n > sizeof(bytes) || strlen(text) % 2)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i] = (unsigned char)(high << 4 | low);
	}
	return sd_bus_message_append_array(m, 'y', bytes, n);
}

static int append_value(sd_bus_message *m, const char *signature, char *text)
{
	const char type[2] = { signature[1], '\0' };
	int r;

	if (str_eq(signature, "ay"))
		return append_bytes(m, text);
	if (signature[0] != 'a')
		return append_scalar(m, signature[0], text);
	r = sd_bus_message_open_container(m, 'a', type);
	if (r >= 0)
		r = append_elements(m, type[0], text);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

/* b, s, t… or an array of one of them. */
static bool is_signature(const char *s)
{
	s += *s == 'a';
	return *s && strchr("bynqiuxtsog", *s) && !s[1];
}

int property_append(sd_bus_message *m, char *line, struct err *e)
{
	char *signature = strchr(line, ' '), *value;
	int r;

	if (!signature)
		return bad(e, line);
	*signature++ = '\0';
	value = strchr(signature, ' ');
	if (!value)
		return bad(e, line);
	*value++ = '\0';
	if (!*line || !is_signature(signature))
		return bad(e, line);
	r = sd_bus_message_open_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", line);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', signature);
	if (r >= 0)
		r = append_value(m, signature, value);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? bad(e, line) : 0;
}
