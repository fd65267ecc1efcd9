/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parser_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ADDRESS[/BITS]:PORT[-PORT] */

static bool has_bits_behind(const struct pattern *f)
{
	uint32_t size = f->family == AF_INET ? 32 : 128;

	for (uint32_t i = f->bits; i < size; i++)
		if (f->addr[i / 8] & (0x80U >> (i % 8)))
			return true;
	return false;
}

static bool is_zero(const struct pattern *f)
{
	static const uint8_t zero[16];

	return memcmp(f->addr, zero, sizeof(zero)) == 0;
}

/* Text of an address to a pattern of its full length. */
static bool read_address(const char *s, size_t len, int family, struct pattern *f)
{
	char text[64];

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	f->match = MATCH_ADDR;
	f->family = family;
	f->bits = family == AF_INET ? 32 : 128;
	return inet_pton(family, text, f->addr) == 1;
}

/* @len bytes: ADDRESS[/BITS] without the brackets of IPv6, whose bits stand behind them */
static int parse_address(struct parser *ps, const char *s, size_t len, const char *bits,
			 size_t bits_len, int family, struct pattern *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct pattern f = { 0 };
	size_t at = (size_t)(s - ps->word);
	uint64_t v;

	if (!read_address(s, len, family, &f))
		return fault(ps, at, "\"%.*s\" is no %s address", (int)(len > 64 ? 64 : len), s,
			     family == AF_INET ? "IPv4" : "IPv6");
	if (bits) {
		if (ps->question || !parse_number(bits, bits_len, f.bits, &v))
			return fault(ps, (size_t)(bits - ps->word), "%s",
				     ps->question
					     ? "a question is about one address"
					     : "bits must be a number up to 32, or 128 for IPv6");
		f.bits = (uint32_t)v;
	}
	if (has_bits_behind(&f))
		return fault(ps, at, "the address has bits behind the first %u", f.bits);
	if (family == AF_INET6 && f.bits >= 96 && memcmp(f.addr, mapped, sizeof(mapped)) == 0 &&
	    !ps->question)
		return fault(ps, at, "this is an IPv4 address: write it as one");
	f.rank = f.bits + 1;
	*ret = f;
	return 0;
}

static int parse_port(struct parser *ps, const char *colon, struct pattern *ret)
{
	const char *end = ps->word + ps->word_len;

	if (colon == end || *colon != ':')
		return fault(ps, (size_t)(colon - ps->word),
			     "the port is missing: ADDRESS:PORT, ADDRESS:PORT-PORT or ADDRESS:*");
	return parse_range_part(ps, colon + 1, (size_t)(end - colon) - 1, 65535, ret);
}

static int parse_v6(struct parser *ps, struct pattern f[2])
{
	const char *end = ps->word + ps->word_len;
	const char *close = memchr(ps->word, ']', ps->word_len), *colon, *bits = NULL;
	int r;

	if (!close)
		return fault(ps, 0, "\"]\" is missing");
	colon = close + 1;
	if (colon < end && *colon == '/') {
		bits = colon + 1;
		colon = memchr(bits, ':', (size_t)(end - bits));
		if (!colon)
			colon = end;
	}
	r = parse_address(ps, ps->word + 1, (size_t)(close - ps->word) - 1, bits,
			  bits ? (size_t)(colon - bits) : 0, AF_INET6, &f[0]);
	return r < 0 ? r : parse_port(ps, colon, &f[1]);
}

static int parse_v4(struct parser *ps, struct pattern f[2])
{
	const char *end = ps->word + ps->word_len, *bits;
	const char *colon = memchr(ps->word, ':', ps->word_len);
	int r = 0;

	if (!colon)
		colon = end;
	else if (memchr(colon + 1, ':', (size_t)(end - colon) - 1))
		return fault(ps, 0, "an IPv6 address stands in brackets: [::1]:443");
	bits = memchr(ps->word, '/', (size_t)(colon - ps->word));
	if (colon - ps->word == 1 && ps->word[0] == '*' && !ps->question)
		f[0] = (struct pattern){ 0 };
	else
		r = parse_address(ps, ps->word, (size_t)((bits ? bits : colon) - ps->word),
				  bits ? bits + 1 : NULL, bits ? (size_t)(colon - bits) - 1 : 0,
				  AF_INET, &f[0]);
	return r < 0 ? r : parse_port(ps, colon, &f[1]);
}

int parse_endpoint(struct parser *ps, struct pattern f[2], bool connects)
{
	int r;

	if (text_is(ps, "*") && !ps->question) {
		f[0] = f[1] = (struct pattern){ 0 };
		return 0;
	}
	r = ps->word[0] == '[' ? parse_v6(ps, f) : parse_v4(ps, f);
	if (r < 0)
		return r;
	/* ip(7): a connection to the unspecified address goes to the host itself. */
	if (connects && !ps->question && f[0].match == MATCH_ADDR && is_zero(&f[0]) &&
	    f[0].bits == (f[0].family == AF_INET ? 32 : 128))
		return fault(ps, 0, "connections to it go to %s: write that",
			     f[0].family == AF_INET ? "127.0.0.1" : "[::1]");
	return 0;
}
