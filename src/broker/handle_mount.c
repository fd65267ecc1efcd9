/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mount.h>

/*
 * mount(2) and umount2(2). The target is resolved once; what is mounted is built detached and moved
 * onto that very object. tmpfs, proc, overlay and bind mounts are made with no right but those of the
 * root of the container's user namespace; block file systems by the agent, with shifted owners.
 */
enum {
	DEADLINE_MS = 10000,
	OPTIONS_MAX = 64,
	INODE_BYTES = 4096, /* of a tmpfs with a cap: one inode for so many bytes of it */
};

struct wanted {
	const char *type, *source;
	unsigned long flags;
	size_t count;
	const char *option[OPTIONS_MAX + 1]; /* "key" or "key=value" */
	struct policy_mount_terms terms;
};

static char target_name[PATH_MAX], source_name[PATH_MAX];

/* ---- what is asked for ---------------------------------------------------------------------- */

static bool same_key(const char *a, const char *b)
{
	const size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

/* In the call's own copy. A key may stand there once: nothing is overridden behind a check. */
static int split(struct call *c, struct wanted *w)
{
	char *at = (char *)(uintptr_t)c->arg[4].bytes;

	while (at && *at) {
		char *end = at + strcspn(at, ",");
		const bool last = !*end;

		*end = '\0';
		if (*at) {
			if (w->count == OPTIONS_MAX)
				return -E2BIG;
			for (size_t i = 0; i < w->count; i++)
				if (same_key(w->option[i], at))
					return -EINVAL;
			w->option[w->count++] = at;
		}
		at = last ? NULL : end + 1;
	}
	return 0;
}

static int read_wanted(struct call *c, struct wanted *w)
{
	unsigned long flags = (unsigned long)c->arg[3].value;

	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(unsigned long)MS_MGC_MSK;
	*w = (struct wanted){ .flags = flags, .source = c->arg[0].bytes };
	if (!decide_mount_flags(flags))
		return -EPERM;
	w->type = flags & MS_BIND ? "bind" : c->arg[2].bytes;
	if (!w->type || !*w->type)
		return -EINVAL;
	return flags & MS_BIND ? 0 : split(c, w);
}

/* ---- making it ------------------------------------------------------------------------------- */

static uint64_t attributes(unsigned long flags)
{
	static const struct {
		unsigned long flag;
		uint64_t attr;
	} rows[] = {
		{ MS_RDONLY, MOUNT_ATTR_RDONLY },   { MS_NOSUID, MOUNT_ATTR_NOSUID },
		{ MS_NODEV, MOUNT_ATTR_NODEV },	    { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
		{ MS_NOATIME, MOUNT_ATTR_NOATIME }, { MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	};
	uint64_t attr = flags & MS_STRICTATIME ? MOUNT_ATTR_STRICTATIME : 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (flags & rows[i].flag)
			attr |= rows[i].attr;
	/* Values of one field: noatime wins, as in mount(2). */
	return flags & MS_NOATIME ? attr & ~(uint64_t)MOUNT_ATTR_STRICTATIME : attr;
}

static int configure(int fs, const struct wanted *w)
{
	char key[64];
	int r = 0;

	if (w->source && *w->source)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", w->source, 0);
	for (size_t i = 0; r == 0 && i < w->count; i++) {
		const char *value = strchr(w->option[i], '=');
		const size_t n = strcspn(w->option[i], "=");

		if (n == 0 || n >= sizeof(key))
			return -EINVAL;
		memcpy(key, w->option[i], n);
		key[n] = '\0';
		r = value ? sys_fsconfig(fs, FSCONFIG_SET_STRING, key, value + 1, 0)
			  : sys_fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	}
	return r;
}

static bool has_option(const struct wanted *w, const char *key)
{
	for (size_t i = 0; i < w->count; i++)
		if (same_key(w->option[i], key))
			return true;
	return false;
}

/* Memory of the host, so it has an end: bytes, and inodes, which are not counted in the bytes. */
static int cap_tmpfs(int fs, const struct wanted *w)
{
	char text[24];
	int r = 0;

	if (!w->terms.size_bytes)
		return 0;
	/* The other ways to give it a size. */
	if (has_option(w, "nr_blocks") || (has_option(w, "huge")))
		return -EPERM;
	if (!has_option(w, "size")) {
		(void)snprintf(text, sizeof(text), "%" PRIu64, w->terms.size_bytes);
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "size", text, 0);
	}
	if (r < 0 || has_option(w, "nr_inodes"))
		return r;
	(void)snprintf(text, sizeof(text), "%" PRIu64, w->terms.size_bytes / INODE_BYTES + 64);
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", text, 0);
}

/* Return: a detached mount, or -errno. */
static int make_fs(const struct wanted *w)
{
	AUTO_FD int fs = sys_fsopen(w->type);
	int r;

	if (fs < 0)
		return fs;
	r = configure(fs, w);
	if (r == 0 && str_eq(w->type, "tmpfs"))
		r = cap_tmpfs(fs, w);
	if (r == 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return r;
	return sys_fsmount(fs, (unsigned int)attributes(w->flags | w->terms.flags));
}

static int make_bind(int source, const struct wanted *w)
{
	const unsigned int all = w->flags & MS_REC ? AT_RECURSIVE : 0;
	const struct mount_attr attr = { .attr_set = attributes(
						 (w->flags | w->terms.flags) &
						 (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)) };
	int fd = sys_open_tree(source, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | all), r;

	if (fd < 0 || !attr.attr_set)
		return fd;
	r = sys_mount_setattr(fd, "", AT_EMPTY_PATH | all, &attr);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* ---- mount ------------------------------------------------------------------------------------ */

static int rule(struct helper *h, struct call *c, struct wanted *w, int source, int target,
		struct outcome *o)
{
	struct policy_ask ask = { .kind = POLICY_MOUNT,
				  .u.mount = { .fstype = w->type,
					       .source = w->source,
					       .target = target_name,
					       .flags = w->flags,
					       .options = w->option } };
	int r = place_name(h->proc, target, target_name, sizeof(target_name));

	if (r == 0 && source >= 0) {
		r = place_name(h->proc, source, source_name, sizeof(source_name));
		ask.u.mount.source = source_name;
	}
	if (r == 0)
		r = effect_ruling(h, c, &ask, true, o);
	w->terms = o->ruling.verdict.mount;
	return r;
}

static int perform(struct helper *h, struct call *c, const struct target *t, struct wanted *w,
		   struct outcome *o)
{
	AUTO_FD int target = place_open(t, AT_FDCWD, c->arg[1].bytes, 0), source = -EBADF;
	AUTO_FD int mount = -EBADF;
	const bool bind = w->flags & MS_BIND;
	int r;

	if (target < 0)
		return target;
	if (bind) {
		source = place_open(t, AT_FDCWD, w->source ? w->source : "", 0);
		if (source < 0)
			return source;
	}
	r = rule(h, c, w, source, target, o);
	if (r < 0)
		return r;
	if (bind)
		mount = make_bind(source, w);
	else if (str_eq(w->type, "tmpfs") || str_eq(w->type, "proc") || str_eq(w->type, "overlay"))
		mount = make_fs(w);
	else
		mount = -EPERM;
	return mount < 0 ? mount : place_mount(h, c, mount, target);
}

static void act_mount(struct helper *h, struct call *c, struct outcome *o)
{
	AUTO_TARGET struct target t = TARGET_INIT;
	unsigned int need = NEED_USER | NEED_MNT;
	struct wanted w;
	int r = read_wanted(c, &w);

	if (r == 0 && str_eq(w.type, "proc"))
		need |= NEED_PID;
	if (r == 0)
		r = target_open(&t, h, c, need);
	if (r == 0)
		r = target_become(&t, need, 1ULL << CAP_SYS_ADMIN);
	/* A procfs is of the pid namespace of whoever makes it. */
	if (r == 0 && (need & NEED_PID))
		effect_go_on(NULL, h);
	/* As for the kernel: others than root don't mount. */
	if (r == 0 && geteuid() != 0)
		r = -EPERM;
	if (r == 0)
		r = perform(h, c, &t, &w, o);
	o->error = -r;
}

void handle_mount(struct helper *h, struct call *c)
{
	effect_fork(h, c, DEADLINE_MS, act_mount);
}

/* ---- umount2 ---------------------------------------------------------------------------------- */

/*
 * By the link of our own descriptor, which is the very mount that was looked at. It is detached
 * always: our looking at it keeps it busy.
 */
static int detach(struct helper *h, int target, uint64_t id)
{
	AUTO_FD int links = openat(h->proc, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[16];
	int r;

	if (links < 0 || fchdir(links) < 0)
		return -errno;
	if (!shared_drop_mount(h->ledger, id))
		return -EPERM;
	(void)snprintf(name, sizeof(name), "%d", target);
	r = umount2(name, MNT_DETACH) < 0 ? -errno : 0;
	if (r < 0)
		(void)shared_add_mount(h->ledger, id);
	return r;
}

static int unmount(struct helper *h, struct call *c, const struct target *t, struct outcome *o)
{
	const int flags = (int)c->arg[1].value;
	const int follow = flags & UMOUNT_NOFOLLOW ? O_NOFOLLOW : 0;
	AUTO_FD int target = place_open(t, AT_FDCWD, c->arg[0].bytes, follow);
	bool root = false;
	uint64_t id;

	if (flags & ~(MNT_DETACH | MNT_FORCE | UMOUNT_NOFOLLOW))
		return -EPERM;
	if (target < 0)
		return target;
	/* Nothing is decided by the name, and a device node of ours has lost it. */
	o->words = place_name(h->proc, target, target_name, sizeof(target_name)) < 0
			   ? c->arg[0].bytes
			   : target_name;
	id = place_mount_id(target, &root);
	if (!root)
		return -EINVAL;
	if (!shared_has_mount(h->ledger, id))
		return -EPERM;
	o->ruling.error = 0;
	return call_alive(h, c) ? detach(h, target, id) : -ESRCH;
}

static void act_umount(struct helper *h, struct call *c, struct outcome *o)
{
	AUTO_TARGET struct target t = TARGET_INIT;
	int r = target_open(&t, h, c, NEED_USER | NEED_MNT);

	if (r == 0)
		r = target_become(&t, NEED_USER | NEED_MNT, 1ULL << CAP_SYS_ADMIN);
	if (r == 0 && geteuid() != 0)
		r = -EPERM;
	if (r == 0)
		r = unmount(h, c, &t, o);
	o->error = -r;
}

void handle_umount(struct helper *h, struct call *c)
{
	effect_fork(h, c, DEADLINE_MS, act_umount);
}
