/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log.h"

#include "base/json.h"
#include "base/parse.h"
#include "base/utc.h"
#include "cli/cli.h"
#include "sys/syscalls.h"
#include "sys/unixsock.h"

#include <string.h>
#include <time.h>

static int open_service(struct log *l, enum log_form form, const char *path, const char *ident,
			struct err *e)
{
	int fd = unix_connect(path, SOCK_DGRAM | SOCK_NONBLOCK);

	if (fd < 0)
		return err_sys(e, fd, "--log: nobody takes messages at \"%s\"", path);
	l->fd = fd;
	l->form = form;
	l->ident = *ident ? ident : "cay";
	return 0;
}

int log_open(struct log *l, const char *path, const char *format, struct err *e)
{
	static const char journal[] = "journald:", syslog[] = "syslog:";
	int fd;

	if (format && !str_eq(format, "text") && !str_eq(format, "json"))
		return err_set(e, EINVAL, "--log-format \"%s\": must be text or json", format);
	l->json = str_eq(format, "json");
	if (!path || !*path || str_eq(path, "/dev/stderr"))
		return 0;
	if (str_starts(path, journal))
		return open_service(l, LOG_FORM_JOURNAL, "/run/systemd/journal/socket",
				    path + strlen(journal), e);
	if (str_starts(path, syslog))
		return open_service(l, LOG_FORM_SYSLOG, "/dev/log", path + strlen(syslog), e);
	/* crun's way to name what is the default. */
	if (str_starts(path, "file:"))
		path += strlen("file:");
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return err_sys(e, errno, "open log file \"%s\"", path);
	l->fd = fd;
	return 0;
}

int log_set_level(struct log *l, const char *level, struct err *e)
{
	if (!level)
		return 0;
	if (!str_eq(level, "debug") && !str_eq(level, "warning") && !str_eq(level, "error"))
		return err_set(e, EINVAL, "--log-level \"%s\": must be debug, warning or error",
			       level);
	l->debug |= str_eq(level, "debug");
	l->quiet = str_eq(level, "error");
	return 0;
}

void log_close(struct log *l)
{
	auto_close_fd(&l->fd);
	l->fd = -EBADF;
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_DEBUG:
		return "debug";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_ERROR:
		return "error";
	}
	return "error";
}

/* As in syslog(3). */
static int priority(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_DEBUG:
		return 7;
	case LOG_LEVEL_WARNING:
		return 4;
	case LOG_LEVEL_ERROR:
		return 3;
	}
	return 3;
}

/* One datagram: https://systemd.io/JOURNAL_NATIVE_PROTOCOL, or RFC 3164 as local programs speak it. */
static void make_datagram(const struct log *l, enum log_level level, const char *msg, struct buf *b)
{
	enum { FACILITY_USER = 8 };

	if (l->form == LOG_FORM_JOURNAL)
		buf_printf(b, "PRIORITY=%d\nSYSLOG_IDENTIFIER=cay\nID=", priority(level));
	else
		buf_printf(b, "<%d>", FACILITY_USER + priority(level));
	print_escaped(b, l->ident);
	if (l->form == LOG_FORM_JOURNAL)
		buf_str(b, "\nMESSAGE=");
	else
		buf_printf(b, "[%d]: ", getpid());
	print_escaped(b, msg);
	if (l->form == LOG_FORM_JOURNAL)
		buf_str(b, "\n");
}

static void make_line(const struct log *l, enum log_level level, const char *msg, struct buf *b)
{
	struct json_out o = { .b = b };
	char when[UTC_SIZE + 1];

	if (l->form != LOG_FORM_LINES) {
		make_datagram(l, level, msg, b);
		return;
	}
	utc_print(when, time(NULL));
	when[UTC_SIZE - 1] = 'Z';
	when[UTC_SIZE] = 0;
	if (l->json) {
		jo_open(&o, NULL, '{');
		jo_str(&o, "level", level_name(level));
		jo_str(&o, "msg", msg);
		jo_str(&o, "time", when);
		jo_close(&o, '}');
	} else {
		/* logfmt; a JSON string is quoted the way its readers expect */
		buf_printf(b, "time=\"%s\" level=%s ", when, level_name(level));
		buf_str(b, "msg=");
		jo_str(&o, NULL, msg);
	}
	buf_str(b, "\n");
}

/* Out of memory there is still this much to say. */
static void write_short(const char *msg)
{
	char line[sizeof(((struct err *)0)->msg) + 8] = "cay: ";
	size_t n = strlen(line);

	for (; *msg && n < sizeof(line) - 2; msg++)
		line[n++] = (unsigned char)*msg < 0x20 || (unsigned char)*msg > 0x7e ? '?' : *msg;
	line[n++] = '\n';
	(void)sys_write_all(STDERR_FILENO, line, n);
}

void log_write(const struct log *l, enum log_level level, const char *msg)
{
	AUTO_BUF struct buf line = { 0 }, plain = { 0 };

	if ((level == LOG_LEVEL_DEBUG && !l->debug) || (level != LOG_LEVEL_ERROR && l->quiet))
		return;
	if (l->fd >= 0) {
		make_line(l, level, msg, &line);
		if (!line.failed)
			(void)sys_write_all(l->fd, line.data, line.len);
		if (level != LOG_LEVEL_ERROR)
			return;
	} else if (l->json || level == LOG_LEVEL_DEBUG) {
		make_line(l, level, msg, &line);
		if (!line.failed)
			(void)sys_write_all(STDERR_FILENO, line.data, line.len);
		else
			write_short(msg);
		return;
	}
	if (!l->bare)
		buf_str(&plain, "cay: ");
	if (level != LOG_LEVEL_ERROR)
		buf_printf(&plain, "%s: ", level_name(level));
	print_escaped(&plain, msg);
	buf_str(&plain, "\n");
	if (!plain.failed)
		(void)sys_write_all(STDERR_FILENO, plain.data, plain.len);
	else
		write_short(msg);
}
