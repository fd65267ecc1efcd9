/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/*
 * mknod(2), mknodat(2). A device node that is lent lies on a file system of the agent's; the
 * container gets a bind mount of it over an empty file. So it works where the container's own file
 * systems forbid devices, and no node stays on a disk when the container is gone.
 */
enum { DEADLINE_MS = 5000 };

struct node {
	int dirfd;
	const char *path;
	mode_t mode;
	dev_t dev;
};

static char node_name[PATH_MAX], own_name[24];

static struct node node_of(const struct call *c)
{
	const unsigned int at = c->kind->shape[0] == ARG_FD;

	return (struct node){ .dirfd = at ? (int)c->arg[0].value : AT_FDCWD,
			      .path = c->arg[at].bytes,
			      .mode = (mode_t)c->arg[at + 1].value,
			      .dev = (dev_t)(unsigned int)c->arg[at + 2].value };
}

/* The kernel moves no mount of a file that has lost its name, so it goes when all is done. */
static void forget_node(const struct helper *h)
{
	(void)unlinkat(h->devices, own_name, 0);
}

/* Made before anything is decided, by whoever has the right; seen by nobody until it is moved. */
static int make_node(const struct helper *h, const struct call *c, const struct target *t,
		     const struct node *n)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	const char *name = own_name;
	int fd, r = 0;

	if (h->devices < 0)
		return -EPERM;
	(void)snprintf(own_name, sizeof(own_name), "%d", getpid());
	forget_node(h);
	if (mknodat(h->devices, name, (n->mode & S_IFMT) | 0600, n->dev) < 0)
		return -errno;
	fd = sys_open_tree(h->devices, name, OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW);
	if (fd < 0)
		r = fd;
	else if (fchownat(h->devices, name, t->fsuid, t->fsgid, AT_SYMLINK_NOFOLLOW) < 0 ||
		 fchmodat(h->devices, name, n->mode & 0777 & ~t->umask, 0) < 0)
		r = -errno;
	else
		r = sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr);
	if (r == 0) {
		effect_go_on(h, c, BERTH_CALLER, forget_node);
		return fd;
	}
	forget_node(h);
	auto_close_fd(&fd);
	return r;
}

static int ask_node(struct helper *h, const struct call *c, const struct node *n, int dir,
		    const char *name, bool lends, struct outcome *o)
{
	struct policy_ask ask = { .kind = POLICY_MKNOD,
				  .u.mknod = { .path = node_name,
					       .type = n->mode & S_IFMT,
					       .major = major(n->dev),
					       .minor = minor(n->dev) } };
	int r = place_name(h->proc, dir, node_name, sizeof(node_name));
	size_t len;

	if (r < 0)
		return r;
	len = str_eq(node_name, "/") ? 0 : strlen(node_name);
	r = snprintf(node_name + len, sizeof(node_name) - len, "/%s", name);
	if (r < 0 || (size_t)r >= sizeof(node_name) - len)
		return -ENAMETOOLONG;
	return effect_ruling(h, c, &ask, lends, o);
}

static int put_node(struct helper *h, const struct call *c, int node, int dir, const char *name)
{
	AUTO_FD int place = -EBADF;
	int r;

	if (!call_alive(h, c))
		return -ESRCH;
	place = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (place < 0)
		return -errno;
	r = place_mount(h, c, node, place, PLACE_NODE);
	if (r < 0)
		(void)unlinkat(dir, name, 0);
	return r;
}

static int perform(struct helper *h, struct call *c, const struct target *t, const struct node *n,
		   int node, struct outcome *o)
{
	const char *name = NULL;
	AUTO_FD int dir = place_open_parent(t, n->dirfd, n->path, &name);
	int r;

	if (dir < 0)
		return dir;
	r = ask_node(h, c, n, dir, name, node >= 0, o);
	if (r < 0)
		return r;
	if (node >= 0)
		return put_node(h, c, node, dir, name);
	r = berth_spend(h, dir, BERTH_INODE);
	if (r == 0 && !call_alive(h, c))
		r = -ESRCH;
	if (r == 0 && mknodat(dir, name, n->mode, n->dev) < 0)
		r = -errno;
	return r;
}

static void act_mknod(struct helper *h, struct call *c, struct outcome *o)
{
	AUTO_TARGET struct target t = TARGET_INIT;
	AUTO_FD int node = -EBADF;
	const struct node n = node_of(c);
	const bool lends = !decide_device_is_free(n.mode, major(n.dev), minor(n.dev));
	int r = target_open(&t, h, c, NEED_USER | NEED_MNT);

	if (r == 0 && lends) {
		node = S_ISCHR(n.mode) || S_ISBLK(n.mode) ? make_node(h, c, &t, &n) : -EPERM;
		r = node < 0 ? node : 0;
	}
	if (r == 0)
		r = target_become(&t, NEED_USER | NEED_MNT, lends ? 1ULL << CAP_SYS_ADMIN : 0);
	/* As for the kernel: others than root make no devices. */
	if (r == 0 && lends && geteuid() != 0)
		r = -EPERM;
	if (r == 0)
		r = perform(h, c, &t, &n, node, o);
	o->error = -r;
}

/* A node that is lent is the container's to pay for, too: it can be held open when its name and its mount are gone. */
void handle_mknod(struct helper *h, struct call *c)
{
	effect_fork(h, c, BERTH_CALLER, DEADLINE_MS, act_mknod);
}
