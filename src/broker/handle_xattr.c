/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include "base/parse.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>

/*
 * setxattr, lsetxattr, fsetxattr. The attributes by which an overlay hides what lies below take a
 * right of the host's: then a child like the caller resolves the name and shows that the file is
 * its own, and one with our rights sets the attribute on that descriptor. All others are set by the
 * child like the caller.
 */
enum { DEADLINE_MS = 5000 };

struct attribute {
	const char *name, *value;
	size_t len;
	int flags;
	enum xattr_way way;
};

static char file_name[PATH_MAX];

static void read_attribute(const struct call *c, struct attribute *ret)
{
	const char *name = c->arg[1].bytes, *value = c->arg[2].bytes;
	const size_t len = c->arg[2].len;

	*ret = (struct attribute){ .name = name,
				   .value = value,
				   .len = len,
				   .flags = (int)c->arg[4].value,
				   .way = XATTR_NEVER };
	if (name)
		ret->way = decide_xattr(name, value, len);
}

static int set_lent(const struct keeper *k, int fd, const void *bytes UNUSED, size_t len UNUSED,
		    int *ret_fd UNUSED)
{
	const struct attribute *a = k->order;

	return fsetxattr(fd, a->name, a->value, a->len, a->flags) < 0 ? -errno : 0;
}

/* By the link of our own descriptor, so that it works for a link, too, and without a right to read. */
static int set_own(const struct helper *h, int file, const struct attribute *a)
{
	AUTO_FD int links = openat(h->proc, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[16];

	if (links < 0 || fchdir(links) < 0)
		return -errno;
	(void)snprintf(name, sizeof(name), "%d", file);
	return setxattr(name, a->name, a->value, a->len, a->flags) < 0 ? -errno : 0;
}

static int perform(struct helper *h, struct call *c, int file, struct keeper *k, struct outcome *o)
{
	const struct attribute *a = k->order;
	const bool lends = a->way == XATTR_LENT;
	const struct policy_ask ask = { .kind = POLICY_XATTR,
					.u.xattr = { .name = a->name, .path = file_name } };
	AUTO_FD int owned = -EBADF;
	int r = place_name(h->proc, file, file_name, sizeof(file_name));

	if (r == 0)
		r = effect_ruling(h, c, &ask, lends, o);
	if (r < 0)
		return r;
	r = berth_spend(h, file, a->len + BERTH_INODE);
	if (r < 0)
		return r;
	if (!lends)
		return call_alive(h, c) ? set_own(h, file, a) : -ESRCH;
	owned = place_open_owned(h->proc, file);
	return owned < 0 ? owned : effect_ask(k, owned, "", 1, NULL);
}

static void act_xattr(struct helper *h, struct call *c, struct outcome *o)
{
	struct attribute a;
	const bool by_fd = c->kind->shape[0] == ARG_FD;
	const int follow = str_eq(c->kind->name, "lsetxattr") ? O_NOFOLLOW : 0;
	AUTO_TARGET struct target t = TARGET_INIT;
	AUTO_FD int file = -EBADF;
	struct keeper k = {
		.h = h, .c = c, .t = &t, .serve = set_lent, .order = &a, .where = BERTH_CALLER
	};
	int r = target_open(&t, h, c, NEED_USER | NEED_MNT);

	read_attribute(c, &a);
	if (r == 0 && by_fd) {
		file = target_fd(&t, h, c, (int)c->arg[0].value);
		r = file < 0 ? file : fcntl(file, F_GETFL) & O_PATH ? -EBADF : 0;
	}
	if (r == 0 && a.way == XATTR_LENT)
		r = effect_keep(&k);
	if (r == 0)
		r = target_become(&t, NEED_USER | NEED_MNT, 0);
	if (r == 0 && a.way == XATTR_LENT && geteuid() != 0)
		r = -EPERM;
	if (r == 0 && !by_fd) {
		file = place_open(&t, AT_FDCWD, c->arg[0].bytes, follow);
		r = file < 0 ? file : 0;
	}
	if (r == 0)
		r = perform(h, c, file, &k, o);
	o->error = -r;
}

static int check(const struct helper *h, const struct call *c)
{
	struct attribute a;

	read_attribute(c, &a);
	if (!a.name)
		return -EFAULT;
	if (!*a.name || strlen(a.name) > XATTR_NAME_MAX)
		return -ERANGE;
	/* A private broker has nothing to lend. */
	return a.way == XATTR_NEVER || (a.way == XATTR_LENT && h->confined) ? -EPERM : 0;
}

void handle_xattr(struct helper *h, struct call *c)
{
	const int r = check(h, c);

	if (r < 0)
		outcome_refuse(h, c, r);
	else
		effect_fork(h, c, BERTH_CALLER, DEADLINE_MS, act_xattr);
}
