/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

#include "launch/host.h"
#include "sys/channel.h"
#include "sys/unixsock.h"

enum { STDIO_FILES = 3 };

/* The word, with all that comes along with it. */
static int send_start(int sock, const struct launch_fast *f, struct err *e)
{
	AUTO_FD int plan = -EBADF;
	int r = 0;

	if (f && (plan = launch_prepare_fast(f->plan, f->pid, e)) < 0) {
		/* Nothing was said yet. */
		e->code = -EAGAIN;
		return -EAGAIN;
	}
	for (int fd = 0; f && f->stdio && fd < STDIO_FILES && r == 0; fd++)
		r = chan_send(sock, &(struct msg){ .kind = MSG_STDIO, .value = fd }, fd);
	if (r == 0)
		r = chan_send(sock, &(struct msg){ .kind = MSG_START }, plan);
	return r < 0 ? err_sys(e, r, "open the gate") : 0;
}

/*
 * GO says that the word was heard. Behind it prices and a request may come, and the end of
 * the channel means that the program runs.
 */
static int await_program(int sock, const char *agent, struct err *e)
{
	struct err no_agent = { 0 };
	bool taken = false;
	struct msg m;
	int r;

	do {
		r = chan_recv(sock, &m, NULL);
		if (r > 0 && m.kind == MSG_LISTENER) {
			if (!agent)
				return err_set(e, EBADMSG, "gate: unexpected message %u", m.kind);
			r = host_connect_agent(sock, agent, &no_agent);
			/* The code must not be taken for that of a gate where nobody waits. */
			if (r < 0)
				return err_set(e, EIO, "%s", no_agent.msg);
			/* Once. */
			agent = NULL;
			r = 1;
		}
		taken |= r > 0 && m.kind == MSG_GO;
	} while (r > 0 && (m.kind == MSG_PRICE || m.kind == MSG_LISTENER || m.kind == MSG_GO));
	if (r < 0)
		return err_sys(e, r, "receive from the gate");
	if (r == 0)
		return taken ? 0 : err_set(e, ECHILD, "container process ended at the gate");
	if (m.kind != MSG_ERROR)
		return err_set(e, EBADMSG, "gate: unexpected message %u", m.kind);
	*e = m.err;
	/* Before GO it is what we brought that was refused. Else no code of a gate where nobody waits, as above. */
	e->code = taken ? -EIO : -EAGAIN;
	return e->code;
}

int launch_open_gate(const char *gate_path, const char *agent, const struct launch_fast *f,
		     struct err *e)
{
	AUTO_FD int sock = unix_connect(gate_path, SOCK_SEQPACKET);
	int r;

	if (sock < 0)
		return err_sys(e, sock, "nobody waits at the gate \"%s\"", gate_path);
	r = send_start(sock, f, e);
	return r < 0 ? r : await_program(sock, agent, e);
}

bool launch_gate_waits(const char *gate_path)
{
	AUTO_FD int fd = unix_connect(gate_path, SOCK_SEQPACKET);

	return fd >= 0;
}
