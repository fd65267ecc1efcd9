/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/ns/ns.h"

#include "sys/channel.h"
#include "sys/syscalls.h"

#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int apply_setns(struct island *in, const struct step *s, struct err *e)
{
	int fd = view_fd(in->plan, s->u.setns.slot);

	if (setns(fd, (int)s->u.setns.flags) < 0)
		return err_sys(e, errno, "join namespaces (0x%x)", s->u.setns.flags);
	return 0;
}

/* CLONE_NEWTIME shares its bit with the signal mask of clone(2), not of unshare(2). */
static int apply_unshare(const struct step *s, struct err *e)
{
	if (syscall(SYS_unshare, (unsigned long)s->u.num.value) < 0)
		return err_sys(e, errno, "make namespaces (0x%llx)", (long long)s->u.num.value);
	return 0;
}

static int apply_become_root(struct err *e)
{
	/* Raw calls: only this thread, and no libc bookkeeping. */
	if (syscall(SYS_setresgid, 0, 0, 0) < 0)
		return err_sys(e, errno, "become gid 0 of the user namespace (is it mapped?)");
	if (syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(e, errno, "become uid 0 of the user namespace (is it mapped?)");
	return 0;
}

static int write_proc(struct island *in, const char *path, const char *value, struct err *e)
{
	AUTO_FD int fd = sys_proc_open(in->proc_fd, path, O_WRONLY | O_NOFOLLOW);
	int r = fd < 0 ? fd : 0;

	if (r == 0) {
		size_t n = strlen(value);
		ssize_t w = write(fd, value, n);

		r = w < 0 ? -errno : (size_t)w == n ? 0 : -EIO;
	}
	if (r < 0)
		return err_sys(e, r, "write \"%.*s\" to /proc/%s", (int)strcspn(value, "\n"), value,
			       path);
	return 0;
}

/*
 * The second birth: a sibling, so that the planner stays the parent of what becomes the
 * program. The first islander reports it and is gone.
 */
static int apply_fork(struct island *in, struct err *e)
{
	int pidfd = -EBADF;
	struct clone_args args = {
		.flags = CLONE_PARENT | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
	};
	struct msg m = { .kind = MSG_FORKED };
	int r = sys_clone3(&args);

	if (r < 0)
		return err_sys(e, r, "fork into the namespaces");
	if (r > 0) {
		m.value = r;
		r = chan_send(in->sock, &m, pidfd);
		if (r < 0)
			(void)sys_pidfd_send_signal(pidfd, SIGKILL);
		_exit(r < 0);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = chan_recv(in->sock, &m, NULL);
	if (r <= 0 || m.kind != MSG_GO)
		_exit(1);
	return 0;
}

static int apply_private(struct err *e)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, errno, "prctl PR_SET_DUMPABLE");
	return 0;
}

static int apply_loopback(struct err *e)
{
	AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : sys_loopback_up(fd);

	return r < 0 ? err_sys(e, r, "bring up the loopback interface") : 0;
}

static int apply_name(const char *name, bool domain, struct err *e)
{
	int r = domain ? setdomainname(name, strlen(name)) : sethostname(name, strlen(name));

	if (r < 0)
		return err_sys(e, errno, "set %s \"%s\"", domain ? "domainname" : "hostname", name);
	return 0;
}

static int apply_keyring(const char *name, struct err *e)
{
	int r = sys_keyctl_join(name);

	/* A kernel without keyrings has nothing to share. */
	if (r < 0 && r != -ENOSYS)
		return err_sys(e, r, "new session keyring");
	return 0;
}

int ns_apply(struct island *in, const struct step *s, struct err *e)
{
	const struct plan_view *v = in->plan;

	switch (s->kind) {
	case STEP_PRIVATE:
		return apply_private(e);
	case STEP_SETNS:
		return apply_setns(in, s, e);
	case STEP_UNSHARE:
		return apply_unshare(s, e);
	case STEP_BECOME_ROOT:
		return apply_become_root(e);
	case STEP_TIME_OFFSETS:
		return write_proc(in, "self/timens_offsets", view_str(v, s->u.str.text), e);
	case STEP_LOOPBACK:
		return apply_loopback(e);
	case STEP_FORK:
		return apply_fork(in, e);
	case STEP_SESSION:
		/* Refused to a leader: then it is done already. */
		if (setsid() < 0 && getsid(0) != getpid())
			return err_sys(e, errno, "new session");
		return 0;
	case STEP_KEYRING:
		return apply_keyring(view_str(v, s->u.str.text), e);
	case STEP_HOSTNAME:
		return apply_name(view_str(v, s->u.str.text), false, e);
	case STEP_DOMAINNAME:
		return apply_name(view_str(v, s->u.str.text), true, e);
	case STEP_SYSCTL:
		return write_proc(in, view_str(v, s->u.pair.key), view_str(v, s->u.pair.value), e);
	}
	return err_set(e, EINVAL, "step %u is not for namespaces", s->kind);
}
