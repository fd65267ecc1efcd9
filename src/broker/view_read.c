/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/view.h"

#include "base/parse.h"
#include "broker/cgroup.h"
#include "sys/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The container's numbers, from the cgroups of its first process: v1, v2, or both side by side. */
static int read_file(const struct cgroup_place *p, const char *name, char *ret, size_t size)
{
	char path[PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	return sys_read_at(AT_FDCWD, path, ret, size);
}

/* A number, or "max". Return: UINT64_MAX when there is none. */
static uint64_t read_number(const struct cgroup_place *p, const char *name)
{
	char text[64];
	uint64_t n = UINT64_MAX;

	if (read_file(p, name, text, sizeof(text)) <= 0)
		return UINT64_MAX;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, &n) < 0 ? UINT64_MAX : n;
}

static uint64_t value_of(const char *text, const char *key)
{
	const size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		uint64_t v = 0;

		line += *line == '\n';
		if (strncmp(line, key, n) != 0 || line[n] != ' ')
			continue;
		for (const char *s = line + n + 1; *s >= '0' && *s <= '9'; s++)
			v = v * 10 + (uint64_t)(*s - '0');
		return v;
	}
	return 0;
}

/* On v2 the limits above hold, too. */
static uint64_t least_above(const struct cgroup_place *at, const char *name)
{
	struct cgroup_place p = *at;
	uint64_t least = UINT64_MAX;
	char *slash;

	while (strlen(p.dir) > p.mount_len) {
		const uint64_t n = read_number(&p, name);

		least = n < least ? n : least;
		slash = strrchr(p.dir, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return least;
}

/* Longer than any machine has: no limit. */
static uint64_t limit_of(uint64_t n)
{
	return n == 0 || n >= (uint64_t)INT64_MAX / 2 ? UINT64_MAX : n;
}

static void read_memory_v1(const struct cgroup_place *p, const char *stat, struct view_facts *f)
{
	const uint64_t both = limit_of(value_of(stat, "hierarchical_memsw_limit"));

	f->mem_limit = limit_of(value_of(stat, "hierarchical_memory_limit"));
	f->mem_usage = read_number(p, "memory.usage_in_bytes");
	if (f->mem_limit != UINT64_MAX && both != UINT64_MAX)
		f->swap_limit = both > f->mem_limit ? both - f->mem_limit : 0;
	f->swap_usage = value_of(stat, "total_swap");
	f->cache = value_of(stat, "total_cache");
	f->shmem = value_of(stat, "total_shmem");
	f->anon = value_of(stat, "total_rss");
	f->mapped = value_of(stat, "total_mapped_file");
	f->unevictable = value_of(stat, "total_unevictable");
	f->active_anon = value_of(stat, "total_active_anon");
	f->inactive_anon = value_of(stat, "total_inactive_anon");
	f->active_file = value_of(stat, "total_active_file");
	f->inactive_file = value_of(stat, "total_inactive_file");
}

static void read_memory_v2(const struct cgroup_place *p, const char *stat, struct view_facts *f)
{
	f->mem_limit = least_above(p, "memory.max");
	f->mem_usage = read_number(p, "memory.current");
	f->swap_limit = least_above(p, "memory.swap.max");
	f->swap_usage = read_number(p, "memory.swap.current");
	f->cache = value_of(stat, "file");
	f->shmem = value_of(stat, "shmem");
	f->anon = value_of(stat, "anon");
	f->mapped = value_of(stat, "file_mapped");
	f->unevictable = value_of(stat, "unevictable");
	f->active_anon = value_of(stat, "active_anon");
	f->inactive_anon = value_of(stat, "inactive_anon");
	f->active_file = value_of(stat, "active_file");
	f->inactive_file = value_of(stat, "inactive_file");
	f->slab_reclaimable = value_of(stat, "slab_reclaimable");
	f->slab_unreclaimable = value_of(stat, "slab_unreclaimable");
}

static void read_memory(const struct cgroup_place *p, struct view_facts *f)
{
	static char stat[CGROUP_TEXT_MAX];

	if (read_file(p, "memory.stat", stat, sizeof(stat)) <= 0)
		return;
	if (p->v2)
		read_memory_v2(p, stat, f);
	else
		read_memory_v1(p, stat, f);
	if (f->mem_usage == UINT64_MAX)
		f->mem_usage = 0;
	if (f->swap_usage == UINT64_MAX)
		f->swap_usage = 0;
}

static void read_cpus(const struct cgroup_place *p, struct view_facts *f)
{
	static const char *const v1[] = { "cpuset.effective_cpus", "cpuset.cpus", NULL };
	static const char *const v2[] = { "cpuset.cpus.effective", NULL };
	char list[4096];

	for (const char *const *name = p->v2 ? v2 : v1; *name && !f->has_cpus; name++)
		if (read_file(p, *name, list, sizeof(list)) > 1) {
			list[strcspn(list, "\n")] = '\0';
			f->has_cpus = parse_list(list, f->cpus, VIEW_CPUS) == 0;
		}
}

static void read_use(const struct cgroup_place *p, struct view_facts *f)
{
	char stat[4096];
	const uint64_t ns = p->v2 ? UINT64_MAX : read_number(p, "cpuacct.usage");

	if (ns != UINT64_MAX)
		f->cpu_usage_ns = ns;
	else if (read_file(p, "cpu.stat", stat, sizeof(stat)) > 0)
		f->cpu_usage_ns = value_of(stat, "usage_usec") * 1000;
}

static void read_uptime(uint64_t start, struct view_facts *f)
{
	const uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec t = { 0 };
	uint64_t now, born = start * 1000 / (hz ? hz : 100);

	clock_gettime(CLOCK_BOOTTIME, &t);
	now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	f->uptime_ms = now > born ? now - born : 0;
}

int view_read(int proc, const struct host_cgroups *cgroups, pid_t pid, uint64_t start,
	      struct view_facts *ret)
{
	struct view_facts f = { .mem_limit = UINT64_MAX, .swap_limit = UINT64_MAX };
	static char cgroup[CGROUP_TEXT_MAX];
	char name[32];
	struct cgroup_place p;
	uint64_t n, now_start = 0;

	(void)snprintf(name, sizeof(name), "%d/cgroup", pid);
	if (sys_read_at(proc, name, cgroup, sizeof(cgroup)) <= 0)
		return -ESRCH;
	/* It is the one that was brought: then what was read is its own. */
	if (sys_start_time(pid, &now_start, NULL) < 0 || now_start != start)
		return -ESRCH;
	if (cgroup_place(cgroups, cgroup, "memory", &p))
		read_memory(&p, &f);
	if (cgroup_place(cgroups, cgroup, "cpuset", &p))
		read_cpus(&p, &f);
	if (cgroup_place(cgroups, cgroup, "cpuacct", &p))
		read_use(&p, &f);
	if (cgroup_place(cgroups, cgroup, "pids", &p)) {
		n = read_number(&p, "pids.current");
		f.processes = n == UINT64_MAX ? 0 : n;
	}
	read_uptime(start, &f);
	*ret = f;
	return 0;
}
