/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_internal.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_LINKS = 40 };

/* A path being made free of symlinks: @done is, @rest is still to be looked at. */
struct walk {
	char done[PATH_MAX], rest[PATH_MAX];
	size_t done_len;
	int links;
};

/* The next component of *@path, slashes skipped; *@path moves behind it. */
static size_t next_component(const char **path, const char **ret)
{
	const char *p = *path + strspn(*path, "/");
	size_t n = strcspn(p, "/");

	*ret = p;
	*path = p + n;
	return n;
}

static void pop(struct walk *w)
{
	while (w->done_len > 0 && w->done[--w->done_len] != '/')
		;
	w->done[w->done_len] = '\0';
}

static int push(struct walk *w, const char *name, size_t n)
{
	if (w->done_len + n + 2 > sizeof(w->done))
		return -ENAMETOOLONG;
	w->done[w->done_len++] = '/';
	memcpy(w->done + w->done_len, name, n);
	w->done_len += n;
	w->done[w->done_len] = '\0';
	return 0;
}

/* Put the text of symlink @fd in front of what follows @rest in w->rest. */
static int splice_link(struct walk *w, int fd, const char *rest)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(fd, "", text, sizeof(text));
	size_t keep = strlen(rest);

	if (n < 0)
		return -errno;
	if (++w->links > MAX_LINKS)
		return -ELOOP;
	if ((size_t)n + 1 + keep + 1 > sizeof(w->rest))
		return -ENAMETOOLONG;
	memmove(w->rest + n + 1, rest, keep + 1);
	memcpy(w->rest, text, (size_t)n);
	w->rest[n] = '/';
	if (n > 0 && text[0] == '/')
		w->done_len = 0;
	w->done[w->done_len] = '\0';
	return 0;
}

/* One component; symlinks go back into w->rest. What does not exist counts as plain. */
static int walk_one(struct walk *w, int root_fd, const char *name, size_t n, const char *rest,
		    bool nofollow)
{
	AUTO_FD int fd = -EBADF;
	struct stat st;
	int r = push(w, name, n);

	if (r < 0)
		return r;
	fd = sys_open_in_root(root_fd, w->done, O_PATH | O_NOFOLLOW);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode) || (nofollow && rest[strspn(rest, "/")] == '\0'))
		return 0;
	pop(w);
	r = splice_link(w, fd, rest);
	return r < 0 ? r : 1;
}

/*
 * Turn a path into the one it means now, with "/" at @root_fd and dangling symlinks followed.
 * The result is only text: whoever uses it follows no symlink any more.
 */
static int walk_text(struct walk *w, int root_fd, const char *path, bool nofollow)
{
	const char *p = w->rest, *name;
	size_t n = strlen(path);

	if (n >= sizeof(w->rest))
		return -ENAMETOOLONG;
	memcpy(w->rest, path, n + 1);
	w->done[0] = '\0';
	w->done_len = 0;
	w->links = 0;
	while ((n = next_component(&p, &name)) > 0) {
		int r;

		if (n == 1 && name[0] == '.')
			continue;
		if (n == 2 && name[0] == '.' && name[1] == '.') {
			pop(w);
			continue;
		}
		r = walk_one(w, root_fd, name, n, p, nofollow);
		if (r < 0)
			return r;
		if (r > 0)
			p = w->rest;
	}
	return 0;
}

static int make_one(int dir_fd, const char *name, bool file)
{
	int r = file ? mknodat(dir_fd, name, S_IFREG | 0644, 0) : mkdirat(dir_fd, name, 0755);

	return r < 0 && errno != EEXIST ? -errno : 0;
}

/*
 * Walk a path that holds no symlinks, making what is missing. A symlink met on the way has
 * been put there since: refused.
 */
static int make_path(int root_fd, const char *path, unsigned int flags, int *ret_fd, bool *ret_made)
{
	AUTO_FD int at = -EBADF;
	const char *p = path, *from;
	char name[NAME_MAX + 1];
	bool made = false;
	size_t n;

	while ((n = next_component(&p, &from)) > 0) {
		bool last = p[strspn(p, "/")] == '\0';
		int base = at < 0 ? root_fd : at, fd, r;
		uint64_t how = O_PATH | (last && (flags & TARGET_NOFOLLOW) ? O_NOFOLLOW : 0U);
		uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

		if (n >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, from, n);
		name[n] = '\0';
		made = false;
		fd = sys_openat2(base, name, how, resolve);
		if (fd == -ENOENT) {
			r = make_one(base, name, last && (flags & TARGET_FILE));
			if (r < 0)
				return r;
			made = true;
			fd = sys_openat2(base, name, how, resolve);
		}
		if (fd < 0)
			return fd;
		auto_close_fd(&at);
		at = fd;
	}
	if (at < 0)
		at = sys_openat2(root_fd, ".", O_PATH, RESOLVE_BENEATH);
	if (at < 0)
		return at;
	*ret_fd = TAKE_FD(at);
	if (ret_made)
		*ret_made = made;
	return 0;
}

static __attribute__((noinline)) int walk_and_make(int root_fd, const char *path,
						   unsigned int flags, int *ret_fd, bool *ret_made)
{
	struct walk w;
	int r;

	if (flags & TARGET_NO_SYMLINKS)
		return make_path(root_fd, path, flags, ret_fd, ret_made);
	r = walk_text(&w, root_fd, path, flags & TARGET_NOFOLLOW);
	if (r < 0)
		return r;
	return make_path(root_fd, w.done, flags, ret_fd, ret_made);
}

/*
 * The usual case: all but the last component is there, and nothing is where that will be. What
 * a symlink stands for, -EEXIST, and what is missing further up, -ENOENT, take the long way.
 */
static int make_leaf(int root_fd, const char *path, unsigned int flags, uint64_t resolve)
{
	const char *leaf = strrchr(path, '/');
	AUTO_FD int dir_fd = -EBADF;
	char dir[PATH_MAX];
	size_t n = leaf ? (size_t)(leaf++ - path) : 0;

	if (n == 0 || n >= sizeof(dir) || !*leaf || leaf[0] == '.')
		return -ENOENT;
	memcpy(dir, path, n);
	dir[n] = '\0';
	dir_fd = sys_openat2(root_fd, dir, O_PATH | O_DIRECTORY, resolve);
	if (dir_fd < 0)
		return dir_fd;
	if ((flags & TARGET_FILE ? mknodat(dir_fd, leaf, S_IFREG | 0644, 0)
				 : mkdirat(dir_fd, leaf, 0755)) < 0)
		return -errno;
	return sys_openat2(dir_fd, leaf, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int mnt_target_open(int root_fd, const char *path, unsigned int flags, int *ret_fd, bool *ret_made)
{
	uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
	uint64_t how = O_PATH;
	bool made = false;
	int fd;

	if (flags & TARGET_NO_SYMLINKS)
		resolve |= RESOLVE_NO_SYMLINKS;
	else if (flags & TARGET_NOFOLLOW)
		how |= O_NOFOLLOW;
	fd = sys_openat2(root_fd, path, how, resolve);
	if (fd == -ENOENT && (flags & (TARGET_DIR | TARGET_FILE))) {
		fd = make_leaf(root_fd, path, flags, resolve);
		if (fd == -ENOENT || fd == -EEXIST)
			return walk_and_make(root_fd, path, flags, ret_fd, ret_made);
		made = fd >= 0;
	}
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	if (ret_made)
		*ret_made = made;
	return 0;
}

int mnt_parent_open(int root_fd, const char *path, int *ret_fd, const char **ret_leaf)
{
	const char *leaf = strrchr(path, '/');
	unsigned int flags = TARGET_DIR;
	char dir[PATH_MAX];
	size_t n;

	if (!leaf || leaf[1] == '\0')
		return -EINVAL;
	n = (size_t)(leaf - path);
	if (n >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, n);
	dir[n] = '\0';
	if (str_starts(path, "/dev/"))
		flags |= TARGET_NO_SYMLINKS;
	*ret_leaf = leaf + 1;
	return mnt_target_open(root_fd, n ? dir : "/", flags, ret_fd, NULL);
}
