/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/sched/sched.h"

#include "base/parse.h"

#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/personality.h>

enum {
	WEIGHTED_INTERLEAVE = 6, /* MPOL_WEIGHTED_INTERLEAVE of Linux 6.9: newer than our headers */
	POLICY_ISO = 4,		 /* a number that Linux keeps and never used */
	IOPRIO_SHIFT = 13,
	IOPRIO_LEVELS = 8,
};

struct word {
	const char *name;
	uint32_t value;
};

static bool find(const struct word *words, const char *name, uint32_t *ret)
{
	for (; words->name; words++) {
		if (!str_eq(words->name, name))
			continue;
		*ret = words->value;
		return true;
	}
	return false;
}

static int find_all(const struct word *words, const char *field, const char *fault,
		    const struct oci_strings *names, uint32_t *ret, struct err *e)
{
	uint32_t one;

	*ret = 0;
	for (size_t i = 0; i < names->count; i++) {
		if (!find(words, names->list[i], &one))
			return err_set(e, EINVAL, "%s[%zu] \"%.64s\": %s", field, i, names->list[i],
				       fault);
		*ret |= one;
	}
	return 0;
}

/* ---- scheduler and I/O priority: sched(7), sched_setattr(2), ioprio_set(2) -------------- */

static const struct word policies[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },
	{ "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_ISO", POLICY_ISO },
	{ "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
	{ NULL, 0 },
};

static const struct word sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
	{ NULL, 0 },
};

static int check_scheduler(const struct oci_scheduler *c, uint32_t policy, struct err *e)
{
	bool rt = policy == SCHED_FIFO || policy == SCHED_RR;

	if (c->nice < -20 || c->nice > 19)
		return err_set(e, EINVAL, "process.scheduler.nice %d: must be from -20 to 19",
			       c->nice);
	if (c->priority && !rt)
		return err_set(e, EINVAL,
			       "process.scheduler.priority %d: scheduler.priority can only be "
			       "specified for SCHED_FIFO or SCHED_RR policy",
			       c->priority);
	if (rt && (c->priority < 1 || c->priority > 99))
		return err_set(e, EINVAL, "process.scheduler.priority %d: must be from 1 to 99",
			       c->priority);
	if (policy != SCHED_DEADLINE && (c->runtime_ns || c->deadline_ns || c->period_ns))
		return err_set(e, EINVAL,
			       "process.scheduler: scheduler runtime/deadline/period can only be "
			       "specified for SCHED_DEADLINE policy");
	return 0;
}

static int plan_scheduler(const struct oci_scheduler *c, struct plan *p, struct err *e)
{
	struct step s = { .kind = STEP_SCHEDULER, .phase = PHASE_COMMIT };
	uint32_t policy = 0, flags = 0;
	int r;

	if (!c->policy || !*c->policy)
		return err_set(e, EINVAL, "process.scheduler.policy: required, but missing");
	if (!find(policies, c->policy, &policy))
		return err_set(e, EINVAL, "process.scheduler.policy \"%.64s\": no such policy",
			       c->policy);
	r = find_all(sched_flags, "process.scheduler.flags", "no such flag", &c->flags, &flags, e);
	if (r == 0)
		r = check_scheduler(c, policy, e);
	if (r < 0)
		return r;
	s.u.sched.policy = policy;
	s.u.sched.flags = flags;
	s.u.sched.nice = c->nice;
	s.u.sched.priority = (uint32_t)c->priority;
	s.u.sched.runtime_ns = c->runtime_ns;
	s.u.sched.deadline_ns = c->deadline_ns;
	s.u.sched.period_ns = c->period_ns;
	plan_add(p, &s);
	return 0;
}

static int plan_io_priority(const struct oci_io_priority *io, struct plan *p, struct err *e)
{
	static const struct word classes[] = { { "IOPRIO_CLASS_RT", 1 },
					       { "IOPRIO_CLASS_BE", 2 },
					       { "IOPRIO_CLASS_IDLE", 3 },
					       { NULL, 0 } };
	uint32_t class = 0;

	if (!find(classes, io->io_class, &class))
		return err_set(e, EINVAL,
			       "process.ioPriority.class \"%.64s\": must be IOPRIO_CLASS_RT, "
			       "IOPRIO_CLASS_BE or IOPRIO_CLASS_IDLE",
			       io->io_class ? io->io_class : "");
	if (io->priority < 0 || io->priority >= IOPRIO_LEVELS)
		return err_set(e, EINVAL, "process.ioPriority.priority %d: must be from 0 to 7",
			       io->priority);
	plan_add_num(p, PHASE_COMMIT, STEP_IO_PRIORITY,
		     (int64_t)(class << IOPRIO_SHIFT | (uint32_t)io->priority));
	return 0;
}

int sched_plan_process(const struct oci_process *pr, struct plan *p, struct err *e)
{
	int r = pr->scheduler ? plan_scheduler(pr->scheduler, p, e) : 0;

	return r == 0 && pr->io_priority ? plan_io_priority(pr->io_priority, p, e) : r;
}

/* ---- CPU affinity ------------------------------------------------------------------------ */

static int plan_cpus(const char *field, const char *list, bool whole, enum phase phase,
		     struct plan *p, struct err *e)
{
	struct step s = { .kind = STEP_AFFINITY, .phase = (uint8_t)phase };
	unsigned char mask[SCHED_MAX_CPUS / 8] = { 0 };
	int r = 0;

	if (list)
		r = parse_list(list, mask, SCHED_MAX_CPUS);
	else
		memset(mask, 0xff, sizeof(mask));
	if (r < 0)
		return err_set(e, EINVAL,
			       "%s \"%.64s\": must be a list like 0-3,7 of numbers below %d", field,
			       list, SCHED_MAX_CPUS);
	s.u.affinity.cpus = plan_blob(p, phase, mask, sizeof(mask));
	s.u.affinity.whole = whole;
	s.u.affinity.field = plan_str(p, phase, field);
	plan_add(p, &s);
	return 0;
}

int sched_plan_affinity(const struct oci_process *pr, bool exec, struct plan *p, struct err *e)
{
	const struct oci_cpu_affinity *a = exec ? pr->exec_cpu_affinity : NULL;
	const char *initial = a && a->initial && *a->initial ? a->initial : NULL;
	const char *final = a && a->final && *a->final ? a->final : NULL;
	int r = 0;

	if (initial)
		r = plan_cpus("process.execCPUAffinity.initial", initial, false, PHASE_HOST, p, e);
	if (r == 0)
		r = plan_cpus(final ? "process.execCPUAffinity.final" : NULL, final, false,
			      PHASE_COMMIT, p, e);
	return r;
}

int sched_plan_cpus(const char *cpus, struct plan *p, struct err *e)
{
	return plan_cpus("cpus", cpus, true, PHASE_COMMIT, p, e);
}

/* ---- execution domain and memory policy: personality(2), set_mempolicy(2) --------------- */

/* One list gives the names and the values. */
#define MODES(X)                                                                                   \
	X(MPOL_DEFAULT, MPOL_DEFAULT)                                                              \
	X(MPOL_PREFERRED, MPOL_PREFERRED)                                                          \
	X(MPOL_BIND, MPOL_BIND)                                                                    \
	X(MPOL_INTERLEAVE, MPOL_INTERLEAVE)                                                        \
	X(MPOL_LOCAL, MPOL_LOCAL)                                                                  \
	X(MPOL_PREFERRED_MANY, MPOL_PREFERRED_MANY)                                                \
	X(MPOL_WEIGHTED_INTERLEAVE, WEIGHTED_INTERLEAVE)
#define FLAGS(X)                                                                                   \
	X(MPOL_F_NUMA_BALANCING, MPOL_F_NUMA_BALANCING)                                            \
	X(MPOL_F_RELATIVE_NODES, MPOL_F_RELATIVE_NODES)                                            \
	X(MPOL_F_STATIC_NODES, MPOL_F_STATIC_NODES)
#define NAME(name, value) #name,
#define WORD(name, value) { #name, (uint32_t)(value) },

const char *const sched_mempolicy_modes[] = { MODES(NAME) NULL };
const char *const sched_mempolicy_flags[] = { FLAGS(NAME) NULL };
static const struct word modes[] = { MODES(WORD){ NULL, 0 } };
static const struct word mode_flags[] = { FLAGS(WORD){ NULL, 0 } };

static int check_memory_policy(const struct oci_memory_policy *m, uint32_t mode, uint32_t flags,
			       struct err *e)
{
	bool any = m->nodes && *m->nodes;

	if ((mode == MPOL_DEFAULT || mode == MPOL_LOCAL) && (any || flags))
		return err_set(
			e, EINVAL,
			"linux.memoryPolicy: %s takes no nodes and no flags (to set_mempolicy "
			"they are an invalid argument)",
			m->mode);
	if (!any && mode != MPOL_DEFAULT && mode != MPOL_LOCAL && mode != MPOL_PREFERRED)
		return err_set(e, EINVAL, "linux.memoryPolicy.nodes: required for %s", m->mode);
	if (!any && flags)
		return err_set(e, EINVAL, "linux.memoryPolicy.flags: mean nothing without nodes");
	if ((flags & MPOL_F_STATIC_NODES) && (flags & MPOL_F_RELATIVE_NODES))
		return err_set(e, EINVAL,
			       "linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and "
			       "MPOL_F_RELATIVE_NODES exclude each other");
	if ((flags & MPOL_F_NUMA_BALANCING) && mode != MPOL_BIND && mode != MPOL_PREFERRED_MANY)
		return err_set(e, EINVAL,
			       "linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING needs "
			       "MPOL_BIND or MPOL_PREFERRED_MANY");
	return 0;
}

static int plan_memory_policy(const struct oci_memory_policy *m, struct plan *p, struct err *e)
{
	struct step s = { .kind = STEP_MEMORY_POLICY, .phase = PHASE_INIT };
	unsigned char mask[SCHED_MAX_NODES / 8] = { 0 };
	uint32_t mode = 0, flags = 0;
	int r;

	/* An empty object asks for nothing, as with runc; the words of the errors are its, too. */
	if (!m->mode && !m->nodes && !m->flags.count)
		return 0;
	if (!find(modes, m->mode, &mode))
		return err_set(e, EINVAL,
			       "linux.memoryPolicy.mode \"%.64s\": invalid memory policy mode",
			       m->mode ? m->mode : "");
	r = find_all(mode_flags, "linux.memoryPolicy.flags", "invalid memory policy flag",
		     &m->flags, &flags, e);
	if (r == 0)
		r = check_memory_policy(m, mode, flags, e);
	if (r < 0)
		return r;
	if (m->nodes && *m->nodes) {
		r = parse_list(m->nodes, mask, SCHED_MAX_NODES);
		if (r < 0)
			return err_set(e, EINVAL,
				       "linux.memoryPolicy.nodes \"%.64s\": invalid memory policy "
				       "nodes: must be a list like 0-3,7 of numbers below %d",
				       m->nodes, SCHED_MAX_NODES);
		s.u.mempolicy.nodes = plan_blob(p, PHASE_INIT, mask, sizeof(mask));
	}
	s.u.mempolicy.mode = mode | flags;
	plan_add(p, &s);
	return 0;
}

static int plan_personality(const struct oci_personality *d, struct plan *p, struct err *e)
{
	static const struct word domains[] = { { "LINUX", PER_LINUX },
					       { "LINUX32", PER_LINUX32 },
					       { NULL, 0 } };
	uint32_t value = 0;

	if (!find(domains, d->domain, &value))
		return err_set(e, EINVAL,
			       "linux.personality.domain \"%.64s\": must be LINUX or LINUX32",
			       d->domain ? d->domain : "");
	if (d->flags.count)
		return err_set(
			e, EINVAL,
			"linux.personality.flags[0] \"%.64s\": the specification has no flags",
			d->flags.list[0]);
	plan_add_num(p, PHASE_INIT, STEP_PERSONALITY, value);
	return 0;
}

int sched_plan_linux(const struct oci_linux *l, struct plan *p, struct err *e)
{
	int r = l && l->personality ? plan_personality(l->personality, p, e) : 0;

	return r == 0 && l && l->memory_policy ? plan_memory_policy(l->memory_policy, p, e) : r;
}
