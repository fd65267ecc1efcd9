/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/view.h"

#include "base/parse.h"

#include <inttypes.h>
#include <string.h>

/* Texts of /proc: the host's, with the container's numbers. */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t without(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Digits at @s, behind blanks. */
static uint64_t number_at(const char *s)
{
	uint64_t n = 0;

	for (s += strspn(s, " \t"); *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (uint64_t)(*s - '0');
	return n;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* ---- meminfo ------------------------------------------------------------------------------------- */

static uint64_t host_bytes(const char *meminfo, const char *key)
{
	const size_t n = strlen(key);

	for (const char *line = meminfo; *line; line = next_line(line))
		if (strncmp(line, key, n) == 0 && line[n] == ':')
			return number_at(line + n + 1) * 1024;
	return 0;
}

static void put_row(struct buf *out, const char *key, size_t len, uint64_t bytes)
{
	buf_printf(out, "%.*s:%*" PRIu64 " kB\n", (int)len, key, (int)(len < 15 ? 23 - len : 8),
		   bytes / 1024);
}

static bool meminfo(const struct view_facts *f, const char *host, struct buf *out)
{
	const uint64_t all = host_bytes(host, "MemTotal"), total = least(f->mem_limit, all);
	const uint64_t swap = least(f->swap_limit, host_bytes(host, "SwapTotal"));
	const uint64_t free = without(total, f->mem_usage);
	const uint64_t active = f->active_anon + f->active_file;
	const uint64_t inactive = f->inactive_anon + f->inactive_file;
	const struct {
		const char *key;
		uint64_t bytes;
	} rows[] = {
		{ "MemTotal", total },
		{ "MemFree", free },
		{ "MemAvailable",
		  least(total, free + f->active_file + f->inactive_file + f->slab_reclaimable) },
		{ "Buffers", 0 },
		{ "Cached", f->cache },
		{ "SwapCached", 0 },
		{ "Active", active },
		{ "Inactive", inactive },
		{ "Active(anon)", f->active_anon },
		{ "Inactive(anon)", f->inactive_anon },
		{ "Active(file)", f->active_file },
		{ "Inactive(file)", f->inactive_file },
		{ "Unevictable", f->unevictable },
		{ "SwapTotal", swap },
		{ "SwapFree", without(swap, f->swap_usage) },
		{ "AnonPages", f->anon },
		{ "Mapped", f->mapped },
		{ "Shmem", f->shmem },
		{ "KReclaimable", f->slab_reclaimable },
		{ "Slab", f->slab_reclaimable + f->slab_unreclaimable },
		{ "SReclaimable", f->slab_reclaimable },
		{ "SUnreclaim", f->slab_unreclaimable },
	};

	if (all == 0 || f->mem_limit >= all)
		return false;
	for (const char *line = host; *line; line = next_line(line)) {
		const size_t n = strcspn(line, ":\n");
		size_t i = 0;

		while (i < ARRAY_LEN(rows) &&
		       (strlen(rows[i].key) != n || strncmp(rows[i].key, line, n) != 0))
			i++;
		if (i < ARRAY_LEN(rows))
			put_row(out, line, n, rows[i].bytes);
		else
			buf_add(out, line, (size_t)(next_line(line) - line));
	}
	return true;
}

/* ---- processors ---------------------------------------------------------------------------------- */

static bool has_cpu(const struct view_facts *f, uint64_t cpu)
{
	return cpu < VIEW_CPUS && (f->cpus[cpu / 8] >> (cpu % 8) & 1);
}

static unsigned int count_cpus(const struct view_facts *f)
{
	unsigned int n = 0;

	for (size_t i = 0; i < sizeof(f->cpus); i++)
		n += (unsigned int)__builtin_popcount(f->cpus[i]);
	return n;
}

/* A block of lines a processor; an empty line ends it. */
static bool cpuinfo(const struct view_facts *f, const char *host, struct buf *out)
{
	bool shown = true;

	if (!f->has_cpus)
		return false;
	for (const char *line = host; *line; line = next_line(line)) {
		const char *colon = strchr(line, ':');

		if (str_starts(line, "processor") && colon)
			shown = has_cpu(f, number_at(colon + 1));
		if (shown)
			buf_add(out, line, (size_t)(next_line(line) - line));
		/* What stands behind the last one is of the machine. */
		shown = shown || *line == '\n';
	}
	return true;
}

enum { TIMES = 10 }; /* proc_stat(5) */

static bool is_cpu_line(const char *line)
{
	return str_starts(line, "cpu") && line[3] >= '0' && line[3] <= '9';
}

/* The sum of those that are shown. */
static void put_sum(const struct view_facts *f, const char *host, struct buf *out)
{
	uint64_t sum[TIMES] = { 0 };

	for (const char *line = host; *line; line = next_line(line)) {
		const char *at = line + 3;

		if (!is_cpu_line(line) || !has_cpu(f, number_at(at)))
			continue;
		at += strspn(at, "0123456789");
		for (int i = 0; i < TIMES && *at == ' '; i++) {
			sum[i] += number_at(at);
			at += strspn(at, " ");
			at += strspn(at, "0123456789");
		}
	}
	buf_str(out, "cpu ");
	for (int i = 0; i < TIMES; i++)
		buf_printf(out, " %" PRIu64, sum[i]);
	buf_str(out, "\n");
}

static bool stat_text(const struct view_facts *f, const char *host, struct buf *out)
{
	if (!f->has_cpus)
		return false;
	for (const char *line = host; *line; line = next_line(line)) {
		if (str_starts(line, "cpu "))
			put_sum(f, host, out);
		else if (!is_cpu_line(line) || has_cpu(f, number_at(line + 3)))
			buf_add(out, line, (size_t)(next_line(line) - line));
	}
	return true;
}

/* ---- the rest ------------------------------------------------------------------------------------ */

static bool uptime(const struct view_facts *f, struct buf *out)
{
	const uint64_t cpus = f->has_cpus ? count_cpus(f) : 1;
	const uint64_t idle = without(f->uptime_ms * cpus, f->cpu_usage_ns / 1000000);

	buf_printf(out, "%" PRIu64 ".%02" PRIu64 " %" PRIu64 ".%02" PRIu64 "\n",
		   f->uptime_ms / 1000, f->uptime_ms / 10 % 100, idle / 1000, idle / 10 % 100);
	return true;
}

/* What a machine has of them is nothing that a container could use by name. */
static bool swaps(const struct view_facts *f, const char *host, struct buf *out)
{
	uint64_t total = 0;
	const char *line = next_line(host);

	for (; *line; line = next_line(line)) {
		const char *at = line + strcspn(line, " \t\n");

		at += strspn(at, " \t");
		at += strcspn(at, " \t\n");
		total += number_at(at) * 1024;
	}
	total = least(total, f->swap_limit);
	buf_str(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	if (total > 0)
		buf_printf(out, "%-40svirtual\t\t%" PRIu64 "\t\t%" PRIu64 "\t\t0\n", "none",
			   total / 1024, least(f->swap_usage, total) / 1024);
	return f->swap_limit != UINT64_MAX;
}

bool view_text(enum policy_view view, const struct view_facts *f, const char *host, struct buf *out)
{
	switch (view) {
	case VIEW_MEMINFO:
		return meminfo(f, host, out);
	case VIEW_CPUINFO:
		return cpuinfo(f, host, out);
	case VIEW_STAT:
		return stat_text(f, host, out);
	case VIEW_UPTIME:
		return uptime(f, out);
	case VIEW_SWAPS:
		return swaps(f, host, out);
	case VIEW_SYSINFO:
	case VIEW_COUNT:
		break;
	}
	return false;
}

void view_sysinfo(const struct view_facts *f, struct sysinfo *s)
{
	const uint64_t unit = s->mem_unit ? s->mem_unit : 1, all = s->totalram * unit;
	const uint64_t swap = s->totalswap * unit, total = least(f->swap_limit, swap);

	s->uptime = (long)(f->uptime_ms / 1000);
	if (f->processes)
		s->procs = (unsigned short)least(f->processes, UINT16_MAX);
	if (f->mem_limit < all) {
		s->totalram = f->mem_limit / unit;
		s->freeram = without(f->mem_limit, f->mem_usage) / unit;
		s->sharedram = f->shmem / unit;
		s->bufferram = 0;
		s->totalhigh = s->freehigh = 0;
	}
	if (f->mem_limit < all || f->swap_limit < swap) {
		s->totalswap = total / unit;
		s->freeswap = without(total, f->swap_usage) / unit;
	}
}
