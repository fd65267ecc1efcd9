/* SPDX-License-Identifier: Apache-2.0 */
#include "warm/keeper.h"

#include "container/foreground.h"
#include "sys/channel.h"
#include "sys/syscalls.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
	WORKERS = 4,	    /* creates at a time */
	MAX_CLIENTS = 1024, /* further ones wait to be accepted */
	FIRST_RETRY_MS = 50,
	MAX_RETRY_MS = 5000,
	CALM_NS = 5000000, /* behind a take, for the program to begin */
};

/* ---- clients ---------------------------------------------------------------------- */

static struct keeper_client *find_client(struct keeper *k, int fd)
{
	for (size_t i = 0; i < k->clients_count; i++)
		if (k->clients[i].fd == fd)
			return &k->clients[i];
	return NULL;
}

/* Whoever goes away with a container in hand takes it along. */
static void drop_client(struct keeper *k, struct keeper_client *c)
{
	struct member *m = pool_by_client(&k->pool, c->fd);

	if (m) {
		m->client = -EBADF;
		m->state = MEMBER_GOING;
	}
	close(c->fd);
	*c = k->clients[--k->clients_count];
}

static void tell(struct keeper *k, int fd, const struct msg *m)
{
	struct keeper_client *c = find_client(k, fd);

	/* It reads when it waits for us, and never has two answers to read. */
	if (c && chan_send(fd, m, -1) < 0)
		drop_client(k, c);
}

static void grant(struct keeper *k, struct keeper_client *c)
{
	struct msg answer = { .kind = MSG_GRANT };
	struct member *m;
	char id[CTR_ID_MAX + 1];

	if (k->pool.closing) {
		answer.kind = MSG_ERROR;
		(void)err_set(&answer.err, ESHUTDOWN, "warm \"%s\" is going down", k->name);
		tell(k, c->fd, &answer);
		return;
	}
	m = pool_take(&k->pool, c->fd);
	c->wants = !m;
	if (!m)
		return;
	k->calm_ns = sys_now_ns() + CALM_NS;
	(void)keeper_id(k, m->number, id);
	memcpy(answer.err.msg, id, sizeof(id));
	tell(k, c->fd, &answer);
}

static void obey(struct keeper *k, struct keeper_client *c, const struct msg *m)
{
	struct member *mine = pool_by_client(&k->pool, c->fd);
	struct msg count = { .kind = MSG_COUNT,
			     .value = (int32_t)pool_count(&k->pool, MEMBER_READY),
			     .number = k->pool.want };

	if (m->kind == MSG_TAKE && !mine) {
		grant(k, c);
	} else if (m->kind == MSG_COUNT) {
		tell(k, c->fd, &count);
	} else if (m->kind == MSG_DETACH && mine) {
		mine->client = -EBADF;
	} else if (m->kind == MSG_DOWN) {
		c->down = true;
		k->pool.closing = true;
	} else {
		drop_client(k, c);
	}
}

static void hear(struct keeper *k, int fd)
{
	struct keeper_client *c = find_client(k, fd);
	struct msg m = { .kind = MSG_NONE };

	if (!c)
		return;
	if (chan_recv(fd, &m, NULL) <= 0)
		drop_client(k, c);
	else
		obey(k, c, &m);
}

static void welcome(struct keeper *k)
{
	int fd = accept4(k->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct keeper_client *list;

	if (fd < 0)
		return;
	list = reallocarray(k->clients, k->clients_count + 1, sizeof(*list));
	if (!list) {
		close(fd);
		return;
	}
	k->clients = list;
	list[k->clients_count++] = (struct keeper_client){ .fd = fd };
}

/* ---- members ---------------------------------------------------------------------- */

static void say_ready(struct keeper *k, const struct err *e)
{
	if (k->ready_fd < 0)
		return;
	(void)sys_write_all(k->ready_fd, e, sizeof(*e));
	close(TAKE_FD(k->ready_fd));
}

static void create_failed(struct keeper *k, struct member *m)
{
	uint64_t ms = (uint64_t)FIRST_RETRY_MS << (k->failures < 8 ? k->failures : 8);

	/* A create leaves nothing behind when it fails; one that was killed may. */
	m->state = MEMBER_GOING;
	k->failures++;
	k->retry_ns = sys_now_ns() + (ms < MAX_RETRY_MS ? ms : MAX_RETRY_MS) * 1000000;
	if (k->ready_fd >= 0)
		k->pool.closing = true;
}

static void worker_ended(struct keeper *k, struct member *m, int status)
{
	if (m->state == MEMBER_MAKING) {
		if (keeper_made(k, m, &k->last) < 0) {
			create_failed(k, m);
			return;
		}
		k->failures = 0;
		m->state = MEMBER_READY;
		return;
	}
	m->worker = 0;
	/* What could not be removed is not ours to hammer at: `list` tries again when we are gone. */
	if (status == 0 || m->pid == 0)
		pool_remove(&k->pool, m);
}

static void process_ended(struct keeper *k, struct member *m, int status)
{
	struct msg ended = { .kind = MSG_EXIT, .value = foreground_status(status) };
	int client = m->client;

	m->pid = 0;
	m->client = -EBADF;
	if (m->state == MEMBER_READY || m->state == MEMBER_TAKEN)
		m->state = MEMBER_GOING;
	if (client >= 0)
		tell(k, client, &ended);
}

static void reap(struct keeper *k)
{
	struct member *m;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if ((m = pool_by_worker(&k->pool, pid)))
			worker_ended(k, m, status);
		else if ((m = pool_by_pid(&k->pool, pid)))
			process_ended(k, m, status);
	}
}

/* When the next may be made. To make one takes several times what the start of one takes. */
static uint64_t rest_until(const struct keeper *k)
{
	return pool_is_low(&k->pool) || k->retry_ns > k->calm_ns ? k->retry_ns : k->calm_ns;
}

/* Who can be told something now, and who can begin to be made or removed. */
static void advance(struct keeper *k)
{
	size_t busy = pool_count(&k->pool, MEMBER_MAKING);
	bool rest = rest_until(k) > sys_now_ns();

	for (size_t i = 0; i < k->clients_count; i++)
		if (k->clients[i].wants)
			grant(k, &k->clients[i]);
	for (size_t i = 0; i < k->pool.count; i++) {
		struct member *m = &k->pool.list[i];

		if (k->pool.closing && m->state == MEMBER_READY)
			m->state = MEMBER_GOING;
		if (m->state == MEMBER_GOING && !m->worker && (!rest || k->pool.closing))
			(void)keeper_remove(k, m, &k->last);
	}
	if (rest)
		return;
	for (size_t n = pool_lacks(&k->pool); n > 0 && busy < WORKERS; n--, busy++) {
		struct member *m = pool_add(&k->pool);

		if (m && keeper_make(k, m, &k->last) < 0)
			create_failed(k, m);
	}
	if (!pool_lacks(&k->pool) && pool_count(&k->pool, MEMBER_READY) >= k->pool.want)
		say_ready(k, &(struct err){ 0 });
}

/* Nothing waits any more: those who asked for that may know it, and others may have the name. */
static void finish_down(struct keeper *k)
{
	if (k->listen_fd >= 0) {
		(void)unlink(k->socket);
		close(TAKE_FD(k->listen_fd));
	}
	if (k->pool.count > pool_count(&k->pool, MEMBER_TAKEN))
		return;
	for (size_t i = k->clients_count; i-- > 0;)
		if (k->clients[i].down) {
			(void)chan_send(k->clients[i].fd, &(struct msg){ .kind = MSG_DOWN }, -1);
			drop_client(k, &k->clients[i]);
		}
}

/* A container that somebody waits for keeps the keeper, who alone learns how it ends. */
static bool is_finished(const struct keeper *k)
{
	for (size_t i = 0; i < k->pool.count; i++)
		if (k->pool.list[i].state != MEMBER_TAKEN || k->pool.list[i].client >= 0)
			return false;
	return k->pool.closing;
}

static void take_signals(struct keeper *k)
{
	struct signalfd_siginfo si;

	while (read(k->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo != SIGCHLD)
			k->pool.closing = true;
	reap(k);
}

static int wait_for_events(struct keeper *k, struct err *e)
{
	size_t n = k->clients_count, first = 2;
	struct pollfd *p = calloc(n + first, sizeof(*p));
	uint64_t now = sys_now_ns(), rest = rest_until(k);
	int timeout = rest > now ? (int)((rest - now) / 1000000) + 1 : -1, r;

	if (!p)
		return err_oom(e);
	p[0] = (struct pollfd){ .fd = k->signal_fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = n < MAX_CLIENTS ? k->listen_fd : -1, .events = POLLIN };
	for (size_t i = 0; i < n; i++)
		p[first + i] = (struct pollfd){ .fd = k->clients[i].fd, .events = POLLIN };
	r = poll(p, n + first, timeout);
	if (r < 0 && errno != EINTR)
		r = err_sys(e, errno, "poll");
	for (size_t i = 0; r > 0 && i < n; i++)
		if (p[first + i].revents)
			hear(k, p[first + i].fd);
	if (r > 0 && p[0].revents)
		take_signals(k);
	if (r > 0 && p[1].revents)
		welcome(k);
	free(p);
	return r < 0 && errno != EINTR ? r : 0;
}

static int begin(struct keeper *k, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	(void)signal(SIGCHLD, SIG_DFL);
	/* Whoever started the keeper waits for no program inside. */
	(void)unsetenv("NOTIFY_SOCKET");
	k->pool.want = k->o->count;
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
	    (k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return err_sys(e, errno, "prepare the keeper");
	if (pipe2(k->leash, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	return 0;
}

int keeper_run(struct keeper *k, struct err *e)
{
	int r = begin(k, e);

	while (r == 0) {
		advance(k);
		if (k->pool.closing)
			finish_down(k);
		if (is_finished(k))
			break;
		r = wait_for_events(k, e);
	}
	if (r == 0 && k->ready_fd >= 0 && k->last.code < 0) {
		if (e)
			*e = k->last;
		r = k->last.code;
	}
	while (k->clients_count > 0)
		drop_client(k, k->clients);
	free(k->clients);
	pool_done(&k->pool);
	return r;
}
