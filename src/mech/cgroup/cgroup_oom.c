/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"
#include "mech/cgroup/cgroup_watch.h"

#include "mech/cgroup/cgroup_stats.h"
#include "sys/syscalls.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

/*
 * v1: an eventfd registered in cgroup.event_control (cgroup-v1/memory.rst, section 10), which
 * also fires when the cgroup goes. v2: memory.events is modified for inotify.
 */

static int watch_v1(struct cg_oom *o, const char *dir, struct err *e)
{
	char text[64];
	int r;

	o->control_fd = openat(o->dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (o->control_fd < 0)
		return err_sys(e, errno, "cgroup: open %s/memory.oom_control", dir);
	o->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->fd < 0)
		return err_sys(e, errno, "eventfd");
	(void)snprintf(text, sizeof(text), "%d %d", o->fd, o->control_fd);
	r = sys_write_at(o->dir_fd, "cgroup.event_control", text);
	return r < 0 ? err_sys(e, r, "cgroup: write %s/cgroup.event_control", dir) : 0;
}

static uint64_t kills(int dir_fd)
{
	AUTO_BUF struct buf text = { 0 };
	const char *t;

	stats_read(dir_fd, "memory.events", &text);
	t = text.data ? text.data : "";
	return stats_key(t, "oom") + stats_key(t, "oom_kill");
}

static int watch_v2(struct cg_oom *o, const char *dir, struct err *e)
{
	char path[64];

	o->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (o->fd < 0)
		return err_sys(e, errno, "inotify");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/memory.events", o->dir_fd);
	if (inotify_add_watch(o->fd, path, IN_MODIFY) < 0)
		return err_sys(e, errno, "cgroup: watch %s/memory.events", dir);
	o->v2 = true;
	o->seen = kills(o->dir_fd);
	return 0;
}

int cg_oom_watch(char *const *dirs, size_t count, struct cg_oom *ret, struct err *e)
{
	AUTO_OOM struct cg_oom o = CG_OOM_INIT;
	int r;

	for (size_t i = 0; i < count; i++) {
		AUTO_FD int fd = cg_open_dir(dirs[i]);
		bool v1 = fd >= 0 && faccessat(fd, "memory.oom_control", F_OK, 0) == 0;

		if (!v1 && (fd < 0 || faccessat(fd, "memory.events", F_OK, 0) != 0))
			continue;
		o.dir_fd = TAKE_FD(fd);
		r = v1 ? watch_v1(&o, dirs[i], e) : watch_v2(&o, dirs[i], e);
		if (r < 0)
			return r;
		*ret = o;
		o = (struct cg_oom)CG_OOM_INIT;
		return 0;
	}
	return err_set(e, EOPNOTSUPP, "cgroup: the container has no memory cgroup to watch");
}

int cg_oom_take(struct cg_oom *o)
{
	char bytes[4096];
	uint64_t now;

	if (read(o->fd, bytes, sizeof(bytes)) < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	if (!o->v2)
		return faccessat(o->dir_fd, "cgroup.event_control", F_OK, 0) == 0 ? 1 : -ENOENT;
	if (faccessat(o->dir_fd, "memory.events", F_OK, 0) < 0)
		return -ENOENT;
	now = kills(o->dir_fd);
	if (now <= o->seen)
		return 0;
	o->seen = now;
	return 1;
}

void cg_oom_done(struct cg_oom *o)
{
	auto_close_fd(&o->fd);
	auto_close_fd(&o->control_fd);
	auto_close_fd(&o->dir_fd);
	*o = (struct cg_oom)CG_OOM_INIT;
}
