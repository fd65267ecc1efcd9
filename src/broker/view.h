/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "policy/policy.h"
#include "sys/host.h"

#include <sys/sysinfo.h>
#include <sys/types.h>

/*
 * What a container is shown of itself in place of the host: its limits and what it uses of them. No
 * boundary: a program that looks elsewhere sees the host.
 */
enum { VIEW_CPUS = 8192 };

struct view_facts {
	/* UINT64_MAX: no limit */
	uint64_t mem_limit, swap_limit;
	uint64_t mem_usage, swap_usage;
	uint64_t cache, shmem, anon, mapped, unevictable;
	uint64_t active_anon, inactive_anon, active_file, inactive_file;
	uint64_t slab_reclaimable, slab_unreclaimable;
	uint64_t cpu_usage_ns, uptime_ms;
	uint64_t processes; /* 0: unknown */
	bool has_cpus;
	uint8_t cpus[VIEW_CPUS / 8];
};

/**
 * view_read - what is in force for a process, by its cgroups
 * @proc:  the host's procfs
 * @start: start time of the process in clock ticks since boot
 *
 * Return: 0; -ESRCH when it is not there any more. What can't be read is as if there were no limit.
 */
int view_read(int proc, const struct host_cgroups *cgroups, pid_t pid, uint64_t start,
	      struct view_facts *ret);

/**
 * view_text - a file of /proc as the container sees it
 * @host: the same file of the host, terminated
 *
 * Pure. Return: false: it would be the host's.
 */
bool view_text(enum policy_view view, const struct view_facts *f, const char *host,
	       struct buf *out);

/** view_sysinfo - sysinfo(2) of the host becomes that of the container */
void view_sysinfo(const struct view_facts *f, struct sysinfo *s);
