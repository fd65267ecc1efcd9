/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/socket.h>

/*
 * Unix sockets by path, without the 108-byte limit of sockaddr_un: the directory is
 * opened and named through /proc/self/fd.
 */

/** unix_connect - @type: SOCK_STREAM or SOCK_SEQPACKET; Return: fd or -errno */
int unix_connect(const char *path, int type);

/** unix_listen - bind, mode 0600, and listen; Return: fd or -errno */
int unix_listen(const char *path, int type);
