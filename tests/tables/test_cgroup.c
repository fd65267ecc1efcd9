/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_fixture.h"

/* Specs and hand-made hosts in, control file values out. */

static void fresh(struct fixture *f, enum cgroup_layout layout)
{
	static char v1_mem[] = "/sys/fs/cgroup/memory", v1_cpu[] = "/sys/fs/cgroup/cpu,cpuacct";
	static char v1_set[] = "/sys/fs/cgroup/cpuset", v1_dev[] = "/sys/fs/cgroup/devices";
	static char v1_pids[] = "/sys/fs/cgroup/pids", v1_io[] = "/sys/fs/cgroup/blkio";
	static char uni[] = "/sys/fs/cgroup/unified", v2[] = "/sys/fs/cgroup", root[] = "/";
	static char own[] = "/user/me", slice[] = "/user.slice/a.scope", huge[] = "hugetlb";
	static char all[] = "cpuset cpu io memory hugetlb pids rdma";
	static char memory[] = "memory", cpu[] = "cpu,cpuacct", set[] = "cpuset", dev[] = "devices";
	static char pids[] = "pids", blkio[] = "blkio", none[] = "";

	fixture_init(f, layout);
	if (layout == CGROUP_V2) {
		hierarchy(f, v2, none, slice, all);
	} else {
		hierarchy(f, v1_mem, memory, own, NULL);
		hierarchy(f, v1_cpu, cpu, root, NULL);
		hierarchy(f, v1_set, set, root, NULL);
		hierarchy(f, v1_dev, dev, root, NULL);
		hierarchy(f, v1_pids, pids, root, NULL);
		hierarchy(f, v1_io, blkio, root, NULL);
	}
	if (layout == CGROUP_HYBRID)
		hierarchy(f, uni, none, root, huge);
}

/* Value of the first SET of "dir/file" (or of the file alone); NULL: there is none. */
static const char *value_of(const struct fixture *f, const char *path)
{
	for (uint32_t i = 0; i < f->view.nsteps; i++) {
		const struct step *s = &f->view.steps[i];
		const char *file = view_str(&f->view, s->u.cgroup.file);
		char full[512];

		if (s->kind != STEP_CGROUP_SET)
			continue;
		(void)snprintf(full, sizeof(full), "%s/%s", view_str(&f->view, s->u.cgroup.dir),
			       file);
		if (str_eq(file, path) || str_eq(full, path))
			return view_str(&f->view, s->u.cgroup.value);
	}
	return NULL;
}

static uint32_t count_kind(const struct fixture *f, enum step_kind kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->view.nsteps; i++)
		n += f->view.steps[i].kind == kind;
	return n;
}

static const struct step *step_of(const struct fixture *f, enum step_kind kind, const char *dir)
{
	for (uint32_t i = 0; i < f->view.nsteps; i++)
		if (f->view.steps[i].kind == kind &&
		    str_eq(view_str(&f->view, f->view.steps[i].u.cgroup.dir), dir))
			return &f->view.steps[i];
	return NULL;
}

static void relative_and_absent_paths_go_below_our_own_cgroup(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V1);
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(f.ret.dirs[0], "/sys/fs/cgroup/memory/user/me/box1");
	assert_string_equal(f.ret.dirs[1], "/sys/fs/cgroup/cpu,cpuacct/box1");
	assert_int_equal(f.ret.dirs_count, 6);
	assert_int_equal(count_kind(&f, STEP_CGROUP_MAKE), 6);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(step_of(&f, STEP_CGROUP_MAKE, f.ret.dirs[i])->u.cgroup.slot, i);
	done(&f);
	fresh(&f, CGROUP_V1);
	f.lin.cgroups_path = S("pods//./x/");
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(f.ret.dirs[0], "/sys/fs/cgroup/memory/user/me/pods/x");
	done(&f);
}

static void absolute_path_starts_at_the_mount(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V1);
	f.lin.cgroups_path = S("/pods/x");
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(f.ret.dirs[0], "/sys/fs/cgroup/memory/pods/x");
	done(&f);
}

static void v2_goes_beside_our_own_cgroup(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V2);
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(f.ret.dirs[0], "/sys/fs/cgroup/user.slice/box1");
	assert_int_equal(f.ret.slot, 0);
	assert_int_equal(step_of(&f, STEP_CGROUP_MAKE, f.ret.dirs[0])->u.cgroup.slot, 0);
	assert_int_equal(count_kind(&f, STEP_CGROUP_DEVICES), 1);
	assert_int_equal(f.ret.views_count, 1);
	assert_string_equal(f.ret.views[0].name, "");
	done(&f);
}

static void refuses_dot_dot_and_the_root(void **state)
{
	static char bad[][16] = { "../x", "/a/../../b", "/", ".", "a/.." };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		fresh(&f, CGROUP_V1);
		f.lin.cgroups_path = bad[i];
		assert_int_equal(plan_it(&f), -EINVAL);
		assert_non_null(strstr(f.e.msg, "linux.cgroupsPath"));
		done(&f);
	}
}

static void writes_nothing_that_was_not_asked_for(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V2);
	f.res.memory = &f.mem;
	f.res.cpu = &f.cpu;
	f.res.block_io = &f.io;
	assert_int_equal(plan_it(&f), 0);
	assert_int_equal(count_kind(&f, STEP_CGROUP_SET), 0);
	done(&f);
}

static void memory_v1(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_HYBRID);
	f.res.memory = &f.mem;
	f.mem.limit = (struct opt_i64){ true, 64 << 20 };
	f.mem.swap = (struct opt_i64){ true, 128 << 20 };
	f.mem.reservation = (struct opt_i64){ true, 32 << 20 };
	f.mem.swappiness = (struct opt_u64){ true, 0 };
	f.mem.disable_oom_killer = (struct opt_bool){ true, true };
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "memory.limit_in_bytes"), "67108864");
	assert_string_equal(value_of(&f, "memory.memsw.limit_in_bytes"), "134217728");
	assert_string_equal(value_of(&f, "memory.soft_limit_in_bytes"), "33554432");
	assert_string_equal(value_of(&f, "memory.swappiness"), "0");
	assert_string_equal(value_of(&f, "memory.oom_control"), "1");
	assert_string_equal(f.ret.dirs[6], "/sys/fs/cgroup/unified/box1");
	done(&f);
}

static void memory_v2_swap_is_the_difference(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V2);
	f.res.memory = &f.mem;
	f.mem.limit = (struct opt_i64){ true, 100 };
	f.mem.swap = (struct opt_i64){ true, 150 };
	f.mem.reservation = (struct opt_i64){ true, 50 };
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "memory.max"), "100");
	assert_string_equal(value_of(&f, "memory.swap.max"), "50");
	assert_string_equal(value_of(&f, "memory.low"), "50");
	done(&f);
	fresh(&f, CGROUP_V2);
	f.res.memory = &f.mem;
	f.mem.limit = (struct opt_i64){ true, -1 };
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "memory.max"), "max");
	assert_string_equal(value_of(&f, "memory.swap.max"), "max");
	done(&f);
}

static void swap_needs_a_smaller_limit(void **state)
{
	struct fixture f;

	(void)state;
	for (int i = 0; i < 2; i++) {
		fresh(&f, i ? CGROUP_V1 : CGROUP_V2);
		f.res.memory = &f.mem;
		f.mem.swap = (struct opt_i64){ true, 150 };
		assert_int_equal(plan_it(&f), -EINVAL);
		f.mem.limit = (struct opt_i64){ true, 151 };
		assert_int_equal(plan_it(&f), -EINVAL);
		assert_non_null(strstr(f.e.msg, "linux.resources.memory.swap"));
		done(&f);
	}
}

static void v2_refuses_what_only_v1_has(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V2);
	f.res.memory = &f.mem;
	f.mem.swappiness = (struct opt_u64){ true, 10 };
	assert_int_equal(plan_it(&f), -EOPNOTSUPP);
	done(&f);
	fresh(&f, CGROUP_V2);
	f.res.cpu = &f.cpu;
	f.cpu.realtime_runtime_us = (struct opt_i64){ true, 10 };
	assert_int_equal(plan_it(&f), -EOPNOTSUPP);
	done(&f);
}

static void cpu_values(void **state)
{
	static const struct {
		uint64_t shares;
		const char *weight;
	} rows[] = {
		{ 2, "1" }, { 1024, "39" }, { 262144, "10000" }, { 999999, "10000" }, { 1, "1" }
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fresh(&f, CGROUP_V2);
		f.res.cpu = &f.cpu;
		f.cpu.shares = (struct opt_u64){ true, rows[i].shares };
		assert_int_equal(plan_it(&f), 0);
		assert_string_equal(value_of(&f, "cpu.weight"), rows[i].weight);
		done(&f);
	}
	for (int v2 = 0; v2 < 2; v2++) {
		fresh(&f, v2 ? CGROUP_V2 : CGROUP_V1);
		f.res.cpu = &f.cpu;
		f.cpu.quota_us = (struct opt_i64){ true, 50000 };
		f.cpu.cpus = S("0-1");
		f.cpu.mems = S("0");
		assert_int_equal(plan_it(&f), 0);
		if (v2)
			assert_string_equal(value_of(&f, "cpu.max"), "50000 100000");
		else
			assert_string_equal(value_of(&f, "/sys/fs/cgroup/cpu,cpuacct/box1/"
							 "cpu.cfs_quota_us"),
					    "50000");
		assert_string_equal(value_of(&f, "cpuset.cpus"), "0-1");
		assert_string_equal(value_of(&f, "cpuset.mems"), "0");
		done(&f);
	}
	fresh(&f, CGROUP_V2);
	f.res.cpu = &f.cpu;
	f.cpu.quota_us = (struct opt_i64){ true, -1 };
	f.cpu.period_us = (struct opt_u64){ true, 5000 };
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "cpu.max"), "max 5000");
	done(&f);
}

static void pids_values(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V1);
	f.res.pids_limit = (struct opt_i64){ true, -1 };
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "/sys/fs/cgroup/pids/box1/pids.max"), "max");
	done(&f);
	fresh(&f, CGROUP_V1);
	f.res.pids_limit = (struct opt_i64){ true, 33 };
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "pids.max"), "33");
	done(&f);
}

static void io_values(void **state)
{
	struct oci_throttle_device t = { 8, 16, 1000 };
	struct oci_weight_device w = { 8, 0, { true, 500 }, { false, 0 } };
	struct fixture f;

	(void)state;
	for (int v2 = 0; v2 < 2; v2++) {
		fresh(&f, v2 ? CGROUP_V2 : CGROUP_V1);
		f.res.block_io = &f.io;
		f.io.weight = (struct opt_u32){ true, 100 };
		f.io.weight_devices = &w;
		f.io.weight_devices_count = 1;
		f.io.throttle[OCI_THROTTLE_WRITE_BPS] = (struct oci_throttle_list){ &t, 1 };
		assert_int_equal(plan_it(&f), 0);
		if (v2) {
			assert_string_equal(value_of(&f, "io.bfq.weight|io.weight"), "100|910");
			assert_string_equal(value_of(&f, "io.max"), "8:16 wbps=1000");
		} else {
			assert_string_equal(value_of(&f, "blkio.weight|blkio.bfq.weight"),
					    "100|100");
			assert_string_equal(value_of(&f,
						     "blkio.weight_device|blkio.bfq.weight_device"),
					    "8:0 500|8:0 500");
			assert_string_equal(value_of(&f, "blkio.throttle.write_bps_device"),
					    "8:16 1000");
		}
		done(&f);
	}
}

static void hugetlb_of_a_hybrid_host_is_on_v2(void **state)
{
	struct oci_hugepage_limit l = { S("2MB"), 4 << 20 }, bad = { S("../x"), 1 };
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_HYBRID);
	f.res.hugepage_limits = &l;
	f.res.hugepage_limits_count = 1;
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "/sys/fs/cgroup/unified/box1/hugetlb.2MB.max"), "4194304");
	done(&f);
	fresh(&f, CGROUP_HYBRID);
	f.res.hugepage_limits = &bad;
	f.res.hugepage_limits_count = 1;
	assert_int_equal(plan_it(&f), -EINVAL);
	done(&f);
	fresh(&f, CGROUP_V1);
	f.res.hugepage_limits = &l;
	f.res.hugepage_limits_count = 1;
	assert_int_equal(plan_it(&f), -EOPNOTSUPP);
	done(&f);
}

static void unified_names_are_plain_files(void **state)
{
	static char bad[][24] = { "a/b.c", "../memory.max", "cgroup.procs", "nodot", "" };
	struct oci_pair u = { S("memory.high"), S("1000") };
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V2);
	f.res.unified = &u;
	f.res.unified_count = 1;
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "memory.high"), "1000");
	done(&f);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		u.key = bad[i];
		fresh(&f, CGROUP_V2);
		f.res.unified = &u;
		f.res.unified_count = 1;
		assert_int_equal(plan_it(&f), -EINVAL);
		done(&f);
	}
	u.key = S("memory.high");
	fresh(&f, CGROUP_V1);
	f.res.unified = &u;
	f.res.unified_count = 1;
	assert_int_equal(plan_it(&f), -EOPNOTSUPP);
	done(&f);
}

static void optional_covers_only_what_nobody_asked_for(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V1);
	f.o.optional = true;
	f.res.pids_limit = (struct opt_i64){ true, 10 };
	assert_int_equal(plan_it(&f), 0);
	assert_int_equal(step_of(&f, STEP_CGROUP_MAKE, f.ret.dirs[0])->u.cgroup.optional,
			 CG_MAY_FAIL);
	assert_int_equal(step_of(&f, STEP_CGROUP_MAKE, f.ret.dirs[4])->u.cgroup.optional, CG_MUST);
	assert_int_equal(step_of(&f, STEP_CGROUP_MAKE, f.ret.dirs[3])->u.cgroup.optional,
			 CG_MAY_FAIL);
	done(&f);
}

static void a_limit_without_controller_is_an_error_even_when_optional(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_NONE);
	f.host.cgroups.count = 0;
	f.o.optional = true;
	assert_int_equal(plan_it(&f), 0);
	assert_int_equal(f.view.nsteps, 0);
	f.res.pids_limit = (struct opt_i64){ true, 10 };
	assert_int_equal(plan_it(&f), -EOPNOTSUPP);
	assert_string_equal(f.e.msg, "linux.resources.pids.limit: this host has no cgroup "
				     "controller \"pids\"");
	done(&f);
}

static void views_name_mounts_and_their_links(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_HYBRID);
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(f.ret.views[1].name, "cpu,cpuacct");
	assert_string_equal(f.ret.views[1].symlink, "cpu,cpuacct");
	assert_string_equal(f.ret.views[1].source, "/sys/fs/cgroup/cpu,cpuacct/box1");
	assert_null(f.ret.views[0].symlink);
	assert_true(f.ret.views[6].v2);
	assert_string_equal(f.ret.views[6].name, "unified");
	done(&f);
}

static void devices_v1_start_from_deny_all(void **state)
{
	struct oci_device_rule rules[] = {
		{ .allow = false },
		{ .allow = true,
		  .type = OCI_DEVICE_CHAR,
		  .major = { true, 10 },
		  .minor = { true, 229 },
		  .access = S("rw") },
	};
	struct fixture f;

	(void)state;
	fresh(&f, CGROUP_V1);
	f.res.devices = rules;
	f.res.devices_count = 2;
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "devices.deny"), "a");
	assert_true(str_starts(value_of(&f, "devices.allow"),
			       "c 10:229 rw\nc *:* m\nb *:* m\nc 1:3 rwm\n"));
	done(&f);
	/* All but one: v1 can say that. All of a kind but one: it can't. */
	rules[0].allow = true;
	rules[1].allow = false;
	fresh(&f, CGROUP_V1);
	f.res.devices = rules;
	f.res.devices_count = 2;
	assert_int_equal(plan_it(&f), 0);
	done(&f);
	/* A wide deny takes the narrow rules before it away, one by one. */
	rules[0] = (struct oci_device_rule){ .allow = true,
					     .type = OCI_DEVICE_CHAR,
					     .major = { true, 10 },
					     .minor = { true, 200 } };
	rules[1].minor = (struct opt_i64){ false, 0 };
	fresh(&f, CGROUP_V1);
	f.res.devices = rules;
	f.res.devices_count = 2;
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(value_of(&f, "devices.allow"), "c 10:200 rwm");
	done(&f);
	rules[0] = (struct oci_device_rule){ .allow = true, .type = OCI_DEVICE_CHAR };
	rules[1].minor = (struct opt_i64){ true, 229 };
	fresh(&f, CGROUP_V1);
	f.res.devices = rules;
	f.res.devices_count = 2;
	assert_int_equal(plan_it(&f), -EOPNOTSUPP);
	assert_true(str_starts(f.e.msg, "linux.resources.devices[1]"));
	done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relative_and_absent_paths_go_below_our_own_cgroup),
		cmocka_unit_test(absolute_path_starts_at_the_mount),
		cmocka_unit_test(v2_goes_beside_our_own_cgroup),
		cmocka_unit_test(refuses_dot_dot_and_the_root),
		cmocka_unit_test(writes_nothing_that_was_not_asked_for),
		cmocka_unit_test(memory_v1),
		cmocka_unit_test(memory_v2_swap_is_the_difference),
		cmocka_unit_test(swap_needs_a_smaller_limit),
		cmocka_unit_test(v2_refuses_what_only_v1_has),
		cmocka_unit_test(cpu_values),
		cmocka_unit_test(pids_values),
		cmocka_unit_test(io_values),
		cmocka_unit_test(hugetlb_of_a_hybrid_host_is_on_v2),
		cmocka_unit_test(unified_names_are_plain_files),
		cmocka_unit_test(optional_covers_only_what_nobody_asked_for),
		cmocka_unit_test(a_limit_without_controller_is_an_error_even_when_optional),
		cmocka_unit_test(views_name_mounts_and_their_links),
		cmocka_unit_test(devices_v1_start_from_deny_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
