/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/netdev/netdev.h"

#include "mech/netdev/netdev_internal.h"
#include "sys/channel.h"
#include "sys/syscalls.h"

#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

struct moved {
	struct moved *next;
	struct netdev_link link; /* as it was on the host */
	int inner_index;
	char name[IFNAMSIZ]; /* on the host */
};

struct netdev_moves {
	int host, inside;	/* rtnetlink sockets */
	int host_ns, inside_ns; /* namespace files */
	struct moved *list;	/* last first */
};

/* ---- the way inside ------------------------------------------------------------------------ */

/* The namespace file is a magic link, which openat2 won't follow for us: nsfs proves it. */
static int open_ns(int proc_fd, const char *path)
{
	AUTO_FD int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return sys_is_fs(fd, NSFS_MAGIC) ? TAKE_FD(fd) : -EINVAL;
}

static void __attribute__((noreturn)) child(int ns, int sock)
{
	struct msg m = { .kind = MSG_GO };
	int fd = setns(ns, CLONE_NEWNET) < 0 ? -errno : nl_open();

	m.value = fd < 0 ? fd : 0;
	(void)chan_send(sock, &m, fd);
	_exit(0);
}

/* Whoever opens a socket decides for good which namespace it speaks to. */
static int open_inside(int ns, struct err *e)
{
	AUTO_FD int mine = -EBADF, its = -EBADF, fd = -EBADF;
	struct msg m = { 0 };
	int pair[2], r = chan_pair(pair);
	pid_t pid;

	if (r < 0)
		return err_sys(e, r, "socketpair");
	mine = pair[0];
	its = pair[1];
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid == 0)
		child(ns, its);
	close(TAKE_FD(its));
	r = chan_recv(mine, &m, &fd);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r <= 0 || m.value < 0 || fd < 0)
		return err_sys(e,
			       r < 0	     ? r
			       : m.value < 0 ? m.value
					     : -ECHILD,
			       "linux.netDevices: enter the container's network namespace");
	return TAKE_FD(fd);
}

static int open_moves(const struct island *in, struct netdev_moves **ret, struct err *e)
{
	struct netdev_moves *m = malloc(sizeof(*m));
	char path[32];

	if (!m)
		return err_oom(e);
	*m = (struct netdev_moves){ .host = -EBADF, .inside = -EBADF };
	*ret = m;
	(void)snprintf(path, sizeof(path), "%d/ns/net", in->pid);
	m->host_ns = open_ns(in->proc_fd, "self/ns/net");
	m->inside_ns = open_ns(in->proc_fd, path);
	if (m->host_ns < 0 || m->inside_ns < 0)
		return err_sys(e, m->host_ns < 0 ? m->host_ns : m->inside_ns,
			       "linux.netDevices: open the network namespaces");
	m->host = nl_open();
	if (m->host < 0)
		return err_sys(e, m->host, "linux.netDevices: netlink");
	m->inside = open_inside(m->inside_ns, e);
	return m->inside < 0 ? m->inside : 0;
}

/* ---- there and back ------------------------------------------------------------------------ */

static int add_addresses(int nl, int index, const struct netdev_link *l, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->addrs_count; i++)
		r = nl_add_address(nl, index, &l->addrs[i], e);
	return r;
}

/* Every part is tried, whatever became of the one before: there is nobody to complain to. */
static void give_back(struct netdev_moves *m, const struct moved *d)
{
	struct netdev_link now = { 0 };
	struct err e;

	(void)nl_set_up(m->inside, d->inner_index, 0, &e);
	/* A name that somebody took meanwhile is theirs, and so is what we would do to it. */
	if (nl_move(m->inside, d->inner_index, d->name, m->host_ns, &e) < 0 ||
	    nl_find(m->host, d->name, &now, &e) < 0)
		return;
	if (d->link.flags & IFF_UP)
		(void)nl_set_up(m->host, now.index, 1, &e);
	(void)add_addresses(m->host, now.index, &d->link, &e);
}

static void free_moved(struct moved *d)
{
	free(d->link.addrs);
	free(d);
}

/*
 * A refused move. The kernel moves first and renames then, unless the old name is taken there,
 * so the interface may be inside under either name.
 */
static void stay(struct netdev_moves *m, struct moved *d, const char *inner)
{
	struct netdev_link l = { 0 };
	struct err e;

	if (nl_find(m->host, d->name, &l, &e) == 0 && l.index == d->link.index) {
		if (d->link.flags & IFF_UP)
			(void)nl_set_up(m->host, l.index, 1, &e);
		(void)add_addresses(m->host, l.index, &d->link, &e);
	} else if (nl_find(m->inside, d->name, &l, &e) == 0 ||
		   nl_find(m->inside, inner, &l, &e) == 0) {
		d->inner_index = l.index;
		give_back(m, d);
	}
}

/* Move, and see to it that a failure behind the move takes it back. */
static int move(struct netdev_moves *m, struct moved *d, const char *inner, struct err *e)
{
	struct netdev_link there = { 0 };
	struct err ignored;
	int r;

	if (nl_find(m->inside, inner, &there, &ignored) == 0)
		return err_set(e, EEXIST, "the container has an interface \"%s\" already", inner);
	r = nl_set_up(m->host, d->link.index, 0, e);
	if (r < 0)
		return err_wrap(e, "bring it down");
	r = nl_move(m->host, d->link.index, inner, m->inside_ns, e);
	if (r < 0) {
		(void)err_wrap(e, "move it into the container as \"%s\"", inner);
		stay(m, d, inner);
		return r;
	}
	d->inner_index = d->link.index; /* mostly kept; if not, the next look says so */
	r = nl_find(m->inside, inner, &there, e);
	if (r == 0) {
		d->inner_index = there.index;
		r = add_addresses(m->inside, there.index, &d->link, e);
	}
	if (r == 0)
		r = nl_set_up(m->inside, there.index, 1, e);
	if (r < 0)
		give_back(m, d);
	return r;
}

static int move_named(struct netdev_moves *m, const char *name, const char *inner, struct err *e)
{
	struct moved *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e);
	(void)snprintf(d->name, sizeof(d->name), "%s", name);
	r = nl_find(m->host, name, &d->link, e);
	if (r == 0)
		r = nl_addresses(m->host, &d->link, e);
	if (r == 0)
		r = move(m, d, inner, e);
	if (r < 0) {
		free_moved(d);
		return r;
	}
	d->next = m->list;
	m->list = d;
	return 0;
}

int netdev_host_apply(const struct island *in, const struct step *s, struct netdev_moves **moves,
		      struct err *e)
{
	const char *name = view_str(in->plan, s->u.netdev.name);
	int r = *moves ? 0 : open_moves(in, moves, e);

	if (r < 0 || !*moves)
		return r;
	r = move_named(*moves, name, view_str(in->plan, s->u.netdev.inner), e);
	return r < 0 ? err_wrap(e, "linux.netDevices[\"%s\"]", name) : 0;
}

void netdev_undo(struct netdev_moves *m)
{
	while (m && m->list) {
		struct moved *d = m->list;

		m->list = d->next;
		give_back(m, d);
		free_moved(d);
	}
}

void netdev_free(struct netdev_moves *m)
{
	if (!m)
		return;
	while (m->list) {
		struct moved *d = m->list;

		m->list = d->next;
		free_moved(d);
	}
	auto_close_fd(&m->host);
	auto_close_fd(&m->inside);
	auto_close_fd(&m->host_ns);
	auto_close_fd(&m->inside_ns);
	free(m);
}
