/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_internal.h"

#include <sys/mount.h>
#include <sys/stat.h>

/*
 * umount2 takes no fd, and a path would be resolved a second time, in a tree that the container
 * may change meanwhile. Through our own entry in the host's procfs the fd is the path.
 */
int mnt_apply_unmount(struct island *in, const struct step *s, struct err *e)
{
	const char *path = view_str(in->plan, s->u.str.text);
	AUTO_FD int fd = -EBADF;
	struct stat top, here;
	char self[32];
	int r;

	r = mnt_target_open(in->root_fd, path ? path : "", 0, &fd, NULL);
	if (r < 0)
		return err_sys(e, r, "unmount \"%s\"", path ? path : "");
	if (fstat(fd, &here) < 0 || fstat(in->root_fd, &top) < 0 ||
	    (here.st_dev == top.st_dev && here.st_ino == top.st_ino))
		return err_set(e, EINVAL, "unmount \"%s\": that is the root", path);
	(void)snprintf(self, sizeof(self), "self/fd/%d", fd);
	if (fchdir(in->proc_fd) < 0)
		return err_sys(e, errno, "enter the host's /proc");
	r = umount2(self, MNT_DETACH) < 0 ? -errno : 0;
	if (fchdir(in->root_fd) < 0)
		return err_sys(e, errno, "go back to the container's root");
	if (r == -EINVAL)
		return err_set(e, r, "unmount \"%s\": nothing is mounted there", path);
	return r < 0 ? err_sys(e, r, "unmount \"%s\"", path) : 0;
}

/*
 * A procfs or sysfs of the host that the move of the root only covers would still be "fully visible"
 * to the kernel (mount_too_revealing): with it a user namespace made inside could mount one that
 * hides nothing. In a user namespace mounts from outside are locked together: then it is covered.
 */
int mnt_apply_hide(struct island *in, const struct step *s, struct err *e)
{
	const char *path = view_str(in->plan, s->u.str.text);
	int r = path ? 0 : -EINVAL;

	if (r == 0 && umount2(path, MNT_DETACH) < 0)
		r = -errno;
	if (r == -EPERM || r == -EINVAL)
		r = mount("tmpfs", path, "tmpfs", MS_RDONLY, "size=0") < 0 ? -errno : 0;
	/* Below another one that went before. */
	return r < 0 && r != -ENOENT ? err_sys(e, r, "hide the host's \"%s\"", path) : 0;
}
