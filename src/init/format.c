/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The islander's own snprintf: the conversions its messages use, and no floating point,
 * which would be a sixth of the program. Takes the place of libc's when linked.
 *
 * Understands %s %c %d %u %x %o %% with -, 0, width, precision, and the lengths l ll z.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct out {
	char *at;
	size_t size, len; /* len counts what did not fit, too */
};

struct spec {
	bool left, zero;
	size_t width, precision;
	bool has_precision;
	unsigned int longs; /* 0: int, 1: long or size_t, 2: long long */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->at[o->len] = c;
	o->len++;
}

static void put_field(struct out *o, const struct spec *f, const char *s, size_t n)
{
	size_t pad = f->width > n ? f->width - n : 0;

	for (; pad && !f->left; pad--)
		put(o, f->zero ? '0' : ' ');
	for (size_t i = 0; i < n; i++)
		put(o, s[i]);
	for (; pad; pad--)
		put(o, ' ');
}

static void put_number(struct out *o, const struct spec *f, uint64_t v, bool minus,
		       unsigned int base)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[v % base];
	while (v /= base);
	if (minus)
		digits[--at] = '-';
	put_field(o, f, digits + at, sizeof(digits) - at);
}

static size_t parse_count(const char **fmt, va_list *ap)
{
	size_t n = 0;

	if (**fmt == '*') {
		int v = va_arg(*ap, int);

		(*fmt)++;
		return v < 0 ? 0 : (size_t)v;
	}
	while (**fmt >= '0' && **fmt <= '9')
		n = n * 10 + (size_t)(*(*fmt)++ - '0');
	return n;
}

static const char *parse_spec(const char *fmt, struct spec *f, va_list *ap)
{
	*f = (struct spec){ 0 };
	for (; *fmt == '-' || *fmt == '0'; fmt++) {
		f->left |= *fmt == '-';
		f->zero |= *fmt == '0';
	}
	f->width = parse_count(&fmt, ap);
	if (*fmt == '.') {
		fmt++;
		f->has_precision = true;
		f->precision = parse_count(&fmt, ap);
	}
	for (; *fmt == 'l' || *fmt == 'z'; fmt++)
		f->longs++;
	return fmt;
}

static void put_arg(struct out *o, char kind, const struct spec *f, va_list *ap)
{
	const char *s;
	int64_t v;
	char c;

	switch (kind) {
	case 's':
		s = va_arg(*ap, const char *);
		s = s ? s : "(null)";
		put_field(o, f, s, f->has_precision ? strnlen(s, f->precision) : strlen(s));
		return;
	case 'c':
		c = (char)va_arg(*ap, int);
		put_field(o, f, &c, 1);
		return;
	case 'd':
		v = f->longs ? (int64_t)va_arg(*ap, long) : va_arg(*ap, int);
		put_number(o, f, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0, 10);
		return;
	case 'u':
	case 'x':
	case 'o':
		put_number(o, f, f->longs ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned int),
			   false,
			   kind == 'u'	 ? 10
			   : kind == 'x' ? 16
					 : 8);
		return;
	}
	put(o, kind);
}

int vsnprintf(char *restrict buf, size_t size, const char *restrict fmt, va_list args)
{
	struct out o = { .at = buf, .size = size };
	struct spec f;
	va_list ap;

	_Static_assert(sizeof(long) == sizeof(long long), "one length serves l, ll and z");
	va_copy(ap, args);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt = parse_spec(fmt + 1, &f, &ap);
		if (!*fmt)
			break;
		put_arg(&o, *fmt, &f, &ap);
	}
	va_end(ap);
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int snprintf(char *restrict buf, size_t size, const char *restrict fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
