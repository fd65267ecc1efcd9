/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/host.h"

#include "mech/cgroup/cgroup.h"
#include "mech/cred/cred.h"
#include "mech/hooks/hooks.h"
#include "mech/mount/mount.h"
#include "mech/netdev/netdev.h"
#include "mech/ns/ns.h"
#include "mech/rdt/rdt.h"
#include "mech/sched/sched.h"
#include "mech/tty/tty.h"
#include "sys/channel.h"
#include "sys/unixsock.h"

#include <fcntl.h>

static int into_slot(struct launch *l, uint32_t slot, int fd)
{
	if (fd < 0)
		return fd;
	if (slot == SLOT_NONE)
		return 0;
	l->slots[slot] = fd;
	return 0;
}

static int apply_listen(struct launch *l, const struct step *s, struct err *e)
{
	const char *path = view_str(&l->host, s->u.sock.path);
	int fd = unix_listen(path, SOCK_SEQPACKET);

	if (fd < 0)
		return err_sys(e, fd, "listen on \"%s\"", path);
	return into_slot(l, s->u.sock.slot, fd);
}

static int apply_cgroup(struct launch *l, uint32_t index, struct err *e)
{
	const struct step *s = &l->host.steps[index];
	int fd = -EBADF, r = cg_apply(&l->host, s, &l->made[index], &fd, e);

	if (r < 0)
		return r;
	if (fd >= 0)
		return into_slot(l, s->u.cgroup.slot, fd);
	return 0;
}

static int send_pidfd(struct launch *l, const struct step *s, struct err *e)
{
	const char *path = view_str(&l->host, s->u.pair.value);
	const char *name = view_str(&l->host, s->u.pair.key);
	AUTO_FD int fd = unix_connect(path, SOCK_STREAM);
	int r = fd < 0 ? fd : chan_send_fd(fd, name, l->pidfd);

	return r < 0 ? err_sys(e, r, "send the pidfd to socket \"%s\"", path) : 0;
}

/* After most failures systemd may be at it still. */
static int apply_scope(struct launch *l, uint32_t index, pid_t pid, struct err *e)
{
	int r = cg_unit_apply(&l->host, &l->host.steps[index], pid, e);

	l->made[index] = r != -ENOENT && r != -ENOTCONN;
	return r;
}

int host_apply(struct launch *l, struct island *in, uint32_t index, struct err *e)
{
	const struct step *s = &l->host.steps[index];
	const struct plan_view *v = &l->host;

	switch (s->kind) {
	case STEP_OPEN_TREE:
	case STEP_OPEN_IDMAP:
		return into_slot(l, s->u.tree.slot, mnt_host_apply(v, s, e));
	case STEP_OPEN_NODE:
		return into_slot(l, s->u.node.slot, mnt_host_node(v, s, e));
	case STEP_OPEN_NS:
		return into_slot(l, s->u.ns.slot, ns_host_open(v, s, e));
	case STEP_OPEN_PIDFD:
		return into_slot(l, s->u.pidfd.slot, ns_host_open_pidfd(s, e));
	case STEP_OPEN_ROOT:
		return into_slot(l, s->u.pidfd.slot, ns_host_open_root(in, s, e));
	case STEP_CONNECT:
		return into_slot(l, s->u.sock.slot,
				 tty_host_connect(view_str(v, s->u.sock.path), e));
	case STEP_OPEN_LOG:
		return into_slot(l, s->u.sock.slot, hooks_open_log(v, s, e));
	case STEP_LISTEN:
		return apply_listen(l, s, e);
	case STEP_HOLD:
		return into_slot(l, s->u.hold.slot, fcntl((int)s->u.hold.fd, F_DUPFD_CLOEXEC, 0));
	case STEP_CGROUP_MAKE:
	case STEP_CGROUP_SET:
	case STEP_CGROUP_DEVICES:
	case STEP_CGROUP_OPEN:
	case STEP_CGROUP_CHECK:
		return apply_cgroup(l, index, e);
	case STEP_CGROUP_ENTER:
		return cg_move(v, s, in->pid, e);
	case STEP_SCOPE_START:
		return apply_scope(l, index, in->pid, e);
	case STEP_SCOPE_ATTACH:
		return l->outside ? cg_unit_apply(v, s, in->pid, e) : 0;
	case STEP_MAP_IDS:
		return ns_host_map(in, s, e);
	case STEP_RLIMIT:
		return cred_host_apply(in, s, e);
	case STEP_HOOK:
		return hooks_apply(v, s, in->pid, e);
	case STEP_NET_DEVICE:
		return netdev_host_apply(in, s, &l->moves, e);
	case STEP_RDT_GROUP:
	case STEP_RDT_ENTER:
		return rdt_apply(in, s, &l->made[index], e);
	case STEP_AFFINITY:
	case STEP_SCHEDULER:
	case STEP_IO_PRIORITY:
		return sched_host_apply(in, s, e);
	case STEP_PIDFD_SEND:
		return send_pidfd(l, s, e);
	}
	return err_set(e, EINVAL, "step \"%s\" is not the planner's", step_describe(s->kind)->name);
}

/* What was made around the islander, which is dead by now. */
static void undo_place(struct launch *l)
{
	for (uint32_t i = l->host.nsteps; i > 0; i--) {
		const struct step *s = &l->host.steps[i - 1];

		if (s->phase != PHASE_PLACE || !l->made[i - 1])
			continue;
		if (s->kind == STEP_SCOPE_START)
			(void)cg_unit_stop(view_str(&l->host, s->u.scope.unit), s->u.scope.user,
					   NULL);
		else if (s->kind == STEP_CGROUP_MAKE)
			cg_undo(&l->host, s, l->made[i - 1]);
		l->made[i - 1] = 0;
	}
}

int host_connect_agent(int sock, const char *path, struct err *e)
{
	AUTO_FD int fd = unix_connect(path, SOCK_STREAM);
	int r;

	if (fd < 0)
		return err_sys(e, fd,
			       "linux.seccomp.listenerPath: failed to connect with seccomp agent "
			       "specified in the seccomp profile \"%.200s\"",
			       path);
	r = chan_send(sock, &(struct msg){ .kind = MSG_GO }, fd);
	return r < 0 ? err_sys(e, r, "answer the islander") : 0;
}

void host_undo(struct launch *l)
{
	netdev_undo(l->moves);
	if (l->made)
		undo_place(l);
	while (l->made && l->done > 0) {
		const struct step *s = &l->host.steps[--l->done];

		if (s->kind == STEP_CGROUP_MAKE)
			cg_undo(&l->host, s, l->made[l->done]);
		else if (s->kind == STEP_RDT_GROUP)
			rdt_undo(&l->host, s, l->made[l->done]);
		else if (s->kind == STEP_LISTEN)
			(void)unlink(view_str(&l->host, s->u.sock.path));
	}
}
