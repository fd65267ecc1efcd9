/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <string.h>

static bool reserve(struct buf *b, size_t n)
{
	size_t want, cap = b->cap ? b->cap : 256;
	char *p;

	if (b->failed || __builtin_add_overflow(b->len, n, &want) ||
	    __builtin_add_overflow(want, 1, &want))
		goto fail;
	if (want <= b->cap)
		return true;
	while (cap < want)
		if (__builtin_mul_overflow(cap, 2, &cap))
			goto fail;
	p = realloc(b->data, cap);
	if (!p)
		goto fail;
	b->data = p;
	b->cap = cap;
	return true;
fail:
	b->failed = true;
	return false;
}

char *buf_zero(struct buf *b, size_t n)
{
	char *p;

	if (!reserve(b, n))
		return NULL;
	p = b->data + b->len;
	memset(p, 0, n + 1);
	b->len += n;
	return p;
}

char *buf_add(struct buf *b, const void *bytes, size_t n)
{
	char *p = buf_zero(b, n);

	if (p && n)
		memcpy(p, bytes, n);
	return p;
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0)
		b->failed = true;
	else if (reserve(b, (size_t)n)) {
		(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	va_end(ap);
}

int buf_read_fd(struct buf *b, int fd, size_t limit)
{
	size_t start = b->len;

	for (;;) {
		ssize_t n;

		if (!reserve(b, 16384))
			return -ENOMEM;
		n = read(fd, b->data + b->len, b->cap - b->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if (b->len - start > limit)
			return -E2BIG;
		if (n == 0)
			return 0;
	}
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}
