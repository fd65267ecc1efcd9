/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_internal.h"

#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * tmpcopyup: what an image holds below a target moves into the new tmpfs. The image is
 * hostile: everything is opened by name below an fd, never through a symlink or a mount.
 * A library's directory stream would allocate, so getdents64(2) is used directly.
 */
enum { COPY_MAX_DEPTH = 64, DENTS_BYTES = 2048 };

struct dent {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int copy_dir(int from, int to, int depth, struct err *e);

static int open_below(int dir, const char *name, uint64_t flags)
{
	return sys_openat2(dir, name, flags | O_NOFOLLOW | O_NONBLOCK,
			   RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
}

/* Owner first: a change of owner clears set-id bits. */
static int copy_owner_mode(int fd, const struct stat *st)
{
	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	AUTO_FD int in = open_below(from, name, O_RDONLY);
	AUTO_FD int out = -EBADF;
	ssize_t n;

	if (in < 0)
		return in;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, 1 << 20)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return copy_owner_mode(out, st);
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(from, name, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (symlinkat(text, to, name) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_subdir(int from, int to, const char *name, const struct stat *st, int depth,
		       struct err *e)
{
	AUTO_FD int in = open_below(from, name, O_RDONLY | O_DIRECTORY);
	AUTO_FD int out = -EBADF;
	int r;

	if (in == -EXDEV)
		return 0;
	if (in < 0)
		return err_sys(e, in, "tmpcopyup: open \"%.255s\"", name);
	if (mkdirat(to, name, 0700) < 0)
		return err_sys(e, errno, "tmpcopyup: make \"%.255s\"", name);
	out = open_below(to, name, O_RDONLY | O_DIRECTORY);
	if (out < 0)
		return err_sys(e, out, "tmpcopyup: open the copy of \"%.255s\"", name);
	r = copy_dir(in, out, depth + 1, e);
	if (r < 0)
		return r;
	r = copy_owner_mode(out, st);
	return r < 0 ? err_sys(e, r, "tmpcopyup: mode of \"%.255s\"", name) : 0;
}

static int copy_entry(int from, int to, const char *name, int depth, struct err *e)
{
	struct stat st;
	int r = 0;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "tmpcopyup: stat \"%.255s\"", name);
	if (S_ISDIR(st.st_mode))
		return copy_subdir(from, to, name, &st, depth, e);
	if (S_ISREG(st.st_mode))
		r = copy_file(from, to, name, &st);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from, to, name, &st);
	return r < 0 && r != -EXDEV ? err_sys(e, r, "tmpcopyup: copy \"%.255s\"", name) : 0;
}

static bool is_dots(const char *name)
{
	return str_eq(name, ".") || str_eq(name, "..");
}

static int copy_dir(int from, int to, int depth, struct err *e)
{
	_Alignas(struct dent) char bytes[DENTS_BYTES];
	long n;

	if (depth > COPY_MAX_DEPTH)
		return err_set(e, ELOOP, "tmpcopyup: over %d levels of directories",
			       COPY_MAX_DEPTH);
	while ((n = syscall(SYS_getdents64, from, bytes, sizeof(bytes))) > 0) {
		for (long at = 0; at < n;) {
			const struct dent *d = (const void *)(bytes + at);
			int r = is_dots(d->name) ? 0 : copy_entry(from, to, d->name, depth, e);

			if (r < 0)
				return r;
			at += d->len;
		}
	}
	return n < 0 ? err_sys(e, errno, "tmpcopyup: read directory") : 0;
}

int mnt_copy_tree(int from, int to, struct err *e)
{
	AUTO_FD int in = sys_openat2(from, ".", O_RDONLY | O_DIRECTORY, 0);
	AUTO_FD int out = sys_openat2(to, ".", O_RDONLY | O_DIRECTORY, 0);

	if (in < 0 || out < 0)
		return err_sys(e, in < 0 ? in : out, "tmpcopyup");
	return copy_dir(in, out, 1, e);
}
