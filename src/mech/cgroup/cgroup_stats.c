/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_stats.h"

#include "base/parse.h"
#include "mech/cgroup/cgroup_internal.h"
#include "mech/cgroup/cgroup_watch.h"

#include <fcntl.h>
#include <string.h>

/* Field names and what they count: runc's types/events.go, which engines parse. */

enum { FILE_MAX = 1 << 20, MAX_CPUS = 8192 };

int stats_dir_with(const struct stats_dirs *d, const char *file)
{
	for (size_t i = 0; i < d->count; i++)
		if (faccessat(d->fds[i], file, F_OK, 0) == 0)
			return d->fds[i];
	return -EBADF;
}

void stats_read(int dir_fd, const char *file, struct buf *out)
{
	AUTO_FD int fd = dir_fd < 0 ? -EBADF
				    : openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	out->len = 0;
	if (fd < 0 || buf_read_fd(out, fd, FILE_MAX) < 0)
		out->len = 0;
	if (out->data)
		out->data[out->len] = '\0';
	else
		buf_str(out, "");
}

uint64_t stats_number(const char *s, const char **ret_end)
{
	uint64_t v = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		v = v > (UINT64_MAX - 9) / 10 ? UINT64_MAX : v * 10 + (uint64_t)(*s - '0');
	if (ret_end)
		*ret_end = s;
	return v;
}

uint64_t stats_u64(int dir_fd, const char *file)
{
	AUTO_BUF struct buf text = { 0 };

	stats_read(dir_fd, file, &text);
	if (!text.data)
		return 0;
	return str_starts(text.data, "max") ? UINT64_MAX : stats_number(text.data, NULL);
}

uint64_t stats_key(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *s = text; s && *s; s = strchr(s, '\n'), s = s ? s + 1 : NULL)
		if (strncmp(s, key, n) == 0 && s[n] == ' ')
			return stats_number(s + n + 1, NULL);
	return 0;
}

void stats_put(struct json_out *o, const char *key, uint64_t value)
{
	if (value)
		jo_uint(o, key, value);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0": the numbers are JSON's as they are. */
static void put_pressure_line(struct json_out *o, const char *line, size_t len)
{
	char word[64];

	for (size_t i = strcspn(line, " "); i < len;) {
		size_t n, eq;

		i += strspn(line + i, " ");
		n = strcspn(line + i, " \n");
		eq = strcspn(line + i, "=");
		if (n == 0 || eq >= n || n >= sizeof(word))
			return;
		memcpy(word, line + i, n);
		word[n] = word[eq] = '\0';
		jo_raw(o, word, word + eq + 1);
		i += n;
	}
}

void stats_pressure(int dir_fd, const char *file, struct json_out *o)
{
	AUTO_BUF struct buf text = { 0 };

	stats_read(dir_fd, file, &text);
	if (!text.len)
		return;
	jo_open(o, "psi", '{');
	for (const char *s = text.data; *s;) {
		size_t len = strcspn(s, "\n");

		if (str_starts(s, "some ") || str_starts(s, "full ")) {
			jo_open(o, s[0] == 's' ? "some" : "full", '{');
			put_pressure_line(o, s, len);
			jo_close(o, '}');
		}
		s += len + (s[len] == '\n');
	}
	jo_close(o, '}');
}

/* ---- CPU ------------------------------------------------------------------------------- */

static void put_numbers(struct json_out *o, const char *key, const char *s)
{
	bool any = false;

	for (s += strspn(s, " \n"); *s >= '0' && *s <= '9'; s += strspn(s, " \n")) {
		if (!any)
			jo_open(o, key, '[');
		any = true;
		jo_uint(o, NULL, stats_number(s, &s));
	}
	if (any)
		jo_close(o, ']');
}

/* One column of cpuacct.usage_all: "cpu user system", then a line for each. */
static void put_column(struct json_out *o, const char *key, const char *text, int column)
{
	AUTO_BUF struct buf list = { 0 };
	const char *s = strchr(text, '\n');

	for (; s && s[1] >= '0' && s[1] <= '9'; s = strchr(s + 1, '\n')) {
		const char *at = s + 1;

		for (int i = 0; i < column; i++) {
			at += strcspn(at, " \n");
			at += strspn(at, " ");
		}
		buf_printf(&list, "%llu ", (unsigned long long)stats_number(at, NULL));
	}
	if (list.data)
		put_numbers(o, key, list.data);
}

static uint64_t ticks_to_ns(uint64_t ticks)
{
	long hz = sysconf(_SC_CLK_TCK);

	return ticks * (1000000000 / (hz > 0 ? (uint64_t)hz : 100));
}

static void usage_v1(int acct, struct json_out *o)
{
	AUTO_BUF struct buf text = { 0 };

	stats_put(o, "total", stats_u64(acct, "cpuacct.usage"));
	stats_read(acct, "cpuacct.usage_percpu", &text);
	put_numbers(o, "percpu", text.data ? text.data : "");
	stats_read(acct, "cpuacct.usage_all", &text);
	put_column(o, "percpu_kernel", text.data ? text.data : "", 2);
	put_column(o, "percpu_user", text.data ? text.data : "", 1);
	stats_read(acct, "cpuacct.stat", &text);
	jo_uint(o, "kernel", ticks_to_ns(stats_key(text.data ? text.data : "", "system")));
	jo_uint(o, "user", ticks_to_ns(stats_key(text.data ? text.data : "", "user")));
}

static void put_throttling(const char *text, const char *time_key, uint64_t unit,
			   struct json_out *o)
{
	jo_open(o, "throttling", '{');
	stats_put(o, "periods", stats_key(text, "nr_periods"));
	stats_put(o, "throttledPeriods", stats_key(text, "nr_throttled"));
	stats_put(o, "throttledTime", stats_key(text, time_key) * unit);
	jo_close(o, '}');
}

/* v2 has a cpu.stat in every cgroup, so v1 is asked for first. */
static void put_cpu(const struct stats_dirs *d, struct json_out *o)
{
	int acct = stats_dir_with(d, "cpuacct.usage"), cpu = stats_dir_with(d, "cpu.shares");
	int v2 = acct < 0 ? stats_dir_with(d, "cgroup.controllers") : -EBADF;
	AUTO_BUF struct buf text = { 0 };
	const char *t;

	stats_read(v2 >= 0 ? v2 : cpu, "cpu.stat", &text);
	t = text.data ? text.data : "";
	jo_open(o, "cpu", '{');
	jo_open(o, "usage", '{');
	if (v2 < 0) {
		usage_v1(acct, o);
	} else {
		stats_put(o, "total", stats_key(t, "usage_usec") * 1000);
		jo_uint(o, "kernel", stats_key(t, "system_usec") * 1000);
		jo_uint(o, "user", stats_key(t, "user_usec") * 1000);
	}
	jo_close(o, '}');
	if (v2 < 0)
		put_throttling(t, "throttled_time", 1, o);
	else
		put_throttling(t, "throttled_usec", 1000, o);
	stats_pressure(v2, "cpu.pressure", o);
	jo_close(o, '}');
}

static void put_list(struct json_out *o, const char *key, int dir, const char *file)
{
	unsigned char bits[MAX_CPUS / 8] = { 0 };
	AUTO_BUF struct buf text = { 0 };

	stats_read(dir, file, &text);
	if (!text.len)
		return;
	text.data[strcspn(text.data, "\n")] = '\0';
	if (!text.data[0] || parse_list(text.data, bits, MAX_CPUS) < 0)
		return;
	jo_open(o, key, '[');
	for (unsigned int i = 0; i < MAX_CPUS; i++)
		if (bits[i / 8] & (1U << (i % 8)))
			jo_uint(o, NULL, i);
	jo_close(o, ']');
}

static void put_cpuset(const struct stats_dirs *d, struct json_out *o)
{
	int v1 = stats_dir_with(d, "cpuset.cpu_exclusive");
	int v2 = v1 < 0 ? stats_dir_with(d, "cpuset.cpus.effective") : -EBADF;
	AUTO_BUF struct buf level = { 0 };
	bool negative;

	stats_read(v1, "cpuset.sched_relax_domain_level", &level);
	negative = level.data && level.data[0] == '-';
	jo_open(o, "cpuset", '{');
	put_list(o, "cpus", v1 < 0 ? v2 : v1, v1 < 0 ? "cpuset.cpus.effective" : "cpuset.cpus");
	jo_uint(o, "cpu_exclusive", stats_u64(v1, "cpuset.cpu_exclusive"));
	put_list(o, "mems", v1 < 0 ? v2 : v1, v1 < 0 ? "cpuset.mems.effective" : "cpuset.mems");
	jo_uint(o, "mem_hardwall", stats_u64(v1, "cpuset.mem_hardwall"));
	jo_uint(o, "mem_exclusive", stats_u64(v1, "cpuset.mem_exclusive"));
	jo_uint(o, "memory_migrate", stats_u64(v1, "cpuset.memory_migrate"));
	jo_uint(o, "memory_spread_page", stats_u64(v1, "cpuset.memory_spread_page"));
	jo_uint(o, "memory_spread_slab", stats_u64(v1, "cpuset.memory_spread_slab"));
	jo_uint(o, "memory_pressure", stats_u64(v1, "cpuset.memory_pressure"));
	jo_uint(o, "sched_load_balance", stats_u64(v1, "cpuset.sched_load_balance"));
	jo_int(o, "sched_relax_domain_level",
	       negative ? -(int64_t)stats_number(level.data + 1, NULL)
			: (int64_t)stats_number(level.data ? level.data : "", NULL));
	jo_close(o, '}');
}

/* ---- Memory, processes ----------------------------------------------------------------- */

struct memory_entry {
	uint64_t limit, usage, max, failcnt;
};

static void put_entry(struct json_out *o, const char *key, const struct memory_entry *m)
{
	jo_open(o, key, '{');
	jo_uint(o, "limit", m->limit);
	stats_put(o, "usage", m->usage);
	stats_put(o, "max", m->max);
	jo_uint(o, "failcnt", m->failcnt);
	jo_close(o, '}');
}

static struct memory_entry entry_v1(int dir, const char *prefix)
{
	struct memory_entry m;
	char file[64];

	(void)snprintf(file, sizeof(file), "%s.limit_in_bytes", prefix);
	m.limit = stats_u64(dir, file);
	(void)snprintf(file, sizeof(file), "%s.usage_in_bytes", prefix);
	m.usage = stats_u64(dir, file);
	(void)snprintf(file, sizeof(file), "%s.max_usage_in_bytes", prefix);
	m.max = stats_u64(dir, file);
	(void)snprintf(file, sizeof(file), "%s.failcnt", prefix);
	m.failcnt = stats_u64(dir, file);
	return m;
}

/* Memory and swap together, as v1 counts them. */
static struct memory_entry swap_v2(int dir, const struct memory_entry *memory)
{
	struct memory_entry m = { .limit = stats_u64(dir, "memory.swap.max"),
				  .usage = stats_u64(dir, "memory.swap.current") };

	m.usage += memory->usage;
	if (m.limit != UINT64_MAX)
		m.limit = memory->limit == UINT64_MAX ? UINT64_MAX : m.limit + memory->limit;
	return m;
}

static void put_raw(struct json_out *o, const char *text)
{
	char key[128];

	jo_open(o, "raw", '{');
	for (const char *s = text; *s;) {
		size_t n = strcspn(s, " \n");

		if (n > 0 && n < sizeof(key) && s[n] == ' ') {
			memcpy(key, s, n);
			key[n] = '\0';
			jo_uint(o, key, stats_number(s + n + 1, NULL));
		}
		s += strcspn(s, "\n");
		s += *s == '\n';
	}
	jo_close(o, '}');
}

static void put_memory(const struct stats_dirs *d, struct json_out *o)
{
	int v1 = stats_dir_with(d, "memory.usage_in_bytes");
	int v2 = v1 < 0 ? stats_dir_with(d, "memory.current") : -EBADF;
	struct memory_entry usage = { 0 }, swap = { 0 }, kernel = { 0 }, tcp = { 0 };
	AUTO_BUF struct buf text = { 0 };

	if (v1 >= 0) {
		usage = entry_v1(v1, "memory");
		swap = entry_v1(v1, "memory.memsw");
		kernel = entry_v1(v1, "memory.kmem");
		tcp = entry_v1(v1, "memory.kmem.tcp");
	} else if (v2 >= 0) {
		usage.limit = stats_u64(v2, "memory.max");
		usage.usage = stats_u64(v2, "memory.current");
		usage.max = stats_u64(v2, "memory.peak");
		swap = swap_v2(v2, &usage);
	}
	stats_read(v1 >= 0 ? v1 : v2, "memory.stat", &text);
	jo_open(o, "memory", '{');
	stats_put(o, "cache", stats_key(text.data ? text.data : "", v1 >= 0 ? "cache" : "file"));
	put_entry(o, "usage", &usage);
	put_entry(o, "swap", &swap);
	put_entry(o, "kernel", &kernel);
	put_entry(o, "kernelTCP", &tcp);
	if (text.len && text.data)
		put_raw(o, text.data);
	stats_pressure(v2, "memory.pressure", o);
	jo_close(o, '}');
}

static void put_pids(const struct stats_dirs *d, struct json_out *o)
{
	int dir = stats_dir_with(d, "pids.current");
	uint64_t limit = stats_u64(dir, "pids.max");

	jo_open(o, "pids", '{');
	stats_put(o, "current", stats_u64(dir, "pids.current"));
	stats_put(o, "limit", limit == UINT64_MAX ? 0 : limit);
	jo_close(o, '}');
}

/* ---- All ------------------------------------------------------------------------------- */

int cg_stats(char *const *dirs, size_t count, struct json_out *o, struct err *e)
{
	struct stats_dirs d = { .count = 0 };
	int r = 0;

	for (size_t i = 0; i < count && d.count < STATS_MAX_DIRS; i++) {
		int fd = cg_open_dir(dirs[i]);

		if (fd >= 0)
			d.fds[d.count++] = fd;
		else if (fd != -ENOENT && r == 0)
			r = err_sys(e, fd, "cgroup: open %s", dirs[i]);
	}
	if (r == 0) {
		put_cpu(&d, o);
		put_cpuset(&d, o);
		put_memory(&d, o);
		put_pids(&d, o);
		stats_blkio(&d, o);
		stats_hugetlb(&d, o);
	}
	for (size_t i = 0; i < d.count; i++)
		close(d.fds[i]);
	return r;
}
