/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_internal.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/*
 * What propagation "/" gets while the container is built. Shared keeps the host as a peer,
 * as asked; unbindable would forbid our own binds, so it is set on the new root alone, later.
 */
static int set_host_propagation(uint64_t wanted, struct err *e)
{
	struct mount_attr a = { .propagation = wanted & ~(uint64_t)MS_REC };
	unsigned int flags = wanted & MS_REC ? AT_RECURSIVE : 0;
	int r;

	if (!wanted || a.propagation == MS_UNBINDABLE) {
		a.propagation = MS_SLAVE;
		flags = AT_RECURSIVE;
	}
	r = sys_mount_setattr(AT_FDCWD, "/", flags, &a);
	return r < 0 ? err_sys(e, r, "set propagation of /") : 0;
}

/*
 * The mount that @fd lies on must not be shared: what we attach there would reach the host,
 * and pivot_root(2) refuses it. Only the top of a mount takes attributes, so the way up by
 * ".." ends where mount_setattr(2) stops to answer EINVAL.
 */
static int cut_parent_off(int fd, uint64_t propagation, struct err *e)
{
	AUTO_FD int at = sys_openat2(fd, ".", O_PATH | O_DIRECTORY, 0);

	for (int depth = 0; depth < 4096 && at >= 0; depth++) {
		int r = mnt_attr(at, false, 0, 0, propagation), up;

		if (r == 0)
			return 0;
		if (r != -EINVAL)
			return err_sys(e, r, "cut the mount of the root off");
		up = sys_openat2(at, "..", O_PATH | O_DIRECTORY, 0);
		auto_close_fd(&at);
		at = up;
	}
	return err_sys(e, at < 0 ? at : ELOOP, "find the mount of the root");
}

/*
 * What keeps our mounts from reaching the host. A slave still receives: a mount that the host
 * makes below the root appears inside, unless it was asked not to.
 */
static uint64_t one_way(uint64_t wanted)
{
	wanted &= ~(uint64_t)MS_REC;
	return wanted == MS_SHARED || wanted == MS_PRIVATE ? MS_PRIVATE : MS_SLAVE;
}

bool mnt_is_device(int fd, mode_t type, unsigned int major, unsigned int minor)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type &&
	       st.st_rdev == makedev(major, minor);
}

/* From here on the root is a mount of its own in our namespace, at its own path. */
static int attach_root(int tree, int at, struct err *e)
{
	int r = at >= 0 ? mnt_attach(tree, at)
			: sys_move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);

	return r < 0 ? err_sys(e, r, "attach the root") : 0;
}

int mnt_apply_root(struct island *in, const struct step *s, struct err *e)
{
	const char *path = view_str(in->plan, s->u.root.path);
	int tree = view_fd(in->plan, s->u.root.slot);
	AUTO_FD int own = -EBADF;
	AUTO_FD int at = -EBADF;
	uint64_t cut = one_way(s->u.root.propagation);
	int r;

	umask(022);
	at = path ? sys_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0)
		  : sys_openat2(tree, ".", O_PATH | O_DIRECTORY, 0);
	/* A tree from the planner needs no way there that its owner could walk. */
	if (at < 0 && !(at == -EACCES && tree >= 0))
		return err_sys(e, at, "open root \"%s\"%s", path ? path : "",
			       at == -ENOTDIR ? " (a symlink is not followed)" : "");
	if (s->u.root.no_pivot == MNT_ROOT_ONLY_OPEN) {
		in->root_fd = TAKE_FD(at);
		return 0;
	}
	r = set_host_propagation(s->u.root.propagation, e);
	if (r == 0 && at >= 0)
		r = cut_parent_off(at, cut, e);
	if (r < 0)
		return r;
	if (tree < 0)
		tree = own = mnt_clone(at, AT_RECURSIVE);
	if (tree < 0)
		return err_sys(e, tree, "clone root \"%s\"", path);
	r = mnt_attr(tree, false, 0, 0, cut);
	if (r < 0)
		return err_sys(e, r, "cut the root off");
	r = attach_root(tree, at, e);
	if (r < 0)
		return r;
	/* The handle must not die with the caller's slot. */
	in->root_fd = own >= 0 ? TAKE_FD(own) : sys_openat2(tree, ".", O_PATH | O_DIRECTORY, 0);
	if (in->root_fd < 0)
		return err_sys(e, in->root_fd, "open the root");
	/* Hooks begin there, as in runc. */
	return fchdir(in->root_fd) < 0 ? err_sys(e, errno, "enter the root") : 0;
}

static int enter_root(struct err *e)
{
	if (chroot(".") < 0)
		return err_sys(e, errno, "chroot");
	if (chdir("/") < 0)
		return err_sys(e, errno, "enter the new root");
	return 0;
}

/*
 * pivot_root(2), "pivot_root(".", ".")": the old root ends up stacked on the new one, and
 * "." of umount2 finds it there.
 */
static int pivot(struct err *e)
{
	AUTO_FD int old = sys_openat2(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	int r;

	if (old < 0)
		return err_sys(e, old, "open the old root");
	r = sys_pivot_root(".", ".");
	if (r < 0)
		return err_sys(e, r, "pivot_root%s",
			       r == -EINVAL ? " (on a ramfs or initramfs root use --no-pivot)"
					    : "");
	/* Where "/" was kept shared, taking the old tree away must not reach the host. */
	r = mnt_attr(old, true, 0, 0, MS_SLAVE);
	if (r < 0)
		return err_sys(e, r, "cut the old root off");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "unmount the old root");
	if (chdir("/") < 0)
		return err_sys(e, errno, "enter the new root");
	return 0;
}

/*
 * For a container in the host's mount namespace: what was mounted is held by whoever stands in it, and is
 * gone with the last of them. Nothing of it is in the host's tree, no ".." leads out of it, and its programs have
 * no set-user-id: it is foreign to the namespace (mnt_may_suid in the kernel).
 */
static int detach(struct island *in, struct err *e)
{
	int tree = mnt_clone(in->root_fd, AT_RECURSIVE);

	if (tree < 0)
		return err_sys(e, tree, "detach the root");
	close(in->root_fd);
	in->root_fd = tree;
	return 0;
}

int mnt_apply_pivot(struct island *in, const struct step *s, struct err *e)
{
	int r;

	if (s->u.num.value == MNT_PIVOT_DETACH)
		return detach(in, e);
	/* All three ways take the working directory for the root: it must be that, whatever came before. */
	if (fchdir(in->root_fd) < 0)
		return err_sys(e, errno, "enter the root");
	if (s->u.num.value == MNT_PIVOT)
		return pivot(e);
	if (s->u.num.value == MNT_PIVOT_MOVE) {
		r = sys_move_mount(in->root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
		if (r < 0)
			return err_sys(e, r, "move the root over /");
	}
	return enter_root(e);
}
