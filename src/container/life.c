/* SPDX-License-Identifier: Apache-2.0 */
#include "container/life.h"

#include "container/guard.h"
#include "container/notify.h"
#include "container/store.h"
#include "launch/launch.h"
#include "mech/cgroup/cgroup.h"
#include "mech/rdt/rdt.h"
#include "oci/parse.h"
#include "sys/syscalls.h"

#include <poll.h>
#include <stdio.h>

enum { DEATH_MS = 10000 };

const char *life_refusal(enum life_op op, enum ctr_status st)
{
	static const char *const table[LIFE_OP_COUNT][CTR_STOPPED + 1] = {
		[LIFE_START] = {
			[CTR_CREATING] = "cannot start a container in the creating state",
			[CTR_RUNNING] = "cannot start an already running container",
			[CTR_PAUSED] = "cannot start a container in the paused state",
			[CTR_STOPPED] = "cannot start a container that has stopped",
		},
		[LIFE_KILL] = {
			[CTR_CREATING] = "container not running",
			[CTR_STOPPED] = "container not running",
		},
		[LIFE_DELETE] = {
			[CTR_RUNNING] = "that is not stopped: running",
			[CTR_PAUSED] = "that is not stopped: paused",
		},
		[LIFE_EXEC] = {
			[CTR_CREATING] = "cannot exec in a container that is being created",
			[CTR_PAUSED] = "cannot exec in a paused container (use --ignore-paused to "
				       "override)",
			[CTR_STOPPED] = "cannot exec in a stopped container",
		},
		[LIFE_PAUSE] = {
			[CTR_CREATING] = "container not running",
			[CTR_PAUSED] = "container not running",
			[CTR_STOPPED] = "container not running",
		},
		[LIFE_RESUME] = {
			[CTR_CREATING] = "container not paused",
			[CTR_CREATED] = "container not paused",
			[CTR_RUNNING] = "container not paused",
			[CTR_STOPPED] = "container not paused",
		},
		[LIFE_UPDATE] = {
			[CTR_CREATING] = "container not running",
			[CTR_STOPPED] = "container not running",
		},
		[LIFE_MOUNTS] = {
			[CTR_CREATING] = "container not running",
			[CTR_STOPPED] = "container not running",
		},
		[LIFE_CHECKPOINT] = {
			[CTR_CREATING] = "Container cannot be checkpointed in creating state",
			[CTR_CREATED] = "Container cannot be checkpointed in created state",
			[CTR_STOPPED] = "Container cannot be checkpointed in stopped state",
		},
	};

	return table[op][st];
}

int life_hooks(const struct ctr *c, enum oci_hook_kind kind, struct err *e)
{
	AUTO_SPEC struct oci_spec *spec = NULL;
	bool stop = kind == OCI_HOOK_POSTSTOP;
	int r;

	if (!(stop ? c->poststop : c->poststart))
		return 0;
	r = oci_spec_load(c->dir_fd, "config.json", &spec, e);
	if (r < 0)
		return err_wrap(e, "container %s", c->id);
	return launch_run_hooks(spec, kind, c->id, c->bundle, stop ? "stopped" : "running",
				stop ? 0 : c->pid, e);
}

/* The start time is read behind the pidfd: from then on the pid can't change its meaning. */
static int hold_init(const struct ctr *c)
{
	AUTO_FD int fd = -EBADF;

	if (c->pid <= 0)
		return -ESRCH;
	fd = sys_pidfd_open(c->pid);
	if (fd < 0)
		return fd;
	if (!ctr_is_alive(c))
		return -ESRCH;
	return TAKE_FD(fd);
}

static int wait_death(const struct ctr *c, int pidfd, struct err *e)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	uint64_t end = sys_now_ns() + (uint64_t)DEATH_MS * 1000000;
	int r;

	for (;;) {
		uint64_t now = sys_now_ns();

		r = poll(&p, 1, now >= end ? 0 : (int)((end - now) / 1000000) + 1);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return err_sys(e, errno, "wait for process %d", c->pid);
		if (now >= end)
			return err_set(e, EBUSY,
				       "container %s: process %d is still there %d s after SIGKILL",
				       c->id, c->pid, DEATH_MS / 1000);
	}
}

int life_kill_all(const struct ctr *c, struct err *e)
{
	AUTO_FD int pidfd = hold_init(c);
	int r = 0;

	if (pidfd >= 0)
		(void)sys_pidfd_send_signal(pidfd, SIGKILL);
	if (c->cgroup_count > 0)
		r = cg_kill_all(c->cgroup_dirs, c->cgroup_count, SIGKILL, e);
	if (pidfd >= 0 && (r == 0 || r == -EBUSY)) {
		int died = wait_death(c, pidfd, e);

		if (died < 0)
			return died;
		if (r == -EBUSY)
			r = cg_kill_all(c->cgroup_dirs, c->cgroup_count, SIGKILL, e);
	}
	return r;
}

int life_clear(const struct ctr *c, int root_fd, bool hooks, struct err *warning, struct err *e)
{
	bool clean = !ctr_is_alive(c) && cg_remove_empty(c->cgroup_dirs, c->cgroup_count) == 0;
	int r = clean ? 0 : life_kill_all(c, e);

	if (r == 0 && !clean && c->cgroup_count > 0)
		r = cg_remove(c->cgroup_dirs, c->cgroup_count, e);
	if (r == 0)
		r = rdt_remove(c->rdt_dirs, e);
	if (r < 0)
		return r;
	guard_end(c);
	/* A scope without processes goes by itself in the end: that we can't ask is no reason to stay. */
	if (c->unit)
		(void)cg_unit_stop(c->unit, c->unit_user, warning);
	if (hooks)
		(void)life_hooks(c, OCI_HOOK_POSTSTOP, warning);
	return store_remove(root_fd, c->id, c->dir_fd, e);
}

int life_sweep(const char *root, int root_fd, const char *id, struct err *e)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	int r;

	r = store_open_ctr(root_fd, root, id, 0, &c, e);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (c.created_done && !ctr_is_orphan(&c))
		return err_set(e, EEXIST, "container with given ID already exists");
	return life_clear(&c, root_fd, true, NULL, e);
}

/* The file of the gate outlives a start that was killed, and a container that ended meanwhile. */
static int nobody_waits(const struct ctr *c, int code, struct err *e)
{
	const char *no = life_refusal(LIFE_START, ctr_status(c));

	return err_set(e, code, "%s", no ? no : life_refusal(LIFE_START, CTR_STOPPED));
}

static int open_gate(const struct ctr *c, const struct launch_fast *f, struct err *e)
{
	AUTO_FREE char *gate = NULL;
	int r;

	if (asprintf(&gate, "%s/gate", c->dir) < 0) {
		gate = NULL;
		return err_oom(e);
	}
	r = launch_open_gate(gate, c->listener, f, e);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return nobody_waits(c, r, e);
	if (r != -EAGAIN)
		(void)unlinkat(c->dir_fd, "gate", 0);
	return r;
}

static int open_gate_with(const struct ctr *c, const struct oci_fast *f, struct err *e)
{
	AUTO_PLAN struct plan p;
	struct launch_fast fast = { .plan = &p, .pid = c->pid, .stdio = f->stdio != NULL };
	int r;

	plan_init(&p);
	r = launch_compile_fast(f, &p, e);
	return r < 0 ? r : open_gate(c, &fast, e);
}

int ctr_start(const char *root, const char *id, const struct oci_fast *f, struct err *warning,
	      struct err *e)
{
	AUTO_NOTIFY struct notify n = NOTIFY_INIT;
	AUTO_CTR struct ctr c = CTR_INIT;
	AUTO_FD int pidfd = -EBADF;
	const char *no;
	pid_t pid;
	int r;

	r = ctr_open(root, id, true, &c, e);
	if (r < 0)
		return r;
	no = life_refusal(LIFE_START, ctr_status_unasked(&c));
	if (no)
		return err_set(e, EINVAL, "%s", no);
	if (notify_has_dir(c.dir))
		r = notify_open(&n, c.dir, warning, e);
	if (r < 0)
		return r;
	if (n.inside >= 0)
		pidfd = hold_init(&c);
	pid = c.pid;
	r = f ? open_gate_with(&c, f, e) : open_gate(&c, NULL, e);
	if (r < 0)
		return r;
	r = life_hooks(&c, OCI_HOOK_POSTSTART, e);
	if (r < 0) {
		(void)life_kill_all(&c, NULL);
		return r;
	}
	/* Others may have to do with it while it makes itself ready. */
	ctr_done(&c);
	if (pidfd >= 0)
		notify_wait(&n, pid, pidfd);
	return 0;
}

/* Processes that the first one does not take along when it dies. */
static bool needs_all(const struct ctr *c, int sig, bool all)
{
	return c->cgroup_count > 0 && (all || (sig == SIGKILL && !c->own_pid_ns));
}

/* Where the pid namespace is somebody else's, the others live on when the first process dies. */
static bool has_survivors(const struct ctr *c)
{
	AUTO_FREE pid_t *pids = NULL;
	size_t n = 0;

	return cg_pids(c->cgroup_dirs, c->cgroup_count, &pids, &n, NULL) == 0 && n > 0;
}

static int signal_init(const struct ctr *c, int pidfd, int sig, struct err *e)
{
	int r = sys_pidfd_send_signal(pidfd, sig);

	if (r == -ESRCH)
		return err_set(e, r, "process already finished");
	if (r < 0)
		return err_sys(e, r, "signal %d to container %s", sig, c->id);
	/* A process in a v1 freezer dies only once it is thawed. */
	if (sig == SIGKILL && cg_is_frozen(c->cgroup_dirs, c->cgroup_count) > 0)
		return cg_freeze(c->cgroup_dirs, c->cgroup_count, false, e);
	return 0;
}

int ctr_kill(const char *root, const char *id, int sig, bool all, struct err *e)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	AUTO_FD int pidfd = -EBADF;
	int r;

	r = ctr_open(root, id, false, &c, e);
	if (r < 0)
		return r;
	pidfd = c.created_done ? hold_init(&c) : -ESRCH;
	if (pidfd < 0 && !all && !(needs_all(&c, sig, all) && has_survivors(&c)))
		return err_set(e, ESRCH, "%s", life_refusal(LIFE_KILL, CTR_STOPPED));
	if (needs_all(&c, sig, all))
		return cg_kill_all(c.cgroup_dirs, c.cgroup_count, sig, e);
	return pidfd < 0 ? 0 : signal_init(&c, pidfd, sig, e);
}

/* A create that hangs, in a hook perhaps: what it has built so far dies with it. */
static void kill_creator(const struct ctr *c)
{
	AUTO_FD int fd = c->creator > 0 ? sys_pidfd_open(c->creator) : -EBADF;
	uint64_t start;

	if (fd >= 0 && !c->created_done && sys_start_time(c->creator, &start, NULL) == 0 &&
	    start == c->creator_start)
		(void)sys_pidfd_send_signal(fd, SIGKILL);
}

/*
 * The lock may be held by a command that itself waits for a hook of this container: with
 * @force the container dies first and the lock is waited for then.
 */
static int open_to_delete(int root_fd, const char *root, const char *id, bool force,
			  struct ctr *ret, struct err *e)
{
	int r;

	r = store_open_ctr(root_fd, root, id, force ? 500 : STORE_LOCK_MS, ret, e);
	if (r != -EBUSY || !force)
		return r;
	{
		AUTO_CTR struct ctr c = CTR_INIT;

		r = store_open_ctr(root_fd, root, id, -1, &c, e);
		if (r == 0) {
			kill_creator(&c);
			r = life_kill_all(&c, e);
		}
		if (r < 0)
			return r;
	}
	return store_open_ctr(root_fd, root, id, STORE_LOCK_MS, ret, e);
}

static int delete_at(int root_fd, const char *root, const char *id, bool force, struct err *warning,
		     struct err *e)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	const char *no;
	int r;

	r = open_to_delete(root_fd, root, id, force, &c, e);
	if (force && (r == -EBADMSG || r == -EINVAL || r == -E2BIG))
		return life_clear_damaged(root_fd, root, id, warning, e);
	if (r < 0)
		return r;
	no = life_refusal(LIFE_DELETE, ctr_status(&c));
	if (no && !force)
		return err_set(e, EBUSY, "cannot delete container %s %s", id, no);
	r = life_clear(&c, root_fd, true, warning, e);
	if (r == 0 && !c.created_done)
		return err_set(e, ENOENT, "container does not exist");
	return r;
}

int ctr_delete(const char *root, const char *id, bool force, struct err *warning, struct err *e)
{
	AUTO_FD int root_fd = -EBADF;
	int r;

	r = ctr_id_check(id, e);
	if (r < 0)
		return r;
	r = store_open_root(root, false, &root_fd, e);
	if (r == -ENOENT)
		r = err_set(e, r, "container does not exist");
	if (r == 0 && force)
		store_sweep_new(root_fd);
	if (r == 0)
		r = delete_at(root_fd, root, id, force, warning, e);
	return r == -ENOENT && force ? 0 : r;
}
