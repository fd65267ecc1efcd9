/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <string.h>

enum { MAX_PROCS_BYTES = 64 << 20 };

static int add_pids_of(int dir, void *arg)
{
	struct buf *pids = arg;
	AUTO_BUF struct buf text = { 0 };
	AUTO_FD int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *rest, *line;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = buf_read_fd(&text, fd, MAX_PROCS_BYTES);
	/* ENODEV: removed meanwhile. EOPNOTSUPP: threaded, its processes show further up. */
	if (r == -ENODEV || r == -EOPNOTSUPP)
		return 0;
	if (r < 0)
		return r;
	for (line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		uint32_t n;
		pid_t pid;

		/* 0: a process that our pid namespace doesn't know. */
		if (parse_u32(line, &n) < 0 || n == 0)
			continue;
		pid = (pid_t)n;
		(void)buf_add(pids, &pid, sizeof(pid));
	}
	return pids->failed ? -ENOMEM : 0;
}

int cg_walk(int dir, unsigned int depth, int (*fn)(int dir, void *arg), void *arg)
{
	AUTO_DIR DIR *d = NULL;
	int copy, r = fn(dir, arg);

	if (r < 0 || depth > CG_MAX_DEPTH)
		return r < 0 ? r : -ELOOP;
	copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return errno == ENOENT ? 0 : -errno;
	d = fdopendir(copy);
	if (!d) {
		close(copy);
		return -ENOMEM;
	}
	for (struct dirent *ent; r == 0 && (ent = readdir(d));) {
		AUTO_FD int sub = -EBADF;

		if (ent->d_type != DT_DIR || ent->d_name[0] == '.')
			continue;
		sub = openat(dir, ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub >= 0)
			r = cg_walk(sub, depth + 1, fn, arg);
		else if (errno != ENOENT)
			r = -errno;
	}
	return r;
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* Sort and drop repetitions; Return: how many are left. */
static size_t uniq(pid_t *pids, size_t n)
{
	size_t out = 0;

	if (n > 0)
		qsort(pids, n, sizeof(*pids), by_pid);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || pids[i] != pids[out - 1])
			pids[out++] = pids[i];
	return out;
}

int cg_pids(char *const *dirs, size_t count, pid_t **ret, size_t *ret_count, struct err *e)
{
	AUTO_BUF struct buf pids = { 0 };

	for (size_t i = 0; i < count; i++) {
		AUTO_FD int fd = cg_open_dir(dirs[i]);
		int r = fd < 0 ? fd : cg_walk(fd, 0, add_pids_of, &pids);

		if (r < 0 && r != -ENOENT)
			return err_sys(e, r, "cgroup: list the processes of %s", dirs[i]);
	}
	*ret_count = uniq((pid_t *)(void *)pids.data, pids.len / sizeof(pid_t));
	*ret = (pid_t *)(void *)TAKE_PTR(pids.data);
	return 0;
}
