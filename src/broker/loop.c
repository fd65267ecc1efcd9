/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"

#include "sys/syscalls.h"

#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

enum { TICK_MS = 25, EVENTS = 64 };

void agent_log(const char *fmt, ...)
{
	char text[1024] = "cay-broker: ";
	size_t n = strlen(text);
	va_list ap;
	int more;

	va_start(ap, fmt);
	more = vsnprintf(text + n, sizeof(text) - n - 1, fmt, ap);
	va_end(ap);
	n = more < 0 ? n : n + (size_t)more;
	if (n > sizeof(text) - 2)
		n = sizeof(text) - 2;
	/* What strangers say may be in it. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	text[n++] = '\n';
	(void)sys_write_all(STDERR_FILENO, text, n);
}

int agent_watch(struct agent *a, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, w->fd, &ev) < 0 ? -errno : 0;
}

void agent_rewatch(struct agent *a, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	(void)epoll_ctl(a->epoll, EPOLL_CTL_MOD, w->fd, &ev);
}

void agent_unwatch(struct agent *a, struct watch *w)
{
	if (w->fd >= 0) {
		/* A copy that somebody else holds would stay in the loop. */
		(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, w->fd, NULL);
		close(w->fd);
	}
	w->fd = -EBADF;
}

static void collect(struct agent *a)
{
	while (a->garbage_count > 0)
		free(a->garbage[--a->garbage_count]);
}

void agent_discard(struct agent *a, struct watch *w)
{
	agent_unwatch(a, w);
	w->kind = WATCH_GONE;
	/* More than one turn can bring: then what is older can't be in this turn's events. */
	if (a->garbage_count == ARRAY_LEN(a->garbage))
		free(a->garbage[--a->garbage_count]);
	a->garbage[a->garbage_count++] = w;
}

/* Time matters only while somebody has work or owes us something to read. */
static void set_tick(struct agent *a)
{
	const bool want = a->helpers_count || a->connections_count || a->clients || a->resting;
	const struct timespec every = { .tv_nsec = want ? TICK_MS * 1000000L : 0 };
	const struct itimerspec t = { .it_interval = every, .it_value = every };

	if (want == a->ticking)
		return;
	if (timerfd_settime(a->tick, 0, &t, NULL) == 0)
		a->ticking = want;
}

static void tick(struct agent *a)
{
	uint64_t times, now = sys_now_ns();

	if (read(a->tick, &times, sizeof(times)) < 0)
		return;
	pool_tick(a, now);
	connection_expire(a, now);
}

static void signals(struct agent *a)
{
	struct signalfd_siginfo s;
	struct err e = { 0 };

	while (read(a->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGCHLD)
			pool_reap(a);
		else if (s.ssi_signo != SIGHUP)
			a->leaving = true;
		else if (a->confined)
			continue; /* it has one policy, for good */
		else if (agent_reload(a, &e) < 0)
			agent_log("the old policies stay in force: %s", e.msg);
	}
}

static void handle(struct agent *a, struct watch *w, uint32_t events)
{
	switch (w->kind) {
	case WATCH_LISTEN:
		connection_accept(a);
		break;
	case WATCH_CONTROL:
		control_accept(a);
		break;
	case WATCH_SIGNALS:
		signals(a);
		break;
	case WATCH_TICK:
		tick(a);
		break;
	case WATCH_CONNECTION:
		connection_read(a, w);
		break;
	case WATCH_CONTROL_CLIENT:
		control_read(a, w);
		break;
	case WATCH_CONTAINER:
		pool_wake(a, w, events);
		break;
	case WATCH_HELPER:
		pool_hear(a, w);
		break;
	case WATCH_FIRST:
		a->orphaned = true;
		agent_unwatch(a, w);
		break;
	case WATCH_GONE:
		break;
	}
}

int agent_loop(struct agent *a, struct err *e)
{
	struct watch sig = { WATCH_SIGNALS, a->signals }, time = { WATCH_TICK, a->tick };
	struct watch in = { WATCH_LISTEN, a->listen }, control = { WATCH_CONTROL, a->control };
	struct watch first = { WATCH_FIRST, a->first };
	struct epoll_event ev[EVENTS];
	int r = agent_watch(a, &sig, EPOLLIN);

	if (r == 0)
		r = agent_watch(a, &time, EPOLLIN);
	if (r == 0 && a->listen >= 0)
		r = agent_watch(a, &in, EPOLLIN);
	if (r == 0 && a->control >= 0)
		r = agent_watch(a, &control, EPOLLIN);
	if (r == 0 && a->first >= 0)
		r = agent_watch(a, &first, EPOLLIN);
	if (r < 0)
		return err_sys(e, r, "epoll");
	while (!a->leaving) {
		int n = epoll_wait(a->epoll, ev, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "epoll_wait");
		for (int i = 0; i < n; i++)
			handle(a, ev[i].data.ptr, ev[i].events);
		control_settle(a);
		collect(a);
		set_tick(a);
		/* Nobody can come any more whom it would serve. */
		a->leaving |= a->orphaned && a->containers_count == 0;
	}
	return 0;
}
