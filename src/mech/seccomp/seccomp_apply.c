/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/seccomp/seccomp.h"

#include "sys/channel.h"

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

enum {
	PENDING = -1000000, /* no fd yet, no result yet */
	STACK_BYTES = 32 << 10,
	LOOK_NS = 20000,
	SPINS = 1 << 21,
	NAP_NS = 100000000,
	NAPS = 100,
	PARTS = 5,
	POLICY_DEADLINE = 6, /* SCHED_DEADLINE, which libc hides */
};

static int load(const struct plan_view *v, const struct step *s, struct err *e)
{
	const uint32_t size = s->u.seccomp.filter.len, count = size / sizeof(struct sock_filter);
	const void *filter = view_blob(v, s->u.seccomp.filter);
	struct sock_fprog prog = { .len = (unsigned short)count };
	long r;

	if (!filter || count == 0 || count > SEC_MAX_INSNS ||
	    size % sizeof(struct sock_filter) != 0)
		return err_set(e, EINVAL, "seccomp: filter of %u bytes", size);
	/* The kernel only reads it. */
	prog.filter = (struct sock_filter *)(uintptr_t)filter;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned long)s->u.seccomp.flags, &prog);
	if (r < 0 && errno == ENOSYS && s->u.seccomp.flags == 0)
		r = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0UL, 0UL);
	if (r < 0 && errno == EINVAL)
		return err_sys(e, EINVAL, "seccomp: load the filter with flags %#x",
			       s->u.seccomp.flags);
	if (r < 0 && errno == EBUSY && (s->u.seccomp.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER))
		return err_set(e, EBUSY, "seccomp: a filter above this one has a listener already");
	if (r < 0)
		return err_sys(e, errno, "seccomp: load the filter");
	return s->u.seccomp.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? (int)r : 0;
}

/* ---- handing the listener over ----------------------------------------------------------- */

/*
 * From the load on, each of our calls may be denied, kill us, or wait for an agent that does not
 * have the fd yet. So a helper thread, which shares fds and memory but not the filter, waits for
 * the fd to appear in memory and sends it, and we look at memory for the outcome. A thread
 * leaves nothing behind: execve ends it, and nobody has to reap it.
 */
struct handover {
	int fd;	    /* PENDING; then the listener, or negative: there is none */
	int result; /* PENDING; then 0 or -errno */
	int sock;   /* to the agent */
	struct iovec part[PARTS];
	char pid[16], state_pid[16];
};

static char helper_stack[STACK_BYTES] __attribute__((aligned(16)));

/* The fd goes with the first byte; a long text may take more than one call. */
static int send_notice(struct handover *h, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct msghdr m = { .msg_iov = h->part,
			    .msg_iovlen = PARTS,
			    .msg_control = c.bytes,
			    .msg_controllen = sizeof(c.bytes) };

	c.head.cmsg_level = SOL_SOCKET;
	c.head.cmsg_type = SCM_RIGHTS;
	c.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
	while (m.msg_iovlen > 0) {
		ssize_t n = sendmsg(h->sock, &m, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		m.msg_control = NULL;
		m.msg_controllen = 0;
		for (; m.msg_iovlen > 0 && (size_t)n >= m.msg_iov->iov_len; m.msg_iov++) {
			n -= (ssize_t)m.msg_iov->iov_len;
			m.msg_iovlen--;
		}
		if (m.msg_iovlen > 0) {
			m.msg_iov->iov_base = (char *)m.msg_iov->iov_base + n;
			m.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int helper(void *arg)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };
	struct handover *h = arg;
	int fd, r = 0;

	while ((fd = __atomic_load_n(&h->fd, __ATOMIC_ACQUIRE)) == PENDING)
		(void)syscall(SYS_nanosleep, &look, NULL);
	if (fd >= 0) {
		r = send_notice(h, fd);
		close(fd);
	}
	close(h->sock);
	__atomic_store_n(&h->result, r, __ATOMIC_RELEASE);
	(void)syscall(SYS_futex, &h->result, FUTEX_WAKE, 1, NULL, NULL, 0);
	return 0;
}

/* musl and glibc alike start it on our thread's own errno, which we leave alone meanwhile. */
static int start_helper(struct handover *h, struct err *e)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		    CLONE_SYSVSEM;

	if (clone(helper, helper_stack + sizeof(helper_stack), flags, h) >= 0)
		return 0;
	if (errno == EAGAIN)
		return err_set(e, EAGAIN,
			       "seccomp: a listener needs one more thread for a moment: is "
			       "linux.resources.pids.limit or RLIMIT_NPROC too low, or the "
			       "scheduler SCHED_DEADLINE?");
	return err_sys(e, errno, "seccomp: start the thread that hands the listener over");
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/*
 * Look at memory, without a system call, for as long as a send can take. Only a real-time
 * program, which would keep the helper from the CPU, and one whose agent lets the socket fill
 * up, go on to sleep with futex.
 */
static int await(struct handover *h, bool real_time)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	int r;

	for (unsigned int i = 0; i < (real_time ? 1 : SPINS); i++) {
		r = __atomic_load_n(&h->result, __ATOMIC_ACQUIRE);
		if (r != PENDING)
			return r;
		relax();
	}
	for (unsigned int i = 0; i < NAPS; i++) {
		(void)syscall(SYS_futex, &h->result, FUTEX_WAIT, PENDING, &nap, NULL, 0);
		r = __atomic_load_n(&h->result, __ATOMIC_ACQUIRE);
		if (r != PENDING)
			return r;
	}
	return -ETIMEDOUT;
}

static int hand_over(struct island *in, const struct step *s, struct handover *h, struct err *e)
{
	int policy = (int)syscall(SYS_sched_getscheduler, 0), fd, r = start_helper(h, e);

	if (r < 0)
		return r;
	fd = load(in->plan, s, e);
	__atomic_store_n(&h->fd, fd, __ATOMIC_RELEASE);
	r = await(h, policy == SCHED_FIFO || policy == SCHED_RR || policy == POLICY_DEADLINE);
	if (fd < 0)
		return fd;
	return r < 0 ? err_sys(e, r, "linux.seccomp.listenerPath: send the notify fd to \"%.200s\"",
			       view_str(in->plan, s->u.seccomp.listener))
		     : 0;
}

/* Whoever waits for us outside sees the host's paths: the planner, or `start`. */
static int ask_for_agent(struct island *in, const char *path, struct err *e)
{
	struct msg m = { .kind = MSG_LISTENER };
	int fd = -EBADF, r;

	r = chan_send(in->sock, &m, -1);
	if (r == 0)
		r = chan_recv(in->sock, &m, &fd);
	if (r <= 0 || m.kind != MSG_GO || fd < 0)
		return err_set(e, ECONNREFUSED,
			       "linux.seccomp.listenerPath: no connection to \"%.200s\"", path);
	return fd;
}

static void part(struct handover *h, unsigned int i, const char *text)
{
	h->part[i] = (struct iovec){ .iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text) };
}

int sec_apply(struct island *in, const struct step *s, struct err *e)
{
	const struct plan_view *v = in->plan;
	const char *path = view_str(v, s->u.seccomp.listener), *text;
	static struct handover h; /* outlives this call if the helper hangs */
	uint32_t first = s->u.seccomp.state_pid;

	if (!(s->u.seccomp.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER))
		return load(v, s, e);
	if (!path)
		return err_set(e, EINVAL, "seccomp: a listener without a path");
	h = (struct handover){ .fd = PENDING, .result = PENDING };
	(void)snprintf(h.pid, sizeof(h.pid), "%d", in->pid);
	(void)snprintf(h.state_pid, sizeof(h.state_pid), "%d", first ? (int)first : in->pid);
	text = view_str(v, s->u.seccomp.head);
	part(&h, 0, text ? text : "");
	part(&h, 1, h.state_pid);
	text = view_str(v, s->u.seccomp.mid);
	part(&h, 2, text ? text : "");
	part(&h, 3, h.pid);
	text = view_str(v, s->u.seccomp.tail);
	part(&h, 4, text ? text : "");
	h.sock = ask_for_agent(in, path, e);
	if (h.sock < 0)
		return h.sock;
	return hand_over(in, s, &h, e);
}
