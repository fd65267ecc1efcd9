/* SPDX-License-Identifier: Apache-2.0 */
#include "container/store.h"

#include "base/json.h"
#include "base/parse.h"
#include "sys/syscalls.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>

static const char new_prefix[] = ".new.";

/* mkdir -p; the last part is made by the caller's own mkdir so that its mode is ours. */
static int make_parents(const char *path, struct err *e)
{
	AUTO_FREE char *p = strdup(path);

	if (!p)
		return err_oom(e);
	for (char *s = strchr(p + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdir(p, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make directory \"%s\"", p);
		*s = '/';
	}
	return 0;
}

/* A store in /tmp could have been put there by somebody else. */
static int check_owner(int fd, const char *root, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat state directory \"%s\"", root);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(e, EPERM,
			       "state directory \"%s\" belongs to uid %u: choose another --root",
			       root, st.st_uid);
	return 0;
}

int store_open_root(const char *root, bool create, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = -EBADF;
	int r;

	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && create) {
		r = make_parents(root, e);
		if (r < 0)
			return r;
		if (mkdir(root, 0700) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make state directory \"%s\"", root);
		fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(e, errno, "open state directory \"%s\"", root);
	r = check_owner(fd, root, e);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int lock_dir(int fd, int timeout_ms)
{
	uint64_t deadline_ns = sys_now_ns() + (uint64_t)timeout_ms * 1000000;
	struct timespec pause = { .tv_nsec = 1000000 };

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (sys_now_ns() >= deadline_ns)
			return -EBUSY;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static bool still_there(int root_fd, const char *name, int fd)
{
	struct stat a, b;

	return fstatat(root_fd, name, &a, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &b) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int store_open_dir(int root_fd, const char *name, int lock_ms, int *ret_fd, struct err *e)
{
	int r;

	for (;;) {
		AUTO_FD int fd =
			openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, errno, "open the state of container %s", name);
		if (lock_ms >= 0) {
			r = lock_dir(fd, lock_ms);
			if (r == -EBUSY)
				return err_set(e, r, "container %s is busy with another command",
					       name);
			if (r < 0)
				return err_sys(e, r, "lock container %s", name);
			/* Removed, maybe made anew, while we waited. */
			if (!still_there(root_fd, name, fd))
				continue;
		}
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
}

bool store_locked_elsewhere(int dir_fd)
{
	AUTO_FD int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return false;
	return flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

int store_put_new(int dir_fd, const char *name, const void *bytes, size_t n, mode_t mode,
		  struct err *e)
{
	AUTO_FD int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return err_sys(e, errno, "create \"%s\"", name);
	r = sys_write_all(fd, bytes, n);
	if (r == 0 && close(TAKE_FD(fd)) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "write \"%s\"", name) : 0;
}

int store_put(int dir_fd, const char *name, const void *bytes, size_t n, mode_t mode, struct err *e)
{
	char tmp[NAME_MAX + 1];
	int r;

	r = snprintf(tmp, sizeof(tmp), ".%s.tmp", name);
	if (r < 0 || (size_t)r >= sizeof(tmp))
		return err_set(e, ENAMETOOLONG, "file name \"%s\" is too long", name);
	r = store_put_new(dir_fd, tmp, bytes, n, mode, e);
	/* Of a writer that was killed. */
	if (r == -EEXIST && unlinkat(dir_fd, tmp, 0) == 0)
		r = store_put_new(dir_fd, tmp, bytes, n, mode, e);
	if (r == 0 && renameat(dir_fd, tmp, dir_fd, name) < 0)
		r = err_sys(e, errno, "write \"%s\"", name);
	if (r < 0 && r != -EEXIST)
		(void)unlinkat(dir_fd, tmp, 0);
	return r;
}

int store_get(int dir_fd, const char *name, struct buf *b, struct err *e)
{
	AUTO_FD int fd = -EBADF;
	struct stat st;
	int r;

	/* O_NONBLOCK: a FIFO of that name must not hold us. */
	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open \"%s\"", name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat \"%s\"", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "\"%s\": not a regular file", name);
	r = buf_read_fd(b, fd, JSON_MAX_BYTES);
	if (r == -E2BIG)
		return err_set(e, r, "\"%s\": larger than %d MiB", name, JSON_MAX_BYTES >> 20);
	return r < 0 ? err_sys(e, r, "read \"%s\"", name) : 0;
}

/*
 * Between its mkdir and its lock a new directory looks like what a dead creator left. So that span
 * is passed under a shared lock of the store, and nobody sweeps meanwhile.
 */
int store_new(int root_fd, char ret_name[32], int *ret_fd, struct err *e)
{
	uint64_t rnd;
	int r;

	if (getrandom(&rnd, sizeof(rnd), 0) != (ssize_t)sizeof(rnd))
		return err_sys(e, errno, "getrandom");
	(void)snprintf(ret_name, 32, "%s%016llx", new_prefix, (unsigned long long)rnd);
	while (flock(root_fd, LOCK_SH) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "lock the state directory");
	r = mkdirat(root_fd, ret_name, 0700) < 0 ? err_sys(e, errno, "make state directory") : 0;
	if (r == 0 && (r = store_open_dir(root_fd, ret_name, 0, ret_fd, e)) < 0)
		(void)unlinkat(root_fd, ret_name, AT_REMOVEDIR);
	(void)flock(root_fd, LOCK_UN);
	return r;
}

void store_sweep_new(int root_fd)
{
	AUTO_FD int copy = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *d = NULL;

	/* Somebody is between the two: another time. The lock goes with the description. */
	if (copy < 0 || flock(copy, LOCK_EX | LOCK_NB) < 0)
		return;
	d = fdopendir(copy);
	if (!d)
		return;
	(void)TAKE_FD(copy);
	for (const struct dirent *ent; (ent = readdir(d));) {
		AUTO_FD int fd = -EBADF;

		if (str_starts(ent->d_name, new_prefix) &&
		    store_open_dir(root_fd, ent->d_name, 0, &fd, NULL) == 0)
			(void)store_remove(root_fd, ent->d_name, fd, NULL);
	}
}

int store_publish(int root_fd, const char *name, const char *id, struct err *e)
{
	if (renameat2(root_fd, name, root_fd, id, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return err_sys(e, errno, "make state directory for container %s", id);
	/* The file system lacks NOREPLACE: plain rename never replaces a directory with files. */
	if (renameat(root_fd, name, root_fd, id) == 0)
		return 0;
	return err_sys(e, errno == ENOTEMPTY ? EEXIST : errno,
		       "make state directory for container %s", id);
}

static DIR *list_dir(int dir_fd, const char *name)
{
	AUTO_FD int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		(void)TAKE_FD(fd);
	return d;
}

static const char *next_name(DIR *d)
{
	const struct dirent *ent;

	do
		ent = readdir(d);
	while (ent && (str_eq(ent->d_name, ".") || str_eq(ent->d_name, "..")));
	return ent ? ent->d_name : NULL;
}

/* Under a name that nobody has taken yet. */
static int lift_one(int from, const char *name, int to, unsigned int *count)
{
	char ours[32];

	do {
		(void)snprintf(ours, sizeof(ours), ".lifted.%u", (*count)++);
		if (renameat2(from, name, to, ours, RENAME_NOREPLACE) == 0)
			return 0;
	} while (errno == EEXIST);
	return -errno;
}

/* What lies in directory @name of @to comes to @to itself. */
static int lift(int to, const char *name, unsigned int *count)
{
	AUTO_DIR DIR *d = list_dir(to, name);
	const char *child;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (child = next_name(d)))
		r = lift_one(dirfd(d), child, to, count);
	return r;
}

/*
 * A container with enough rights can make the directory of its notify socket writable, and leave there
 * what it likes: as deep as no path is long, so each directory is emptied into the one above it.
 */
static int remove_dir(int dir_fd, const char *name)
{
	unsigned int count = 0;
	int r = 0;

	while (r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0) {
		AUTO_DIR DIR *d = errno == ENOTEMPTY ? list_dir(dir_fd, name) : NULL;
		const char *entry;

		if (!d)
			return errno == ENOENT ? 0 : -errno;
		while (r == 0 && (entry = next_name(d))) {
			if (unlinkat(dirfd(d), entry, 0) == 0 ||
			    unlinkat(dirfd(d), entry, AT_REMOVEDIR) == 0)
				continue;
			r = errno == ENOTEMPTY ? lift(dirfd(d), entry, &count) : -errno;
		}
	}
	return r;
}

static int remove_entry(int dir_fd, const char *name, struct err *e)
{
	int r = unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;

	if (r == -EISDIR)
		r = remove_dir(dir_fd, name);
	return r < 0 && r != -ENOENT ? err_sys(e, r, "remove \"%s\"", name) : 0;
}

int store_remove(int root_fd, const char *name, int dir_fd, struct err *e)
{
	AUTO_DIR DIR *d = NULL;
	AUTO_FD int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *ent;
	int r;

	if (fd < 0)
		return err_sys(e, errno, "open the state of container %s", name);
	d = fdopendir(fd);
	if (!d)
		return err_sys(e, errno, "list the state of container %s", name);
	(void)TAKE_FD(fd);
	while ((ent = readdir(d))) {
		if (str_eq(ent->d_name, ".") || str_eq(ent->d_name, "..") ||
		    str_eq(ent->d_name, "state.json"))
			continue;
		r = remove_entry(dir_fd, ent->d_name, e);
		if (r < 0)
			return r;
	}
	r = remove_entry(dir_fd, "state.json", e);
	if (r < 0)
		return r;
	if (unlinkat(root_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove the state directory of container %s", name);
	return 0;
}

/* Young ones may lie between their mkdir and their lock. */
static bool is_stale(int root_fd, const char *name, const char *prefix)
{
	struct timespec now;
	struct stat st;

	if (!str_starts(name, prefix) || fstatat(root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    clock_gettime(CLOCK_REALTIME, &now) < 0)
		return false;
	return now.tv_sec - st.st_mtim.tv_sec > 60;
}

/* Filters on their way into the cache, of writers that died: ".<key>.<pid>". */
static void remove_stale_filters(int root_fd)
{
	AUTO_FD int fd = openat(root_fd, ".cache", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *ent;
	int dir_fd;

	if (!d)
		return;
	dir_fd = TAKE_FD(fd);
	while ((ent = readdir(d)))
		if (!str_eq(ent->d_name, ".") && !str_eq(ent->d_name, "..") &&
		    is_stale(dir_fd, ent->d_name, "."))
			(void)unlinkat(dir_fd, ent->d_name, 0);
}

void store_remove_stale(int root_fd)
{
	AUTO_FD int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *ent;

	remove_stale_filters(root_fd);
	if (!d)
		return;
	(void)TAKE_FD(fd);
	while ((ent = readdir(d))) {
		AUTO_FD int dir_fd = -EBADF;

		if (is_stale(root_fd, ent->d_name, new_prefix) &&
		    store_open_dir(root_fd, ent->d_name, 0, &dir_fd, NULL) == 0)
			(void)store_remove(root_fd, ent->d_name, dir_fd, NULL);
	}
}

/*
 * Whoever is killed on the way leaves nothing: the file has no name until it is whole. Where the file system can't
 * have such files it is written at its place.
 */
static int put_whole(int dir_fd, const char *name, const char *text, struct err *e)
{
	AUTO_FD int fd = openat(dir_fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644);
	char link[32];
	int r;

	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "replace \"%s\"", name);
	if (fd < 0)
		return store_put_new(dir_fd, name, text, strlen(text), 0644, e);
	r = sys_write_all(fd, text, strlen(text));
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (r == 0 && linkat(AT_FDCWD, link, dir_fd, name, AT_SYMLINK_FOLLOW) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "write \"%s\"", name) : 0;
}

int pidfile_write(const char *path, pid_t pid, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	AUTO_FREE char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	AUTO_FD int fd = -EBADF;
	char text[16];
	int r;

	if (!dir)
		return err_oom(e);
	if (!*name)
		return err_set(e, EINVAL, "pid file \"%s\": must be a file", path);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open the directory of pid file \"%s\"", path);
	(void)snprintf(text, sizeof(text), "%d", pid);
	r = put_whole(fd, name, text, e);
	return r < 0 ? err_wrap(e, "pid file \"%s\"", path) : 0;
}
