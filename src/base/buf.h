/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * A growing byte buffer with a sticky failure: add freely, ask once at the end.
 * @data is always terminated by a NUL that @len does not count (NULL while empty).
 */
struct buf {
	char *data;
	size_t len, cap;
	bool failed; /* out of memory happened; contents are incomplete */
};

/** buf_add - append @n bytes; Return: their place in the buffer, NULL when out of memory */
char *buf_add(struct buf *b, const void *bytes, size_t n);

/** buf_zero - append @n zero bytes; Return: as buf_add */
char *buf_zero(struct buf *b, size_t n);

/** buf_str - append a string without its NUL */
void buf_str(struct buf *b, const char *s);

/** buf_printf - append formatted text */
void buf_printf(struct buf *b, const char *fmt, ...) FORMAT(2, 3);

/** buf_read_fd - append all that @fd yields, at most @limit bytes; Return: 0, -E2BIG over the limit, -errno */
int buf_read_fd(struct buf *b, int fd, size_t limit);

/** buf_done - free; @b may be used again */
void buf_done(struct buf *b);

#define AUTO_BUF AUTO(buf_done)
