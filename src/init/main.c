/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cay-init, the islander: takes a checked plan and performs its steps, in order. It is
 * the first and only program of cay inside a container: static, no parser, no heap.
 *
 * argv[1] is the number of the fd that holds the plan, argv[2] that of the channel to the
 * planner; everything else is in the plan.
 */
#include "mech/cgroup/cgroup.h"
#include "mech/cred/cred.h"
#include "mech/hooks/hooks.h"
#include "mech/lsm/lsm.h"
#include "mech/mount/mount.h"
#include "mech/ns/ns.h"
#include "mech/sched/sched.h"
#include "mech/seccomp/seccomp.h"
#include "mech/tty/tty.h"
#include "base/parse.h"
#include "sys/channel.h"
#include "sys/syscalls.h"

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { START_TIMEOUT_S = 2, EXIT_FAILED = 1, EXIT_ORPHANED = 2 };

struct islander {
	struct island in;
	struct plan_view view;
	struct plan_view fast; /* nsteps 0: none; what start wants run instead */
	uint32_t keep_fds;
	bool timing, sealed;
};

/*
 * The plan's own memory: private and writable, because lists are resolved in place. Closes @fd.
 * The plan of creation says how the islander works, too.
 */
static int load_plan(struct islander *me, int fd, struct plan_view *ret, struct err *e)
{
	const struct plan_head *head;
	struct stat st;
	void *bytes;

	if (fstat(fd, &st) < 0)
		return err_set(e, EBADF, "cay-init is started by cay, with a plan");
	if (st.st_size <= 0 || st.st_size > PLAN_MAX_BYTES)
		return err_set(e, EBADMSG, "plan: bad size");
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return err_sys(e, errno, "plan: mmap");
	close(fd);
	head = bytes;
	if (ret == &me->view && st.st_size >= (off_t)sizeof(*head)) {
		me->keep_fds = head->keep_fds;
		me->timing = head->timing;
	}
	return plan_check(bytes, (size_t)st.st_size, ret, e);
}

/*
 * What a careless parent left ignored or blocked is no business of the program's. Straight to
 * the kernel: libc keeps signals 32 to 34 for itself. All zero is the default disposition.
 */
static int reset_signals(void)
{
	static const unsigned char dfl[64];
	sigset_t none;

	for (int sig = 1; sig < 65; sig++)
		/* EINVAL: SIGKILL and SIGSTOP. */
		if (syscall(SYS_rt_sigaction, sig, dfl, NULL, sizeof(uint64_t)) < 0 &&
		    errno != EINVAL)
			return -errno;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/* First of all: to die with the planner. */
static int prepare(struct err *e)
{
	int r = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : reset_signals();

	(void)prctl(PR_SET_NAME, "cay-init");
	return r < 0 ? err_sys(e, r, "prepare cay-init") : 0;
}

/* Ask the planner to run a phase; whoever gets no answer has no planner and no future. */
static int sync_with_planner(struct islander *me, int64_t phase, struct err *e)
{
	struct msg m = { .kind = MSG_SYNC, .value = (int32_t)phase };
	int r;

	if (chan_send(me->in.sock, &m, -1) < 0)
		_exit(EXIT_ORPHANED);
	r = chan_recv(me->in.sock, &m, NULL);
	/* Not without a word: behind the last answer an end is taken for the program's. */
	if (r < 0)
		return err_sys(e, r, "receive from the planner");
	if (r == 0 || m.kind != MSG_GO)
		_exit(EXIT_ORPHANED);
	/* Committed: from here the container outlives the planner. */
	if (phase == PHASE_COMMIT) {
		if (prctl(PR_SET_PDEATHSIG, 0) < 0)
			return err_sys(e, errno, "prctl PR_SET_PDEATHSIG");
		me->in.pid = m.value;
	}
	return 0;
}

/* Close all but the program's own fds and those in @keep; numbers below 1 there are none. */
static int close_all_but(const struct islander *me, const int *keep, size_t count)
{
	unsigned int from = me->keep_fds, next;
	int r = 0;

	do {
		next = ~0U;
		for (size_t i = 0; i < count; i++)
			if (keep[i] > 0 && (unsigned int)keep[i] >= from &&
			    (unsigned int)keep[i] < next)
				next = (unsigned int)keep[i];
		if (next > from)
			r = sys_close_range(from, next == ~0U ? next : next - 1, 0);
		from = next + 1;
	} while (r == 0 && next != ~0U);
	return r;
}

/* The gate and its leash, and the attributes that wait for their label. */
static int close_others(const struct islander *me, const struct pollfd gate[2])
{
	const int keep[] = { gate[0].fd, gate[1].fd, me->in.attr_fd[0], me->in.attr_fd[1] };

	return close_all_but(me, keep, ARRAY_LEN(keep));
}

/* A process inside with CAP_SYS_PTRACE may take whatever a joining one holds: hold nothing. */
static int let_go(struct islander *me, const struct step *s, struct err *e)
{
	const int keep[] = { me->in.sock, view_fd(&me->view, s->u.letgo.slot),
			     s->u.letgo.proc ? me->in.proc_fd : -EBADF };
	int r = close_all_but(me, keep, ARRAY_LEN(keep));

	if (r < 0)
		return err_sys(e, r, "close what the container must not see");
	if (!s->u.letgo.proc)
		me->in.proc_fd = -EBADF;
	return 0;
}

/* Whoever holds a connection and says nothing must not hold the gate. */
static int limit_silence(int fd, time_t seconds)
{
	const struct timeval t = { .tv_sec = seconds };

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) < 0 ? -errno : 0;
}

/* The steps of a later plan that stand before its program; it may only say what to run and where. */
static int try_fast(struct islander *me, struct err *e)
{
	const struct step *s = me->fast.steps, *exec = s + me->fast.nsteps - 1;
	AUTO_FD int cwd = sys_openat2(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0);
	int r = cwd < 0 ? err_sys(e, cwd, "open the working directory") : 0;

	me->in.first_plan = &me->view;
	me->in.first_exec = &me->view.steps[me->view.nsteps - 1];
	me->in.plan = &me->fast;
	me->in.root_fd = sys_openat2(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	for (; r == 0 && me->fast.nsteps && s < exec; s++)
		r = s->kind == STEP_WORKDIR || s->kind == STEP_LOOKUP
			    ? cred_apply(&me->in, s, e)
			    : err_set(e, EBADMSG, "gate: step \"%s\" is none of a start",
				      step_describe(s->kind)->name);
	if (r == 0 && (!me->fast.nsteps || exec->kind != STEP_EXEC))
		r = err_set(e, EBADMSG, "gate: a plan without a program");
	me->in.plan = &me->view;
	if (r < 0) {
		me->in.first_exec = NULL;
		me->fast.nsteps = 0;
		close(TAKE_FD(me->in.root_fd));
		(void)!fchdir(cwd);
	}
	return r;
}

/* The files of the program become those that came along. */
static int take_stdio(const int *files, size_t count)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < count; i++)
		if (files[i] >= 0)
			r = dup3(files[i], (int)i, 0) < 0 ? -errno : 0;
	return r;
}

/*
 * The word, what comes along with it, and our answer: without it an end would be taken for the
 * program's beginning. What can't be had as it came changes nothing: the gate stays shut.
 * Return: 1; 0 at an end; a negative code.
 */
static int receive_start(struct islander *me, int sock, struct err *e)
{
	int files[3] = { -EBADF, -EBADF, -EBADF }, fd, r = limit_silence(sock, START_TIMEOUT_S);
	struct msg m = { .kind = MSG_NONE };

	do {
		r = r < 0 ? r : chan_recv(sock, &m, &fd);
		if (r <= 0)
			return r < 0 ? err_sys(e, r, "gate: receive") : 0;
		if (m.kind == MSG_STDIO && m.value >= 0 && m.value < (int)ARRAY_LEN(files))
			files[m.value] = fd;
	} while (m.kind == MSG_STDIO);
	if (m.kind != MSG_START)
		return err_set(e, EBADMSG, "gate: unexpected message %u", m.kind);
	if (fd >= 0)
		r = load_plan(me, fd, &me->fast, e);
	if (r >= 0 && fd >= 0)
		r = try_fast(me, e);
	if (r < 0)
		return r;
	r = take_stdio(files, ARRAY_LEN(files));
	if (r >= 0)
		r = limit_silence(sock, 0);
	m = (struct msg){ .kind = MSG_GO };
	if (r >= 0)
		r = chan_send(sock, &m, -1);
	return r < 0 ? err_sys(e, r, "gate: answer") : 1;
}

/*
 * The gate: tell the planner, let go of everything of its, and wait for `start`. Whoever
 * connects and goes away without a word is forgotten.
 */
static void end(int sig)
{
	_exit(128 + sig);
}

static int wait_at_gate(struct islander *me, const struct step *s, struct err *e)
{
	static const unsigned char enders[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct pollfd gate[] = { { .fd = view_fd(&me->view, s->u.gate.slot), .events = POLLIN },
				 { .fd = view_fd(&me->view, s->u.gate.leash) } };
	struct msg m = { .kind = MSG_READY };
	int r;

	/* The first process of a pid namespace hears no signal that it has no handler for. */
	for (unsigned int i = 0; i < sizeof(enders); i++)
		(void)signal(enders[i], end);
	if (chan_send(me->in.sock, &m, -1) < 0)
		_exit(EXIT_ORPHANED);
	r = close_others(me, gate);
	if (r < 0)
		return err_sys(e, r, "gate: close files");
	me->in.sock = me->in.proc_fd = me->in.root_fd = -EBADF;
	me->in.mask_fd = me->in.null_fd = -EBADF;
	for (;;) {
		int fd = poll(gate, ARRAY_LEN(gate), -1);

		if (gate[1].revents)
			_exit(EXIT_ORPHANED);
		if (fd >= 0)
			fd = accept4(gate[0].fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return err_sys(e, errno, "gate: accept");
		m = (struct msg){ .kind = MSG_ERROR };
		r = receive_start(me, fd, &m.err);
		if (r > 0) {
			me->in.sock = fd;
			close(gate[0].fd);
			if (gate[1].fd >= 0)
				close(gate[1].fd);
			return 0;
		}
		if (r < 0)
			(void)chan_send(fd, &m, -1);
		close(fd);
	}
}

/* exec: joining the mount namespace put us at its root; hold on to it. */
static int take_joined_root(struct islander *me, struct err *e)
{
	if (chdir("/") < 0)
		return err_sys(e, errno, "chdir to the container's root");
	me->in.root_fd = sys_openat2(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	if (me->in.root_fd < 0)
		return err_sys(e, me->in.root_fd, "open the container's root");
	return 0;
}

/* All is done that was to be done inside. The planner waits for the word, not for the end. */
static _Noreturn void leave(struct islander *me)
{
	struct msg m = { .kind = MSG_READY };

	_exit(chan_send(me->in.sock, &m, -1) < 0 ? EXIT_ORPHANED : 0);
}

static int apply(struct islander *me, const struct step *s, struct err *e)
{
	switch (s->kind) {
	case STEP_SYNC:
		return sync_with_planner(me, s->u.num.value, e);
	case STEP_GATE:
		return wait_at_gate(me, s, e);
	case STEP_CHDIR_ROOT:
		return take_joined_root(me, e);
	case STEP_LET_GO:
		return let_go(me, s, e);
	case STEP_LEAVE:
		leave(me);
	case STEP_CGROUP_ENTER:
		return cg_enter(&me->in, s, e);
	case STEP_PRIVATE:
	case STEP_SETNS:
	case STEP_UNSHARE:
	case STEP_BECOME_ROOT:
	case STEP_TIME_OFFSETS:
	case STEP_LOOPBACK:
	case STEP_FORK:
	case STEP_SESSION:
	case STEP_KEYRING:
	case STEP_SYSCTL:
	case STEP_HOSTNAME:
	case STEP_DOMAINNAME:
		return ns_apply(&me->in, s, e);
	case STEP_ROOT:
	case STEP_MOUNT:
	case STEP_BIND:
	case STEP_REMOUNT:
	case STEP_UNMOUNT:
	case STEP_HIDE:
	case STEP_SYMLINK:
	case STEP_DEVICE:
	case STEP_MASK:
	case STEP_READONLY:
	case STEP_PIVOT:
		return mnt_apply(&me->in, s, e);
	case STEP_CONSOLE:
		return tty_apply(&me->in, s, e);
	case STEP_HOOK:
		cred_put_home(&me->in, s->u.hook.home, view_list(&me->view, s->u.hook.envp),
			      s->u.hook.envp.len);
		return hooks_apply(&me->view, s, getpid(), e);
	case STEP_SECCOMP:
		return sec_apply(&me->in, s, e);
	case STEP_PERSONALITY:
	case STEP_MEMORY_POLICY:
		return sched_apply(&me->in, s, e);
	case STEP_LABEL_OPEN:
	case STEP_LABEL:
		return lsm_apply(&me->in, s, e);
	case STEP_OOM_SCORE:
	case STEP_WORKDIR:
	case STEP_LOOKUP:
	case STEP_GROUPS:
	case STEP_BOUNDING:
	case STEP_USER:
	case STEP_CAPS:
	case STEP_NO_NEW_PRIVS:
	case STEP_EXEC:
		return cred_apply(&me->in, s, e);
	}
	return err_set(e, EBADMSG, "step \"%s\" is not the islander's",
		       step_describe(s->kind)->name);
}

/*
 * Nothing of ours survives the exec. Done before the filter is there, which may deny the call;
 * what is opened behind it is closed by its opener.
 */
static int seal_fds(struct islander *me, struct err *e)
{
	int r = me->sealed ? 0 : sys_close_range(me->keep_fds, ~0U, CLOSE_RANGE_CLOEXEC);

	if (r < 0)
		return err_sys(e, r, "close the runtime's files at exec");
	me->sealed = true;
	return 0;
}

static int run_steps(struct islander *me, struct err *e)
{
	for (uint32_t i = 0; i < me->view.nsteps; i++) {
		const struct step *s = &me->view.steps[i];
		bool other = s->kind == STEP_EXEC && me->fast.nsteps > 0;
		struct msg price = { .kind = MSG_PRICE, .value = (int32_t)i };
		uint64_t before = me->timing ? sys_now_ns() : 0;
		int r;

		r = s->kind == STEP_SECCOMP || s->kind == STEP_EXEC ? seal_fds(me, e) : 0;
		if (other)
			me->in.plan = &me->fast;
		if (r == 0)
			r = apply(me, other ? &me->fast.steps[me->fast.nsteps - 1] : s, e);
		if (r < 0)
			return r;
		if (!me->timing || s->kind == STEP_GATE)
			continue;
		price.number = sys_now_ns() - before;
		(void)chan_send(me->in.sock, &price, -1);
	}
	return err_set(e, EBADMSG, "plan: ended without a program");
}

int main(int argc, char **argv)
{
	static struct islander me = {
		.in = { .root_fd = -EBADF,
			.proc_fd = -EBADF,
			.sock = -EBADF,
			.mask_fd = -EBADF,
			.null_fd = -EBADF },
	};
	struct msg m = { .kind = MSG_ERROR };
	uint32_t sock, plan;
	int r;

	me.in.plan = &me.view;
	me.in.sock = argc > 2 && parse_u32(argv[2], &sock) == 0 ? (int)sock : -EBADF;
	r = prepare(&m.err);
	if (r == 0)
		r = load_plan(&me, argc > 1 && parse_u32(argv[1], &plan) == 0 ? (int)plan : -EBADF,
			      &me.view, &m.err);
	if (r < 0 && chan_send(me.in.sock, &m, -1) == 0)
		return EXIT_FAILED;
	if (r < 0) {
		(void)!write(2, m.err.msg, strlen(m.err.msg));
		(void)!write(2, "\n", 1);
		return EXIT_FAILED;
	}
	me.in.proc_fd = sys_open_proc();
	if (me.in.proc_fd < 0)
		r = err_sys(&m.err, me.in.proc_fd, "open /proc of the host");
	else
		r = run_steps(&me, &m.err);
	m.value = r;
	(void)chan_send(me.in.sock, &m, -1);
	/* A filter may deny that, too; libc would ask for ever. */
	(void)syscall(SYS_exit_group, EXIT_FAILED);
	__builtin_trap();
}
