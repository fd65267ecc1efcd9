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

/*
 * The words of Linux tools and of Go, for what libcs call by other names: the two programs have not the same
 * one, and whoever reads messages (dockerd, scripts) knows these.
 */
static const char *const words[] = {
	[EIO] = "input/output error",
	[ECHILD] = "no child processes",
	[ENOMEM] = "cannot allocate memory",
	[EBUSY] = "device or resource busy",
	[EXDEV] = "invalid cross-device link",
	[EMFILE] = "too many open files",
	[ENOTTY] = "inappropriate ioctl for device",
	[ESPIPE] = "illegal seek",
	[EDOM] = "numerical argument out of domain",
	[ERANGE] = "numerical result out of range",
	[EDEADLK] = "resource deadlock avoided",
	[ENAMETOOLONG] = "file name too long",
	[ELOOP] = "too many levels of symbolic links",
	[ETIME] = "timer expired",
	[EOVERFLOW] = "value too large for defined data type",
	[EILSEQ] = "invalid or incomplete multibyte or wide character",
	[EUSERS] = "too many users",
	[ENOTSOCK] = "socket operation on non-socket",
	[EMSGSIZE] = "message too long",
	[EOPNOTSUPP] = "operation not supported",
	[EADDRINUSE] = "address already in use",
	[EADDRNOTAVAIL] = "cannot assign requested address",
	[ENETUNREACH] = "network is unreachable",
	[ECONNABORTED] = "software caused connection abort",
	[EISCONN] = "transport endpoint is already connected",
	[ENOTCONN] = "transport endpoint is not connected",
	[ESHUTDOWN] = "cannot send after transport endpoint shutdown",
	[ETIMEDOUT] = "connection timed out",
	[EHOSTUNREACH] = "no route to host",
	[EINPROGRESS] = "operation now in progress",
	[EUCLEAN] = "structure needs cleaning",
	[EDQUOT] = "disk quota exceeded",
};

static const char *reason(int code)
{
	return code < (int)ARRAY_LEN(words) && words[code] ? words[code] : strerror(code);
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	const char *why = reason(-neg(code));
	va_list ap;
	char first;
	size_t n;

	if (e) {
		e->code = neg(code);
		va_start(ap, fmt);
		format(e, fmt, ap);
		va_end(ap);
		n = strlen(e->msg);
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
