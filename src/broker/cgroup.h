/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Where a process is in the hierarchy of cgroup v2, by a mount of our own that nobody else sees. */

/**
 * cgroup_walk - from the root of the hierarchy to the cgroup of a process
 * @dir:  of the process, in the host's procfs
 * @step: for each cgroup on the way, the root first; what it returns ends the walk when it is not 0
 *
 * Return: what @step returned last; -ENOENT when there is no such hierarchy; -errno.
 */
int cgroup_walk(int dir, int (*step)(int cgroup, void *ctx), void *ctx);

/** cgroup_home - device and inode of the cgroup of a process; 0 when it is the root, or unknown */
void cgroup_home(int dir, uint64_t ret[2]);

/** cgroup_is - is this directory that one? */
bool cgroup_is(int fd, const uint64_t id[2]);
