/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_fixture.h"

#include "mech/cgroup/cgroup_internal.h"

/* A container as a unit of systemd: names, places and properties, without a systemd. */

static void fresh(struct fixture *f, const char *cgroups_path)
{
	static char mount[] = "/sys/fs/cgroup", none[] = "", own[] = "/user.slice/a.scope";
	static char all[] = "cpuset cpu io memory pids";

	fixture_init(f, CGROUP_V2);
	f->lin.cgroups_path = (char *)cgroups_path;
	hierarchy(f, mount, none, own, all);
	f->host.initial_userns = true;
	f->host.admin = true;
	f->o.manager = CG_SYSTEMD;
}

static const struct step *start_step(const struct fixture *f)
{
	for (uint32_t i = 0; i < f->view.nsteps; i++)
		if (f->view.steps[i].kind == STEP_SCOPE_START)
			return &f->view.steps[i];
	return NULL;
}

static const char *properties(const struct fixture *f)
{
	const struct step *s = start_step(f);

	assert_non_null(s);
	return view_str(&f->view, s->u.scope.properties);
}

static void names_follow_the_three_parts_of_the_path(void **state)
{
	static const struct {
		const char *path, *unit, *dir;
	} rows[] = {
		{ NULL, "cay-box1.scope", "/sys/fs/cgroup/system.slice/cay-box1.scope" },
		{ "", "cay-box1.scope", "/sys/fs/cgroup/system.slice/cay-box1.scope" },
		{ ":cri:abc", "cri-abc.scope", "/sys/fs/cgroup/system.slice/cri-abc.scope" },
		{ "user.slice::abc", "abc.scope", "/sys/fs/cgroup/user.slice/abc.scope" },
		{ "-.slice:a:b", "a-b.scope", "/sys/fs/cgroup/a-b.scope" },
		{ "kube-pod-1.slice:cri:x", "cri-x.scope",
		  "/sys/fs/cgroup/kube.slice/kube-pod.slice/kube-pod-1.slice/cri-x.scope" },
		{ "a.slice:p:a-b.slice", "a-b.slice", "/sys/fs/cgroup/a.slice/a-b.slice" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture f;

		fresh(&f, rows[i].path);
		assert_int_equal(plan_it(&f), 0);
		assert_string_equal(f.ret.unit, rows[i].unit);
		assert_string_equal(f.ret.dirs[0], rows[i].dir);
		assert_string_equal(view_str(&f.view, start_step(&f)->u.scope.path),
				    rows[i].dir + strlen("/sys/fs/cgroup"));
		assert_int_equal(f.ret.slot, SLOT_NONE);
		done(&f);
	}
}

static void refuses_paths_that_name_no_unit(void **state)
{
	static const char *const rows[] = {
		"/a/b",		"a:b",		"a:b:c:d",	  "a:b:c",	   "a--b.slice:p:c",
		"-a.slice:p:c", "a-.slice:p:c", "../a.slice:p:c", "a.slice:p/q:c", "a.slice:p:c d",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture f;

		fresh(&f, rows[i]);
		assert_int_equal(plan_it(&f), -EINVAL);
		assert_true(str_starts(f.e.msg, "linux.cgroupsPath \""));
		done(&f);
	}
}

static void rootless_units_live_below_the_users_service_manager(void **state)
{
	static char own[] = "/user.slice/user-7.slice/user@7.service/app.slice/a.scope";
	struct fixture f;

	(void)state;
	fresh(&f, NULL);
	f.host.euid = f.host.outer_uid = 1000;
	assert_int_equal(plan_it(&f), 0);
	assert_true(f.ret.unit_user);
	assert_string_equal(f.ret.dirs[0], "/sys/fs/cgroup/user.slice/user-1000.slice/"
					   "user@1000.service/user.slice/cay-box1.scope");
	done(&f);
	/* Root of a user namespace is a user, too; where we stand is surer than what is usual. */
	fresh(&f, "app.slice:p:n");
	f.host.initial_userns = false;
	f.h[0].own = own;
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(f.ret.dirs[0], "/sys/fs/cgroup/user.slice/user-7.slice/"
					   "user@7.service/app.slice/p-n.scope");
	done(&f);
}

static void everything_happens_around_the_waiting_islander(void **state)
{
	struct fixture f;
	bool scope = false;

	(void)state;
	fresh(&f, NULL);
	f.res.pids_limit = (struct opt_i64){ true, 7 };
	assert_int_equal(plan_it(&f), 0);
	for (uint32_t i = 0; i < f.view.nsteps; i++) {
		const struct step *s = &f.view.steps[i];

		assert_int_equal(s->phase, PHASE_PLACE);
		scope |= s->kind == STEP_SCOPE_START;
		assert_true(scope); /* nothing can be written before there is a cgroup */
		assert_int_not_equal(s->kind, STEP_CGROUP_MAKE);
	}
	done(&f);
}

static void a_quota_of_v1_comes_from_two_files(void **state)
{
	static const struct {
		const char *first, *first_value, *second, *second_value, *want;
		uint64_t now;
	} rows[] = {
		{ "cpu.cfs_period_us", "50000", "cpu.cfs_quota_us", "25000",
		  "CPUQuotaPerSecUSec t 500000\nCPUQuotaPeriodUSec t 50000\n", 0 },
		/* An update writes the quota first when it shrinks; or the quota alone. */
		{ "cpu.cfs_quota_us", "25000", "cpu.cfs_period_us", "50000",
		  "CPUQuotaPerSecUSec t 500000\nCPUQuotaPeriodUSec t 50000\n", 100000 },
		{ "cpu.cfs_quota_us", "25000", "cpu.shares", "77",
		  "CPUShares t 77\nCPUQuotaPerSecUSec t 500000\nCPUQuotaPeriodUSec t 50000\n",
		  50000 },
		{ "cpu.cfs_quota_us", "-1", "cpu.shares", "77",
		  "CPUShares t 77\nCPUQuotaPerSecUSec t 18446744073709551615\n", 0 },
		{ "cpu.cfs_period_us", "50000", "cpu.shares", "77", "CPUShares t 77\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf out = { 0 };
		struct cg_quota q = { .period_us = rows[i].now };

		cg_property_of_file(rows[i].first, false, rows[i].first_value, &q, &out);
		cg_property_of_file(rows[i].second, false, rows[i].second_value, &q, &out);
		cg_property_of_quota(&q, &out);
		assert_string_equal(out.data, rows[i].want);
	}
}

static void systemd_learns_each_limit_that_is_written(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, NULL);
	f.res.memory = &f.mem;
	f.res.cpu = &f.cpu;
	f.mem.limit = (struct opt_i64){ true, 1 << 20 };
	f.mem.swap = (struct opt_i64){ true, 3 << 20 };
	f.mem.reservation = (struct opt_i64){ true, 4096 };
	f.cpu.quota_us = (struct opt_i64){ true, 33333 };
	f.cpu.period_us = (struct opt_u64){ true, 50000 };
	f.cpu.shares = (struct opt_u64){ true, 1024 };
	f.cpu.cpus = S("0-3,9");
	f.cpu.mems = S("0");
	f.res.pids_limit = (struct opt_i64){ true, -1 };
	f.pairs[0] = (struct oci_pair){ S("memory.high"), S("max") };
	f.pairs[1] = (struct oci_pair){ S("memory.oom.group"), S("1") };
	f.res.unified = f.pairs;
	f.res.unified_count = 2;
	assert_int_equal(plan_it(&f), 0);
	assert_string_equal(properties(&f), "Description s cay container box1\n"
					    "Slice s system.slice\n"
					    "Delegate b true\n"
					    "CollectMode s inactive-or-failed\n"
					    "DefaultDependencies b false\n"
					    "MemoryAccounting b true\n"
					    "CPUAccounting b true\n"
					    "TasksAccounting b true\n"
					    "IOAccounting b true\n"
					    "MemorySwapMax t 2097152\n"
					    "MemoryMax t 1048576\n"
					    "MemoryLow t 4096\n"
					    "CPUWeight t 39\n"
					    "AllowedCPUs ay 0f02\n"
					    "AllowedMemoryNodes ay 01\n"
					    "TasksMax t 18446744073709551615\n"
					    "MemoryHigh t 18446744073709551615\n"
					    "CPUQuotaPerSecUSec t 670000\n"
					    "CPUQuotaPeriodUSec t 50000\n");
	done(&f);
}

static void annotations_become_typed_properties(void **state)
{
	static const struct {
		const char *name, *value, *line; /* line NULL: refused */
	} rows[] = {
		{ "CollectMode", "'inactive'", "CollectMode s inactive\n" },
		{ "Description", "\"it's\"", "Description s it's\n" },
		{ "Description", "'a\\'b'", "Description s a'b\n" },
		{ "TimeoutStopUSec", "uint64 123456789", "TimeoutStopUSec t 123456789\n" },
		{ "TimeoutStopSec", "2.5", "TimeoutStopUSec t 2500000\n" },
		{ "TimeoutStopSec", "uint64 3", "TimeoutStopUSec t 3000000\n" },
		{ "SendSIGHUP", "true", "SendSIGHUP b true\n" },
		{ "OOMScoreAdjust", "-7", "OOMScoreAdjust i -7\n" },
		{ "Before", "['a.service', 'b.service']", "Before as a.service\tb.service\n" },
		{ "Before", "@as []", "Before as \n" },
		{ "Some", "[uint64 1]", NULL },
		{ "Some", "byte 255", "Some y 255\n" },
		{ "Some", "byte 256", NULL },
		{ "Some", "int16 -32769", NULL },
		{ "Some", "uint32 -1", NULL },
		{ "Some", "99999999999", NULL },
		{ "Some", "text", NULL },
		{ "Some", "'open", NULL },
		{ "Some", "'a' 'b'", NULL },
		{ "Some", "['a'", NULL },
		{ "Some", "['a', 1]", NULL },
		{ "Some", "[]", NULL },
		{ "Some", "@a{sv} {}", NULL },
		{ "Some", "'a\nb'", NULL },
		{ "Some", "", NULL },
		{ "TimeoutStopSec", "soon", NULL },
		{ "So me", "1", NULL },
		{ "No", "1", NULL },
		{ "", "1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf out = { 0 };
		struct err e = { 0 };
		int r = cg_property_of_annotation(rows[i].name, rows[i].value, &out, &e);

		if (rows[i].line) {
			assert_int_equal(r, 0);
			assert_string_equal(out.data, rows[i].line);
		} else {
			assert_int_equal(r, -EINVAL);
			assert_true(e.msg[0] && !strchr(e.msg, '\n'));
			assert_null(out.data);
		}
	}
}

static void a_bad_annotation_is_named(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, NULL);
	f.pairs[0] = (struct oci_pair){ S("org.systemd.property.Some"), S("text") };
	f.spec.annotations = f.pairs;
	f.spec.annotations_count = 1;
	assert_int_equal(plan_it(&f), -EINVAL);
	assert_true(
		str_starts(f.e.msg, "annotation \"org.systemd.property.Some\": value \"text\""));
	done(&f);
}

static void without_a_manager_there_is_no_cgroup(void **state)
{
	struct fixture f;

	(void)state;
	fresh(&f, "/a/b");
	f.o.manager = CG_DISABLED;
	assert_int_equal(plan_it(&f), 0);
	assert_int_equal(f.view.nsteps, 0);
	assert_int_equal(f.ret.dirs_count, 0);
	assert_int_equal(f.ret.slot, SLOT_NONE);
	done(&f);
	fresh(&f, NULL);
	f.o.manager = CG_DISABLED;
	f.res.pids_limit = (struct opt_i64){ true, 7 };
	assert_int_equal(plan_it(&f), -EOPNOTSUPP);
	assert_string_equal(f.e.msg,
			    "linux.resources.pids: needs a cgroup, but the cgroup manager is "
			    "disabled");
	done(&f);
}

static void a_state_file_can_name_only_scopes_and_slices(void **state)
{
	(void)state;
	assert_true(cg_unit_name_check("a-b.scope"));
	assert_true(cg_unit_name_check("a\\x2db.slice"));
	assert_false(cg_unit_name_check("sshd.service"));
	assert_false(cg_unit_name_check(".scope"));
	assert_false(cg_unit_name_check("a/b.scope"));
	assert_false(cg_unit_name_check("-.mount"));
	assert_false(cg_unit_name_check(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_follow_the_three_parts_of_the_path),
		cmocka_unit_test(refuses_paths_that_name_no_unit),
		cmocka_unit_test(rootless_units_live_below_the_users_service_manager),
		cmocka_unit_test(everything_happens_around_the_waiting_islander),
		cmocka_unit_test(a_quota_of_v1_comes_from_two_files),
		cmocka_unit_test(systemd_learns_each_limit_that_is_written),
		cmocka_unit_test(annotations_become_typed_properties),
		cmocka_unit_test(a_bad_annotation_is_named),
		cmocka_unit_test(without_a_manager_there_is_no_cgroup),
		cmocka_unit_test(a_state_file_can_name_only_scopes_and_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
