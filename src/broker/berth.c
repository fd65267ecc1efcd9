/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/berth.h"

#include "base/parse.h"
#include "broker/cgroup.h"
#include "broker/target.h"
#include "sys/syscalls.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { UNCHARGED_MAX = 1 << 20, TRIES = 3 };

/* Where the caller is; a helper has one container, whose threads mostly are all in one place. */
static struct {
	char text[CGROUP_TEXT_MAX]; /* its /proc/PID/cgroup */
	int unified;	      /* version 2, a directory; -EBADF: there is none, or it is ours */
	int tasks[2];	      /* of version 1, to be written to; the same */
	bool known, complete; /* complete: all of them could be opened */
} berth = { .unified = -EBADF, .tasks = { -EBADF, -EBADF } };

static const char *const controllers[ARRAY_LEN(berth.tasks)] = { "memory", "net_cls" };

/* Of this process. */
static bool inside, charged = true;

/* ---- where it is ----------------------------------------------------------------------------- */

static void forget(void)
{
	auto_close_fd(&berth.unified);
	berth.unified = -EBADF;
	for (size_t i = 0; i < ARRAY_LEN(berth.tasks); i++) {
		auto_close_fd(&berth.tasks[i]);
		berth.tasks[i] = -EBADF;
	}
	berth.known = false;
	berth.complete = true;
}

static void take_place(const struct cgroup_place *p, int *fd)
{
	char name[PATH_MAX + 16];

	(void)snprintf(name, sizeof(name), "%s/%s", p->dir, p->v2 ? "" : "tasks");
	*fd = open(name, p->v2 ? O_PATH | O_DIRECTORY | O_CLOEXEC : O_WRONLY | O_CLOEXEC);
	if (*fd < 0)
		berth.complete = false;
}

/* One of the hierarchies; @tasks: NULL for version 2. */
static void find_one(const struct helper *h, const char *own, const char *controller, int *tasks)
{
	static struct cgroup_place its, ours;

	if (!cgroup_place(h->cgroups, berth.text, controller, &its)) {
		/* It is in none that we could see; there may be none at all. */
		if (cgroup_place(h->cgroups, own, controller, &ours))
			berth.complete = false;
		return;
	}
	if (its.v2 != !tasks)
		return;
	if (!cgroup_place(h->cgroups, own, controller, &ours) || !str_eq(its.dir, ours.dir))
		take_place(&its, tasks ? tasks : &berth.unified);
}

/* Return: 0; -errno: it can't be told. */
static int find_berth(const struct helper *h, const struct call *c)
{
	static char text[CGROUP_TEXT_MAX], own[CGROUP_TEXT_MAX];
	char name[32];

	(void)snprintf(name, sizeof(name), "%d/cgroup", c->tid);
	if (sys_read_at(h->proc, name, text, sizeof(text)) <= 0 || !call_alive(h, c))
		return -ESRCH;
	if (berth.known && str_eq(text, berth.text))
		return 0;
	forget();
	if (sys_read_at(h->proc, "self/cgroup", own, sizeof(own)) <= 0)
		return -ESRCH;
	memcpy(berth.text, text, sizeof(text));
	find_one(h, own, "", NULL);
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		find_one(h, own, controllers[i], &berth.tasks[i]);
	berth.known = true;
	return 0;
}

/* ---- being born there ---------------------------------------------------------------------------- */

/* clone(2): CLONE_INTO_CGROUP. */
static pid_t fork_into(int cgroup)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP,
				   .exit_signal = SIGCHLD,
				   .cgroup = (uint64_t)(unsigned int)cgroup };

	return sys_clone3(&args);
}

static bool enter(int file)
{
	ssize_t n;

	do {
		n = write(file, "0", 1);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

/* The slow road: the kernel waits until no process is being born anywhere. */
static bool move_there(void)
{
	AUTO_FD int procs = openat(berth.unified, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	return procs >= 0 && enter(procs);
}

static bool go_there(bool born_there)
{
	bool there = berth.complete;

	if (berth.unified >= 0 && !born_there && !move_there())
		there = false;
	for (size_t i = 0; i < ARRAY_LEN(berth.tasks); i++)
		if (berth.tasks[i] >= 0 && !enter(berth.tasks[i]))
			there = false;
	return there;
}

/* It is answered for if it dies; nobody answers for a program of the container's. */
static void die_first(const struct helper *h)
{
	const int was = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

	/* Its files are root's, else. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	(void)sys_write_at(h->proc, "self/oom_score_adj", "1000");
	(void)prctl(PR_SET_DUMPABLE, was == 1, 0, 0, 0);
}

static void settle(const struct helper *h, const struct call *c, bool born_there)
{
	die_first(h);
	inside = true;
	charged = go_there(born_there);
	/* What we knew under that name may be gone, and be made anew; or the thread was moved meanwhile. */
	for (int i = 0; !charged && i < TRIES; i++) {
		forget();
		charged = find_berth(h, c) == 0 && go_there(false);
	}
}

pid_t berth_fork(const struct helper *h, const struct call *c, enum berth where)
{
	bool born_there = false;
	pid_t pid = -1;

	if (where == BERTH_OURS || inside)
		return fork();
	if (find_berth(h, c) < 0)
		return -1;
	if (berth.unified >= 0) {
		pid = fork_into(berth.unified);
		born_there = pid >= 0;
	}
	if (pid < 0)
		pid = fork();
	if (pid == 0)
		settle(h, c, born_there);
	return pid;
}

/* Of others, say overlays, we don't know what is below. */
static bool is_on_disk(int at)
{
	static const unsigned long kinds[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
					       F2FS_SUPER_MAGIC, NFS_SUPER_MAGIC };

	for (size_t i = 0; at >= 0 && i < ARRAY_LEN(kinds); i++)
		if (sys_is_fs(at, kinds[i]))
			return true;
	return false;
}

void berth_refund(const struct helper *h, size_t bytes)
{
	atomic_fetch_sub(&h->ledger->uncharged, bytes);
}

int berth_spend(const struct helper *h, int at, size_t bytes)
{
	uint64_t was;

	if (charged || is_on_disk(at))
		return 0;
	was = atomic_fetch_add(&h->ledger->uncharged, bytes);
	if (was + bytes <= UNCHARGED_MAX)
		return 0;
	berth_refund(h, bytes);
	return -ENOSPC;
}

bool berth_charged(void)
{
	return charged;
}
