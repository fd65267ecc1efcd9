/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/*
 * socket(2), socketpair(2): what says which they are stands in registers, so what is not lent goes on to
 * the kernel. An ICMP echo socket ("ping socket") can only send echo requests and see the answers to
 * them, which a raw one can't be held to: with IP_HDRINCL it forges any packet.
 */
enum {
	DEADLINE_MS = 2000,
	/* The group that may have ping sockets while we make one: nobody's, and in no container's map. */
	PING_GID = 0x7ffffffe,
};

static const char ping_range[] = "sys/net/ipv4/ping_group_range";

struct socket_args {
	int family, type, flags, protocol;
};

static struct socket_args args_of(const struct call *c)
{
	const int type = (int)c->arg[1].value, flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	return (struct socket_args){ .family = (int)c->arg[0].value,
				     .type = type & ~flags,
				     .flags = type & flags,
				     .protocol = (int)c->arg[2].value };
}

static void ask_of(const struct call *c, struct policy_ask *ask)
{
	const struct socket_args s = args_of(c);

	*ask = (struct policy_ask){
		.kind = POLICY_SOCKET,
		.u.socket = { .family = s.family, .type = s.type, .protocol = s.protocol }
	};
}

/* ---- ping ----------------------------------------------------------------------------------- */

/*
 * Real and saved user stay the agent's: nobody else may send a signal to whoever holds the lock.
 * What is made belongs to the effective one.
 */
static int drop_ids(const struct target *t, gid_t gid)
{
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 ||
	    setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid((uid_t)-1, t->uid[1], (uid_t)-1) < 0)
		return -errno;
	return 0;
}

/* The maker of a file is remembered in it: it has to be one without any rights. */
static int make_ping(const struct socket_args *s, uint64_t later)
{
	int fd, r = target_raise_caps(0, later);

	if (r < 0)
		return r;
	fd = socket(s->family, s->type | s->flags | SOCK_CLOEXEC, s->protocol);
	if (fd < 0)
		fd = -errno;
	r = target_raise_caps(later, later);
	if (r == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return r;
}

static int write_range(int fd, const char *text)
{
	const ssize_t n = (ssize_t)strlen(text);

	return pwrite(fd, text, (size_t)n, 0) == n ? 0 : -EIO;
}

/*
 * The network's own range is as before when we are done; nobody else widens it meanwhile. If we are killed it stays that of
 * the group of nobody's.
 */
static int ping_in_network(struct helper *h, const struct target *t, const struct socket_args *s)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	const uint64_t admin = 1ULL << CAP_NET_ADMIN;
	char old[64], ours[64], *end, *gap;
	AUTO_FD int range = -EBADF;
	uint32_t first, last;
	struct stat net;
	int fd, r;

	/* A byte for each network: what its container stops us for holds up nobody else. */
	if (fstat(t->netns, &net) < 0)
		return -errno;
	lock.l_start = (off_t)net.st_ino;
	if (fcntl(h->lock, F_SETLKW, &lock) < 0)
		return -errno;
	if (setns(t->netns, CLONE_NEWNET) < 0)
		return -errno;
	range = openat(h->proc, ping_range, O_RDWR | O_CLOEXEC);
	if (range < 0)
		return -errno;
	r = sys_read_at(h->proc, ping_range, old, sizeof(old));
	if (r < 0)
		return r;
	end = old + strcspn(old, "\n");
	*end = '\0';
	gap = strpbrk(old, "\t ");
	if (!gap)
		return -EBADMSG;
	*gap = '\0';
	if (parse_u32(old, &first) < 0 || parse_u32(gap + 1, &last) < 0)
		return -EBADMSG;
	*gap = '\t';
	if (first <= last) {
		r = drop_ids(t, first);
		return r < 0 ? r : make_ping(s, 0);
	}
	(void)snprintf(ours, sizeof(ours), "%d\t%d", PING_GID, PING_GID);
	r = drop_ids(t, PING_GID);
	if (r == 0)
		r = write_range(range, ours);
	if (r < 0)
		return r;
	fd = make_ping(s, admin);
	r = write_range(range, old);
	if (r == 0 || fd < 0)
		return fd;
	close(fd);
	return r;
}

/* ---- raw ------------------------------------------------------------------------------------ */

static int raw_in_network(struct helper *h, struct call *c, const struct target *t,
			  const struct socket_args *s)
{
	int r = target_become(t, NEED_USER | NEED_NET, 1ULL << CAP_NET_RAW);

	if (r == 0 && !call_alive(h, c))
		r = -ESRCH;
	if (r < 0)
		return r;
	r = socket(s->family, s->type | s->flags | SOCK_CLOEXEC, s->protocol);
	return r < 0 ? -errno : r;
}

static void act_socket(struct helper *h, struct call *c, struct outcome *o)
{
	const struct socket_args s = args_of(c);
	const enum socket_way way = decide_socket(s.family, s.type, s.protocol);
	AUTO_TARGET struct target t = TARGET_INIT;
	struct policy_ask ask;
	int r;

	ask_of(c, &ask);
	if (effect_ruling(h, c, &ask, true, o) < 0)
		return;
	r = target_open(&t, h, c, NEED_USER | NEED_NET);
	if (r == 0)
		r = way == SOCKET_PING ? ping_in_network(h, &t, &s) : raw_in_network(h, c, &t, &s);
	o->error = r < 0 ? -r : 0;
	o->fd = r < 0 ? -EBADF : r;
	o->cloexec = s.flags & SOCK_CLOEXEC;
}

void handle_socket(struct helper *h, struct call *c)
{
	const struct socket_args s = args_of(c);
	const enum socket_way way = decide_socket(s.family, s.type, s.protocol);
	const bool lends = str_eq(c->kind->name, "socket"); /* pairs are Unix sockets, anybody's */
	struct outcome o = OUTCOME_INIT;
	struct policy_ask ask;

	ask_of(c, &ask);
	if (way == SOCKET_NEVER) {
		o.ask = ask;
		o.error = EPERM;
		o.ruling.verdict.text = "never lent";
		outcome_answer(h, c, &o);
		return;
	}
	(void)effect_ruling(h, c, &ask, false, &o);
	/* A default does not lend: then the kernel says what the container may by itself. */
	if (o.error == 0 && lends && (way == SOCKET_RAW || (way == SOCKET_PING && !h->confined)) &&
	    decide_names_socket(h->policy, &ask, way, &o.ruling.verdict)) {
		effect_fork(h, c, BERTH_CALLER, DEADLINE_MS, act_socket);
		return;
	}
	o.continued = o.error == 0;
	outcome_answer(h, c, &o);
}
