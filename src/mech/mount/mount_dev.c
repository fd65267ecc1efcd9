/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { LINK_TEXT = 256 };

static bool link_is(int dir, const char *leaf, const char *want)
{
	char text[LINK_TEXT];
	int before = errno;
	ssize_t n = readlinkat(dir, leaf, text, sizeof(text));

	errno = before;
	return n > 0 && (size_t)n == strlen(want) && memcmp(text, want, (size_t)n) == 0;
}

/* An image may bring its own file or link by that name; ours is what programs expect there. */
int mnt_apply_symlink(struct island *in, const struct step *s, struct err *e)
{
	const char *path = view_str(in->plan, s->u.link.path), *leaf;
	const char *target = view_str(in->plan, s->u.link.target);
	AUTO_FD int dir = -EBADF;
	int r = mnt_parent_open(in->root_fd, path, &dir, &leaf);

	if (r < 0)
		return err_sys(e, r, "symlink \"%s\": open its directory", path);
	if (symlinkat(target, dir, leaf) == 0 || link_is(dir, leaf, target))
		return 0;
	if (errno != EEXIST)
		return err_sys(e, errno, "symlink \"%s\"", path);
	/* A directory or a mount by that name, or one in a read-only image, is left alone. */
	if (unlinkat(dir, leaf, 0) < 0) {
		if (errno == EISDIR || errno == EBUSY || errno == EROFS)
			return 0;
		return err_sys(e, errno, "symlink \"%s\": remove what is there", path);
	}
	if (symlinkat(target, dir, leaf) < 0)
		return err_sys(e, errno, "symlink \"%s\"", path);
	return 0;
}

static bool is_wanted(int fd, const struct step *s)
{
	mode_t type = s->u.device.mode & S_IFMT;
	struct stat st;

	if (type == S_IFIFO)
		return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
	return mnt_is_device(fd, type, s->u.device.major, s->u.device.minor);
}

static int open_leaf(int dir, const char *leaf)
{
	return sys_openat2(dir, leaf, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH);
}

/* From the planner, where it could open it; else by the right of whoever we are. */
static int open_node(const struct island *in, const struct step *s, const char *path)
{
	int fd = view_fd(in->plan, s->u.device.slot);

	if (fd < 0)
		return sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

/* The host's node, known by type and number, over a file in the root. */
static int bind_node(const struct island *in, int dir, const char *leaf, const struct step *s,
		     const char *path, struct err *e)
{
	AUTO_FD int tree = open_node(in, s, path);
	AUTO_FD int target = -EBADF;
	struct stat st;
	int r;

	if (tree < 0)
		return err_sys(e, tree, "device \"%s\": open the host's", path);
	if (!is_wanted(tree, s))
		return err_set(e, ENODEV, "device \"%s\": the host's is not %u:%u", path,
			       s->u.device.major, s->u.device.minor);
	if (mknodat(dir, leaf, S_IFREG, 0) < 0 && errno != EEXIST)
		return err_sys(e, errno, "device \"%s\": make a file to mount on", path);
	target = open_leaf(dir, leaf);
	if (target < 0 || fstat(target, &st) < 0)
		return err_sys(e, target < 0 ? target : errno, "device \"%s\"", path);
	if (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode))
		return err_set(e, EEXIST, "device \"%s\": something else is there", path);
	/* Its mode and owner stay the host's business where our root is the host's. */
	r = s->u.device.bind == 1 ? 0 : mnt_attr(tree, false, MOUNT_ATTR_RDONLY, 0, 0);
	if (r == 0)
		r = mnt_attach(tree, target);
	return r < 0 ? err_sys(e, r, "device \"%s\": mount it", path) : 0;
}

static int make_node(int dir, const char *leaf, const struct step *s)
{
	mode_t old = umask(0);
	int r = mknodat(dir, leaf, s->u.device.mode, makedev(s->u.device.major, s->u.device.minor));

	r = r < 0 ? -errno : 0;
	umask(old);
	return r;
}

static int check_node(int dir, const char *leaf, const struct step *s, bool made, const char *path,
		      struct err *e)
{
	AUTO_FD int fd = open_leaf(dir, leaf);

	if (fd < 0)
		return err_sys(e, fd, "device \"%s\"", path);
	if (!is_wanted(fd, s))
		return err_set(e, EEXIST, "device \"%s\": something else is there", path);
	if (made && (s->u.device.uid || s->u.device.gid) &&
	    fchownat(fd, "", s->u.device.uid, s->u.device.gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, errno, "device \"%s\": give it to %u:%u", path, s->u.device.uid,
			       s->u.device.gid);
	return 0;
}

int mnt_apply_device(struct island *in, const struct step *s, struct err *e)
{
	const char *path = view_str(in->plan, s->u.device.path), *leaf;
	AUTO_FD int dir = -EBADF;
	int r = mnt_parent_open(in->root_fd, path, &dir, &leaf);

	if (r < 0)
		return err_sys(e, r, "device \"%s\": open its directory", path);
	if (s->u.device.bind && (s->u.device.mode & S_IFMT) != S_IFIFO)
		return bind_node(in, dir, leaf, s, path, e);
	r = make_node(dir, leaf, s);
	if (r == -EPERM)
		return bind_node(in, dir, leaf, s, path, e);
	if (r < 0 && r != -EEXIST)
		return err_sys(e, r, "device \"%s\": make it", path);
	return check_node(dir, leaf, s, r == 0, path, e);
}
