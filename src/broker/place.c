/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/effect.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

/*
 * We stand where the thread stands, with its root and its rights, so the kernel resolves a name
 * as it would for the thread. Links of procfs are the exception: they would be ours.
 */
static int start_of(const struct target *t, int dirfd, const char *path)
{
	char name[32];
	int fd;

	if (dirfd == AT_FDCWD || path[0] == '/')
		return AT_FDCWD;
	(void)snprintf(name, sizeof(name), "fd/%d", dirfd);
	fd = openat(t->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 && errno == ENOENT ? -EBADF : fd < 0 ? -errno : fd;
}

int place_open(const struct target *t, int dirfd, const char *path, int flags)
{
	int start, r;

	if (!*path)
		return -ENOENT;
	start = start_of(t, dirfd, path);
	if (start < 0 && start != AT_FDCWD)
		return start;
	r = sys_openat2(start, path, (uint64_t)(unsigned int)(O_PATH | flags),
			RESOLVE_NO_MAGICLINKS);
	if (start >= 0)
		close(start);
	return r;
}

int place_open_parent(const struct target *t, int dirfd, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char dir[PATH_MAX];
	size_t n = slash ? (size_t)(slash - path) + 1 : 0;
	int fd;

	if (!*path)
		return -ENOENT;
	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return -EEXIST;
	if (n >= sizeof(dir) - 1)
		return -ENAMETOOLONG;
	memcpy(dir, n ? path : ".", n ? n : 1);
	dir[n ? n : 1] = '\0';
	fd = place_open(t, dirfd, dir, O_DIRECTORY);
	if (fd >= 0)
		*ret_name = name;
	return fd;
}

int place_name(int proc, int fd, char *ret, size_t size)
{
	static const char gone[] = " (deleted)";
	char link[40];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "self/fd/%d", fd);
	n = readlinkat(proc, link, ret, size - 1);
	if (n <= 0 || (size_t)n >= size - 1)
		return -EPERM;
	ret[n] = '\0';
	/* Outside of our root, without a name, or with one that may be a lie. */
	if (ret[0] != '/' ||
	    (n >= (ssize_t)sizeof(gone) - 1 && str_eq(ret + n - (ssize_t)sizeof(gone) + 1, gone)))
		return -EPERM;
	return 0;
}

int place_open_owned(int proc, int fd)
{
	char link[32];
	struct stat s;
	int r;

	if (fstat(fd, &s) < 0)
		return -errno;
	if (!S_ISDIR(s.st_mode) && !S_ISREG(s.st_mode))
		return -EPERM;
	(void)snprintf(link, sizeof(link), "self/fd/%d", fd);
	r = openat(proc, link, O_RDONLY | O_NOATIME | O_NONBLOCK | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

uint64_t place_mount_id(int fd, bool *ret_is_root)
{
	struct statx s = { 0 };

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &s) < 0 ||
	    !(s.stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE)))
		return 0;
	*ret_is_root = s.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return s.stx_mnt_id;
}

/* Written down before it is done: what can't be remembered can't be unmounted. */
int place_mount(struct helper *h, const struct call *c, int mount, int target, uint8_t kind)
{
	bool root = false;
	const uint64_t id = place_mount_id(mount, &root);
	int r;

	if (!id)
		return -EPERM;
	if (!shared_add_mount(h->ledger, id, kind))
		return -ENOSPC;
	r = call_alive(h, c) ? sys_move_mount(mount, "", target, "",
					      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
			     : -ESRCH;
	if (r < 0)
		(void)shared_drop_mount(h->ledger, id);
	return r;
}
