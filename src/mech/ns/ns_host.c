/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/ns/ns.h"

#include "sys/spawn.h"
#include "sys/syscalls.h"

#include <linux/magic.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

int ns_host_open(const struct plan_view *v, const struct step *s, struct err *e)
{
	const char *path = view_str(v, s->u.ns.path);
	AUTO_FD int fd = sys_openat2(AT_FDCWD, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	int type;

	if (fd < 0)
		return err_sys(e, fd, "open namespace \"%s\"", path);
	if (!sys_is_fs(fd, NSFS_MAGIC))
		return err_set(e, EINVAL, "\"%s\" is not a namespace file", path);
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0 || (uint32_t)type != s->u.ns.type)
		return err_set(e, EINVAL, "\"%s\" is a namespace of another type", path);
	return TAKE_FD(fd);
}

/* Asked behind the look-up by number: was it that process then? */
static int check_same(const struct step *s, struct err *e)
{
	uint64_t now;
	char state;

	if (s->u.pidfd.start_time && (sys_start_time((pid_t)s->u.pidfd.pid, &now, &state) < 0 ||
				      now != s->u.pidfd.start_time))
		return err_set(e, ESRCH, "container not running");
	return 0;
}

int ns_host_open_pidfd(const struct step *s, struct err *e)
{
	AUTO_FD int fd = sys_pidfd_open((pid_t)s->u.pidfd.pid);
	int r = fd < 0 ? err_sys(e, fd, "open process %u", s->u.pidfd.pid) : check_same(s, e);

	return r < 0 ? r : TAKE_FD(fd);
}

int ns_host_open_root(struct island *in, const struct step *s, struct err *e)
{
	AUTO_FD int fd = -EBADF;
	char path[32];
	int r;

	(void)snprintf(path, sizeof(path), "%u/root", s->u.pidfd.pid);
	fd = sys_openat2(in->proc_fd, path, O_PATH | O_DIRECTORY, 0);
	r = fd < 0 ? err_sys(e, fd, "open the root of process %u", s->u.pidfd.pid)
		   : check_same(s, e);
	return r < 0 ? r : TAKE_FD(fd);
}

/* newuidmap(1): pid, then the numbers of every line as arguments of their own. */
static int run_helper(const char *program, pid_t pid, const char *map, struct err *e)
{
	enum { MAX_ARGS = 2 + 3 * 340 };
	char number[16], *save = NULL;
	AUTO_FREE char *words = strdup(map);
	AUTO_FREE char **argv = calloc(MAX_ARGS + 1, sizeof(*argv));
	size_t n = 2;

	if (!words || !argv)
		return err_oom(e);
	(void)snprintf(number, sizeof(number), "%d", pid);
	argv[0] = (char *)(uintptr_t)program;
	argv[1] = number;
	for (char *w = strtok_r(words, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
		if (n == MAX_ARGS)
			return err_set(e, EINVAL, "id map: more than 340 lines");
		argv[n++] = w;
	}
	return spawn_helper(program, argv, e);
}

static int write_map(int proc_fd, pid_t pid, const char *file, const char *text, struct err *e)
{
	char path[48];
	int r;

	(void)snprintf(path, sizeof(path), "%d/%s", pid, file);
	r = sys_write_at(proc_fd, path, text);
	if (r < 0)
		return err_sys(e, r, "write \"%.*s\" to %s", (int)strcspn(text, "\n"), text, file);
	return 0;
}

int ns_host_map(struct island *in, const struct step *s, struct err *e)
{
	const char *uid_map = view_str(in->plan, s->u.idmap.uid_map);
	const char *gid_map = view_str(in->plan, s->u.idmap.gid_map);
	int r = 0;

	if (s->u.idmap.deny_setgroups)
		r = write_map(in->proc_fd, in->pid, "setgroups", "deny", e);
	if (r < 0)
		return r;
	if (s->u.idmap.helpers) {
		r = run_helper("newuidmap", in->pid, uid_map, e);
		return r < 0 ? r : run_helper("newgidmap", in->pid, gid_map, e);
	}
	r = write_map(in->proc_fd, in->pid, "gid_map", gid_map, e);
	return r < 0 ? r : write_map(in->proc_fd, in->pid, "uid_map", uid_map, e);
}
