/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/*
 * sched_setscheduler, sched_setparam, sched_setattr, sched_setaffinity. Real-time priorities need a
 * right of the host: a child does it with that right. The number that the thread gave is taken
 * within the container's own pid namespace, so it names processes of the container only.
 */
enum { DEADLINE_MS = 2000, MASK_WORDS = CALL_MASK_MAX / 8, ATTR_BYTES = 48 };

#ifndef SCHED_FLAG_RESET_ON_FORK
#define SCHED_FLAG_RESET_ON_FORK 0x01
#endif

/* sched_setattr(2), as of its first version; <linux/sched/types.h> and <sched.h> exclude each other. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct attr) == ATTR_BYTES, "SCHED_ATTR_SIZE_VER0");

struct order {
	pid_t pid;  /* as the thread numbers it; 0: itself */
	int policy; /* -1: as it is; then only the priority is new */
	int priority;
	bool reset_on_fork, affinity;
	bool has_nice;
	int nice;
	uint64_t cpus[MASK_WORDS];
	size_t cpus_bytes;
};
static struct order order;

static int read_attr(const struct call *c)
{
	struct attr a = { 0 };
	const size_t n = c->arg[1].len;

	memcpy(&a, c->arg[1].bytes, n < sizeof(a) ? n : sizeof(a));
	/* Deadlines, utilisation clamps and "keep what there is" are not lent. */
	if (c->arg[2].value != 0 || (a.flags & ~(uint64_t)SCHED_FLAG_RESET_ON_FORK))
		return -EINVAL;
	order.policy = (int)a.policy;
	order.priority = (int)a.priority;
	order.reset_on_fork = a.flags & SCHED_FLAG_RESET_ON_FORK;
	order.has_nice = true;
	order.nice = a.nice;
	return 0;
}

static int read_order(const struct call *c)
{
	const char *name = c->kind->name;
	int policy;

	order = (struct order){ .pid = (pid_t)c->arg[0].value, .policy = -1 };
	if (order.pid < 0)
		return -EINVAL;
	if (str_eq(name, "sched_setaffinity")) {
		order.affinity = true;
		order.cpus_bytes = c->arg[2].len;
		memcpy(order.cpus, c->arg[2].bytes, order.cpus_bytes);
		return order.cpus_bytes == 0 ? -EINVAL : 0;
	}
	if (str_eq(name, "sched_setattr"))
		return read_attr(c);
	if (str_eq(name, "sched_setparam")) {
		memcpy(&order.priority, c->arg[1].bytes, sizeof(order.priority));
		return 0;
	}
	policy = (int)c->arg[1].value;
	memcpy(&order.priority, c->arg[2].bytes, sizeof(order.priority));
	order.reset_on_fork = policy & SCHED_RESET_ON_FORK;
	order.policy = policy & ~SCHED_RESET_ON_FORK;
	return order.policy < 0 ? -EINVAL : 0;
}

static bool is_real_time(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static int apply(pid_t who)
{
	const struct sched_param p = { .sched_priority = order.priority };
	const int reset = order.reset_on_fork ? SCHED_RESET_ON_FORK : 0;

	if (order.affinity)
		return syscall(SYS_sched_setaffinity, who, order.cpus_bytes, order.cpus) < 0
			       ? -errno
			       : 0;
	if (syscall(SYS_sched_setscheduler, who, order.policy | reset, &p) < 0)
		return -errno;
	/* With the rights we have: for an ordinary policy those are the thread's own. */
	if (order.has_nice && !is_real_time(order.policy) &&
	    setpriority(PRIO_PROCESS, (id_t)who, order.nice) < 0)
		return -errno;
	return 0;
}

static int decide_order(struct helper *h, struct call *c, pid_t who, struct outcome *o)
{
	struct policy_ask ask = { .kind = POLICY_SCHED, .u.sched = { .policy = -1 } };

	if (order.affinity) {
		ask.u.sched.cpus = order.cpus;
		ask.u.sched.cpus_words = (order.cpus_bytes + 7) / 8;
		return effect_ruling(h, c, &ask, false, o);
	}
	if (order.policy < 0) {
		order.policy = (int)syscall(SYS_sched_getscheduler, who);
		if (order.policy < 0)
			return -errno;
		order.reset_on_fork = order.policy & SCHED_RESET_ON_FORK;
		order.policy &= ~SCHED_RESET_ON_FORK;
	}
	if (!decide_sched(order.policy))
		return -EPERM;
	ask.u.sched.policy = order.policy;
	ask.u.sched.priority = order.priority;
	return effect_ruling(h, c, &ask, is_real_time(order.policy), o);
}

static void act_sched(struct helper *h, struct call *c, struct outcome *o)
{
	const unsigned int need = order.pid ? NEED_USER | NEED_PID : NEED_USER;
	const pid_t who = order.pid ? order.pid : c->tid;
	AUTO_TARGET struct target t = TARGET_INIT;
	int r = target_open(&t, h, c, need);

	/* Without a right of our own we can go there only as root of the user namespace. */
	if (r == 0 && h->confined)
		r = target_become(&t, need, 0);
	else if (r == 0 && order.pid)
		r = setns(t.pidns, CLONE_NEWPID) < 0 ? -errno : 0;
	if (r == 0 && order.pid)
		effect_go_on(h, c, BERTH_OURS, NULL);
	if (r == 0)
		r = decide_order(h, c, who, o);
	/* With the host's right nobody asks whose the process is. */
	if (r == 0 && is_real_time(order.policy)) {
		if (h->confined || (order.pid && !target_is_root(&t)))
			r = -EPERM;
	} else if (r == 0 && !h->confined) {
		r = target_become(&t, NEED_USER, 0);
	}
	if (r == 0)
		r = call_alive(h, c) ? apply(who) : -ESRCH;
	o->error = -r;
}

void handle_sched(struct helper *h, struct call *c)
{
	const int r = read_order(c);

	if (r < 0)
		outcome_refuse(h, c, r);
	else
		effect_fork(h, c, BERTH_OURS, DEADLINE_MS, act_sched);
}
