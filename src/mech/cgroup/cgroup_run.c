/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <string.h>
#include <sys/stat.h>

enum { BATCH = 128 };

/* ---- Freezing -------------------------------------------------------------------------- */

struct freezer {
	int fd; /* directory; -EBADF: none */
	bool v2;
};

static bool has(const char *dir, const char *file)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, file);

	return n > 0 && n < PATH_MAX && access(path, F_OK) == 0;
}

/* The v1 freezer where there is one: on a hybrid host engines look at that. */
static struct freezer find_freezer(char *const *dirs, size_t count)
{
	struct freezer f = { .fd = -EBADF };

	for (size_t i = 0; i < count; i++) {
		bool v1 = has(dirs[i], "freezer.state");
		bool v2 = !v1 && f.fd < 0 && has(dirs[i], "cgroup.freeze");
		AUTO_FD int fd = v1 || v2 ? cg_open_dir(dirs[i]) : -EBADF;

		if (fd < 0)
			continue;
		auto_close_fd(&f.fd);
		f.fd = TAKE_FD(fd);
		f.v2 = v2;
		if (v1)
			break;
	}
	return f;
}

/* Return: 1 frozen, 0 running, 2 on the way (v1 FREEZING, v2 asked for but not yet so). */
static int freezer_state(const struct freezer *f)
{
	char text[256];
	int r;

	if (!f->v2) {
		r = sys_read_at(f->fd, "freezer.state", text, sizeof(text));
		if (r < 0)
			return r;
		return str_starts(text, "FROZEN") ? 1 : str_starts(text, "FREEZING") ? 2 : 0;
	}
	r = sys_read_at(f->fd, "cgroup.events", text, sizeof(text));
	if (r < 0)
		return r;
	if (strstr(text, "frozen 1"))
		return 1;
	r = sys_read_at(f->fd, "cgroup.freeze", text, sizeof(text));
	return r < 0 ? r : text[0] == '1' ? 2 : 0;
}

static int write_state(const struct freezer *f, bool frozen)
{
	if (f->v2)
		return sys_write_at(f->fd, "cgroup.freeze", frozen ? "1" : "0");
	return sys_write_at(f->fd, "freezer.state", frozen ? "FROZEN" : "THAWED");
}

/* v1 freezes late-comers only at the next write, hence the repetition. */
static int set_frozen(const struct freezer *f, bool frozen)
{
	unsigned int waited = 0;

	for (unsigned int ms = 1;; ms = ms < 16 ? ms * 2 : ms) {
		int r = write_state(f, frozen);

		if (r == 0)
			r = freezer_state(f);
		if (r < 0 || r == (frozen ? 1 : 0))
			return r < 0 ? r : 0;
		if (waited >= CG_WAIT_MS)
			break;
		cg_sleep_ms(ms);
		waited += ms;
	}
	if (frozen)
		(void)write_state(f, false);
	return -ETIMEDOUT;
}

int cg_freeze(char *const *dirs, size_t count, bool frozen, struct err *e)
{
	struct freezer f = find_freezer(dirs, count);
	const char *what = frozen ? "freeze" : "thaw";
	int r;

	if (f.fd < 0)
		return err_set(e, EOPNOTSUPP,
			       "cgroup: %s: the container has no cgroup with a freezer", what);
	r = set_frozen(&f, frozen);
	auto_close_fd(&f.fd);
	if (r < 0)
		return err_sys(e, r, "cgroup: %s %s", what, count ? dirs[0] : "");
	return 0;
}

int cg_is_frozen(char *const *dirs, size_t count)
{
	struct freezer f = find_freezer(dirs, count);
	int r = f.fd < 0 ? 0 : freezer_state(&f);

	auto_close_fd(&f.fd);
	return r > 0;
}

/* ---- Signals --------------------------------------------------------------------------- */

static bool contains(const pid_t *pids, size_t n, pid_t pid)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;

		if (pids[mid] == pid)
			return true;
		if (pids[mid] < pid)
			low = mid + 1;
		else
			n = mid;
	}
	return false;
}

/*
 * A pid read from cgroup.procs may belong to somebody else by the time it is used. So: pin the
 * processes with pidfds, read the list again, and signal those that are still in it. A pinned
 * stranger is not in the second list; a pinned process that died takes no harm.
 */
static int signal_batch(char *const *dirs, size_t count, const pid_t *pids, size_t n, int sig,
			struct err *e)
{
	AUTO_FREE pid_t *again = NULL;
	size_t again_count = 0;
	int fds[BATCH], r;

	for (size_t i = 0; i < n; i++)
		fds[i] = sys_pidfd_open(pids[i]);
	r = cg_pids(dirs, count, &again, &again_count, e);
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && fds[i] >= 0 && contains(again, again_count, pids[i]))
			(void)sys_pidfd_send_signal(fds[i], sig);
		auto_close_fd(&fds[i]);
	}
	return r;
}

/* Return: how many processes were found, or a negative code. */
static int signal_round(char *const *dirs, size_t count, int sig, struct err *e)
{
	AUTO_FREE pid_t *pids = NULL;
	size_t n = 0;
	int r = cg_pids(dirs, count, &pids, &n, e);

	for (size_t i = 0; r == 0 && i < n; i += BATCH)
		r = signal_batch(dirs, count, pids + i, n - i < BATCH ? n - i : BATCH, sig, e);
	return r < 0 ? r : n > INT32_MAX ? INT32_MAX : (int)n;
}

/* One write kills all of a v2 tree, forks in flight included (Linux 5.14). */
static void write_cgroup_kill(char *const *dirs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		AUTO_FD int fd = cg_open_dir(dirs[i]);

		if (fd >= 0)
			(void)sys_write_at(fd, "cgroup.kill", "1");
	}
}

static int thaw_one(int dir, void *arg)
{
	(void)arg;
	(void)sys_write_at(dir, "freezer.state", "THAWED");
	return 0;
}

/* v1: what the container froze below by itself would not die. */
static void thaw_all(const struct freezer *f)
{
	if (f->v2)
		(void)write_state(f, false);
	else
		(void)cg_walk(f->fd, 0, thaw_one, NULL);
}

/* Under the freezer nothing forks away between list and signal; it dies when thawed. */
static int kill_round(char *const *dirs, size_t count, const struct freezer *f, struct err *e)
{
	int r;

	write_cgroup_kill(dirs, count);
	if (f->fd >= 0)
		(void)write_state(f, true);
	r = signal_round(dirs, count, SIGKILL, e);
	if (f->fd >= 0)
		thaw_all(f);
	return r;
}

static int kill_until_empty(char *const *dirs, size_t count, const struct freezer *f, struct err *e)
{
	unsigned int waited = 0;
	int r;

	for (unsigned int ms = 1;; ms = ms < 32 ? ms * 2 : ms) {
		r = kill_round(dirs, count, f, e);
		if (r <= 0)
			return r;
		if (waited >= CG_WAIT_MS)
			break;
		cg_sleep_ms(ms);
		waited += ms;
	}
	return err_set(e, EBUSY, "cgroup: %d processes in %s survive SIGKILL", r, dirs[0]);
}

int cg_kill_all(char *const *dirs, size_t count, int sig, struct err *e)
{
	struct freezer f = find_freezer(dirs, count);
	bool was_frozen = f.fd >= 0 && freezer_state(&f) > 0;
	int r;

	if (sig == SIGKILL) {
		r = kill_until_empty(dirs, count, &f, e);
	} else {
		if (f.fd >= 0 && !was_frozen)
			(void)set_frozen(&f, true);
		r = signal_round(dirs, count, sig, e);
		if (f.fd >= 0 && !was_frozen)
			(void)write_state(&f, false);
	}
	auto_close_fd(&f.fd);
	return r < 0 ? r : 0;
}

/* ---- Removal --------------------------------------------------------------------------- */

/* Bottom up; what can't go now is tried again by the caller. Return: 0 or the last failure. */
static int remove_below(int dir, unsigned int depth)
{
	AUTO_DIR DIR *d = NULL;
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (copy < 0)
		return errno == ENOENT ? 0 : -errno;
	d = fdopendir(copy);
	if (!d) {
		close(copy);
		return -ENOMEM;
	}
	for (struct dirent *ent; depth < CG_MAX_DEPTH && (ent = readdir(d));) {
		AUTO_FD int sub = -EBADF;

		if (ent->d_type != DT_DIR || ent->d_name[0] == '.')
			continue;
		if (unlinkat(dir, ent->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		sub = openat(dir, ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub < 0)
			continue;
		(void)remove_below(sub, depth + 1);
		if (unlinkat(dir, ent->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			r = -errno;
	}
	return r;
}

/* A state file that names the root of a hierarchy must not cost the host its cgroups. */
static bool is_hierarchy_root(int fd)
{
	struct stat self, parent;
	AUTO_FD int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return up < 0 || fstat(fd, &self) < 0 || fstat(up, &parent) < 0 ||
	       self.st_dev != parent.st_dev;
}

static int remove_once(const char *path)
{
	AUTO_FD int fd = -EBADF;
	int r;

	fd = cg_open_dir(path);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (is_hierarchy_root(fd))
		return -EINVAL;
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	r = remove_below(fd, 0);
	if (r < 0)
		return r;
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

int cg_remove_empty(char *const *dirs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rmdir(dirs[i]) < 0 && errno != ENOENT)
			return -errno;
	return 0;
}

int cg_remove(char *const *dirs, size_t count, struct err *e)
{
	unsigned int waited = 0;
	int first = 0;

	for (size_t i = 0; i < count; i++) {
		int r = remove_once(dirs[i]);

		/* One clock for all: what holds one hierarchy holds the others as well. */
		for (unsigned int ms = 1; r == -EBUSY && waited < CG_WAIT_MS;
		     ms = ms < 64 ? ms * 2 : ms) {
			cg_sleep_ms(ms);
			waited += ms;
			r = remove_once(dirs[i]);
		}
		if (r < 0 && first == 0)
			first = r == -EINVAL ? err_set(e, EINVAL, "cgroup: remove %s: not a cgroup",
						       dirs[i])
					     : err_sys(e, r, "cgroup: remove %s", dirs[i]);
	}
	return first;
}
