/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cgroup.h"

#include "base/auto.h"
#include "base/parse.h"
#include "sys/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 8 << 10 };

static int open_root(void)
{
	AUTO_FD int fs = sys_fsopen("cgroup2");
	int r = fs < 0 ? fs : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);

	return r < 0 ? r
		     : sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/* cgroups(7): "0::/path", as seen from our own cgroup namespace. */
static int read_path(int dir, char *text, size_t size, char **ret)
{
	int r = sys_read_at(dir, "cgroup", text, size);
	char *at = text;

	if (r < 0)
		return r;
	while (at && strncmp(at, "0::/", 4) != 0) {
		at = strchr(at, '\n');
		at += at != NULL;
	}
	if (!at)
		return -ENOENT;
	*ret = at + 4;
	(*ret)[strcspn(*ret, "\n")] = '\0';
	return 0;
}

int cgroup_walk(int dir, int (*step)(int cgroup, void *ctx), void *ctx)
{
	char text[FILE_MAX], *name = NULL, *next;
	int r = read_path(dir, text, sizeof(text), &name);
	AUTO_FD int at = -EBADF;

	/* Not where it has no path: to mount version 2 makes it visible to all. */
	if (r < 0)
		return r;
	at = open_root();
	r = at < 0 ? at : step(at, ctx);
	for (; r == 0 && *name; name = next) {
		const size_t n = strcspn(name, "/");
		int fd;

		next = name + n + (name[n] != '\0');
		name[n] = '\0';
		/* Outside of our own namespace. */
		if (str_eq(name, "..") || n == 0)
			return -EPERM;
		fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		close(at);
		at = fd;
		r = step(at, ctx);
	}
	return r;
}

struct last {
	uint64_t id[2];
	unsigned int depth;
};

static int remember(int cgroup, void *ctx)
{
	struct last *last = ctx;
	struct stat s;

	if (fstat(cgroup, &s) < 0)
		return -errno;
	*last = (struct last){ .id = { s.st_dev, s.st_ino }, .depth = last->depth + 1 };
	return 0;
}

void cgroup_home(int dir, uint64_t ret[2])
{
	struct last last = { 0 };
	const bool found = cgroup_walk(dir, remember, &last) == 0 && last.depth > 1;

	ret[0] = found ? last.id[0] : 0;
	ret[1] = found ? last.id[1] : 0;
}

bool cgroup_is(int fd, const uint64_t id[2])
{
	struct stat s;

	return id[1] != 0 && fstat(fd, &s) == 0 && s.st_dev == id[0] && s.st_ino == id[1];
}

/* ---- as a directory ------------------------------------------------------------------------------ */

static bool has_word(const char *list, const char *word, char gap)
{
	const size_t n = strlen(word);

	while (list && *list) {
		const char *end = strchrnul(list, gap);

		if ((size_t)(end - list) == n && memcmp(list, word, n) == 0)
			return true;
		list = *end ? end + 1 : NULL;
	}
	return false;
}

/* "ID:CONTROLLERS:PATH" of the hierarchy. Return: the path up to the end of its line, or NULL. */
static const char *path_in(const char *text, const char *controllers, size_t *ret_len)
{
	const size_t want = strlen(controllers);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *names = strchr(line, ':'),
			   *path = names ? strchr(names + 1, ':') : NULL;

		if (!path)
			return NULL;
		if ((size_t)(path - names) - 1 == want &&
		    memcmp(names + 1, controllers, want) == 0) {
			*ret_len = strcspn(path + 1, "\n");
			return path + 1;
		}
	}
	return NULL;
}

/* cgroup_namespaces(7): what is above the root of our own namespace begins with "/..". */
static bool is_outside(const char *dir)
{
	const char *up = strstr(dir, "/..");

	return up && (up[3] == '/' || up[3] == '\0');
}

bool cgroup_place(const struct host_cgroups *all, const char *text, const char *controller,
		  struct cgroup_place *ret)
{
	const struct cgroup_hierarchy *y = NULL;
	const char *path;
	size_t len = 0, root;
	int n;

	/* Where v1 has it, v2 has not. */
	for (size_t i = 0; i < all->count; i++) {
		const struct cgroup_hierarchy *at = &all->hierarchies[i];

		if ((at->v2 && !y) || (!at->v2 && has_word(at->controllers, controller, ',')))
			y = at;
	}
	path = y ? path_in(text, y->controllers, &len) : NULL;
	if (!path)
		return false;
	root = str_eq(y->mount_root, "/") ? 0 : strlen(y->mount_root);
	if (root > len || strncmp(path, y->mount_root, root) != 0)
		return false;
	n = snprintf(ret->dir, sizeof(ret->dir), "%s%.*s", y->mount, (int)(len - root),
		     path + root);
	if (n < 0 || (size_t)n >= sizeof(ret->dir) || is_outside(ret->dir))
		return false;
	ret->mount_len = strlen(y->mount);
	ret->v2 = y->v2;
	return true;
}
