/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <stdint.h>

/*
 * What a program gets from the process that called us, beside stdio: sockets of systemd's
 * socket activation (sd_listen_fds(3)) and the fds of --preserve-fds, behind each other from
 * fd 3 on. Private to container/.
 */
struct inherit {
	uint32_t preserve_fds; /* both kinds together */
	char listen_fds[24];
	char *env[4]; /* NULL-terminated; points into this struct: don't copy it */
};

enum { INHERIT_MAX_FDS = 4096 };

/**
 * inherit_fds - count and check them
 * @preserve: of --preserve-fds
 *
 * Return: 0; -EBADF names the first fd that is not open.
 */
int inherit_fds(struct inherit *i, uint32_t preserve, struct err *e);
