/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"

#include "sys/syscalls.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
	WAYS = 4,	 /* idle helpers that are sent away for those who wait, at a time */
	RESTS_MAX = 200, /* ticks: 5 s, as for a call */
	STUCK_MS = 50,	 /* a helper at one call for so long gets company */
	FIRST_FD = 3,
	LAST_WAITS = 100,
	LAST_WAIT_US = 2000,
	EVENT_BYTES = sizeof(struct event) + EVENT_TEXT_MAX,
};

/* ---- refusing for those who can't any more ---------------------------------------------------- */

/* Whoever works on it has been killed, or is about to be. @told: it has been written down */
static void refuse(struct agent *a, struct container *c, const struct pending *p, bool told)
{
	struct seccomp_notif_resp resp = { .id = atomic_load(&p->id), .error = -EPERM };
	const bool waited = ioctl(c->watch.fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) == 0;
	const struct event ev = { .nr = atomic_load(&p->nr),
				  .tid = atomic_load(&p->tid),
				  .error = EPERM,
				  .took_ns = sys_now_ns() - atomic_load(&p->since_ns) };

	/* A child may have done something for one that is gone, too. */
	if (!told && (waited || atomic_load(&p->pid)))
		report_event(a, c, &ev, EVENT_ENDED, "");
}

/* What it had not taken away is taken away. */
static void refuse_pending(struct agent *a, struct container *c, struct pending *p)
{
	char name[16];

	if (!atomic_load(&p->since_ns))
		return;
	refuse(a, c, p, atomic_load(&p->told));
	(void)snprintf(name, sizeof(name), "%d", atomic_load(&p->pid));
	if (a->devices >= 0)
		(void)unlinkat(a->devices, name, 0);
	pending_end(p);
}

static void clear_desk(struct agent *a, struct container *c, unsigned int index)
{
	struct desk *d = &agent_page(a, c->slot)->desk[index];

	refuse_pending(a, c, &d->own);
	for (unsigned int i = 0; i < SHARED_CHILDREN; i++)
		refuse_pending(a, c, &d->child[i]);
}

/* ---- starting a helper -------------------------------------------------------------------------- */

/* The helper's fds from FIRST_FD on, and no other: least of all the listeners of others. */
static int keep_fds(struct helper *h)
{
	int *const keep[] = { &h->notify, &h->events, &h->proc, &h->lock, &h->userns, &h->devices };
	int high[ARRAY_LEN(keep)];

	for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
		high[i] = *keep[i] < 0 ? -EBADF : fcntl(*keep[i], F_DUPFD_CLOEXEC, 64);
		if (*keep[i] >= 0 && high[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
		*keep[i] = high[i] < 0 ? -EBADF : FIRST_FD + (int)i;
		if (high[i] >= 0 && dup3(high[i], *keep[i], O_CLOEXEC) < 0)
			return -errno;
	}
	return sys_close_range(FIRST_FD + (unsigned int)ARRAY_LEN(keep), ~0U, 0);
}

static void forget_pages(const struct agent *a, uint32_t from, uint32_t to)
{
	if (from < to)
		(void)munmap(a->pages + (size_t)from * AGENT_PAGE,
			     (size_t)(to - from) * AGENT_PAGE);
}

/* Only the container's own pages stay. */
static void keep_pages(const struct agent *a, const struct container *c)
{
	const uint32_t low = c->slot < c->ledger ? c->slot : c->ledger;
	const uint32_t high = c->slot < c->ledger ? c->ledger : c->slot;

	forget_pages(a, 0, low);
	forget_pages(a, low + 1, high);
	forget_pages(a, high + 1, AGENT_CONTAINERS);
}

static void be_helper(struct agent *a, struct container *c, unsigned int index, int events)
{
	struct helper h = { .notify = c->watch.fd,
			    .events = events,
			    .proc = a->proc,
			    .lock = a->lock,
			    .devices = a->devices,
			    .userns = a->userns,
			    .policy = c->policy,
			    .owner = c->owner,
			    .home = c->home,
			    .confined = a->confined,
			    .shared = agent_page(a, c->slot),
			    .ledger = agent_page(a, c->ledger),
			    .index = index,
			    .cgroups = &a->host.cgroups,
			    .cost_ns = a->cost_ns,
			    .burst_ns = a->burst_ns };
	sigset_t none;

	h.desk = &h.shared->desk[index];
	sigemptyset(&none);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || keep_fds(&h) < 0)
		_exit(1);
	for (int s = 1; s < 32; s++)
		(void)signal(s, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	keep_pages(a, c);
	_exit(helper_run(&h));
}

/* Return: 0 or -errno. */
static int start(struct agent *a, struct container *c, unsigned int index)
{
	struct worker *w = &c->worker[index];
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		be_helper(a, c, index, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	*w = (struct worker){ .watch = { WATCH_HELPER, pair[0] },
			      .container = c,
			      .pid = pid,
			      .index = index,
			      .calls = c->calls };
	a->helpers_count++;
	c->user->helpers++;
	if (agent_watch(a, &w->watch, EPOLLIN) < 0)
		(void)kill(pid, SIGKILL);
	return 0;
}

/* Is somebody taking the calls of this container? */
static bool served(const struct container *c)
{
	for (unsigned int i = 0; i < SHARED_HELPERS; i++)
		if (c->worker[i].pid && !c->worker[i].retired)
			return true;
	return false;
}

static bool has_call(const struct container *c)
{
	struct pollfd p = { .fd = c->watch.fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

/* A helper reads the listener by itself: we look at it only while there is none. */
static void set_watch(struct agent *a, struct container *c)
{
	if (!c->gone)
		agent_rewatch(a, &c->watch, served(c) || c->waiting || c->resting ? 0 : EPOLLIN);
}

/*
 * One user's containers don't take the helpers of others, whatever he lets them wait for. Nobody
 * takes more than half of what the others left: a user with subordinate ids is many users.
 */
static bool may_have_more(const struct agent *a, const struct user *u)
{
	return u->helpers < AGENT_HELPERS - a->helpers_count &&
	       (u->uid == 0 || u->helpers < AGENT_HELPERS_USER);
}

static void dismiss(struct worker *w)
{
	w->leaving = true;
	(void)send(w->watch.fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool has_work(const struct agent *a, const struct worker *w)
{
	const struct desk *d = &agent_page(a, w->container->slot)->desk[w->index];
	bool busy = atomic_load(&d->own.since_ns);

	for (unsigned int i = 0; !busy && i < SHARED_CHILDREN; i++)
		busy = atomic_load(&d->child[i].since_ns);
	return busy;
}

/* Somebody waits: an idle helper goes, of whoever has most. */
static void make_way(struct agent *a, const struct user *who)
{
	const struct user *most = a->users;

	for (const struct user *u = a->users; u; u = u->next)
		if (u->helpers > most->helpers)
			most = u;
	/* His own share is used up. */
	if (who->uid != 0 && who->helpers >= AGENT_HELPERS_USER)
		most = who;
	for (struct container *c = a->containers; c; c = c->next)
		for (unsigned int i = 0; c->user == most && i < SHARED_HELPERS; i++) {
			struct worker *w = &c->worker[i];

			if (!w->pid || w->leaving || w->retired || has_work(a, w))
				continue;
			dismiss(w);
			return;
		}
}

/* Nobody is there to answer, now or for good: its calls fail with ENOSYS then. */
static void lose(struct agent *a, struct container *c)
{
	c->gone = true;
	(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, c->watch.fd, NULL);
}

/*
 * No helper can be made for it (its user has too many processes, say), or they end before they take a call.
 * To try at once again would take a processor, and to try for ever would leave the callers waiting.
 */
static void rest(struct agent *a, struct container *c)
{
	c->resting = a->resting = true;
	if (++c->rests < RESTS_MAX)
		return;
	agent_log("container \"%s\" of user %u: no helper comes to work for it, so it is left",
		  c->id, c->owner);
	lose(a, c);
}

static void start_any(struct agent *a, struct container *c)
{
	for (unsigned int i = 0; i < SHARED_HELPERS; i++) {
		if (c->worker[i].pid)
			continue;
		if (!may_have_more(a, c->user))
			c->waiting = true;
		else if (start(a, c, i) < 0)
			rest(a, c);
		break;
	}
	set_watch(a, c);
}

/* ---- what the loop says ---------------------------------------------------------------------------- */

static bool idle(const struct container *c)
{
	for (unsigned int i = 0; i < SHARED_HELPERS; i++)
		if (c->worker[i].pid)
			return false;
	return true;
}

void pool_wake(struct agent *a, struct watch *w, uint32_t events)
{
	struct container *c = (struct container *)(void *)w;

	if (events & EPOLLIN && !served(c)) {
		start_any(a, c);
		if (c->waiting)
			make_way(a, c->user);
		return;
	}
	if (!(events & (EPOLLHUP | EPOLLERR)))
		return;
	/* Nobody is left inside. Helpers see it, too; children of theirs may still be at work. */
	lose(a, c);
	if (idle(c))
		container_release(a, c);
}

/* ---- what helpers say ----------------------------------------------------------------------------- */

/* Return: false when there is no more. */
static bool hear_one(struct agent *a, struct worker *w)
{
	static union {
		struct event ev;
		char bytes[EVENT_BYTES];
	} u;
	static char words[EVENT_TEXT_MAX + 1], text[EVENT_TEXT_MAX + 1];
	const char *at = u.bytes + sizeof(u.ev);
	ssize_t n = recv(w->watch.fd, u.bytes, sizeof(u.bytes), MSG_DONTWAIT);

	if (n == 1) {
		w->retired = true;
		return true;
	}
	if (n < (ssize_t)sizeof(u.ev) || (size_t)n != sizeof(u.ev) + u.ev.words_len + u.ev.text_len)
		return false;
	memcpy(words, at, u.ev.words_len);
	words[u.ev.words_len] = '\0';
	memcpy(text, at + u.ev.words_len, u.ev.text_len);
	text[u.ev.text_len] = '\0';
	report_event(a, w->container, &u.ev, words, text);
	return true;
}

void pool_hear(struct agent *a, struct watch *watch)
{
	struct worker *w = (struct worker *)(void *)watch;
	bool was = w->retired;

	/* A few at a time: others have something to say, too. */
	for (int i = 0; i < 16; i++)
		if (!hear_one(a, w)) {
			struct pollfd p = { .fd = watch->fd, .events = POLLIN };

			if (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP))
				(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
			break;
		}
	if (w->retired && !was && has_call(w->container))
		start_any(a, w->container);
	else if (w->retired && !was)
		set_watch(a, w->container);
}

/* Those that wait for a helper, in turn. */
static void serve_waiting(struct agent *a)
{
	struct container *c = a->serve_next ? a->serve_next : a->containers;
	unsigned int ways = WAYS;

	for (size_t n = a->containers_count; n > 0 && c; n--) {
		struct container *next = c->next ? c->next : a->containers;

		if (c->waiting && may_have_more(a, c->user)) {
			c->waiting = false;
			start_any(a, c);
			a->serve_next = next;
		} else if (c->waiting && ways > 0) {
			ways--;
			make_way(a, c->user);
			a->serve_next = next;
		}
		c = next;
	}
}

static void ended(struct agent *a, struct worker *w, bool crashed)
{
	struct container *c = w->container;
	const unsigned int index = w->index;

	while (hear_one(a, w))
		;
	agent_unwatch(a, &w->watch);
	clear_desk(a, c, index);
	if (c->calls != w->calls)
		c->rests = 0;
	else if (crashed && !w->retired && !w->leaving && !c->gone)
		rest(a, c);
	w->pid = 0;
	a->helpers_count--;
	c->user->helpers--;
	if (c->gone) {
		if (idle(c))
			container_release(a, c);
	} else {
		set_watch(a, c);
	}
}

static struct worker *by_pid(const struct agent *a, pid_t pid)
{
	for (struct container *c = a->containers; c; c = c->next)
		for (unsigned int i = 0; i < SHARED_HELPERS; i++)
			if (c->worker[i].pid == pid)
				return &c->worker[i];
	return NULL;
}

void pool_reap(struct agent *a)
{
	struct worker *w;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		w = by_pid(a, pid);
		if (w)
			ended(a, w, status != 0);
	}
	serve_waiting(a);
}

/* ---- time ----------------------------------------------------------------------------------------- */

/*
 * Killed and refused at once: whoever waits for a file system that a guest serves (FUSE) can't even
 * die until that answers. @pid has not been buried, so the number is still its own.
 */
static void end_overdue(struct agent *a, struct container *c, struct pending *p, pid_t pid)
{
	/* Its place may be another call's as soon as it is dead. */
	struct pending it;
	bool told;

	atomic_init(&it.id, atomic_load(&p->id));
	atomic_init(&it.since_ns, atomic_load(&p->since_ns));
	atomic_init(&it.nr, atomic_load(&p->nr));
	atomic_init(&it.tid, atomic_load(&p->tid));
	atomic_init(&it.pid, atomic_load(&p->pid));
	atomic_store(&p->deadline_ns, UINT64_MAX);
	told = atomic_exchange(&p->told, true);
	(void)kill(pid, SIGKILL);
	refuse(a, c, &it, told);
}

/*
 * Whoever brought the listener may take what was there when the helper looked, which then waits for
 * the next. A signal ends that; one that comes too early is followed by another.
 */
static void remind(const struct worker *w)
{
	if (w->leaving && !w->retired)
		(void)kill(w->pid, SIGUSR1);
}

/* Return: has it been at one call for long? */
static bool look_at(struct agent *a, struct worker *w, uint64_t now_ns)
{
	struct desk *d = &agent_page(a, w->container->slot)->desk[w->index];
	const uint64_t since = atomic_load(&d->own.since_ns);

	for (unsigned int i = 0; i < SHARED_CHILDREN; i++) {
		struct pending *p = &d->child[i];
		const pid_t pid = atomic_load(&p->pid);

		if (atomic_load(&p->since_ns) && now_ns > atomic_load(&p->deadline_ns) && pid > 0)
			end_overdue(a, w->container, p, pid);
	}
	if (since && now_ns > atomic_load(&d->own.deadline_ns)) {
		end_overdue(a, w->container, &d->own, w->pid);
		w->retired = true;
		set_watch(a, w->container);
	}
	return since && now_ns > since + (uint64_t)STUCK_MS * 1000000;
}

static void wake(struct agent *a, struct container *c)
{
	c->resting = false;
	if (!c->gone)
		set_watch(a, c);
	else if (idle(c))
		container_release(a, c);
}

void pool_tick(struct agent *a, uint64_t now_ns)
{
	const bool resting = a->resting;

	a->resting = false;
	for (struct container *c = a->containers, *next; c && (a->helpers_count || resting);
	     c = next) {
		unsigned int there = 0, stuck = 0;

		next = c->next;
		if (c->resting) {
			wake(a, c);
			continue;
		}

		for (unsigned int i = 0; i < SHARED_HELPERS; i++) {
			if (!c->worker[i].pid)
				continue;
			remind(&c->worker[i]);
			there += !c->worker[i].retired;
			stuck += look_at(a, &c->worker[i], now_ns) && !c->worker[i].retired;
		}
		if (there > 0 && stuck == there && !c->gone && has_call(c))
			start_any(a, c);
	}
	serve_waiting(a);
}

void pool_retire(struct agent *a)
{
	for (struct container *c = a->containers; c; c = c->next) {
		c->policy = policies_find(&a->policies, c->owner, c->policy_name);
		for (unsigned int i = 0; i < SHARED_HELPERS; i++) {
			struct worker *w = &c->worker[i];

			if (!w->pid || w->retired || w->leaving)
				continue;
			dismiss(w);
		}
	}
}

bool pool_retiring(const struct agent *a)
{
	for (const struct container *c = a->containers; c; c = c->next)
		for (unsigned int i = 0; i < SHARED_HELPERS; i++)
			if (c->worker[i].pid && c->worker[i].leaving && !c->worker[i].retired)
				return true;
	return false;
}

void pool_done(struct agent *a)
{
	for (struct container *c = a->containers; c; c = c->next)
		for (unsigned int i = 0; i < SHARED_HELPERS; i++)
			if (c->worker[i].pid)
				(void)kill(c->worker[i].pid, SIGKILL);
	/* Those that can't die yet do nothing any more when they can. */
	for (int i = 0; i < LAST_WAITS && waitpid(-1, NULL, WNOHANG) >= 0; i++)
		(void)usleep(LAST_WAIT_US);
}
