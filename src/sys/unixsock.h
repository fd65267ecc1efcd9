/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/socket.h>

/*
 * Unix sockets by path, without the 108-byte limit of sockaddr_un: the directory is
 * opened and named through /proc/self/fd.
 */

/** unix_connect - @type: SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM; Return: fd or -errno */
int unix_connect(const char *path, int type);

/** unix_bind - make the socket at @path, which must not be there; Return: fd or -errno */
int unix_bind(const char *path, int type, mode_t mode);

/** unix_listen - bind, mode 0600, and listen; Return: fd or -errno */
int unix_listen(const char *path, int type);
