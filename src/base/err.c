/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <string.h>

static int neg(int code)
{
	if (code == 0)
		return -EINVAL;
	return code < 0 ? code : -code;
}

static void format(struct err *e, const char *fmt, va_list ap) FORMAT(2, 0);
static void format(struct err *e, const char *fmt, va_list ap)
{
	if (vsnprintf(e->msg, sizeof(e->msg), fmt, ap) < 0)
		e->msg[0] = '\0';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		e->code = neg(code);
		va_start(ap, fmt);
		format(e, fmt, ap);
		va_end(ap);
	}
	return neg(code);
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	const char *why = strerror(-neg(code));
	va_list ap;
	char first;
	size_t n;

	if (e) {
		e->code = neg(code);
		va_start(ap, fmt);
		format(e, fmt, ap);
		va_end(ap);
		n = strlen(e->msg);
		/* As Go writes them: dockerd and its client look for "permission denied". */
		first = why[0] >= 'A' && why[0] <= 'Z' && why[1] >= 'a' ? (char)(why[0] | 0x20)
									: why[0];
		(void)snprintf(e->msg + n, sizeof(e->msg) - n, ": %c%s", first,
			       first ? why + 1 : "");
	}
	return neg(code);
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;
	size_t n;

	if (!e)
		return -EINVAL;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	format(e, fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	(void)snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", old);
	return neg(e->code);
}

int err_oom(struct err *e)
{
	return err_set(e, ENOMEM, "out of memory");
}
