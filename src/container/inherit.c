/* SPDX-License-Identifier: Apache-2.0 */
#include "container/inherit.h"

#include "base/parse.h"

#include <fcntl.h>
#include <stdio.h>

/* LISTEN_PID must name us: the variables may be meant for somebody further up. */
static uint32_t count_listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	uint32_t n, p;

	if (!pid || !fds || parse_u32(pid, &p) < 0 || p != (uint32_t)getpid() ||
	    parse_u32(fds, &n) < 0 || n > INHERIT_MAX_FDS)
		return 0;
	return n;
}

int inherit_fds(struct inherit *i, uint32_t preserve, struct err *e)
{
	static char listen_pid[] = "LISTEN_PID=1";
	uint32_t n = count_listen_fds();

	*i = (struct inherit){ 0 };
	if (preserve > INHERIT_MAX_FDS)
		return err_set(e, EINVAL, "--preserve-fds %u: more than %d", preserve,
			       INHERIT_MAX_FDS);
	for (uint32_t fd = 3; fd < 3 + n + preserve; fd++) {
		int flags = fcntl((int)fd, F_GETFD);

		/* What closes on exec can't have come from our caller: it is ours. */
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			continue;
		if (fd < 3 + n)
			return err_set(e, EBADF, "fd %u, one of LISTEN_FDS, is not open", fd);
		return err_set(
			e, EBADF,
			"fd %u, to be passed to the container (preserved-fd %u), is not open", fd,
			fd - 3 - n);
	}
	i->preserve_fds = n + preserve;
	if (n > 0) {
		(void)snprintf(i->listen_fds, sizeof(i->listen_fds), "LISTEN_FDS=%u", n);
		i->env[0] = i->listen_fds;
		i->env[1] = listen_pid;
	}
	return 0;
}
