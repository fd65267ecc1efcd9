/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/helper.h"

#include "broker/handle.h"
#include "sys/syscalls.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	STAY_MS = 2000,	    /* without work, before the first helper goes */
	STAY_EXTRA_MS = 50, /* others */
	COPY_DEADLINE_MS = 5000,
	NOTIF_BYTES = 512, /* the kernel's struct may grow; the agent looks at start */
};

static void on_signal(int sig UNUSED)
{
}

/* A child that ends must end a ppoll, and nothing else; SIGUSR1 whatever we wait in. */
static int catch_signals(sigset_t *ret_outside)
{
	const struct sigaction sa = { .sa_handler = on_signal };
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	if (sigaction(SIGCHLD, &sa, NULL) < 0 || sigaction(SIGUSR1, &sa, NULL) < 0 ||
	    sigprocmask(SIG_BLOCK, &chld, NULL) < 0)
		return -errno;
	sigemptyset(ret_outside);
	return 0;
}

static void serve(struct helper *h, struct call *c, const struct seccomp_notif *n)
{
	const struct call_kind *kind = call_find(n->data.arch, n->data.nr);
	const uint64_t deadline = sys_now_ns() + (uint64_t)COPY_DEADLINE_MS * 1000000;
	int r;

	call_begin(c, n, kind);
	pending_begin(&h->desk->own, c->id, n->data.nr, c->tid, deadline);
	if (!kind || kind->class == CALL_ABSENT) {
		outcome_refuse(h, c, ENOSYS);
	} else {
		r = kind->class == CALL_SCALAR ? 0 : call_copy(c);
		/* The number named this thread while we read, if it still waits. */
		if (r < 0 && kind->class == CALL_VIEW)
			outcome_let_pass(h, c);
		else if (r < 0 && call_alive(h, c))
			outcome_refuse(h, c, r);
		else if (r == 0 && call_alive(h, c))
			kind->handle(h, c);
	}
	pending_end(&h->desk->own);
}

/* Return: false when the listener is of no use any more. */
static bool receive(struct helper *h)
{
	static struct call c;
	union {
		struct seccomp_notif n;
		char bytes[NOTIF_BYTES];
	} u;

	memset(&u, 0, sizeof(u));
	if (ioctl(h->notify, SECCOMP_IOCTL_NOTIF_RECV, &u.n) == 0) {
		serve(h, &c, &u.n);
		return true;
	}
	/* ENOENT: it went away before we came. */
	return errno == ENOENT || errno == EINTR;
}

static int poll_ms(struct pollfd *p, nfds_t n, uint64_t ns, const sigset_t *mask)
{
	const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000),
				    .tv_nsec = (long)(ns % 1000000000) };

	return ppoll(p, n, &t, mask);
}

int helper_run(struct helper *h)
{
	const uint64_t stay_ns = (uint64_t)(h->index ? STAY_EXTRA_MS : STAY_MS) * 1000000;
	struct pollfd p[2] = { { .fd = h->events }, { .fd = h->notify } };
	bool leaving = false;
	sigset_t outside;

	if (catch_signals(&outside) < 0)
		return 1;
	for (;;) {
		uint64_t wait_ns = leaving ? 0
					   : shared_pay(h->shared, sys_now_ns(), 0, h->burst_ns);
		int n;

		p[0].events = leaving ? 0 : POLLIN;
		p[1].events = leaving || wait_ns ? 0 : POLLIN;
		n = poll_ms(p, 2, wait_ns ? wait_ns : stay_ns, &outside);
		effect_reap(h);
		if (n > 0 && p[0].revents && !leaving) {
			/* The agent has a new policy, or is going. Say that no more is taken. */
			leaving = true;
			if (send(h->events, "", 1, MSG_NOSIGNAL) < 0)
				return 0;
		} else if (n > 0 && (p[1].revents & POLLIN)) {
			(void)shared_pay(h->shared, sys_now_ns(), h->cost_ns, h->burst_ns);
			if (!receive(h))
				return 1;
		} else if (n > 0 && p[1].revents) {
			leaving = true;
			p[1].fd = -1;
		}
		if (effect_busy(h) == 0 && (leaving || (n == 0 && !wait_ns))) {
			handle_open_done(h);
			return 0;
		}
	}
}
