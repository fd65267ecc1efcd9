/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <stdbool.h>

/*
 * Messages: one line each, control characters escaped. A person reads "cay: …" on stderr;
 * an engine reads the last line of the log file.
 */
enum log_form { LOG_FORM_LINES, LOG_FORM_JOURNAL, LOG_FORM_SYSLOG };

struct log {
	int fd; /* of --log; -EBADF: stderr alone */
	enum log_form form;
	const char *ident; /* who speaks, for the journal and syslog; borrowed */
	bool json, debug;
	bool quiet; /* errors only */
	bool bare;  /* errors without our name in front on stderr */
};

#define LOG_INIT                                                                                   \
	{                                                                                          \
		.fd = -EBADF                                                                       \
	}

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/**
 * log_open - messages go there, too, from now on
 * @path:   a file to append to, or as crun has it "file:PATH", "journald:NAME", "syslog:NAME"; NULL:
 *          stderr alone; borrowed as long as @l is used
 * @format: "text", "json" or NULL
 *
 * Return: 0; -EINVAL for another format; -errno of open, or when nobody takes messages there.
 */
int log_open(struct log *l, const char *path, const char *format, struct err *e);

/** log_set_level - "debug", "warning", "error" or NULL: leave it; Return: 0 or -EINVAL */
int log_set_level(struct log *l, const char *level, struct err *e);

/** log_write - one message; debug ones only with --debug */
void log_write(const struct log *l, enum log_level level, const char *msg);

/** log_close - @l writes to stderr alone from now on */
void log_close(struct log *l);
