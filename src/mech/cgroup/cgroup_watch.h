/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/json.h"

/* Looking at the cgroups of a state file: what they count, and when memory runs out. */

/**
 * cg_stats - append members cpu, cpuset, memory, pids, blkio and hugetlb to an open object
 * @dirs: of the state file
 *
 * The structure is that of runc's events, on v1 and v2 alike; what the host does not count is
 * zero or left out.
 * Return: 0; a negative code when a file that is there can't be read.
 */
int cg_stats(char *const *dirs, size_t count, struct json_out *o, struct err *e);

/* Waiting for the OOM killer. */
struct cg_oom {
	int fd; /* poll it for POLLIN */
	int dir_fd, control_fd;
	bool v2;
	uint64_t seen; /* v2: kills so far */
};

#define CG_OOM_INIT                                                                                \
	{                                                                                          \
		.fd = -EBADF, .dir_fd = -EBADF, .control_fd = -EBADF                               \
	}

/** cg_oom_watch - @ret: cg_oom_done; Return: 0; -EOPNOTSUPP without a memory cgroup */
int cg_oom_watch(char *const *dirs, size_t count, struct cg_oom *ret, struct err *e);

/** cg_oom_take - after POLLIN; Return: 1 memory ran out; 0 it was something else; -ENOENT: gone */
int cg_oom_take(struct cg_oom *o);

void cg_oom_done(struct cg_oom *o);
#define AUTO_OOM AUTO(cg_oom_done)
