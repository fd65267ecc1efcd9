/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_internal.h"

#include <sys/stat.h>

/*
 * One mount serves every masked path of a kind. Kernels before 6.15 clone nothing that is
 * detached: there it is attached itself the first time and cloned from its place later.
 */
static int attach_shared(int shared, int target)
{
	AUTO_FD int copy = mnt_clone(shared, 0);

	return mnt_attach(copy == -EINVAL ? shared : copy, target);
}

/* An empty directory that can't be written, with room for nothing. */
static int make_empty(void)
{
	AUTO_FD int fs = sys_fsopen("tmpfs");
	int r = fs < 0 ? fs : 0;

	if (r == 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0);
	if (r == 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "1", 0);
	if (r == 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0);
	if (r == 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r == 0)
		r = sys_fsmount(fs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					    MOUNT_ATTR_NOEXEC);
	return r;
}

/*
 * What a file is masked by is checked to be the null device, and read-only: the node itself
 * may be the host's, and nobody shall change its mode through a masked path.
 */
static int open_null(int root_fd)
{
	AUTO_FD int fd =
		sys_openat2(root_fd, "/dev/null", O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	AUTO_FD int tree = -EBADF;
	int r;

	if (fd < 0)
		return fd;
	if (!mnt_is_device(fd, S_IFCHR, 1, 3))
		return -ENODEV;
	tree = mnt_clone(fd, 0);
	r = tree < 0 ? tree : mnt_attr(tree, false, MOUNT_ATTR_RDONLY, 0, 0);
	return r < 0 ? r : TAKE_FD(tree);
}

static int mask(struct island *in, int target, bool dir)
{
	int *shared = dir ? &in->mask_fd : &in->null_fd;

	if (*shared < 0)
		*shared = dir ? make_empty() : open_null(in->root_fd);
	return *shared < 0 ? *shared : attach_shared(*shared, target);
}

int mnt_apply_mask(struct island *in, const struct step *s, struct err *e)
{
	const char *path = view_str(in->plan, s->u.str.text);
	AUTO_FD int target = sys_open_in_root(in->root_fd, path, O_PATH);
	struct stat st;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return err_sys(e, target < 0 ? target : errno, "mask \"%s\"", path);
	r = mask(in, target, S_ISDIR(st.st_mode));
	if (!S_ISDIR(st.st_mode) && in->null_fd < 0)
		return err_sys(e, r, "mask \"%s\": /dev/null of the container is not usable", path);
	return r < 0 ? err_sys(e, r, "mask \"%s\"", path) : 0;
}

int mnt_apply_readonly(struct island *in, const struct step *s, struct err *e)
{
	const char *path = view_str(in->plan, s->u.str.text);
	AUTO_FD int target = sys_open_in_root(in->root_fd, path, O_PATH);
	AUTO_FD int tree = -EBADF;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return err_sys(e, target, "make \"%s\" read-only", path);
	tree = mnt_clone(target, AT_RECURSIVE);
	r = tree < 0 ? tree : mnt_attr(tree, false, MOUNT_ATTR_RDONLY, 0, 0);
	if (r == 0)
		r = mnt_attach(tree, target);
	return r < 0 ? err_sys(e, r, "make \"%s\" read-only", path) : 0;
}
