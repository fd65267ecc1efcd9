/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_internal.h"

#include "sys/channel.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

int mnt_attach(int tree_fd, int target_fd)
{
	return sys_move_mount(tree_fd, "", target_fd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int mnt_clone(int fd, unsigned int flags)
{
	return sys_open_tree(fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | flags);
}

int mnt_attr(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation)
{
	struct mount_attr a = { .attr_set = set, .attr_clr = clear, .propagation = propagation };

	if (!set && !clear && !propagation)
		return 0;
	return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a);
}

/* The parts of procfs that engines cover with files of their own (lxcfs and the like). */
static bool proc_file_allowed(const char *target)
{
	static const char *const names[] = {
		"cpuinfo",
		"diskstats",
		"meminfo",
		"stat",
		"swaps",
		"uptime",
		"loadavg",
		"slabinfo",
		"net/dev",
		"sys/kernel/ns_last_pid",
		"sys/crypto/fips_enabled",
	};
	const char *name = str_after(target, "/proc/");

	for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

/*
 * A mount on procfs hides what a security profile relies on, so the target may be on one
 * only if the plan says so by name, and then it is what that name leads to from the top of
 * the real /proc.
 */
static int check_procfs(struct island *in, const char *target, int *target_fd, struct err *e)
{
	AUTO_FD int proc = -EBADF;
	AUTO_FD int fd = -EBADF;

	if (!sys_is_fs(*target_fd, PROC_SUPER_MAGIC))
		return 0;
	if (!proc_file_allowed(target))
		return err_set(e, EXDEV, "target is inside procfs: refused");
	proc = sys_openat2(in->root_fd, "/proc", O_PATH | O_DIRECTORY,
			   RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	if (proc < 0)
		return err_sys(e, proc, "open /proc");
	if (!sys_is_fs(proc, PROC_SUPER_MAGIC))
		return err_set(e, EXDEV, "target is inside procfs: refused");
	fd = sys_openat2(proc, target + strlen("/proc/"), O_PATH,
			 RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
	if (fd < 0)
		return err_sys(e, fd, "open target below /proc");
	auto_close_fd(target_fd);
	*target_fd = TAKE_FD(fd);
	return 0;
}

static int open_target(struct island *in, const struct step *s, unsigned int make, int *ret_fd,
		       bool *ret_made, struct err *e)
{
	const char *target = view_str(in->plan, s->u.mount.target);
	unsigned int flags = make;
	int r;

	if (s->u.mount.flags & MOUNT_NO_SYMLINKS)
		flags |= TARGET_NO_SYMLINKS;
	if (s->u.mount.flags & MOUNT_DST_NOFOLLOW)
		flags |= TARGET_NOFOLLOW;
	r = mnt_target_open(in->root_fd, target, flags, ret_fd, ret_made);
	if (r == -ELOOP && (flags & TARGET_NO_SYMLINKS))
		return err_set(e, ELOOP, "must be mounted on ordinary directory");
	if (r < 0)
		return err_sys(e, r, "open target");
	return 0;
}

/* The attributes of the whole tree, then those of its top alone. */
static int set_attrs(int tree_fd, const struct step *s, struct err *e)
{
	int r = mnt_attr(tree_fd, true, s->u.mount.rattr_set, s->u.mount.rattr_clr,
			 s->u.mount.rpropagation);

	if (r == 0)
		r = mnt_attr(tree_fd, false, s->u.mount.attr_set, s->u.mount.attr_clr,
			     s->u.mount.propagation);
	if (r == -EPERM)
		return err_set(e, EPERM,
			       "set attributes: one of the source is locked "
			       "here and can't be taken away");
	return r < 0 ? err_sys(e, r, "set attributes") : 0;
}

static bool is_dir(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int attach(int tree_fd, int target_fd, struct err *e)
{
	int r = mnt_attach(tree_fd, target_fd);

	if (r == -EINVAL && is_dir(tree_fd) != is_dir(target_fd))
		return err_set(e, ENOTDIR,
			       "source and target must both be directories, or neither");
	return r < 0 ? err_sys(e, r, "attach") : 0;
}

static bool overmounts_proc(struct island *in, const struct step *s)
{
	return str_eq(view_str(in->plan, s->u.mount.target), "/proc");
}

/* copy-symlink: the link itself, not what it leads to, appears at the target. */
static int copy_symlink(struct island *in, const struct step *s, int tree_fd, struct err *e)
{
	AUTO_FD int dir = -EBADF;
	char text[4096], old[sizeof(text)];
	const char *leaf;
	ssize_t n = readlinkat(tree_fd, "", text, sizeof(text) - 1);
	int r;

	if (n < 0)
		return err_sys(e, errno, "read symlink");
	text[n] = '\0';
	r = mnt_parent_open(in->root_fd, view_str(in->plan, s->u.mount.target), &dir, &leaf);
	if (r < 0)
		return err_sys(e, r, "open target");
	if (sys_is_fs(dir, PROC_SUPER_MAGIC))
		return err_set(e, EXDEV, "target is inside procfs: refused");
	if (symlinkat(text, dir, leaf) == 0)
		return 0;
	r = -errno;
	if (r == -EEXIST && readlinkat(dir, leaf, old, sizeof(old)) == n &&
	    memcmp(old, text, (size_t)n) == 0)
		return 0;
	return err_sys(e, r, "make symlink");
}

/* It is ours and in nobody's tree yet: an id map of the planner's changes what this file shows, too. */
static int ask_for_map(const struct island *in, int tree)
{
	struct msg m = { .kind = MSG_IDMAP };
	int r = chan_send(in->sock, &m, tree);

	if (r == 0)
		r = chan_recv(in->sock, &m, NULL);
	if (r < 0)
		return r;
	/* Where it is refused, the planner says so and ends us. */
	return r == 0 || m.kind != MSG_GO ? -EPIPE : tree;
}

/* The kernel says EINVAL for a file system that can't, as it does for much else. */
static int map_ids(const struct island *in, const struct step *s, int tree)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP };
	unsigned int below = s->u.mount.flags & MOUNT_IDMAP_BELOW ? AT_RECURSIVE : 0;

	if (s->u.mount.flags & MOUNT_IDMAP_ASK)
		return ask_for_map(in, tree);
	a.userns_fd = (uint64_t)(unsigned int)view_fd(in->plan, s->u.mount.slot);
	return sys_mount_setattr(tree, "", AT_EMPTY_PATH | below, &a) < 0 ? -EOPNOTSUPP : tree;
}

static int open_source(struct island *in, const struct step *s)
{
	const char *source = view_str(in->plan, s->u.mount.source);
	uint32_t flags = s->u.mount.flags;
	unsigned int how = OPEN_TREE_CLONE;
	bool nofollow = flags & (MOUNT_SRC_NOFOLLOW | MOUNT_COPY_SYMLINK);
	AUTO_FD int fd = -EBADF;

	if (flags & MOUNT_RECURSIVE)
		how |= AT_RECURSIVE;
	if (!(flags & MOUNT_SRC_IN_ROOT))
		return sys_open_tree(AT_FDCWD, source, how | (nofollow ? AT_SYMLINK_NOFOLLOW : 0));
	fd = sys_open_in_root(in->root_fd, source, O_PATH | (nofollow ? O_NOFOLLOW : 0U));
	return fd < 0 ? fd : sys_open_tree(fd, "", how | AT_EMPTY_PATH);
}

static int bind_tree(struct island *in, const struct step *s, int tree, struct err *e)
{
	AUTO_FD int target = -EBADF;
	struct stat st;
	int r;

	if (fstat(tree, &st) < 0)
		return err_sys(e, errno, "stat source");
	if (S_ISLNK(st.st_mode) && (s->u.mount.flags & MOUNT_COPY_SYMLINK))
		return copy_symlink(in, s, tree, e);
	r = open_target(in, s, S_ISDIR(st.st_mode) ? TARGET_DIR : TARGET_FILE, &target, NULL, e);
	if (r < 0)
		return r;
	if (!overmounts_proc(in, s))
		r = check_procfs(in, view_str(in->plan, s->u.mount.target), &target, e);
	else if (!sys_is_fs(tree, PROC_SUPER_MAGIC))
		r = err_set(e, EXDEV, "only procfs may be mounted on /proc");
	if (r < 0)
		return r;
	r = set_attrs(tree, s, e);
	return r < 0 ? r : attach(tree, target, e);
}

int mnt_apply_bind(struct island *in, const struct step *s, struct err *e)
{
	const char *source = view_str(in->plan, s->u.mount.source);
	AUTO_FD int own = -EBADF;
	int tree;

	if (s->u.mount.slot != SLOT_NONE && !(s->u.mount.flags & MOUNT_SRC_IN_ROOT)) {
		tree = view_fd(in->plan, s->u.mount.slot);
		if (tree < 0 && (s->u.mount.flags & MOUNT_OPTIONAL))
			return 0;
	} else {
		tree = own = open_source(in, s);
		if (tree >= 0 && s->u.mount.slot != SLOT_NONE)
			tree = map_ids(in, s, own);
		if (tree == -ENOENT && (s->u.mount.flags & MOUNT_OPTIONAL))
			return 0;
	}
	if (tree == -EINVAL && !(s->u.mount.flags & MOUNT_RECURSIVE))
		return err_set(e, EINVAL,
			       "source \"%s\": mounts below it are locked in this user "
			       "namespace: use rbind instead of bind",
			       source);
	if (tree < 0)
		return err_sys(e, tree, "source \"%s\"", source ? source : "");
	return bind_tree(in, s, tree, e);
}

static int reconfigure(struct island *in, const struct step *s, int target, struct err *e)
{
	char *const *options = view_list(in->plan, s->u.mount.options);
	AUTO_FD int fs = sys_fspick(target, "", FSPICK_EMPTY_PATH);
	int r;

	if (fs < 0)
		return err_sys(e, fs, "pick file system");
	r = mnt_fs_options(fs, options, e);
	return r < 0 ? r : mnt_fs_command(fs, FSCONFIG_CMD_RECONFIGURE, "reconfigure", e);
}

int mnt_apply_remount(struct island *in, const struct step *s, struct err *e)
{
	AUTO_FD int target = -EBADF;
	int r = open_target(in, s, 0, &target, NULL, e);

	if (r < 0)
		return r;
	if (s->u.mount.flags & MOUNT_REMOUNT_SB) {
		r = reconfigure(in, s, target, e);
		if (r < 0)
			return r;
	}
	r = mnt_attr(target, true, s->u.mount.rattr_set, s->u.mount.rattr_clr,
		     s->u.mount.rpropagation);
	if (r == 0)
		r = mnt_attr(target, false, s->u.mount.attr_set, s->u.mount.attr_clr,
			     s->u.mount.propagation);
	if (r == -EINVAL)
		return err_set(e, r, "remount: there is no mount at this target");
	return r < 0 ? err_sys(e, r, "remount") : 0;
}

/* Did fsmount(2) already give the new mount all that it is to have? */
static bool born_complete(const struct step *s)
{
	return !(s->u.mount.flags & MOUNT_TMPCOPYUP) && !s->u.mount.rattr_set &&
	       !s->u.mount.rattr_clr && !s->u.mount.propagation && !s->u.mount.rpropagation;
}

int mnt_apply_mount(struct island *in, const struct step *s, struct err *e)
{
	bool proc = str_eq(view_str(in->plan, s->u.mount.fstype), "proc");
	AUTO_FD int target = -EBADF;
	AUTO_FD int tree = -EBADF;
	bool made = false;
	int r;

	r = open_target(in, s, TARGET_DIR, &target, &made, e);
	if (r == 0 && !proc)
		r = check_procfs(in, view_str(in->plan, s->u.mount.target), &target, e);
	if (r == 0)
		r = mnt_fs_make(in, s, made ? -EBADF : target, &tree, e);
	if (r == 0 && (s->u.mount.flags & MOUNT_TMPCOPYUP) && !made)
		r = mnt_copy_tree(target, tree, e);
	if (r == 0 && !born_complete(s))
		r = set_attrs(tree, s, e);
	return r < 0 ? r : attach(tree, target, e);
}

static int dispatch(struct island *in, const struct step *s, struct err *e)
{
	switch (s->kind) {
	case STEP_ROOT:
		return mnt_apply_root(in, s, e);
	case STEP_MOUNT:
		return mnt_apply_mount(in, s, e);
	case STEP_BIND:
		return mnt_apply_bind(in, s, e);
	case STEP_HIDE:
		return mnt_apply_hide(in, s, e);
	case STEP_UNMOUNT:
		return mnt_apply_unmount(in, s, e);
	case STEP_REMOUNT:
		return mnt_apply_remount(in, s, e);
	case STEP_SYMLINK:
		return mnt_apply_symlink(in, s, e);
	case STEP_DEVICE:
		return mnt_apply_device(in, s, e);
	case STEP_MASK:
		return mnt_apply_mask(in, s, e);
	case STEP_READONLY:
		return mnt_apply_readonly(in, s, e);
	case STEP_PIVOT:
		return mnt_apply_pivot(in, s, e);
	default:
		return err_set(e, EINVAL, "step %u is not a mount step", s->kind);
	}
}

static bool is_mount_step(const struct step *s)
{
	return s->kind == STEP_MOUNT || s->kind == STEP_BIND || s->kind == STEP_REMOUNT;
}

int mnt_apply(struct island *in, const struct step *s, struct err *e)
{
	int r = dispatch(in, s, e);

	if (r >= 0)
		return r;
	if (is_mount_step(s) && (s->u.mount.flags & MOUNT_SKIP_EPERM) &&
	    (r == -EPERM || r == -EACCES))
		return 0;
	if (r == -ENOSYS)
		err_wrap(e, "needs Linux 5.12 or newer");
	if (!is_mount_step(s))
		return r;
	err_wrap(e, "mount on \"%s\"", view_str(in->plan, s->u.mount.target));
	return s->origin == MNT_ORIGIN_NONE ? r : err_wrap(e, "mounts[%u]", s->origin);
}
