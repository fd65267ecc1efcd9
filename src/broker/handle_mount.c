/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"
#include "broker/mount_private.h"

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
 * root of the container's user namespace, file systems on devices by one with ours (handle_block.c).
 */
enum { DEADLINE_MS = 10000 };

static char target_name[PATH_MAX], source_name[PATH_MAX];

/* ---- what is asked for ---------------------------------------------------------------------- */

/* In the call's own copy. A key may stand there once: nothing is overridden behind a check. */
static int split(struct call *c, struct wanted *w)
{
	char *at = (char *)(uintptr_t)c->arg[4].bytes;

	while (at && *at) {
		char *end = at + strcspn(at, ",");
		const bool last = !*end;

		*end = '\0';
		if (*at) {
			if (w->count == MOUNT_OPTIONS_MAX)
				return -E2BIG;
			for (size_t i = 0; i < w->count; i++)
				if (mount_same_key(w->option[i], at))
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
	w->fs = policy_fs_find(w->type);
	return flags & MS_BIND ? 0 : split(c, w);
}

static bool is_remount(const struct wanted *w)
{
	return w->flags & MS_REMOUNT;
}

static bool is_on_device(const struct wanted *w)
{
	return w->fs && w->fs->way == POLICY_FS_BLOCK && !is_remount(w);
}

/* ---- mount ------------------------------------------------------------------------------------ */

/* What a name of the container's led to, and what it is called where the policy looks at it. */
struct found {
	int target, source;
	dev_t dev;
	const char *source_name;
};

static int rule(struct helper *h, struct call *c, struct wanted *w, const struct found *f,
		struct outcome *o)
{
	const struct policy_ask ask = { .kind = POLICY_MOUNT,
					.u.mount = { .fstype = w->type,
						     .source = f->source_name,
						     .target = target_name,
						     .flags = w->flags,
						     .options = w->option } };
	int r = place_name(h->proc, f->target, target_name, sizeof(target_name));

	if (r == 0)
		r = effect_ruling(h, c, &ask, true, o);
	w->terms = o->ruling.verdict.mount;
	return r;
}

static int find_source(struct helper *h, const struct target *t, const struct wanted *w, int names,
		       struct found *f)
{
	int r;

	f->source_name = w->source;
	if (!(w->flags & MS_BIND) && !is_on_device(w))
		return 0;
	f->source = place_open(t, AT_FDCWD, w->source ? w->source : "", 0);
	if (f->source < 0)
		return f->source;
	r = is_on_device(w)
		    ? block_find(names, f->source, &f->dev, source_name, sizeof(source_name))
		    : place_name(h->proc, f->source, source_name, sizeof(source_name));
	f->source_name = source_name;
	return r;
}

static int make_on_device(struct wanted *w, const struct found *f, struct keeper *k)
{
	const struct block_order order = { .dev = f->dev, .terms = w->terms };
	int mount = -EBADF, r;

	for (size_t i = 0; i < w->count; i++)
		if (!policy_fs_takes(w->fs, w->option[i]))
			return -EPERM;
	r = effect_ask(k, -EBADF, &order, sizeof(order), &mount);
	return r < 0 ? r : mount;
}

static int perform(struct helper *h, struct call *c, const struct target *t, struct wanted *w,
		   int names, struct keeper *k, struct outcome *o)
{
	AUTO_FD int target = place_open(t, AT_FDCWD, c->arg[1].bytes, 0), source = -EBADF;
	AUTO_FD int mount = -EBADF;
	struct found f = { .target = target, .source = -EBADF };
	int r;

	if (target < 0)
		return target;
	r = find_source(h, t, w, names, &f);
	source = f.source;
	if (r == 0)
		r = rule(h, c, w, &f, o);
	if (r < 0)
		return r;
	if (!w->fs)
		return -EPERM;
	switch (w->fs->way) {
	case POLICY_FS_BIND:
		mount = mount_make_bind(source, w);
		break;
	case POLICY_FS_OWN:
		mount = mount_make_own(w);
		break;
	case POLICY_FS_BLOCK:
		mount = make_on_device(w, &f, k);
		break;
	}
	if (mount < 0)
		return mount;
	return place_mount(h, c, mount, target, (uint8_t)(policy_fs_index(w->fs) + 1));
}

/* Of a mount that we made, what is mounted is remembered; nobody else's is changed. */
static int remount(struct helper *h, struct call *c, const struct target *t, struct wanted *w,
		   struct outcome *o)
{
	AUTO_FD int target = place_open(t, AT_FDCWD, c->arg[1].bytes, 0);
	const struct found f = { .target = target };
	bool root = false;
	uint8_t kind;
	int r;

	if (target < 0)
		return target;
	kind = shared_mount_kind(h->ledger, place_mount_id(target, &root));
	if (!root)
		return -EINVAL;
	w->fs = kind ? policy_fs_at(kind - 1U) : NULL;
	if (!w->fs)
		return -EPERM;
	w->type = w->fs->name;
	if (w->fs->way != POLICY_FS_BIND)
		w->flags &= ~(unsigned long)MS_BIND;
	r = rule(h, c, w, &f, o);
	if (r == 0)
		r = call_alive(h, c) ? mount_tighten(target, w) : -ESRCH;
	return r;
}

static void act_mount(struct helper *h, struct call *c, struct outcome *o)
{
	AUTO_TARGET struct target t = TARGET_INIT;
	unsigned int need = NEED_USER | NEED_MNT;
	AUTO_FD int names = -EBADF;
	struct wanted w;
	struct keeper k = {
		.h = h, .c = c, .t = &t, .serve = block_serve, .order = &w, .where = BERTH_CALLER
	};
	int r = read_wanted(c, &w);

	if (r == 0 && h->confined && is_on_device(&w))
		r = -EPERM;
	if (r == 0 && str_eq(w.type, "proc"))
		need |= NEED_PID;
	if (r == 0)
		r = target_open(&t, h, c, need);
	if (r == 0 && is_on_device(&w)) {
		names = block_names();
		r = names < 0 ? names : effect_keep(&k);
	}
	if (r == 0)
		r = target_become(&t, need, 1ULL << CAP_SYS_ADMIN);
	/* A procfs is of the pid namespace of whoever makes it. */
	if (r == 0 && (need & NEED_PID))
		effect_go_on(h, c, BERTH_CALLER, NULL);
	/* As for the kernel: others than root don't mount. */
	if (r == 0 && geteuid() != 0)
		r = -EPERM;
	if (r == 0)
		r = is_remount(&w) ? remount(h, c, &t, &w, o) : perform(h, c, &t, &w, names, &k, o);
	o->error = -r;
}

void handle_mount(struct helper *h, struct call *c)
{
	const struct policy_fs *fs = c->arg[2].bytes ? policy_fs_find(c->arg[2].bytes) : NULL;
	const bool on_device = fs && fs->way == POLICY_FS_BLOCK;

	/* A device of the host is opened whatever the container's cgroup says of it. */
	effect_fork(h, c, on_device ? BERTH_OURS : BERTH_CALLER, DEADLINE_MS, act_mount);
}

/* ---- umount2 ---------------------------------------------------------------------------------- */

/*
 * By the link of our own descriptor, which is the very mount that was looked at. It is detached
 * always: our looking at it keeps it busy.
 */
static int detach(struct helper *h, int target, uint64_t id, uint8_t kind)
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
		(void)shared_add_mount(h->ledger, id, kind);
	return r;
}

static int unmount(struct helper *h, struct call *c, const struct target *t, struct outcome *o)
{
	const int flags = (int)c->arg[1].value;
	const int follow = flags & UMOUNT_NOFOLLOW ? O_NOFOLLOW : 0;
	AUTO_FD int target = place_open(t, AT_FDCWD, c->arg[0].bytes, follow);
	bool root = false;
	uint64_t id;
	uint8_t kind;

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
	kind = shared_mount_kind(h->ledger, id);
	if (!kind)
		return -EPERM;
	o->ruling.error = 0;
	return call_alive(h, c) ? detach(h, target, id, kind) : -ESRCH;
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
	effect_fork(h, c, BERTH_OURS, DEADLINE_MS, act_umount);
}
