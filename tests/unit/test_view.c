/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "broker/view.h"
#include "sys/syscalls.h"

#define MIB (UINT64_C(1) << 20)

static struct view_facts facts(void)
{
	struct view_facts f = { .mem_limit = 64 * MIB,
				.swap_limit = 16 * MIB,
				.mem_usage = 24 * MIB,
				.swap_usage = 4 * MIB,
				.cache = 10 * MIB,
				.active_file = 6 * MIB,
				.inactive_file = 2 * MIB,
				.active_anon = 5 * MIB,
				.uptime_ms = 12345,
				.cpu_usage_ns = 2345000000,
				.processes = 7,
				.has_cpus = true };

	f.cpus[0] = 0x5; /* 0 and 2 */
	return f;
}

static void check(enum policy_view view, const struct view_facts *f, const char *host,
		  const char *want)
{
	AUTO_BUF struct buf out = { 0 };

	assert_int_equal(view_text(view, f, host, &out), want != NULL);
	if (want)
		assert_string_equal(out.data ? out.data : "", want);
}

static void memory_is_that_of_the_limit(void **state)
{
	static const char host[] = "MemTotal:       24684092 kB\n"
				   "MemFree:        20000000 kB\n"
				   "MemAvailable:   22000000 kB\n"
				   "Cached:          1000000 kB\n"
				   "Active(anon):     500000 kB\n"
				   "SwapTotal:       8388604 kB\n"
				   "SwapFree:        8388604 kB\n"
				   "Dirty:                12 kB\n"
				   "HugePages_Total:       3\n";
	struct view_facts f = facts();

	(void)state;
	check(VIEW_MEMINFO, &f, host,
	      "MemTotal:          65536 kB\n"
	      "MemFree:           40960 kB\n"
	      "MemAvailable:      49152 kB\n"
	      "Cached:            10240 kB\n"
	      "Active(anon):       5120 kB\n"
	      "SwapTotal:         16384 kB\n"
	      "SwapFree:          12288 kB\n"
	      "Dirty:                12 kB\n"
	      "HugePages_Total:       3\n");
	/* More than there is is used: nothing is free. */
	f.mem_usage = f.swap_usage = 900 * MIB;
	check(VIEW_MEMINFO, &f, "MemTotal: 24684092 kB\nMemFree: 1 kB\nSwapFree: 1 kB\n",
	      "MemTotal:          65536 kB\nMemFree:               0 kB\nSwapFree:              0 "
	      "kB\n");
	f.mem_limit = UINT64_MAX;
	check(VIEW_MEMINFO, &f, host, NULL);
	f.mem_limit = 0;
	check(VIEW_MEMINFO, &f, "", NULL);
}

static void processors_are_those_of_the_set(void **state)
{
	struct view_facts f = facts();

	(void)state;
	check(VIEW_CPUINFO, &f,
	      "processor\t: 0\nmodel\t: a\n\nprocessor\t: 1\nmodel\t: b\n\nprocessor\t: 2\n\n",
	      "processor\t: 0\nmodel\t: a\n\nprocessor\t: 2\n\n");
	check(VIEW_STAT, &f,
	      "cpu  11 22 33 44 55 66 77 88 99 110\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
	      "cpu1 9 9 9 9 9 9 9 9 9 9\ncpu2 1 1 1 1 1 1 1 1 1 1\nintr 5 6\nbtime 7\n",
	      "cpu  2 3 4 5 6 7 8 9 10 11\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
	      "cpu2 1 1 1 1 1 1 1 1 1 1\nintr 5 6\nbtime 7\n");
	check(VIEW_CPUINFO, &f, "", "");
	f.has_cpus = false;
	check(VIEW_CPUINFO, &f, "processor : 0\n", NULL);
	check(VIEW_STAT, &f, "cpu 1\n", NULL);
}

static void time_and_swap_are_the_containers(void **state)
{
	struct view_facts f = facts();

	(void)state;
	check(VIEW_UPTIME, &f, "99999.00 9.00\n", "12.34 22.34\n");
	check(VIEW_SWAPS, &f, "Filename Type Size Used Priority\n/dev/sda partition 20000 5 -2\n",
	      "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	      "none                                    virtual\t\t16384\t\t4096\t\t0\n");
	check(VIEW_SWAPS, &f, "Filename Type Size Used Priority\n",
	      "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	f.swap_limit = UINT64_MAX;
	check(VIEW_SWAPS, &f, "", NULL);
}

static void sysinfo_says_the_same(void **state)
{
	struct view_facts f = facts();
	struct sysinfo s = {
		.totalram = 1000, .freeram = 900, .totalswap = 500, .mem_unit = 1 << 20
	};

	(void)state;
	view_sysinfo(&f, &s);
	assert_int_equal(s.totalram, 64);
	assert_int_equal(s.freeram, 40);
	assert_int_equal(s.totalswap, 16);
	assert_int_equal(s.freeswap, 12);
	assert_int_equal(s.uptime, 12);
	assert_int_equal(s.procs, 7);
	f = (struct view_facts){ .mem_limit = UINT64_MAX, .swap_limit = UINT64_MAX };
	s = (struct sysinfo){ .totalram = 1000, .freeram = 900, .procs = 3, .mem_unit = 1 };
	view_sysinfo(&f, &s);
	assert_int_equal(s.totalram, 1000);
	assert_int_equal(s.freeram, 900);
	assert_int_equal(s.procs, 3);
}

/* ---- reading: a tree of files as either kind of hierarchy has them ---------------------------------- */

static char dir[64];

static void put(const char *name, const char *text)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (char *s = path + strlen(dir) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		(void)mkdir(path, 0755);
		*s = '/';
	}
	assert_int_equal(sys_write_at(AT_FDCWD, path, text), -ENOENT);
	{
		AUTO_FD int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

		assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	}
}

static void begin(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/cay-view-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static int remove_one(const char *path, const struct stat *s UNUSED, int flag UNUSED,
		      struct FTW *at UNUSED)
{
	return remove(path);
}

static void end(void)
{
	assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int read_own(const struct host_cgroups *c, struct view_facts *f)
{
	AUTO_FD int proc = open(dir, O_PATH | O_CLOEXEC);
	uint64_t start = 0;

	assert_int_equal(sys_start_time(getpid(), &start, NULL), 0);
	return view_read(proc, c, getpid(), start, f);
}

static struct cgroup_hierarchy hierarchy(const char *name, const char *controllers, bool v2)
{
	static char mounts[4][96];
	static unsigned int n;
	char *mount = mounts[n++ % 4];

	(void)snprintf(mount, sizeof(mounts[0]), "%s/%s", dir, name);
	return (struct cgroup_hierarchy){ .mount = mount,
					  .controllers = (char *)(uintptr_t)controllers,
					  .mount_root = (char *)(uintptr_t) "/",
					  .v2 = v2 };
}

static void put_own(const char *text)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%d/cgroup", getpid());
	put(name, text);
}

static void limits_of_v1_are_found(void **state)
{
	struct cgroup_hierarchy all[3];
	const struct host_cgroups c = { .hierarchies = all, .count = 3 };
	struct view_facts f;

	(void)state;
	begin();
	all[0] = hierarchy("memory", "memory", false);
	all[1] = hierarchy("cpuset,cpu", "cpuset,cpu,cpuacct", false);
	all[2] = hierarchy("unified", "", true);
	put_own("4:memory:/a/b\n3:cpuset,cpu,cpuacct:/x\n0::/u\n");
	put("memory/a/b/memory.stat", "cache 1\nhierarchical_memory_limit 67108864\n"
				      "hierarchical_memsw_limit 83886080\ntotal_cache 4096\n"
				      "total_swap 8192\ntotal_active_file 12\n");
	put("memory/a/b/memory.usage_in_bytes", "1048576\n");
	put("cpuset,cpu/x/cpuset.effective_cpus", "0,2-3\n");
	put("cpuset,cpu/x/cpuacct.usage", "12345\n");
	assert_int_equal(read_own(&c, &f), 0);
	assert_int_equal(f.mem_limit, 64 * MIB);
	assert_int_equal(f.swap_limit, 16 * MIB);
	assert_int_equal(f.mem_usage, MIB);
	assert_int_equal(f.swap_usage, 8192);
	assert_int_equal(f.cache, 4096);
	assert_int_equal(f.active_file, 12);
	assert_true(f.has_cpus);
	assert_int_equal(f.cpus[0], 0xd);
	assert_int_equal(f.cpu_usage_ns, 12345);
	end();
}

static void limits_of_v2_hold_from_above(void **state)
{
	struct cgroup_hierarchy all[1];
	const struct host_cgroups c = { .hierarchies = all, .count = 1 };
	struct view_facts f;

	(void)state;
	begin();
	all[0] = hierarchy("cg", "", true);
	put_own("0::/a/b\n");
	put("cg/a/memory.max", "33554432\n");
	put("cg/a/memory.swap.max", "max\n");
	put("cg/a/b/memory.max", "max\n");
	put("cg/a/b/memory.swap.max", "0\n");
	put("cg/a/b/memory.current", "4096\n");
	put("cg/a/b/memory.swap.current", "0\n");
	put("cg/a/b/memory.stat", "anon 1\nfile 2\nshmem 3\nslab_reclaimable 4\n");
	put("cg/a/b/cpuset.cpus.effective", "1\n");
	put("cg/a/b/cpu.stat", "usage_usec 5\nuser_usec 1\n");
	put("cg/a/b/pids.current", "6\n");
	assert_int_equal(read_own(&c, &f), 0);
	assert_int_equal(f.mem_limit, 32 * MIB);
	assert_int_equal(f.swap_limit, 0);
	assert_int_equal(f.mem_usage, 4096);
	assert_int_equal(f.cache, 2);
	assert_int_equal(f.slab_reclaimable, 4);
	assert_int_equal(f.cpus[0], 2);
	assert_int_equal(f.cpu_usage_ns, 5000);
	assert_int_equal(f.processes, 6);
	end();
}

static void what_is_not_there_is_no_limit(void **state)
{
	struct cgroup_hierarchy all[1];
	const struct host_cgroups c = { .hierarchies = all, .count = 1 };
	struct view_facts f;

	(void)state;
	begin();
	all[0] = hierarchy("memory", "memory", false);
	put_own("2:memory:/gone\n");
	assert_int_equal(read_own(&c, &f), 0);
	assert_true(f.mem_limit == UINT64_MAX && f.swap_limit == UINT64_MAX && !f.has_cpus);
	assert_int_equal(f.processes, 0);
	{
		AUTO_FD int proc = open(dir, O_PATH | O_CLOEXEC);

		/* Another process has the number by now. */
		assert_int_equal(view_read(proc, &c, getpid(), 1, &f), -ESRCH);
		assert_int_equal(view_read(proc, &c, 1, 1, &f), -ESRCH);
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_that_of_the_limit),
		cmocka_unit_test(processors_are_those_of_the_set),
		cmocka_unit_test(time_and_swap_are_the_containers),
		cmocka_unit_test(sysinfo_says_the_same),
		cmocka_unit_test(limits_of_v1_are_found),
		cmocka_unit_test(limits_of_v2_hold_from_above),
		cmocka_unit_test(what_is_not_there_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
