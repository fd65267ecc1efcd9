/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sys/host.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* Where a process is among the cgroups. */

/**
 * cgroup_walk - from the root of the hierarchy of version 2 to the cgroup of a process
 * @dir:  of the process, in the host's procfs
 * @step: for each cgroup on the way, the root first; what it returns ends the walk when it is not 0
 *
 * By a mount of our own that nobody else sees.
 * Return: what @step returned last; -ENOENT when there is no such hierarchy; -errno.
 */
int cgroup_walk(int dir, int (*step)(int cgroup, void *ctx), void *ctx);

/** cgroup_home - device and inode of the cgroup of a process; 0 when it is the root, or unknown */
void cgroup_home(int dir, uint64_t ret[2]);

/** cgroup_is - is this directory that one? */
bool cgroup_is(int fd, const uint64_t id[2]);

/* A cgroup as a directory of the host's. */
struct cgroup_place {
	char dir[PATH_MAX];
	size_t mount_len; /* of the part that is the mount: nothing above it is ours to look at */
	bool v2;
};

enum { CGROUP_TEXT_MAX = 16 << 10 };

/**
 * cgroup_place - where a process is in the hierarchy that has a controller
 * @text:       its /proc/PID/cgroup
 * @controller: "memory"; one that no hierarchy of version 1 has, as "", means version 2
 *
 * Return: false when it is in none, or outside of what is mounted.
 */
bool cgroup_place(const struct host_cgroups *all, const char *text, const char *controller,
		  struct cgroup_place *ret);
