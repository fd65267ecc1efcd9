/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

#include "launch/host.h"
#include "launch/islander.h"
#include "mech/mount/mount.h"
#include "mech/netdev/netdev.h"
#include "sys/channel.h"
#include "sys/syscalls.h"

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

/* Signals that ask the planner to give up; held back while it holds half a container. */
static void stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGQUIT);
}

static void note_price(struct launch *l, uint32_t index, bool island, uint32_t kind, uint64_t ns)
{
	struct step_price pr = {
		.index = index, .island = island, .kind = (uint16_t)kind, .ns = ns
	};

	buf_add(&l->prices, &pr, sizeof(pr));
}

/* All steps of one planner phase, in plan order. */
static int run_phase(struct launch *l, enum phase phase, struct err *e)
{
	struct island in = { .plan = &l->host,
			     .root_fd = -EBADF,
			     .proc_fd = l->proc_fd,
			     .sock = l->sock,
			     .mask_fd = -EBADF,
			     .null_fd = -EBADF,
			     .pid = l->pid };

	for (uint32_t i = 0; i < l->host.nsteps; i++) {
		uint64_t before;
		int r;

		if (l->host.steps[i].phase != phase)
			continue;
		before = l->plan->timing ? sys_now_ns() : 0;
		r = host_apply(l, &in, i, e);
		if (r < 0)
			return r;
		if (phase == PHASE_HOST)
			l->done = i + 1;
		if (l->plan->timing)
			note_price(l, i, false, l->host.steps[i].kind, sys_now_ns() - before);
	}
	return 0;
}

static const struct step *find_step(const struct launch *l, enum step_kind kind)
{
	for (uint32_t i = 0; i < l->host.nsteps; i++)
		if (l->host.steps[i].kind == kind)
			return &l->host.steps[i];
	return NULL;
}

static int plan_memfd(const struct launch *l, int island_sock, struct err *e)
{
	AUTO_BUF struct buf wire = { 0 };
	AUTO_FD int fd = -EBADF;
	int r = plan_encode(l->plan, l->slots, island_sock, &wire, e);

	if (r < 0)
		return r;
	fd = memfd_create("cay-plan", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "memfd for the plan");
	r = sys_write_all(fd, wire.data, wire.len);
	if (r < 0)
		return err_sys(e, r, "write the plan");
	return TAKE_FD(fd);
}

/*
 * Rootless, a v2 directory may be ours and still closed to a clone: the kernel wants the
 * common ancestor to be writable, too. Where no limit was asked for, that is no failure.
 */
static bool cgroup_may_fail(const struct launch *l)
{
	if (find_step(l, STEP_SCOPE_ATTACH))
		return true;
	for (uint32_t i = 0; i < l->host.nsteps; i++) {
		const struct step *s = &l->host.steps[i];

		if ((s->kind == STEP_CGROUP_MAKE || s->kind == STEP_CGROUP_OPEN) &&
		    s->u.cgroup.slot != SLOT_NONE && s->u.cgroup.v2)
			return s->u.cgroup.optional;
	}
	return false;
}

static int give_birth(struct launch *l, struct err *e)
{
	const struct step *s = find_step(l, STEP_CLONE);
	AUTO_FD int program = -EBADF, plan = -EBADF, island_sock = -EBADF;
	struct islander_birth b;
	uint64_t before = sys_now_ns();
	int pair[2], r;

	if (!s)
		return err_set(e, EINVAL, "plan: no clone");
	r = chan_pair(pair);
	if (r < 0)
		return err_sys(e, r, "socketpair");
	l->sock = pair[0];
	island_sock = pair[1];
	program = islander_open(e);
	if (program < 0)
		return program;
	plan = plan_memfd(l, island_sock, e);
	if (plan < 0)
		return plan;
	b = (struct islander_birth){ .flags = s->u.clone.flags,
				     .cgroup_fd = view_fd(&l->host, s->u.clone.cgroup_slot),
				     .program_fd = program,
				     .plan_fd = plan,
				     .sock = island_sock,
				     .keep_fds = l->plan->keep_fds,
				     .slots = l->slots,
				     .nslots = l->plan->slots };
	r = islander_clone(&b, &l->pidfd, e);
	if (r == -EACCES && b.cgroup_fd >= 0 && cgroup_may_fail(l)) {
		b.cgroup_fd = -EBADF;
		l->outside = true;
		r = islander_clone(&b, &l->pidfd, e);
	}
	if (r < 0)
		return r;
	l->pid = r;
	if (l->plan->timing)
		note_price(l, (uint32_t)(s - l->host.steps), false, STEP_CLONE,
			   sys_now_ns() - before);
	return 0;
}

/*
 * A process inside that may trace the islander can speak in its place. So it gets what the plan says it
 * will ask for, once and in that order, and no answer depends on what it says. (A mount to id-map is taken as
 * it comes: the plan has such only where nobody is inside.)
 * Return: the step that asks; NULL: none does now.
 */
static const struct step *due(struct launch *l, enum step_kind kind, int64_t phase)
{
	const struct step *steps = (const void *)l->plan->island.steps.data;

	for (size_t i = l->heard; i < l->plan->island.steps.len / sizeof(*steps); i++) {
		if (steps[i].kind == kind && (kind != STEP_SYNC || steps[i].u.num.value == phase) &&
		    (kind != STEP_BIND || steps[i].u.mount.flags & MOUNT_IDMAP_ASK)) {
			l->heard = i + 1;
			return &steps[i];
		}
		if (steps[i].kind == STEP_SYNC)
			break;
	}
	return NULL;
}

/* A child of ours that we have not waited for: nobody else can have its number. */
static bool is_our_child(pid_t pid)
{
	siginfo_t info;

	return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The first islander made a sibling and is gone; the sibling is the one from now on. */
static int adopt(struct launch *l, const struct msg *m, struct err *e)
{
	int pidfd = m->value != l->pid && is_our_child(m->value) ? sys_pidfd_open(m->value)
								 : -ECHILD;

	if (pidfd < 0)
		return err_sys(e, pidfd, "islander: report of its second birth");
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(l->pidfd);
	l->pidfd = pidfd;
	l->pid = m->value;
	return 0;
}

static bool is_stopped(const struct launch *l)
{
	siginfo_t info = { 0 };

	return waitid(P_PIDFD, (id_t)l->pidfd, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid > 0;
}

/*
 * As poll without a timeout, but whoever is inside already can stop an islander that joins, and would have us
 * wait for ever. A few looks: one that is stopped along with us by a terminal goes on along with us.
 */
static int wait_events(const struct launch *l, struct pollfd *p, nfds_t n, struct err *e)
{
	enum { LOOKS = 3, PERIOD_MS = 1000 };
	int r, seen = 0;

	do {
		r = poll(p, n, PERIOD_MS);
		if (r == 0)
			seen = is_stopped(l) ? seen + 1 : 0;
	} while ((r < 0 && errno == EINTR) || (r == 0 && seen < LOOKS));
	if (r < 0)
		return err_sys(e, errno, "poll");
	return r > 0 ? r : err_set(e, ETIMEDOUT, "islander: somebody stopped it by a signal");
}

/*
 * Return: 1; 0 when no more will be said: the channel has ended, or the islander has and left
 * nothing behind in it. A sibling it had no time to tell of holds the channel open, too.
 */
static int wait_message(struct launch *l, struct msg *m, int *ret_fd, struct err *e)
{
	AUTO_FD int sig = -EBADF;
	struct pollfd p[3];
	sigset_t set;
	int r;

	stop_signals(&set);
	sig = signalfd(-1, &set, SFD_CLOEXEC);
	p[0] = (struct pollfd){ .fd = l->sock, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = sig, .events = POLLIN };
	p[2] = (struct pollfd){ .fd = l->pidfd, .events = POLLIN };
	r = wait_events(l, p, ARRAY_LEN(p), e);
	if (r < 0)
		return r;
	/* What it said before its end may have come between the two looks. */
	if (p[2].revents && !p[0].revents && poll(p, 1, 0) == 0)
		return 0;
	if (!p[0].revents)
		return err_set(e, EINTR, "interrupted by a signal");
	r = chan_recv(l->sock, m, ret_fd);
	if (r < 0)
		return err_sys(e, r, "receive from the islander");
	return r;
}

static int died(struct launch *l, struct err *e)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)l->pidfd, &info, WEXITED | WNOWAIT) == 0 &&
	    info.si_code != CLD_EXITED)
		return err_set(e, ECHILD, "container process died while being set up: signal %d%s",
			       info.si_status,
			       info.si_status == SIGKILL ? " (is its memory limit too low?)" : "");
	return err_set(e, ECHILD, "container process ended while being set up");
}

static int unexpected(const struct msg *m, struct err *e)
{
	return err_set(e, EBADMSG, "islander: unexpected message %u", m->kind);
}

static int take_console(struct launch *l, const struct msg *m, int fd, struct err *e)
{
	const struct step *s = due(l, STEP_CONSOLE, 0);

	if (!s || s->u.console.slot != SLOT_NONE || fd < 0) {
		auto_close_fd(&fd);
		return unexpected(m, e);
	}
	l->console_fd = fd;
	return 0;
}

static int connect_agent(struct launch *l, const struct msg *m, struct err *e)
{
	const struct step *s = due(l, STEP_SECCOMP, 0);

	if (!s || !s->u.seccomp.listener.off)
		return unexpected(m, e);
	return host_connect_agent(l->sock, l->plan->island.pool.data + s->u.seccomp.listener.off,
				  e);
}

static int map_mount(struct launch *l, const struct msg *m, int tree, struct err *e)
{
	const struct step *s = due(l, STEP_BIND, 0);

	if (!s || tree < 0)
		return unexpected(m, e);
	return mnt_host_idmap(s, view_fd(&l->host, s->u.mount.slot),
			      l->plan->island.pool.data + s->u.mount.source.off, tree, e);
}

/* Return: 0: go on listening; 1: answer it; a negative code. */
static int obey(struct launch *l, const struct msg *m, int *fd, struct err *e)
{
	int r;

	switch ((enum msg_kind)m->kind) {
	case MSG_ERROR:
		*e = m->err;
		return m->err.code < 0 ? m->err.code : -EIO;
	case MSG_PRICE:
		if (l->plan->timing)
			note_price(l, (uint32_t)m->value, true, 0, m->number);
		return 0;
	case MSG_CONSOLE:
		return take_console(l, m, TAKE_FD(*fd), e);
	case MSG_IDMAP:
		r = map_mount(l, m, *fd, e);
		return r < 0 ? r : 1;
	case MSG_LISTENER:
		return connect_agent(l, m, e);
	case MSG_FORKED:
		r = due(l, STEP_FORK, 0) ? adopt(l, m, e) : unexpected(m, e);
		return r < 0 ? r : 1;
	case MSG_SYNC:
		r = due(l, STEP_SYNC, m->value) ? run_phase(l, (enum phase)m->value, e)
						: unexpected(m, e);
		return r < 0 ? r : 1;
	case MSG_NONE:
	case MSG_GO:
	case MSG_READY:
	case MSG_START:
	case MSG_STDIO:
	case MSG_TAKE:
	case MSG_GRANT:
	case MSG_DETACH:
	case MSG_EXIT:
	case MSG_COUNT:
	case MSG_DOWN:
	case MSG_KIND_COUNT:
		break;
	}
	return unexpected(m, e);
}

/* Handle what the islander says until it says @until (SYNC of COMMIT, or READY) or ends. */
static int attend(struct launch *l, enum msg_kind until, struct err *e)
{
	for (;;) {
		struct msg m = { 0 };
		AUTO_FD int fd = -EBADF;
		int r = wait_message(l, &m, &fd, e);

		if (r <= 0)
			return r < 0 ? r : until == MSG_NONE ? 0 : died(l, e);
		if (until == MSG_READY && m.kind == MSG_READY)
			return 0;
		r = obey(l, &m, &fd, e);
		if (r == 1 && until == MSG_SYNC && m.kind == MSG_SYNC && m.value == PHASE_COMMIT)
			return 0;
		if (r == 1 && (r = chan_send(l->sock, &(struct msg){ .kind = MSG_GO }, -1)) < 0)
			(void)err_sys(e, r, "answer the islander");
		if (r < 0)
			return r;
	}
}

static int prepare(struct launch *l, struct err *e)
{
	struct plan *p = l->plan;
	int r;

	if (plan_failed(p))
		return err_oom(e);
	l->slots = malloc((p->slots + 1) * sizeof(*l->slots));
	l->made = calloc(p->host.steps.len / sizeof(struct step) + 1, sizeof(*l->made));
	if (!l->slots || !l->made)
		return err_oom(e);
	for (uint32_t i = 0; i <= p->slots; i++)
		l->slots[i] = -EBADF;
	r = plan_view_half(&p->host, l->slots, p->slots, &l->host, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->island.steps.len; i += sizeof(struct step)) {
		const struct step *s = (const void *)(p->island.steps.data + i);

		l->gate |= s->kind == STEP_GATE || s->kind == STEP_LEAVE;
	}
	l->proc_fd = sys_open_proc();
	if (l->proc_fd < 0)
		return err_sys(e, l->proc_fd, "open /proc");
	return 0;
}

int launch_begin(struct plan *p, struct launch *ret, struct err *e)
{
	struct launch l = {
		.plan = p, .pidfd = -EBADF, .console_fd = -EBADF, .sock = -EBADF, .proc_fd = -EBADF
	};
	sigset_t stop, before;
	int r;

	stop_signals(&stop);
	(void)sigprocmask(SIG_BLOCK, &stop, &before);
	r = prepare(&l, e);
	if (r == 0)
		r = run_phase(&l, PHASE_HOST, e);
	if (r == 0)
		r = give_birth(&l, e);
	if (r == 0)
		r = attend(&l, MSG_SYNC, e);
	if (r == 0) {
		r = sys_start_time(l.pid, &l.start_time, NULL);
		if (r < 0)
			(void)err_sys(e, r, "start time of process %d", l.pid);
	}
	if (r < 0) {
		launch_abort(&l);
		launch_done(&l);
	} else {
		*ret = l;
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

int launch_place(struct plan *p, pid_t pid, struct err *e)
{
	AUTO_LAUNCH struct launch l = {
		.plan = p, .pidfd = -EBADF, .console_fd = -EBADF, .sock = -EBADF, .proc_fd = -EBADF
	};
	int r = prepare(&l, e);

	l.pid = pid;
	if (r == 0)
		r = run_phase(&l, PHASE_HOST, e);
	if (r == 0)
		r = run_phase(&l, PHASE_PLACE, e);
	if (r == 0)
		r = run_phase(&l, PHASE_COMMIT, e);
	if (r < 0)
		host_undo(&l);
	return r;
}

int launch_prepare_fast(struct plan *p, pid_t pid, struct err *e)
{
	AUTO_LAUNCH struct launch l = {
		.plan = p, .pidfd = -EBADF, .console_fd = -EBADF, .sock = -EBADF, .proc_fd = -EBADF
	};
	int r = prepare(&l, e);

	l.pid = pid;
	if (r == 0)
		r = run_phase(&l, PHASE_COMMIT, e);
	return r < 0 ? r : plan_memfd(&l, -EBADF, e);
}

int launch_release(struct launch *l, struct err *e)
{
	int r = chan_send(l->sock, &(struct msg){ .kind = MSG_GO, .value = l->pid }, -1);
	sigset_t stop, before;

	if (r < 0)
		return r == -EPIPE ? died(l, e) : err_sys(e, r, "release the islander");
	stop_signals(&stop);
	(void)sigprocmask(SIG_BLOCK, &stop, &before);
	r = attend(l, l->gate ? MSG_READY : MSG_NONE, e);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

void launch_abort(struct launch *l)
{
	if (l->pidfd >= 0) {
		(void)sys_pidfd_send_signal(l->pidfd, SIGKILL);
		while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
			;
		close(TAKE_FD(l->pidfd));
	}
	/* An islander that was never told of ends with the channel, and leaves the cgroups. */
	if (l->sock >= 0)
		close(TAKE_FD(l->sock));
	host_undo(l);
}

void launch_done(struct launch *l)
{
	for (uint32_t i = 0; l->slots && i < l->plan->slots; i++)
		if (l->slots[i] >= 0)
			close(l->slots[i]);
	free(l->slots);
	free(l->made);
	netdev_free(l->moves);
	buf_done(&l->prices);
	auto_close_fd(&l->sock);
	auto_close_fd(&l->pidfd);
	auto_close_fd(&l->console_fd);
	auto_close_fd(&l->proc_fd);
	*l = (struct launch){
		.pidfd = -EBADF, .console_fd = -EBADF, .sock = -EBADF, .proc_fd = -EBADF
	};
}
