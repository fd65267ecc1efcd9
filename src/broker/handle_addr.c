/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

/*
 * connect(2) and bind(2): the socket is taken out of the thread's table, so that what was looked at is
 * what is connected, and the copied address is used. Internet addresses are connected by the helper
 * itself, since nothing about it depends on who asks; where a socket may wait, by a child.
 */
enum {
	DEADLINE_MS = 5000,
	CONNECT_MS = 150000, /* TCP itself gives up after about 130 s */
	LOOK_US = 200000,    /* is it still wanted? */
};

struct job {
	int fd;
	bool bind;
	struct socket_facts facts;
	struct sockaddr_storage as_asked; /* copied */
	socklen_t len;
	char path[PATH_MAX]; /* of a Unix socket, as the policy has it */
};
static struct job job;

/* ---- taking the socket ------------------------------------------------------------------------- */

static int take_socket(struct helper *h, const struct call *c)
{
	const int fd = (int)c->arg[0].value;
	AUTO_FD int pidfd = sys_pidfd_open(c->tid);
	AUTO_TARGET struct target t = TARGET_INIT;
	int r;

	if (pidfd >= 0) {
		if (!call_alive(h, c))
			return -ESRCH;
		r = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
		return r < 0 ? -errno : r;
	}
	/* Not the first thread of its process. */
	r = target_open(&t, h, c, 0);
	return r < 0 ? r : target_fd(&t, h, c, fd);
}

static int fact(int fd, int name, int *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, SOL_SOCKET, name, ret, &len) < 0 ? -errno : 0;
}

static int read_job(struct helper *h, const struct call *c)
{
	int r;

	job = (struct job){ .bind = str_eq(c->kind->name, "bind"), .fd = -EBADF };
	if (c->arg[1].len > sizeof(job.as_asked))
		return -EINVAL;
	job.len = c->arg[1].len;
	memcpy(&job.as_asked, c->arg[1].bytes, job.len);
	job.fd = take_socket(h, c);
	if (job.fd < 0)
		return job.fd;
	r = fact(job.fd, SO_DOMAIN, &job.facts.family);
	if (r == 0)
		r = fact(job.fd, SO_TYPE, &job.facts.type);
	if (r == 0)
		r = fact(job.fd, SO_PROTOCOL, &job.facts.protocol);
	if (r == 0 && job.len < sizeof(sa_family_t))
		r = -EINVAL;
	return r;
}

/*
 * Before the answer: a socket lives as long as anybody holds it, and the thread may close it and want
 * its address again at once.
 */
static void let_go(void)
{
	auto_close_fd(&job.fd);
	job.fd = -EBADF;
}

/* ---- performing -------------------------------------------------------------------------------- */

static int do_it(const void *addr, socklen_t len)
{
	const int r = job.bind ? bind(job.fd, addr, len) : connect(job.fd, addr, len);

	return r < 0 ? -errno : 0;
}

static void on_alarm(int sig UNUSED)
{
}

/* A thread that is killed, or whose call a signal interrupts, does not wait any more; nor do we. */
static int connect_patiently(struct helper *h, const struct call *c, const void *addr,
			     socklen_t len)
{
	const struct sigaction sa = { .sa_handler = on_alarm };
	const struct itimerval every = { .it_interval = { .tv_usec = LOOK_US },
					 .it_value = { .tv_usec = LOOK_US } };
	int r;

	if (sigaction(SIGALRM, &sa, NULL) < 0 || setitimer(ITIMER_REAL, &every, NULL) < 0)
		return -errno;
	/* Where it was interrupted, another connect(2) goes on waiting. */
	while ((r = do_it(addr, len)) == -EINTR)
		if (!call_alive(h, c))
			return -ESRCH;
	return r;
}

static int ask_inet(struct helper *h, const struct call *c, struct outcome *o)
{
	struct policy_ask ask = { .kind = job.bind ? POLICY_BIND : POLICY_CONNECT };

	if (!decide_address(&job.facts, job.as_asked.ss_family, job.len, &ask.u.net.type))
		return -EINVAL;
	/* What is not said of it is zero. */
	ask.u.net.addr = (const struct sockaddr *)&job.as_asked;
	return effect_ruling(h, c, &ask, false, o);
}

static void act_connect(struct helper *h, struct call *c, struct outcome *o)
{
	int r = ask_inet(h, c, o);

	if (r == 0)
		r = call_alive(h, c) ? connect_patiently(h, c, &job.as_asked, job.len) : -ESRCH;
	o->error = -r;
}

static void act_bind(struct helper *h, struct call *c, struct outcome *o)
{
	AUTO_TARGET struct target t = TARGET_INIT;
	int r = ask_inet(h, c, o);

	if (r == 0)
		r = target_open(&t, h, c, NEED_USER);
	/* A low port of its own network is lent by a line, not by a default. */
	if (r == 0)
		r = target_become(&t, NEED_USER,
				  o->ruling.verdict.line ? 1ULL << CAP_NET_BIND_SERVICE : 0);
	if (r == 0)
		r = call_alive(h, c) ? do_it(&job.as_asked, job.len) : -ESRCH;
	o->error = -r;
}

/* ---- other families ----------------------------------------------------------------------------- */

/*
 * No rule speaks of their addresses: who may have such a socket may use it. But some (AF_SMC, AF_RDS) take those
 * of the internet, and get there.
 */
static void act_other(struct helper *h, struct call *c, struct outcome *o)
{
	const struct policy_ask ask = { .kind = POLICY_SOCKET,
					.u.socket = { .family = job.facts.family,
						      .type = job.facts.type,
						      .protocol = job.facts.protocol } };
	AUTO_TARGET struct target t = TARGET_INIT;
	const int family = job.as_asked.ss_family;
	int r = 0;

	if (family == AF_INET || family == AF_INET6)
		r = ask_inet(h, c, o) < 0 ? -EPERM : 0;
	if (r == 0)
		r = effect_ruling(h, c, &ask, false, o);
	if (r == 0)
		r = target_open(&t, h, c, NEED_USER);
	if (r == 0)
		r = target_become(&t, NEED_USER, 0);
	if (r == 0)
		r = call_alive(h, c) ? connect_patiently(h, c, &job.as_asked, job.len) : -ESRCH;
	o->error = -r;
}

/* ---- Unix sockets ------------------------------------------------------------------------------- */

static int ask_unix(struct helper *h, const struct call *c, struct outcome *o)
{
	const struct policy_ask ask = { .kind = POLICY_UNIX,
					.u.local = { .path = job.path, .bind = job.bind } };

	return effect_ruling(h, c, &ask, false, o);
}

/* unix(7). Return: a terminated copy in @path; 0 for an abstract or unnamed address; -errno. */
static int unix_path(char path[sizeof(struct sockaddr_un)])
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&job.as_asked;
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t n = job.len - head;

	if (job.len > sizeof(*un))
		return -EINVAL;
	if (n == 0 || un->sun_path[0] == '\0')
		return 0;
	memcpy(path, un->sun_path, n);
	path[n] = '\0';
	return 1;
}

/* Names of the network namespace; one with a NUL or control character can't be told apart by eye. */
static int abstract(struct helper *h, const struct call *c, struct outcome *o)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&job.as_asked;
	const size_t n = job.len - offsetof(struct sockaddr_un, sun_path);
	int r;

	/* bind with no name: the kernel chooses one that nobody waits for. */
	if (n == 0)
		return job.bind ? do_it(&job.as_asked, job.len) : -EINVAL;
	job.path[0] = '@';
	memcpy(job.path + 1, un->sun_path + 1, n - 1);
	job.path[n] = '\0';
	for (size_t i = 1; i < n; i++)
		if ((unsigned char)job.path[i] < ' ' || job.path[i] == 0x7f)
			return -EPERM;
	r = ask_unix(h, c, o);
	if (r < 0)
		return r;
	return call_alive(h, c) ? connect_patiently(h, c, &job.as_asked, job.len) : -ESRCH;
}

/* By the link of our own descriptor: the very socket that was looked at. */
static int connect_path(struct helper *h, const struct call *c, const struct target *t,
			const char *path, struct outcome *o)
{
	AUTO_FD int fd = place_open(t, AT_FDCWD, path, 0), links = -EBADF;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int r;

	if (fd < 0)
		return fd;
	r = place_name(h->proc, fd, job.path, sizeof(job.path));
	if (r == 0)
		r = ask_unix(h, c, o);
	if (r < 0)
		return r;
	links = openat(h->proc, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (links < 0 || fchdir(links) < 0)
		return -errno;
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%d", fd);
	return call_alive(h, c) ? connect_patiently(h, c, &un, sizeof(un)) : -ESRCH;
}

/* A name without a slash in a directory we stand in: nothing is left to be resolved. */
static int bind_path(struct helper *h, const struct call *c, const struct target *t,
		     const char *path, struct outcome *o)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *name = NULL;
	AUTO_FD int dir = place_open_parent(t, AT_FDCWD, path, &name);
	size_t len;
	int r;

	if (dir < 0)
		return dir == -EEXIST ? -EADDRINUSE : dir;
	r = place_name(h->proc, dir, job.path, sizeof(job.path));
	if (r < 0)
		return r;
	len = str_eq(job.path, "/") ? 0 : strlen(job.path);
	r = snprintf(job.path + len, sizeof(job.path) - len, "/%s", name);
	if (r < 0 || (size_t)r >= sizeof(job.path) - len || strlen(name) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	r = ask_unix(h, c, o);
	if (r == 0)
		r = berth_spend(h, dir, BERTH_INODE);
	if (r < 0)
		return r;
	if (fchdir(dir) < 0)
		return -errno;
	memcpy(un.sun_path, name, strlen(name) + 1);
	return call_alive(h, c) ? do_it(&un, sizeof(un)) : -ESRCH;
}

static void act_unix(struct helper *h, struct call *c, struct outcome *o)
{
	char path[sizeof(struct sockaddr_un)] = "";
	AUTO_TARGET struct target t = TARGET_INIT;
	int named = unix_path(path), r = named < 0 ? named : 0;

	if (r == 0)
		r = target_open(&t, h, c, NEED_USER | NEED_MNT);
	if (r == 0)
		r = target_become(&t, NEED_USER | NEED_MNT, 0);
	if (r == 0 && !named)
		r = abstract(h, c, o);
	else if (r == 0)
		r = job.bind ? bind_path(h, c, &t, path, o) : connect_path(h, c, &t, path, o);
	o->error = -r;
}

/* ---- both --------------------------------------------------------------------------------------- */

/* Does it end at once, whatever the other side does? */
static bool is_quick(void)
{
	const int flags = fcntl(job.fd, F_GETFL);

	return job.facts.type == SOCK_DGRAM || (flags >= 0 && (flags & O_NONBLOCK));
}

static void quick_connect(struct helper *h, struct call *c)
{
	struct outcome o = OUTCOME_INIT;
	/* To connect to nobody is to disconnect. */
	const bool disconnect = job.as_asked.ss_family == AF_UNSPEC;
	int r = disconnect ? 0 : ask_inet(h, c, &o);

	if (disconnect)
		o.ruling.error = 0;
	if (r == 0)
		r = call_alive(h, c) ? do_it(&job.as_asked, job.len) : -ESRCH;
	o.error = -r;
	let_go();
	if (r != -ESRCH || call_alive(h, c))
		outcome_answer(h, c, &o);
}

static bool is_inet(void)
{
	return job.facts.family == AF_INET || job.facts.family == AF_INET6;
}

/* The child takes the socket itself, and what it took is what is decided. */
static void act_address(struct helper *h, struct call *c, struct outcome *o)
{
	const int r = read_job(h, c);

	if (r < 0)
		o->error = -r;
	else if (job.facts.family == AF_UNIX && job.as_asked.ss_family == AF_UNIX)
		act_unix(h, c, o);
	else if (!is_inet())
		act_other(h, c, o);
	else if (job.bind)
		act_bind(h, c, o);
	else
		act_connect(h, c, o);
	let_go();
}

void handle_address(struct helper *h, struct call *c)
{
	const int r = read_job(h, c);

	if (r < 0) {
		if (r != -ESRCH)
			outcome_refuse(h, c, r);
	} else if (!job.bind && is_inet() && (is_quick() || job.as_asked.ss_family == AF_UNSPEC)) {
		quick_connect(h, c);
	} else {
		const bool binds = job.bind;

		let_go();
		/* Whatever socket it is now: the child may take another one. */
		effect_fork(h, c, BERTH_CALLER, binds ? DEADLINE_MS : CONNECT_MS, act_address);
	}
	let_go();
}
