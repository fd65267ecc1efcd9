/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"

#include <ctype.h>
#include <string.h>

/*
 * linux.resources as values of control files. As in runc a limit of zero means "not given".
 * File names and ranges: Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst.
 */

static bool given(struct opt_i64 v)
{
	return v.set && v.v != 0;
}

static bool given_u(struct opt_u64 v)
{
	return v.set && v.v != 0;
}

static int not_on_v2(const char *field, struct err *e)
{
	return err_set(e, EOPNOTSUPP, "linux.resources.%s: cgroup v2 has no such limit", field);
}

/* swap counts memory and swap together, as v1 does. */
static int check_swap(const struct cg_build *b, const struct cg_place *at,
		      const struct oci_memory *m, struct err *e)
{
	if (!given(m->swap) || m->swap.v < 0)
		return 0;
	/* What v1 is told for both together can change alone. */
	if (b->update && !at->h->v2 && !given(m->limit))
		return 0;
	if (!given(m->limit) || m->limit.v < 0)
		return err_set(e, EINVAL,
			       "linux.resources.memory.swap %lld: needs memory.limit as well",
			       (long long)m->swap.v);
	if (m->swap.v < m->limit.v)
		return err_set(e, EINVAL,
			       "linux.resources.memory.swap %lld: less than memory.limit %lld",
			       (long long)m->swap.v, (long long)m->limit.v);
	return 0;
}

/*
 * The kernel wants limit <= memsw at every moment; both of a new cgroup are unlimited. Going
 * down the limit comes first, going up the other: tried first and said again, it is right
 * either way, whatever the values were.
 */
static void memory_limits_v1(struct cg_build *b, const struct cg_place *at,
			     const struct oci_memory *m)
{
	static const char memsw[] = "memory.memsw.limit_in_bytes",
			  limit[] = "memory.limit_in_bytes";
	bool finite = given(m->swap) && m->swap.v > 0;

	if (!finite && (given(m->swap) || (given(m->limit) && m->limit.v < 0)))
		cg_set(b, at, CG_MAY_LACK, memsw, "-1");
	if (given(m->limit) && finite && b->update)
		cg_try_int(b, at, limit, m->limit.v);
	else if (given(m->limit))
		cg_set_int(b, at, limit, m->limit.v);
	if (finite)
		cg_set_int(b, at, memsw, m->swap.v);
	if (given(m->limit) && finite && b->update)
		cg_set_int(b, at, limit, m->limit.v);
}

/* v1 refuses a limit that is reached already; on v2 somebody would be killed for it. */
static void memory_checks_v2(struct cg_build *b, const struct cg_place *at,
			     const struct oci_memory *m)
{
	const struct opt_i64 limits[] = { m->swap, m->limit };

	if (!b->update || !m->check_before_update.v)
		return;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (limits[i].set && limits[i].v > 0)
			cg_check(b, at, "memory.current", limits[i].v);
}

static void memory_limits_v2(struct cg_build *b, const struct cg_place *at,
			     const struct oci_memory *m)
{
	char text[32];

	if (given(m->swap) && m->swap.v > 0) {
		int64_t swap = m->swap.v - m->limit.v;

		(void)snprintf(text, sizeof(text), "%lld", (long long)swap);
		/* Without swap in the kernel a program uses none, which is what 0 asks for. */
		cg_set(b, at, swap == 0 ? CG_MAY_LACK : CG_MUST, "memory.swap.max", text);
	} else if (given(m->swap) || (given(m->limit) && m->limit.v < 0)) {
		cg_set(b, at, CG_MAY_LACK, "memory.swap.max", "max");
	}
	if (given(m->limit))
		cg_set_int(b, at, "memory.max", m->limit.v);
	if (given(m->reservation))
		cg_set_int(b, at, "memory.low", m->reservation.v);
}

static int memory_v2_refusals(const struct oci_memory *m, struct err *e)
{
	if (m->kernel_tcp.set && m->kernel_tcp.v > 0)
		return not_on_v2("memory.kernelTCP", e);
	if (m->swappiness.set)
		return not_on_v2("memory.swappiness", e);
	if (m->disable_oom_killer.set && m->disable_oom_killer.v)
		return not_on_v2("memory.disableOOMKiller", e);
	if (m->use_hierarchy.set && !m->use_hierarchy.v)
		return err_set(e, EOPNOTSUPP,
			       "linux.resources.memory.useHierarchy false: cgroup v2 always is "
			       "hierarchical");
	return 0;
}

/* memory.kernel is not written: the kernel has refused it since 5.11, and runc drops it too. */
static bool memory_asks(const struct oci_memory *m)
{
	return given(m->limit) || given(m->swap) || given(m->reservation) || given(m->kernel_tcp) ||
	       m->swappiness.set || (m->disable_oom_killer.set && m->disable_oom_killer.v) ||
	       m->use_hierarchy.set;
}

int cg_plan_memory(struct cg_build *b, const struct oci_memory *m, struct err *e)
{
	struct cg_place *at;
	int r;

	if (!memory_asks(m))
		return 0;
	r = cg_need(b, "memory", "memory", &at, e);
	if (r == 0)
		r = check_swap(b, at, m, e);
	if (r < 0)
		return r;
	if (at->h->v2) {
		r = memory_v2_refusals(m, e);
		if (r < 0)
			return r;
		memory_checks_v2(b, at, m);
		memory_limits_v2(b, at, m);
		return 0;
	}
	/* Only an empty cgroup takes it. */
	if (m->use_hierarchy.set)
		cg_set_int(b, at, "memory.use_hierarchy", m->use_hierarchy.v);
	memory_limits_v1(b, at, m);
	if (given(m->reservation))
		cg_set_int(b, at, "memory.soft_limit_in_bytes", m->reservation.v);
	if (given(m->kernel_tcp))
		cg_set_int(b, at, "memory.kmem.tcp.limit_in_bytes", m->kernel_tcp.v);
	if (m->swappiness.set)
		cg_set_uint(b, at, "memory.swappiness", m->swappiness.v);
	if (m->disable_oom_killer.set && m->disable_oom_killer.v)
		cg_set_int(b, at, "memory.oom_control", 1);
	return 0;
}

/* While cpu.idle is 1 a share can't be written, and 1 makes it meaningless. */
static void cpu_share_and_idle(struct cg_build *b, const struct cg_place *at,
			       const struct oci_cpu *c, const char *file, uint64_t share)
{
	bool busy = c->idle.set && c->idle.v == 0 && b->update;

	if (busy)
		cg_set(b, at, CG_MAY_LACK, "cpu.idle", "0");
	if (given_u(c->shares) && given(c->idle))
		cg_try_int(b, at, file, (int64_t)share);
	else if (given_u(c->shares))
		cg_set_uint(b, at, file, share);
	if (given(c->idle))
		cg_set_int(b, at, "cpu.idle", c->idle.v);
}

/*
 * A runtime, a quota and a burst are checked against what is in force of the others. In a new
 * cgroup one order is right; in an old one, what may be too early is tried and said again.
 */
static void cpu_v1(struct cg_build *b, const struct cg_place *at, const struct oci_cpu *c)
{
	bool rt_again = b->update && given_u(c->realtime_period_us) &&
			given(c->realtime_runtime_us);
	bool again = b->update && given_u(c->period_us) && given(c->quota_us);

	cpu_share_and_idle(b, at, c, "cpu.shares", c->shares.v);
	if (rt_again)
		cg_try_int(b, at, "cpu.rt_period_us", (int64_t)c->realtime_period_us.v);
	else if (given_u(c->realtime_period_us))
		cg_set_uint(b, at, "cpu.rt_period_us", c->realtime_period_us.v);
	if (given(c->realtime_runtime_us))
		cg_set_int(b, at, "cpu.rt_runtime_us", c->realtime_runtime_us.v);
	if (rt_again)
		cg_set_uint(b, at, "cpu.rt_period_us", c->realtime_period_us.v);
	if (b->update && c->burst_us.set)
		cg_try_int(b, at, "cpu.cfs_burst_us", (int64_t)c->burst_us.v);
	if (again)
		cg_try_int(b, at, "cpu.cfs_period_us", (int64_t)c->period_us.v);
	else if (given_u(c->period_us))
		cg_set_uint(b, at, "cpu.cfs_period_us", c->period_us.v);
	if (given(c->quota_us))
		cg_set_int(b, at, "cpu.cfs_quota_us", c->quota_us.v);
	if (again)
		cg_set_uint(b, at, "cpu.cfs_period_us", c->period_us.v);
	if (given_u(c->burst_us) || (b->update && c->burst_us.set))
		cg_set_uint(b, at, "cpu.cfs_burst_us", c->burst_us.v);
}

/* [2, 262144] → [1, 10000], the conversion that runc and crun made common. */
static uint64_t weight_of_shares(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static int cpu_v2(struct cg_build *b, const struct cg_place *at, const struct oci_cpu *c,
		  struct err *e)
{
	char text[64];

	if (given_u(c->realtime_period_us) || given(c->realtime_runtime_us))
		return not_on_v2("cpu.realtimeRuntime", e);
	cpu_share_and_idle(b, at, c, "cpu.weight", weight_of_shares(c->shares.v));
	/* A burst may not be above the quota, neither the old nor the new one. */
	if (b->update && c->burst_us.set)
		cg_try_int(b, at, "cpu.max.burst", (int64_t)c->burst_us.v);
	if (given(c->quota_us) || given_u(c->period_us)) {
		uint64_t period = given_u(c->period_us) ? c->period_us.v : 100000;

		if (given(c->quota_us) && c->quota_us.v > 0)
			(void)snprintf(text, sizeof(text), "%lld %llu", (long long)c->quota_us.v,
				       (unsigned long long)period);
		else
			(void)snprintf(text, sizeof(text), "max %llu", (unsigned long long)period);
		cg_set(b, at, CG_MUST, "cpu.max", text);
	}
	if (given_u(c->burst_us) || (b->update && c->burst_us.set))
		cg_set_uint(b, at, "cpu.max.burst", c->burst_us.v);
	return 0;
}

int cg_plan_cpu(struct cg_build *b, const struct oci_cpu *c, struct err *e)
{
	bool cpus = c->cpus && c->cpus[0], mems = c->mems && c->mems[0];
	struct cg_place *at;
	int r;

	if (given_u(c->shares) || given(c->quota_us) || given_u(c->period_us) ||
	    given_u(c->realtime_period_us) || given(c->realtime_runtime_us) || given(c->idle) ||
	    given_u(c->burst_us) || (b->update && (c->idle.set || c->burst_us.set))) {
		r = cg_need(b, "cpu", "cpu", &at, e);
		if (r < 0)
			return r;
		if (!at->h->v2)
			cpu_v1(b, at, c);
		else
			r = cpu_v2(b, at, c, e);
		if (r < 0)
			return r;
	}
	if (!cpus && !mems)
		return 0;
	r = cg_need(b, "cpuset", cpus ? "cpu.cpus" : "cpu.mems", &at, e);
	if (r < 0)
		return r;
	if (cpus)
		cg_set(b, at, CG_MUST, "cpuset.cpus", c->cpus);
	if (mems)
		cg_set(b, at, CG_MUST, "cpuset.mems", c->mems);
	return 0;
}

static int plan_pids(struct cg_build *b, struct err *e)
{
	struct cg_place *at;
	int r;

	if (!given(b->res->pids_limit))
		return 0;
	r = cg_need(b, "pids", "pids.limit", &at, e);
	if (r < 0)
		return r;
	if (b->res->pids_limit.v < 0)
		cg_set(b, at, CG_MUST, "pids.max", "max");
	else
		cg_set_int(b, at, "pids.max", b->res->pids_limit.v);
	return 0;
}

/* "2MB": it becomes part of a file name. */
static bool is_page_size(const char *s)
{
	size_t digits = s ? strspn(s, "0123456789") : 0;

	return digits > 0 && digits < 10 && strchr("KMG", s[digits]) && s[digits] &&
	       str_eq(s + digits + 1, "B");
}

static int plan_hugetlb(struct cg_build *b, struct err *e)
{
	struct cg_place *at;
	char file[64], value[32];
	int r;

	for (size_t i = 0; i < b->res->hugepage_limits_count; i++) {
		const struct oci_hugepage_limit *l = &b->res->hugepage_limits[i];

		if (!is_page_size(l->page_size))
			return err_set(e, EINVAL,
				       "linux.resources.hugepageLimits[%zu].pageSize \"%s\": "
				       "must be like \"2MB\"",
				       i, l->page_size ? l->page_size : "");
		r = cg_need(b, "hugetlb", "hugepageLimits", &at, e);
		if (r < 0)
			return r;
		(void)snprintf(value, sizeof(value), "%llu", (unsigned long long)l->limit);
		(void)snprintf(file, sizeof(file), "hugetlb.%s.%s", l->page_size,
			       at->h->v2 ? "max" : "limit_in_bytes");
		cg_set(b, at, CG_MUST, file, value);
		/* Reservations count since 5.7; without, a fault beyond the limit is a SIGBUS. */
		(void)snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", l->page_size,
			       at->h->v2 ? "max" : "limit_in_bytes");
		cg_set(b, at, CG_MAY_LACK, file, value);
	}
	return 0;
}

static int plan_network(struct cg_build *b, const struct oci_network *n, struct err *e)
{
	AUTO_BUF struct buf lines = { 0 };
	struct cg_place *at;
	int r;

	if (n->class_id.set && n->class_id.v != 0) {
		r = cg_need(b, "net_cls", "network.classID", &at, e);
		if (r < 0)
			return r;
		cg_set_uint(b, at, "net_cls.classid", n->class_id.v);
	}
	if (n->priorities_count == 0)
		return 0;
	r = cg_need(b, "net_prio", "network.priorities", &at, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n->priorities_count; i++) {
		const char *name = n->priorities[i].name;

		if (!name || !name[0] || strpbrk(name, " \n|"))
			return err_set(e, EINVAL,
				       "linux.resources.network.priorities[%zu].name \"%s\": "
				       "not an interface name",
				       i, name ? name : "");
		buf_printf(&lines, "%s%s %u", i ? "\n" : "", name, n->priorities[i].priority);
	}
	if (lines.failed)
		return err_oom(e);
	cg_set(b, at, CG_MUST, "net_prio.ifpriomap", lines.data);
	return 0;
}

static int plan_rdma(struct cg_build *b, struct err *e)
{
	for (size_t i = 0; i < b->res->rdma_count; i++) {
		const struct oci_rdma *d = &b->res->rdma[i];
		struct cg_place *at;
		char text[256];
		size_t n;
		int r = cg_need(b, "rdma", "rdma", &at, e);

		if (r < 0)
			return r;
		if (!d->device || !d->device[0] || strpbrk(d->device, " \n") ||
		    strlen(d->device) > 64)
			return err_set(e, EINVAL,
				       "linux.resources.rdma \"%.64s\": not a device name",
				       d->device ? d->device : "");
		n = (size_t)snprintf(text, sizeof(text), "%s", d->device);
		if (d->hca_handles.set)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " hca_handle=%u",
					      d->hca_handles.v);
		if (d->hca_objects.set)
			(void)snprintf(text + n, sizeof(text) - n, " hca_object=%u",
				       d->hca_objects.v);
		cg_set(b, at, CG_MUST, "rdma.max", text);
	}
	return 0;
}

/* A plain file name of v2: "memory.high". Moving processes about is no limit. */
static bool is_unified_name(const char *s)
{
	if (!s || !isalpha((unsigned char)s[0]) || !strchr(s, '.') || strlen(s) > 128)
		return false;
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return false;
	return !str_eq(s, "cgroup.procs") && !str_eq(s, "cgroup.threads");
}

static struct cg_place *v2_place(struct cg_build *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->places[i].h->v2)
			return &b->places[i];
	return NULL;
}

static int plan_unified(struct cg_build *b, struct err *e)
{
	struct cg_place *at = v2_place(b);

	for (size_t i = 0; i < b->res->unified_count; i++) {
		const struct oci_pair *u = &b->res->unified[i];

		if (!is_unified_name(u->key))
			return err_set(
				e, EINVAL,
				"linux.resources.unified: \"%s\" is no cgroup v2 control file",
				u->key);
		if (!at)
			return err_set(
				e, EOPNOTSUPP,
				"linux.resources.unified[\"%s\"]: this host has no cgroup v2",
				u->key);
		at->asked = true;
		cg_set(b, at, CG_MUST, u->key, u->value);
	}
	return 0;
}

int cg_plan_limits(struct cg_build *b, struct err *e)
{
	const struct oci_resources *res = b->res;
	int r = 0;

	if (!res)
		return 0;
	if (res->memory)
		r = cg_plan_memory(b, res->memory, e);
	if (r == 0 && res->cpu)
		r = cg_plan_cpu(b, res->cpu, e);
	if (r == 0)
		r = plan_pids(b, e);
	if (r == 0 && res->block_io)
		r = cg_plan_block_io(b, res->block_io, e);
	if (r == 0)
		r = plan_hugetlb(b, e);
	if (r == 0 && res->network)
		r = plan_network(b, res->network, e);
	if (r == 0)
		r = plan_rdma(b, e);
	/* Last, so that it has the last word. */
	if (r == 0)
		r = plan_unified(b, e);
	return r;
}
