/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
	CONNECTION_FDS = 8, /* more come along with no state that makes sense */
	CONNECTION_MS = 5000,
	ACCEPTS = 64, /* at a time; then others have their turn */
	PART = 8 << 10,
};

struct connection {
	struct watch watch;
	struct connection *next; /* older */
	uid_t uid;
	uint64_t deadline_ns;
	int fds[CONNECTION_FDS];
	size_t fds_count;
	struct buf text;
};

static void drop(struct agent *a, struct connection *c)
{
	struct connection **at = &a->connections;

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	a->connections_count--;
	while (c->fds_count > 0)
		close(c->fds[--c->fds_count]);
	buf_done(&c->text);
	agent_discard(a, &c->watch);
}

static void refuse(struct agent *a, struct connection *c, const struct err *e)
{
	agent_log("user %u brought no container: %s", c->uid, e->msg);
	drop(a, c);
}

/* Nobody keeps others out by connecting often: his own oldest goes, or everybody's. */
static void make_room(struct agent *a, uid_t uid)
{
	struct connection *oldest = NULL, *own = NULL;
	size_t n = 0;

	for (struct connection *c = a->connections; c; c = c->next) {
		oldest = c;
		if (c->uid == uid) {
			own = c;
			n++;
		}
	}
	if (uid != 0 && n >= AGENT_CONNECTIONS_USER)
		drop(a, own);
	else if (a->connections_count >= AGENT_CONNECTIONS && oldest)
		drop(a, oldest);
}

/* Return: false when nobody waits. */
static bool accept_one(struct agent *a)
{
	int fd = accept4(a->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	struct connection *c;

	if (fd < 0) {
		struct connection *oldest = a->connections;

		/* Out of descriptors: those that say nothing have to go. */
		while (oldest && oldest->next)
			oldest = oldest->next;
		if ((errno == EMFILE || errno == ENFILE) && oldest)
			drop(a, oldest);
		return false;
	}
	c = calloc(1, sizeof(*c));
	if (!c || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		free(c);
		close(fd);
		return true;
	}
	make_room(a, peer.uid);
	c->watch = (struct watch){ WATCH_CONNECTION, fd };
	c->uid = peer.uid;
	c->deadline_ns = sys_now_ns() + (uint64_t)CONNECTION_MS * 1000000;
	c->next = a->connections;
	a->connections = c;
	a->connections_count++;
	if (agent_watch(a, &c->watch, EPOLLIN) < 0)
		drop(a, c);
	return true;
}

void connection_accept(struct agent *a)
{
	for (int i = 0; i < ACCEPTS && accept_one(a); i++)
		;
}

static int take_fds(struct connection *c, struct msghdr *m, struct err *e)
{
	int r = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		const int *fd = (const int *)(const void *)CMSG_DATA(h);
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			if (c->fds_count < CONNECTION_FDS) {
				c->fds[c->fds_count++] = fd[i];
				continue;
			}
			close(fd[i]);
			r = -E2BIG;
		}
	}
	if (r < 0 || (m->msg_flags & MSG_CTRUNC))
		return err_set(e, E2BIG, "more than %d fds came along", CONNECTION_FDS);
	return 0;
}

/* Return: 1 when there may be more; 0 at the end; a negative code. */
static int receive(struct connection *c, struct err *e)
{
	char part[PART];
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(CONNECTION_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = part, .iov_len = sizeof(part) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(c->watch.fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR
			       ? 1
			       : err_sys(e, errno, "read the container process state");
	r = take_fds(c, &m, e);
	if (r < 0)
		return r;
	if (c->text.len + (size_t)n > AGENT_STATE_MAX)
		return err_set(e, E2BIG, "the container process state has more than %d bytes",
			       AGENT_STATE_MAX);
	if (n > 0 && !buf_add(&c->text, part, (size_t)n))
		return err_oom(e);
	return n > 0;
}

static bool is_listener(int proc, int fd)
{
	char link[40], name[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "self/fd/%d", fd);
	n = readlinkat(proc, link, name, sizeof(name) - 1);
	if (n <= 0)
		return false;
	name[n] = '\0';
	return str_eq(name, "anon_inode:seccomp notify");
}

static int finish(struct agent *a, struct connection *c, const struct notice *n, struct err *e)
{
	int fd;

	if (n->fds != c->fds_count)
		return err_set(e, EINVAL, "fds: names %zu, but %zu came along", n->fds,
			       c->fds_count);
	fd = c->fds[n->listener];
	if (!is_listener(a->proc, fd))
		return err_set(e, EINVAL, "fds[%zu]: seccompFd is no notify fd", n->listener);
	c->fds[n->listener] = c->fds[--c->fds_count];
	return container_add(a, fd, c->uid, n, e);
}

void connection_read(struct agent *a, struct watch *w)
{
	struct connection *c = (struct connection *)(void *)w;
	struct notice n = { 0 };
	struct err e = { 0 };
	int more = receive(c, &e), r = more;

	if (r >= 0)
		r = notice_parse(c->text.data ? c->text.data : "", c->text.len, &n, &e);
	if (r == 0 && more == 0)
		r = c->text.len == 0 && c->fds_count == 0
			    ? err_set(&e, ENODATA, "the connection ended and nothing was said")
			    : err_set(&e, EINVAL, "the container process state is cut short");
	if (r > 0)
		r = finish(a, c, &n, &e);
	else if (r == 0)
		return;
	if (r < 0)
		refuse(a, c, &e);
	else
		drop(a, c);
}

void connection_expire(struct agent *a, uint64_t now_ns)
{
	struct connection *c, *next;
	size_t n = 0;

	for (c = a->connections; c; c = next) {
		next = c->next;
		if (now_ns < c->deadline_ns)
			continue;
		n++;
		drop(a, c);
	}
	if (n)
		agent_log("closed %zu connections that said nothing for %d s", n,
			  CONNECTION_MS / 1000);
}
