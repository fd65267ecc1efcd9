/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_internal.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

/* A child that holds a new user namespace until its end of @hold closes. */
static pid_t spawn_holder(int hold, int other)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t pid = sys_clone3(&args);
	char c;

	if (pid != 0)
		return pid;
	close(other);
	while (read(hold, &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static int write_maps(int proc, pid_t pid, const char *uids, const char *gids, struct err *e)
{
	char path[32];
	int r;

	(void)snprintf(path, sizeof(path), "%d/uid_map", pid);
	r = sys_write_at(proc, path, uids);
	if (r < 0)
		return err_sys(e, r, "write uid map of the id-mapped mount");
	(void)snprintf(path, sizeof(path), "%d/gid_map", pid);
	r = sys_write_at(proc, path, gids);
	return r < 0 ? err_sys(e, r, "write gid map of the id-mapped mount") : 0;
}

/* mount_setattr(2) takes an id map only as a user namespace that has it. */
static int open_userns(const char *uids, const char *gids, struct err *e)
{
	AUTO_FD int proc = sys_open_proc();
	AUTO_FD int ours = -EBADF;
	AUTO_FD int theirs = -EBADF;
	char path[32];
	int pair[2], r, fd = -EBADF;
	pid_t pid;

	if (proc < 0)
		return err_sys(e, proc, "open /proc");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	pid = spawn_holder(theirs, ours);
	if (pid < 0)
		return err_sys(e, pid, "make a user namespace for an id-mapped mount");
	r = write_maps(proc, pid, uids, gids, e);
	if (r == 0) {
		(void)snprintf(path, sizeof(path), "%d/ns/user", pid);
		fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			r = err_sys(e, errno, "open the user namespace of an id-mapped mount");
	}
	auto_close_fd(&ours);
	ours = -EBADF;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : fd;
}

static int set_map(int tree, int userns, bool below, const char *source, struct err *e)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP,
				.userns_fd = (uint64_t)(unsigned int)userns };
	int r = sys_mount_setattr(tree, "", AT_EMPTY_PATH | (below ? AT_RECURSIVE : 0), &a);

	if (r == -EINVAL)
		return err_set(e, r,
			       "id-map: the file system of \"%s\" doesn't support it, or is "
			       "mapped already",
			       source);
	return r < 0 ? err_sys(e, r, "id-map \"%s\"", source) : 0;
}

static int map_ids(const struct plan_view *v, const struct step *s, int tree, struct err *e)
{
	const char *uids = view_str(v, s->u.tree.uid_map), *gids = view_str(v, s->u.tree.gid_map);
	AUTO_FD int ns = -EBADF;

	if (s->u.tree.userns == SLOT_NONE && (!uids || !gids))
		return 0;
	if (s->u.tree.userns == SLOT_NONE) {
		ns = open_userns(uids, gids, e);
		if (ns < 0)
			return ns;
	}
	return set_map(tree, ns >= 0 ? ns : view_fd(v, s->u.tree.userns), s->u.tree.idmap_recursive,
		       view_str(v, s->u.tree.path), e);
}

int mnt_host_idmap(const struct step *s, int userns, const char *source, int tree, struct err *e)
{
	int r = set_map(tree, userns, s->u.mount.flags & MOUNT_IDMAP_BELOW, source, e);

	return r < 0 ? err_wrap(e, "mounts[%u]", s->origin) : 0;
}

static int clone_tree(const struct plan_view *v, const struct step *s, struct err *e)
{
	const char *path = view_str(v, s->u.tree.path);
	AUTO_FD int tree = -EBADF;
	int r;

	tree = sys_open_tree(AT_FDCWD, path,
			     OPEN_TREE_CLONE | (s->u.tree.recursive ? AT_RECURSIVE : 0) |
				     (s->u.tree.nofollow ? AT_SYMLINK_NOFOLLOW : 0));
	if (tree == -ENOSYS)
		return err_set(e, tree, "this kernel lacks the mount API: needs Linux 5.12");
	if (tree < 0)
		return err_sys(e, tree, "source \"%s\"", path);
	r = mnt_attr(tree, true, 0, 0, s->u.tree.propagation);
	if (r < 0)
		return err_sys(e, r, "set propagation of \"%s\"", path);
	r = map_ids(v, s, tree, e);
	return r < 0 ? r : TAKE_FD(tree);
}

/* Its name stays, since nothing without one can be mounted, and goes with the directory. */
static int make_node(const char *dir, const struct step *s)
{
	char name[32];
	AUTO_FD int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD int tree = -EBADF;
	mode_t old;
	int r;

	if (dir_fd < 0)
		return -errno;
	(void)snprintf(name, sizeof(name), "node.%u", s->origin);
	old = umask(0);
	r = mknodat(dir_fd, name, s->u.node.mode, makedev(s->u.node.major, s->u.node.minor));
	r = r < 0 ? -errno : 0;
	umask(old);
	if (r < 0)
		return r;
	if (fchownat(dir_fd, name, s->u.node.uid, s->u.node.gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	tree = sys_open_tree(dir_fd, name, OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW);
	if (tree < 0)
		return tree;
	/* State directories are on file systems without devices. */
	r = mnt_attr(tree, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NODEV, 0);
	if (r == 0)
		r = mnt_attr(tree, false, 0, 0, MS_PRIVATE);
	return r < 0 ? r : TAKE_FD(tree);
}

int mnt_host_node(const struct plan_view *v, const struct step *s, struct err *e)
{
	const char *path = view_str(v, s->u.node.path), *dir = view_str(v, s->u.node.dir);
	AUTO_FD int tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
	int r = tree;

	if (tree >= 0 &&
	    mnt_is_device(tree, s->u.node.mode & S_IFMT, s->u.node.major, s->u.node.minor))
		return TAKE_FD(tree);
	if (dir)
		r = make_node(dir, s);
	else if (tree >= 0)
		r = -ENODEV;
	return r < 0 ? err_sys(e, r, "linux.devices[%u] \"%s\": make %u:%u", s->origin, path,
			       s->u.node.major, s->u.node.minor)
		     : r;
}

int mnt_host_apply(const struct plan_view *v, const struct step *s, struct err *e)
{
	int r = s->kind == STEP_OPEN_TREE ? clone_tree(v, s, e)
					  : open_userns(view_str(v, s->u.tree.uid_map),
							view_str(v, s->u.tree.gid_map), e);

	if (r < 0 && s->origin != MNT_ORIGIN_NONE)
		err_wrap(e, "mounts[%u]", s->origin);
	return r;
}
