/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/host.h"

#include "mech/cgroup/cgroup.h"
#include "mech/cred/cred.h"
#include "mech/hooks/hooks.h"
#include "mech/mount/mount.h"
#include "mech/ns/ns.h"
#include "mech/tty/tty.h"
#include "sys/unixsock.h"

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

int host_apply(struct launch *l, struct island *in, uint32_t index, struct err *e)
{
	const struct step *s = &l->host.steps[index];
	const struct plan_view *v = &l->host;

	switch (s->kind) {
	case STEP_OPEN_TREE:
		return into_slot(l, s->u.tree.slot, mnt_host_apply(v, s, e));
	case STEP_OPEN_NS:
		return into_slot(l, s->u.ns.slot, ns_host_open(v, s, e));
	case STEP_OPEN_PIDFD:
		return into_slot(l, s->u.pidfd.slot, ns_host_open_pidfd(s, e));
	case STEP_CONNECT:
		return into_slot(l, s->u.sock.slot, tty_host_connect(view_str(v, s->u.sock.path), e));
	case STEP_LISTEN:
		return apply_listen(l, s, e);
	case STEP_CGROUP_MAKE:
	case STEP_CGROUP_SET:
	case STEP_CGROUP_DEVICES:
	case STEP_CGROUP_OPEN:
		return apply_cgroup(l, index, e);
	case STEP_MAP_IDS:
		return ns_host_map(in, s, e);
	case STEP_RLIMIT:
		return cred_host_apply(in, s, e);
	case STEP_HOOK:
		return hooks_apply(v, s, in->pid, e);
	}
	return err_set(e, EINVAL, "step \"%s\" is not the planner's", step_describe(s->kind)->name);
}

void host_undo(struct launch *l)
{
	while (l->done > 0) {
		const struct step *s = &l->host.steps[--l->done];

		if (s->kind == STEP_CGROUP_MAKE)
			cg_undo(&l->host, s, l->made[l->done]);
		else if (s->kind == STEP_LISTEN)
			(void)unlink(view_str(&l->host, s->u.sock.path));
	}
}
