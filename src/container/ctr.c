/* SPDX-License-Identifier: Apache-2.0 */
#include "container/store.h"

#include "base/parse.h"
#include "launch/launch.h"
#include "mech/cgroup/cgroup.h"
#include "sys/host.h"
#include "sys/syscalls.h"

#include <stdio.h>
#include <string.h>

void ctr_done(struct ctr *c)
{
	auto_close_fd(&c->dir_fd);
	arena_done(&c->arena);
	memset(c, 0, sizeof(*c));
	c->dir_fd = -EBADF;
}

void ctr_report_done(struct ctr_report *r)
{
	buf_done(&r->timing);
}

const char *ctr_status_name(enum ctr_status s)
{
	switch (s) {
	case CTR_CREATING:
		return "creating";
	case CTR_CREATED:
		return "created";
	case CTR_RUNNING:
		return "running";
	case CTR_PAUSED:
		return "paused";
	case CTR_STOPPED:
		return "stopped";
	}
	return "unknown";
}

int ctr_id_check(const char *id, struct err *e)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-";
	size_t n = strnlen(id, CTR_ID_MAX + 1);

	if (n == 0)
		return err_set(e, EINVAL, "container id cannot be empty");
	if (n > CTR_ID_MAX)
		return err_set(e, EINVAL, "container id: longer than %d bytes", CTR_ID_MAX);
	for (size_t i = 0; i < n; i++)
		if (!strchr(first, id[i]) && !(i > 0 && id[i] == '.'))
			return err_set(e, EINVAL,
				       "invalid container id format: must be [A-Za-z0-9_+.-], not "
				       "beginning with a dot; byte %zu is not",
				       i + 1);
	return 0;
}

/* Root of a user namespace is a user with a runtime directory, unless it says to be root: as runc. */
static bool is_real_root(void)
{
	const char *user = getenv("USER");

	return geteuid() == 0 && (!host_in_userns() || str_eq(user, "root"));
}

char *ctr_default_root(struct arena *a)
{
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (is_real_root())
		return arena_strdup(a, "/run/cay");
	if (run && run[0] == '/')
		return arena_printf(a, "%s/cay", run);
	return arena_printf(a, "/tmp/cay-%u", geteuid());
}

int store_name_ctr(struct ctr *c, const char *root, const char *id, struct err *e)
{
	c->id = arena_strdup(&c->arena, id);
	c->root = arena_strdup(&c->arena, root);
	c->dir = arena_printf(&c->arena, "%s/%s", root, id);
	return c->id && c->root && c->dir ? 0 : err_oom(e);
}

static int no_such(struct err *e)
{
	return err_set(e, ENOENT, "container does not exist");
}

static int load(struct ctr *c, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };
	struct stat st;
	int r;

	if (fstat(c->dir_fd, &st) < 0)
		return err_sys(e, errno, "stat the state of container %s", c->id);
	c->owner = st.st_uid;
	/* Where others may write to --root, one of them could have it say what is to be killed. */
	if (c->owner != geteuid() && c->owner != 0)
		return err_set(e, EPERM, "container %s: its state belongs to uid %u, not to us",
			       c->id, c->owner);
	r = store_get(c->dir_fd, "state.json", &text, e);
	if (r == -ENOENT) {
		c->half = true;
		return 0;
	}
	if (r == 0)
		r = state_decode(text.data ? text.data : "", text.len, c, e);
	return r < 0 ? err_wrap(e, "container %s", c->id) : 0;
}

int store_open_ctr(int root_fd, const char *root, const char *id, int lock_ms, struct ctr *ret,
		   struct err *e)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	int r;

	r = store_name_ctr(&c, root, id, e);
	if (r < 0)
		return r;
	r = store_open_dir(root_fd, id, lock_ms, &c.dir_fd, e);
	if (r == -ENOENT || r == -ENOTDIR)
		return no_such(e);
	if (r < 0)
		return r;
	c.locked = lock_ms >= 0;
	r = load(&c, e);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct ctr)CTR_INIT;
	return 0;
}

int ctr_open(const char *root, const char *id, bool write, struct ctr *ret, struct err *e)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	AUTO_FD int root_fd = -EBADF;
	int r;

	r = ctr_id_check(id, e);
	if (r < 0)
		return r;
	r = store_open_root(root, false, &root_fd, e);
	if (r < 0)
		return r == -ENOENT ? no_such(e) : r;
	r = store_open_ctr(root_fd, root, id, write ? STORE_LOCK_MS : -1, &c, e);
	if (r < 0)
		return r;
	if (c.half)
		return no_such(e);
	*ret = c;
	c = (struct ctr)CTR_INIT;
	return 0;
}

static bool is_process(pid_t pid, uint64_t start_time)
{
	uint64_t start;
	char state;

	if (pid <= 0 || sys_start_time(pid, &start, &state) < 0)
		return false;
	return start == start_time && state != 'Z' && state != 'X';
}

bool ctr_is_alive(const struct ctr *c)
{
	return is_process(c->pid, c->start_time);
}

bool ctr_is_orphan(const struct ctr *c)
{
	return c->keeper > 0 && !is_process(c->keeper, c->keeper_start) && !ctr_is_alive(c);
}

enum ctr_status ctr_status_unasked(const struct ctr *c)
{
	if (!c->created_done && !c->locked && store_locked_elsewhere(c->dir_fd))
		return CTR_CREATING;
	if (!ctr_is_alive(c))
		return CTR_STOPPED;
	/* Also in front of its gate it can be paused. */
	if (cg_is_frozen(c->cgroup_dirs, c->cgroup_count) > 0)
		return CTR_PAUSED;
	return faccessat(c->dir_fd, "gate", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? CTR_CREATED
									    : CTR_RUNNING;
}

enum ctr_status ctr_status(const struct ctr *c)
{
	enum ctr_status st = ctr_status_unasked(c);
	char *gate;

	if (st != CTR_CREATED || asprintf(&gate, "%s/gate", c->dir) < 0)
		return st;
	if (!launch_gate_waits(gate))
		st = CTR_RUNNING;
	free(gate);
	return st;
}
