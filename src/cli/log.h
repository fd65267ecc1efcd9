/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <stdbool.h>

/*
 * Messages: one line each, control characters escaped. A person reads "cay: …" on stderr;
 * an engine reads the last line of the log file.
 */
struct log {
	int fd; /* of --log; -EBADF: stderr alone */
	bool json, debug;
	bool quiet; /* errors only */
};

#define LOG_INIT                                                                                   \
	{                                                                                          \
		.fd = -EBADF                                                                       \
	}

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/**
 * log_open - append to @path from now on
 * @path:   NULL: stderr alone
 * @format: "text", "json" or NULL
 *
 * Return: 0; -EINVAL for another format; -errno of open.
 */
int log_open(struct log *l, const char *path, const char *format, struct err *e);

/** log_set_level - "debug", "warning", "error" or NULL: leave it; Return: 0 or -EINVAL */
int log_set_level(struct log *l, const char *level, struct err *e);

/** log_write - one message; debug ones only with --debug */
void log_write(const struct log *l, enum log_level level, const char *msg);

/** log_close - @l writes to stderr alone from now on */
void log_close(struct log *l);
