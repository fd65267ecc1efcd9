/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/sched/sched.h"

#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel takes what a cpuset allows and is silent about the rest. */
static bool has_all(int pid, const struct step *s, const unsigned char *want)
{
	unsigned char got[SCHED_MAX_CPUS / 8] = { 0 };

	if (syscall(SYS_sched_getaffinity, pid, sizeof(got), got) < 0)
		return false;
	for (size_t i = 0; i < s->u.affinity.cpus.len && i < sizeof(got); i++)
		if (want[i] & ~got[i])
			return false;
	return true;
}

static int apply_affinity(const struct island *in, const struct step *s, struct err *e)
{
	const char *field = view_str(in->plan, s->u.affinity.field);
	const unsigned char *mask = view_blob(in->plan, s->u.affinity.cpus);

	if (syscall(SYS_sched_setaffinity, in->pid, (unsigned long)s->u.affinity.cpus.len, mask) <
	    0)
		/* Without a name nobody asked for it, and on fewer CPUs it runs as well. */
		return !field ? 0
		       : errno == EINVAL
			       ? err_set(e, EINVAL, "%s: none of these CPUs is there", field)
			       : err_sys(e, errno, "%s", field);
	if (s->u.affinity.whole && !has_all(in->pid, s, mask))
		return err_set(e, EINVAL, "%s: not all of these CPUs are there for the container",
			       field);
	return 0;
}

/* What stands behind the errno; all of it is in sched(7) and in the cgroup documents. */
static const char *why_refused(uint32_t policy, int code)
{
	bool rt = policy == SCHED_FIFO || policy == SCHED_RR;

	if (code == EPERM && rt)
		return ": needs CAP_SYS_NICE or RLIMIT_RTPRIO, and a cgroup v1 \"cpu\" group takes no "
		       "real-time task while its cpu.rt_runtime_us is 0 (set "
		       "linux.resources.cpu.realtimeRuntime)";
	if (code == EPERM && policy == SCHED_DEADLINE)
		return ": needs CAP_SYS_NICE, and all CPUs: process scheduler can't be used "
		       "together with AllowedCPUs (linux.resources.cpu.cpus, execCPUAffinity)";
	if (code == EPERM)
		return ": a lower nice value needs CAP_SYS_NICE or RLIMIT_NICE";
	if (code == EBUSY && policy == SCHED_DEADLINE)
		return ": the CPUs have no such share left for deadline programs";
	if (code == EINVAL && policy == SCHED_DEADLINE)
		return ": it must be 1024 <= runtime <= deadline <= period nanoseconds";
	return "";
}

static int apply_scheduler(const struct island *in, const struct step *s, struct err *e)
{
	struct sched_attr a = {
		.size = SCHED_ATTR_SIZE_VER0,
		.sched_policy = s->u.sched.policy,
		.sched_flags = s->u.sched.flags,
		.sched_nice = (int32_t)s->u.sched.nice,
		.sched_priority = s->u.sched.priority,
		.sched_runtime = s->u.sched.runtime_ns,
		.sched_deadline = s->u.sched.deadline_ns,
		.sched_period = s->u.sched.period_ns,
	};
	int code;

	/* The clamp values themselves have no field in the specification: they stay 0. */
	if (a.sched_flags & (SCHED_FLAG_UTIL_CLAMP_MIN | SCHED_FLAG_UTIL_CLAMP_MAX))
		a.size = SCHED_ATTR_SIZE_VER1;
	if (syscall(SYS_sched_setattr, in->pid, &a, 0UL) == 0)
		return 0;
	code = errno;
	return err_sys(e, code, "process.scheduler: set policy %u, nice %d, priority %u%s",
		       a.sched_policy, a.sched_nice, a.sched_priority,
		       why_refused(a.sched_policy, code));
}

static int apply_io_priority(const struct island *in, const struct step *s, struct err *e)
{
	int value = (int)s->u.num.value;

	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, in->pid, value) < 0)
		return err_sys(e, errno, "process.ioPriority: set class %d, priority %d",
			       value >> IOPRIO_CLASS_SHIFT,
			       (int)IOPRIO_PRIO_DATA((unsigned int)value));
	return 0;
}

int sched_host_apply(const struct island *in, const struct step *s, struct err *e)
{
	switch (s->kind) {
	case STEP_AFFINITY:
		return apply_affinity(in, s, e);
	case STEP_SCHEDULER:
		return apply_scheduler(in, s, e);
	case STEP_IO_PRIORITY:
		return apply_io_priority(in, s, e);
	}
	return err_set(e, EINVAL, "step %u is not for scheduling", s->kind);
}
