/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/parse.h"
#include "mech/cgroup/cgroup.h"

/*
 * Controllers that few kernels still have, as recorded trees: the control files of a v1 hierarchy are
 * ordinary files here, fstatfs tells a cgroup file system, and what is looked at is what was written
 * to which of them. One write follows another, since a file remembers them all.
 */

/* By the name that a program with 64-bit file offsets calls it. */
int __wrap_fstatfs64(int fd, struct statfs *s);
int __wrap_fstatfs64(int fd, struct statfs *s)
{
	(void)fd;
	*s = (struct statfs){ .f_type = CGROUP_SUPER_MAGIC };
	return 0;
}

#define S(text) ((char[]){ text })
#define U32(n)                                                                                     \
	{                                                                                          \
		true, n                                                                            \
	}

struct row {
	const char *controllers;
	const char *there; /* the file that this kernel has */
	const char *want;  /* what is written to it */
	struct oci_resources res;
};

static struct oci_weight_device weights[] = {
	{ 8, 0, U32(500), U32(300) },
	{ 8, 16, { false, 0 }, U32(200) },
};
static struct oci_throttle_device rates[] = { { 8, 0, 1000 }, { 8, 16, 0 } };
static struct oci_block_io io[] = {
	{ .weight = U32(100),
	  .leaf_weight = U32(400),
	  .weight_devices = weights,
	  .weight_devices_count = 2 },
	{ .throttle = { [OCI_THROTTLE_READ_BPS] = { rates, 2 } } },
	{ .throttle = { [OCI_THROTTLE_WRITE_BPS] = { rates, 2 } } },
	{ .throttle = { [OCI_THROTTLE_READ_IOPS] = { rates, 2 } } },
	{ .throttle = { [OCI_THROTTLE_WRITE_IOPS] = { rates, 2 } } },
};
static struct oci_if_priority prio[] = { { S("eth0"), 5 }, { S("lo"), 2 } };
static struct oci_network class = { .class_id = U32(0x100001) };
static struct oci_network network = { .priorities = prio, .priorities_count = 2 };
static struct oci_memory tcp = { .kernel_tcp = { true, 1 << 20 } };
static struct oci_memory tree = { .use_hierarchy = { true, true } };
static struct oci_memory no_tree = { .use_hierarchy = { true, false } };
static struct oci_memory oom = { .disable_oom_killer = { true, true } };
static struct oci_memory swappy = { .swappiness = { true, 60 } };
static struct oci_cpu rt = { .realtime_runtime_us = { true, 9500 },
			     .realtime_period_us = { true, 10000 } };

static const struct row rows[] = {
	{ "net_cls", "net_cls.classid", "1048577", { .network = &class } },
	{ "net_cls,net_prio", "net_cls.classid", "1048577", { .network = &class } },
	{ "net_prio", "net_prio.ifpriomap", "eth0 5lo 2", { .network = &network } },
	{ "blkio", "blkio.weight", "100", { .block_io = &io[0] } },
	{ "blkio", "blkio.leaf_weight", "400", { .block_io = &io[0] } },
	{ "blkio", "blkio.weight_device", "8:0 500", { .block_io = &io[0] } },
	{ "blkio", "blkio.leaf_weight_device", "8:0 3008:16 200", { .block_io = &io[0] } },
	{ "blkio", "blkio.throttle.read_bps_device", "8:0 10008:16 0", { .block_io = &io[1] } },
	{ "blkio", "blkio.throttle.write_bps_device", "8:0 10008:16 0", { .block_io = &io[2] } },
	{ "blkio", "blkio.throttle.read_iops_device", "8:0 10008:16 0", { .block_io = &io[3] } },
	{ "blkio", "blkio.throttle.write_iops_device", "8:0 10008:16 0", { .block_io = &io[4] } },
	{ "memory", "memory.kmem.tcp.limit_in_bytes", "1048576", { .memory = &tcp } },
	{ "memory", "memory.use_hierarchy", "1", { .memory = &tree } },
	{ "memory", "memory.use_hierarchy", "0", { .memory = &no_tree } },
	{ "memory", "memory.oom_control", "1", { .memory = &oom } },
	{ "memory", "memory.swappiness", "60", { .memory = &swappy } },
	{ "cpu,cpuacct", "cpu.rt_runtime_us", "9500", { .cpu = &rt } },
	{ "cpu,cpuacct", "cpu.rt_period_us", "10000", { .cpu = &rt } },
};

/* All that a row of its kind writes is there. */
static const char *const files[] = {
	"net_cls.classid",
	"net_prio.ifpriomap",
	"blkio.weight",
	"blkio.weight_device",
	"blkio.leaf_weight",
	"blkio.leaf_weight_device",
	"blkio.throttle.read_bps_device",
	"blkio.throttle.write_bps_device",
	"blkio.throttle.read_iops_device",
	"blkio.throttle.write_iops_device",
	"memory.kmem.limit_in_bytes",
	"memory.kmem.tcp.limit_in_bytes",
	"memory.use_hierarchy",
	"memory.oom_control",
	"memory.swappiness",
	"memory.limit_in_bytes",
	"cpu.rt_runtime_us",
	"cpu.rt_period_us",
};

struct tree {
	char root[64], dir[128];
	struct cgroup_hierarchy h;
	struct host_facts host;
	struct oci_spec spec;
	struct oci_linux lin;
	struct oci_resources res;
	struct arena arena;
	struct plan plan;
	struct plan_view view;
	struct err e;
};

static void begin(struct tree *t, const char *controllers, const struct oci_resources *res)
{
	static char names[64], slash[] = "/", path[] = "/box";

	*t = (struct tree){ .root = "/tmp/cay-cgroup-XXXXXX", .res = *res };
	assert_non_null(mkdtemp(t->root));
	(void)snprintf(t->dir, sizeof(t->dir), "%s/box", t->root);
	assert_int_equal(mkdir(t->dir, 0755), 0);
	(void)snprintf(names, sizeof(names), "%s", controllers);
	t->h = (struct cgroup_hierarchy){
		.mount = t->root, .controllers = names, .own = slash, .mount_root = slash
	};
	t->host.cgroups =
		(struct host_cgroups){ .layout = CGROUP_V1, .hierarchies = &t->h, .count = 1 };
	t->spec.linux_ = &t->lin;
	t->lin.resources = &t->res;
	t->lin.cgroups_path = path;
	plan_init(&t->plan);
}

static int plan_it(struct tree *t)
{
	struct cg_options o = { .id = "box", .arena = &t->arena };
	struct cg_result ret;
	int r = cg_plan(&t->spec, &t->host, &o, &t->plan, &ret, &t->e);

	return r < 0 ? r : plan_view_half(&t->plan.host, NULL, t->plan.slots, &t->view, &t->e);
}

static int perform(struct tree *t)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < t->view.nsteps; i++) {
		uint32_t made = 0;
		int fd = -EBADF;

		if (t->view.steps[i].kind == STEP_CGROUP_SET)
			r = cg_apply(&t->view, &t->view.steps[i], &made, &fd, &t->e);
	}
	return r;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void end(struct tree *t)
{
	plan_done(&t->plan);
	arena_done(&t->arena);
	assert_int_equal(nftw(t->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void put(const struct tree *t, const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
}

static void expect(const struct tree *t, const char *name, const char *want)
{
	char path[256], have[256] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	f = fopen(path, "re");
	assert_non_null(f);
	(void)!fread(have, 1, sizeof(have) - 1, f);
	(void)fclose(f);
	assert_string_equal(have, want);
}

static void each_limit_goes_to_its_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tree t;

		begin(&t, rows[i].controllers, &rows[i].res);
		for (size_t j = 0; j < ARRAY_LEN(files); j++)
			put(&t, files[j]);
		if (plan_it(&t) < 0 || perform(&t) < 0)
			fail_msg("%s: %s", rows[i].there, t.e.msg);
		expect(&t, rows[i].there, rows[i].want);
		end(&t);
	}
}

/* As `cay update` does, in the cgroup of a container that runs. */
static void an_update_writes_the_same_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *dirs[] = { NULL, NULL };
		struct tree t;

		begin(&t, rows[i].controllers, &rows[i].res);
		for (size_t j = 0; j < ARRAY_LEN(files); j++)
			put(&t, files[j]);
		dirs[0] = t.dir;
		if (cg_update(&t.res, &t.host, dirs, 1, &t.e) < 0)
			fail_msg("%s: %s", rows[i].there, t.e.msg);
		expect(&t, rows[i].there, rows[i].want);
		end(&t);
	}
}

static void a_file_that_the_kernel_lacks_is_an_error_that_names_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tree t;

		begin(&t, rows[i].controllers, &rows[i].res);
		for (size_t j = 0; j < ARRAY_LEN(files); j++)
			if (!str_eq(files[j], rows[i].there))
				put(&t, files[j]);
		assert_int_equal(plan_it(&t), 0);
		assert_int_equal(perform(&t), -ENOENT);
		assert_non_null(strstr(t.e.msg, rows[i].there));
		end(&t);
	}
}

static void a_hierarchy_that_the_host_lacks_is_an_error_that_names_the_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tree t;

		begin(&t, "freezer", &rows[i].res);
		assert_true(plan_it(&t) < 0);
		assert_non_null(strstr(t.e.msg, "linux.resources."));
		end(&t);
	}
}

static void bfq_has_names_of_its_own(void **state)
{
	struct oci_resources res = { .block_io = &(struct oci_block_io){ .weight = U32(100) } };
	struct tree t;

	(void)state;
	begin(&t, "blkio", &res);
	put(&t, "blkio.bfq.weight");
	assert_int_equal(plan_it(&t), 0);
	assert_int_equal(perform(&t), 0);
	expect(&t, "blkio.bfq.weight", "100");
	end(&t);
}

/* The kernel has refused it since 5.11; runc drops it, too. */
static void a_limit_of_kernel_memory_is_not_written(void **state)
{
	struct oci_memory mem = { .limit = { true, 1 << 30 }, .kernel = { true, 1 << 20 } };
	struct oci_resources res = { .memory = &mem };
	struct tree t;

	(void)state;
	begin(&t, "memory", &res);
	put(&t, "memory.limit_in_bytes");
	put(&t, "memory.kmem.limit_in_bytes");
	assert_int_equal(plan_it(&t), 0);
	assert_int_equal(perform(&t), 0);
	expect(&t, "memory.limit_in_bytes", "1073741824");
	expect(&t, "memory.kmem.limit_in_bytes", "");
	end(&t);
}

static void interface_names_are_one_word(void **state)
{
	static char bad[][16] = { "", "eth0 1", "a\nlo 9", "a|b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct oci_if_priority one = { bad[i], 1 };
		struct oci_network n = { .priorities = &one, .priorities_count = 1 };
		struct oci_resources res = { .network = &n };
		struct tree t;

		begin(&t, "net_prio", &res);
		assert_int_equal(plan_it(&t), -EINVAL);
		assert_non_null(strstr(t.e.msg, "linux.resources.network.priorities[0].name"));
		end(&t);
	}
}

/* What is refused on v2, field by field. */
static void v2_refuses_each_that_it_lacks(void **state)
{
	static const struct {
		struct oci_resources res;
		const char *field;
	} bad[] = {
		{ { .network = &class }, "network.classID" },
		{ { .network = &network }, "network.priorities" },
		{ { .memory = &tcp }, "memory.kernelTCP" },
		{ { .memory = &no_tree }, "memory.useHierarchy" },
		{ { .memory = &oom }, "memory.disableOOMKiller" },
		{ { .memory = &swappy }, "memory.swappiness" },
		{ { .block_io = &io[0] }, "blockIO.leafWeight" },
		{ { .cpu = &rt }, "cpu.realtime" },
	};
	static char all[] = "cpuset cpu io memory hugetlb pids rdma", none[] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct tree t;

		begin(&t, "", &bad[i].res);
		t.h.controllers = none;
		t.h.offered = all;
		t.h.v2 = true;
		t.host.cgroups.layout = CGROUP_V2;
		assert_int_equal(plan_it(&t), -EOPNOTSUPP);
		assert_non_null(strstr(t.e.msg, bad[i].field));
		end(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_goes_to_its_file),
		cmocka_unit_test(an_update_writes_the_same_files),
		cmocka_unit_test(a_file_that_the_kernel_lacks_is_an_error_that_names_it),
		cmocka_unit_test(a_hierarchy_that_the_host_lacks_is_an_error_that_names_the_field),
		cmocka_unit_test(bfq_has_names_of_its_own),
		cmocka_unit_test(a_limit_of_kernel_memory_is_not_written),
		cmocka_unit_test(interface_names_are_one_word),
		cmocka_unit_test(v2_refuses_each_that_it_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
