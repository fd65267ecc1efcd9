/* SPDX-License-Identifier: Apache-2.0 */
#include "container/store.h"

#include "base/parse.h"
#include "container/life.h"
#include "mech/cgroup/cgroup.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CONTAINERS = 100000, MAX_PIDS = 4 << 20 };

/* Not getpwuid: name services don't work in a static program. */
char *ctr_owner(const struct ctr *c, struct arena *a)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;
	char *name = NULL;

	while (f && (pw = fgetpwent(f)))
		if (pw->pw_uid == c->owner) {
			name = arena_strdup(a, pw->pw_name);
			break;
		}
	if (f)
		(void)fclose(f);
	return name ? name : arena_printf(a, "#%u", c->owner);
}

void ctr_write_state(const struct ctr *c, const char *owner, struct json_out *o)
{
	enum ctr_status st = ctr_status(c);

	jo_open(o, NULL, '{');
	jo_str(o, "ociVersion", c->oci_version);
	jo_str(o, "id", c->id);
	jo_int(o, "pid", st == CTR_STOPPED ? 0 : c->pid);
	jo_str(o, "status", ctr_status_name(st));
	jo_str(o, "bundle", c->bundle);
	jo_str(o, "rootfs", c->rootfs);
	jo_str(o, "created", c->created);
	if (c->annotations_count > 0) {
		jo_open(o, "annotations", '{');
		for (size_t i = 0; i < c->annotations_count; i++)
			jo_str(o, c->annotations[i].key, c->annotations[i].value);
		jo_close(o, '}');
	}
	jo_str(o, "owner", owner);
	jo_close(o, '}');
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A container, or what a create that died left there? */
static bool is_listed(const char *root, int root_fd, const char *name)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	AUTO_FD int fd = -EBADF;

	if (ctr_id_check(name, NULL) < 0 ||
	    (fd = openat(root_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return false;
	if (ctr_open(root, name, false, &c, NULL) == 0 && c.created_done && !ctr_is_orphan(&c))
		return true;
	return life_sweep(root, root_fd, name, NULL) < 0;
}

static int collect(const char *root, int root_fd, struct arena *a, char ***ret, size_t *ret_count,
		   struct err *e)
{
	AUTO_FD int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	AUTO_BUF struct buf names = { 0 };
	const struct dirent *ent;
	size_t n = 0;

	store_sweep_new(root_fd);
	if (!d)
		return err_sys(e, errno, "list \"%s\"", root);
	(void)TAKE_FD(fd);
	while ((ent = readdir(d))) {
		char *name;

		if (!is_listed(root, root_fd, ent->d_name))
			continue;
		if (++n > MAX_CONTAINERS)
			return err_set(e, E2BIG, "list \"%s\": more than %d containers", root,
				       MAX_CONTAINERS);
		name = arena_strdup(a, ent->d_name);
		if (!name || !buf_add(&names, &name, sizeof(name)))
			return err_oom(e);
	}
	*ret = arena_array(a, n + 1, sizeof(**ret));
	if (!*ret)
		return err_oom(e);
	if (n > 0)
		memcpy(*ret, names.data, n * sizeof(**ret));
	qsort(*ret, n, sizeof(**ret), by_name);
	*ret_count = n;
	return 0;
}

int ctr_list(const char *root, struct arena *a, char ***ret, size_t *ret_count, struct err *e)
{
	AUTO_FD int root_fd = -EBADF;
	int r;

	r = store_open_root(root, false, &root_fd, e);
	if (r == -ENOENT) {
		*ret = arena_array(a, 1, sizeof(**ret));
		*ret_count = 0;
		return *ret ? 0 : err_oom(e);
	}
	if (r < 0)
		return r;
	store_remove_stale(root_fd);
	return collect(root, root_fd, a, ret, ret_count, e);
}

static bool ns_of(int proc_fd, const char *pid, char *ret, size_t size)
{
	char path[NAME_MAX + 16];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/ns/pid", pid);
	n = readlinkat(proc_fd, path, ret, size - 1);
	if (n <= 0)
		return false;
	ret[n] = '\0';
	return true;
}

/* Without cgroups: whoever lives in the container's own pid namespace. */
static int pids_by_namespace(const struct ctr *c, struct buf *out, struct err *e)
{
	AUTO_FD int proc_fd = sys_open_proc();
	AUTO_FD int list_fd =
		proc_fd < 0 ? -EBADF : openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *d = list_fd < 0 ? NULL : fdopendir(list_fd);
	char init[16], want[64], got[64];
	const struct dirent *ent;
	uint32_t pid;

	if (!d)
		return err_set(e, EIO, "read /proc");
	(void)TAKE_FD(list_fd);
	(void)snprintf(init, sizeof(init), "%d", c->pid);
	if (!ns_of(proc_fd, init, want, sizeof(want)))
		return err_set(e, ESRCH, "container not running");
	while (out->len < MAX_PIDS && (ent = readdir(d)))
		if (parse_u32(ent->d_name, &pid) == 0 &&
		    ns_of(proc_fd, ent->d_name, got, sizeof(got)) && str_eq(want, got))
			buf_add(out, &(pid_t){ (pid_t)pid }, sizeof(pid_t));
	return out->failed ? err_oom(e) : 0;
}

static int pids_without_cgroup(const struct ctr *c, struct buf *out, struct err *e)
{
	if (ctr_status(c) == CTR_STOPPED)
		return 0;
	if (c->own_pid_ns)
		return pids_by_namespace(c, out, e);
	buf_add(out, &c->pid, sizeof(c->pid));
	return out->failed ? err_oom(e) : 0;
}

int ctr_pids(const struct ctr *c, struct arena *a, pid_t **ret, size_t *ret_count, struct err *e)
{
	AUTO_BUF struct buf found = { 0 };
	AUTO_FREE pid_t *pids = NULL;
	const void *from;
	size_t n = 0;
	int r;

	if (c->cgroup_count > 0)
		r = cg_pids(c->cgroup_dirs, c->cgroup_count, &pids, &n, e);
	else
		r = pids_without_cgroup(c, &found, e);
	if (r < 0)
		return r;
	if (c->cgroup_count == 0)
		n = found.len / sizeof(pid_t);
	*ret = arena_array(a, n + 1, sizeof(**ret));
	if (!*ret)
		return err_oom(e);
	from = pids ? (const void *)pids : found.data;
	if (n > 0 && from)
		memcpy(*ret, from, n * sizeof(pid_t));
	*ret_count = n;
	return 0;
}
