/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/tty/tty.h"

#include "sys/unixsock.h"

int tty_host_connect(const char *path, struct err *e)
{
	int fd = unix_connect(path, SOCK_STREAM);

	if (fd < 0)
		return err_sys(e, fd, "connect to console socket \"%s\"", path);
	return fd;
}
