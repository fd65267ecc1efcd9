/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/mount_private.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/*
 * File systems on a device. The kernel lets only the root of the host mount them, since their code
 * trusts what it reads. So a line names a device of the host, by the host's name: what the container
 * calls its node, and where that lies, is the container's own affair. The device is opened by its
 * number, through a node that nobody but us sees.
 */

/* ---- which device ----------------------------------------------------------------------------- */

int block_names(void)
{
	AUTO_FD int fs = sys_fsopen("sysfs");
	int r = fs < 0 ? fs : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);

	return r < 0 ? r
		     : sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/* The device mapper numbers its devices as they come; their names stay. */
static int name_of(int names, dev_t dev, char *ret, size_t size)
{
	char file[64], text[4096];
	const char *name;
	int r;

	(void)snprintf(file, sizeof(file), "dev/block/%u:%u/dm/name", major(dev), minor(dev));
	r = sys_read_at(names, file, text, sizeof(text));
	if (r >= 0) {
		text[strcspn(text, "\n")] = '\0';
		r = snprintf(ret, size, "/dev/mapper/%s", text);
		return r < 0 || (size_t)r >= size ? -ENODEV : 0;
	}
	(void)snprintf(file, sizeof(file), "dev/block/%u:%u/uevent", major(dev), minor(dev));
	r = sys_read_at(names, file, text, sizeof(text));
	if (r < 0)
		return -ENODEV;
	name = strstr(text, "DEVNAME=");
	if (!name || (name != text && name[-1] != '\n'))
		return -ENODEV;
	name += strlen("DEVNAME=");
	r = snprintf(ret, size, "/dev/%.*s", (int)strcspn(name, "\n"), name);
	return r < 0 || (size_t)r >= size ? -ENODEV : 0;
}

int block_find(int names, int node, dev_t *ret_dev, char *ret, size_t size)
{
	struct stat s;
	int r;

	if (fstat(node, &s) < 0)
		return -errno;
	if (!S_ISBLK(s.st_mode))
		return -ENOTBLK;
	r = name_of(names, s.st_rdev, ret, size);
	if (r == 0)
		*ret_dev = s.st_rdev;
	return r;
}

/* ---- mounting it ------------------------------------------------------------------------------ */

static int open_device(int fs, const struct helper *h, dev_t dev)
{
	char name[24];
	int r;

	(void)snprintf(name, sizeof(name), "%d", getpid());
	(void)unlinkat(h->devices, name, 0);
	if (fchdir(h->devices) < 0 || mknodat(h->devices, name, S_IFBLK | 0600, dev) < 0)
		return -errno;
	r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", name, 0);
	if (r == 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	(void)unlinkat(h->devices, name, 0);
	return r;
}

static int force(int fs, const struct wanted *w)
{
	const char *forced = w->fs->forced, *value = forced ? strchr(forced, '=') : NULL;
	char key[32];

	if (!forced)
		return 0;
	if (!value)
		return sys_fsconfig(fs, FSCONFIG_SET_FLAG, forced, NULL, 0);
	for (size_t i = 0; i < w->count; i++)
		if (mount_same_key(w->option[i], forced))
			return 0;
	(void)snprintf(key, sizeof(key), "%.*s", (int)(value - forced), forced);
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, key, value + 1, 0);
}

static int shift_owners(int mount, int userns)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP,
					 .userns_fd = (uint64_t)(unsigned int)userns };

	return sys_mount_setattr(mount, "", AT_EMPTY_PATH, &attr);
}

/*
 * Return: the same mount with flags that the container can't take back, even where it has
 * CAP_SYS_ADMIN (mount_namespaces(7)): the kernel locks them when a mount namespace is copied for a
 * user namespace with less rights. So it is mounted in a namespace that only we see, that one is
 * copied as the container's, and the mount taken out of the copy.
 */
static int lock_flags(int mount, int userns)
{
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	r = sys_move_mount(mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
	if (r < 0)
		return r;
	if (setns(userns, CLONE_NEWUSER) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    fchdir(mount) < 0 || unshare(CLONE_NEWNS) < 0)
		return -errno;
	return sys_open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE);
}

static int make(const struct helper *h, const struct wanted *w, const struct block_order *o,
		int userns)
{
	const unsigned long flags = w->flags | o->terms.flags | MS_NOSUID | MS_NODEV;
	AUTO_FD int fs = sys_fsopen(w->type), mount = -EBADF;
	int r = fs < 0 ? fs : h->devices < 0 ? -EPERM : 0;

	/* Nothing is written to it then, not even by the file system itself. */
	if (r == 0 && (flags & MS_RDONLY))
		r = sys_fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0);
	if (r == 0)
		r = mount_configure(fs, w);
	if (r == 0)
		r = force(fs, w);
	if (r == 0)
		r = open_device(fs, h, o->dev);
	if (r < 0)
		return r;
	mount = sys_fsmount(fs, (unsigned int)mount_attributes(flags));
	r = mount < 0 ? mount : 0;
	if (r == 0 && o->terms.shift)
		r = shift_owners(mount, userns);
	return r < 0 ? r : lock_flags(mount, userns);
}

int block_serve(const struct keeper *k, int fd UNUSED, const void *bytes, size_t len, int *ret_fd)
{
	struct block_order order;
	int mount;

	if (len != sizeof(order))
		return -EINVAL;
	memcpy(&order, bytes, sizeof(order));
	mount = make(k->h, k->order, &order, k->t->userns);
	*ret_fd = mount;
	return mount < 0 ? mount : 0;
}
