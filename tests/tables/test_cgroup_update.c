/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "mech/cgroup/cgroup.h"

/* Changes of limits in, writes in order out: "file=value", "?" for one that may come too early. */

#define S(text) ((char *)(uintptr_t)(text))

static char *const v1_dirs[] = { S("/sys/fs/cgroup/memory/c"), S("/sys/fs/cgroup/cpu,cpuacct/c"),
				 S("/sys/fs/cgroup/pids/c"), NULL };
static char *const v2_dirs[] = { S("/sys/fs/cgroup/c.scope"), NULL };

static struct cgroup_hierarchy v1[] = {
	{ S("/sys/fs/cgroup/memory"), S("memory"), S("/"), S("/"), NULL, false },
	{ S("/sys/fs/cgroup/cpu,cpuacct"), S("cpu,cpuacct"), S("/"), S("/"), NULL, false },
	{ S("/sys/fs/cgroup/pids"), S("pids"), S("/"), S("/"), NULL, false },
};
static struct cgroup_hierarchy v2[] = {
	{ S("/sys/fs/cgroup"), S(""), S("/"), S("/"), S("cpu memory pids io rdma"), true },
};

static int writes(const struct oci_resources *res, bool two, struct buf *out, struct err *e)
{
	struct host_facts h = { .cgroups = { .layout = two ? CGROUP_V2 : CGROUP_V1,
					     .hierarchies = two ? v2 : v1,
					     .count = two ? ARRAY_LEN(v2) : ARRAY_LEN(v1) } };
	AUTO_PLAN struct plan p;
	struct plan_view v;
	int r;

	plan_init(&p);
	r = cg_plan_update(res, &h, two ? v2_dirs : v1_dirs,
			   two ? ARRAY_LEN(v2_dirs) - 1 : ARRAY_LEN(v1_dirs) - 1, &p, e);
	if (r < 0)
		return r;
	assert_int_equal(plan_view_half(&p.host, NULL, 0, &v, e), 0);
	for (uint32_t i = 0; i < v.nsteps; i++) {
		const struct step *s = &v.steps[i];

		assert_int_equal(s->phase, PHASE_HOST);
		assert_true(s->kind == STEP_CGROUP_SET || s->kind == STEP_CGROUP_CHECK);
		buf_printf(out, "%s%s%s%s%s", out->len ? " " : "", view_str(&v, s->u.cgroup.file),
			   s->kind == STEP_CGROUP_CHECK ? "<" : "=",
			   view_str(&v, s->u.cgroup.value),
			   s->u.cgroup.optional == CG_TRY ? "?" : "");
	}
	return 0;
}

static void limits_grow_and_shrink_in_one_order(void **state)
{
	struct oci_memory both = { .limit = { true, 100 }, .swap = { true, 200 } };
	struct oci_memory limit = { .limit = { true, 100 } }, swap = { .swap = { true, 200 } };
	struct oci_memory open = { .limit = { true, -1 } };
	struct oci_memory half = { .limit = { true, 100 }, .swap = { true, -1 } };
	struct oci_memory check = { .limit = { true, 100 },
				    .swap = { true, 200 },
				    .check_before_update = { true, true } };
	struct oci_cpu cpu = { .period_us = { true, 1000 },
			       .quota_us = { true, 500 },
			       .burst_us = { true, 100 } };
	struct oci_cpu quota = { .quota_us = { true, 500 } }, burst = { .burst_us = { true, 0 } };
	struct oci_cpu rt = { .realtime_period_us = { true, 9 },
			      .realtime_runtime_us = { true, 5 } };
	struct oci_cpu idle = { .idle = { true, 1 }, .shares = { true, 1024 } };
	struct oci_cpu busy = { .idle = { true, 0 }, .shares = { true, 1024 } };
	struct oci_rdma rdma[] = {
		{ S("mlx5_0"), { true, 2 }, { true, 2000 } },
		{ S("x"), { false, 0 }, { true, 0 } },
	};
	const struct {
		struct oci_resources res;
		const char *one, *two;
	} rows[] = {
		{ { .memory = &both },
		  "memory.limit_in_bytes=100? memory.memsw.limit_in_bytes=200 memory.limit_in_bytes=100",
		  "memory.swap.max=100 memory.max=100" },
		{ { .memory = &limit }, "memory.limit_in_bytes=100", "memory.max=100" },
		{ { .memory = &swap }, "memory.memsw.limit_in_bytes=200", NULL },
		{ { .memory = &open },
		  "memory.memsw.limit_in_bytes=-1 memory.limit_in_bytes=-1",
		  "memory.swap.max=max memory.max=max" },
		{ { .memory = &half },
		  "memory.memsw.limit_in_bytes=-1 memory.limit_in_bytes=100",
		  "memory.swap.max=max memory.max=100" },
		/* On v1 the kernel refuses by itself. */
		{ { .memory = &check },
		  "memory.limit_in_bytes=100? memory.memsw.limit_in_bytes=200 memory.limit_in_bytes=100",
		  "memory.current<200 memory.current<100 memory.swap.max=100 memory.max=100" },
		{ { .cpu = &cpu },
		  "cpu.cfs_burst_us=100? cpu.cfs_period_us=1000? cpu.cfs_quota_us=500 "
		  "cpu.cfs_period_us=1000 cpu.cfs_burst_us=100",
		  "cpu.max.burst=100? cpu.max=500 1000 cpu.max.burst=100" },
		{ { .cpu = &quota }, "cpu.cfs_quota_us=500", "cpu.max=500 100000" },
		{ { .cpu = &burst },
		  "cpu.cfs_burst_us=0? cpu.cfs_burst_us=0",
		  "cpu.max.burst=0? cpu.max.burst=0" },
		{ { .cpu = &rt },
		  "cpu.rt_period_us=9? cpu.rt_runtime_us=5 cpu.rt_period_us=9",
		  NULL },
		{ { .cpu = &idle }, "cpu.shares=1024? cpu.idle=1", "cpu.weight=39? cpu.idle=1" },
		{ { .cpu = &busy }, "cpu.idle=0 cpu.shares=1024", "cpu.idle=0 cpu.weight=39" },
		{ { .pids_limit = { true, 7 } }, "pids.max=7", "pids.max=7" },
		{ { .rdma = rdma, .rdma_count = 2 },
		  NULL,
		  "rdma.max=mlx5_0 hca_handle=2 hca_object=2000 rdma.max=x hca_object=0" },
		{ { .pids_limit = { false, 0 } }, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (unsigned int two = 0; two < 2; two++) {
			const char *want = two ? rows[i].two : rows[i].one;
			AUTO_BUF struct buf out = { 0 };
			struct err e = { 0 };
			int r = writes(&rows[i].res, two, &out, &e);

			if (want)
				assert_string_equal(r < 0 ? e.msg : out.data ? out.data : "", want);
			else
				assert_true(r < 0);
		}
	}
}

static void a_container_without_that_cgroup_can_not_be_limited(void **state)
{
	struct oci_memory m = { .limit = { true, 100 } };
	struct oci_resources res = { .memory = &m };
	struct host_facts h = {
		.cgroups = { .layout = CGROUP_V1, .hierarchies = v1, .count = ARRAY_LEN(v1) }
	};
	AUTO_PLAN struct plan p;
	struct err e;

	(void)state;
	plan_init(&p);
	assert_int_equal(cg_plan_update(&res, &h, v1_dirs + 1, 2, &p, &e), -EOPNOTSUPP);
	assert_int_equal(cg_plan_update(&res, &h, NULL, 0, &p, &e), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_grow_and_shrink_in_one_order),
		cmocka_unit_test(a_container_without_that_cgroup_can_not_be_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
