/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

#include "launch/host.h"
#include "sys/channel.h"
#include "sys/unixsock.h"

int launch_open_gate(const char *gate_path, struct err *e)
{
	AUTO_FD int fd = unix_connect(gate_path, SOCK_SEQPACKET);
	struct msg m = { .kind = MSG_START };
	struct err agent = { 0 };
	bool taken = false;
	int r;

	if (fd < 0)
		return err_sys(e, fd, "nobody waits at the gate \"%s\"", gate_path);
	r = chan_send(fd, &m, -1);
	if (r < 0)
		return err_sys(e, r, "open the gate \"%s\"", gate_path);
	/*
	 * GO says that the word was heard. Behind it prices and a request may come, and the end of
	 * the channel means that the program runs.
	 */
	do {
		r = chan_recv(fd, &m, NULL);
		if (r > 0 && m.kind == MSG_LISTENER) {
			r = host_connect_agent(fd, &m, &agent);
			/* The code must not be taken for that of a gate where nobody waits. */
			if (r < 0)
				return err_set(e, EIO, "%s", agent.msg);
			r = 1;
		}
		taken |= r > 0 && m.kind == MSG_GO;
	} while (r > 0 && (m.kind == MSG_PRICE || m.kind == MSG_LISTENER || m.kind == MSG_GO));
	if (r < 0)
		return err_sys(e, r, "gate \"%s\"", gate_path);
	if (r == 0)
		return taken ? 0 : err_set(e, ECHILD, "container process ended at the gate");
	if (m.kind != MSG_ERROR)
		return err_set(e, EBADMSG, "gate: unexpected message %u", m.kind);
	*e = m.err;
	return m.err.code < 0 ? m.err.code : -EIO;
}

bool launch_gate_waits(const char *gate_path)
{
	AUTO_FD int fd = unix_connect(gate_path, SOCK_SEQPACKET);

	return fd >= 0;
}
