/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/json.h"

/* Reading control files for cg_stats. Private to mech/cgroup/. */

enum { STATS_MAX_DIRS = 64 };

/* The container's cgroups, held open. */
struct stats_dirs {
	int fds[STATS_MAX_DIRS];
	size_t count;
};

/** stats_dir_with - the cgroup that has @file; Return: borrowed fd, -EBADF: none has */
int stats_dir_with(const struct stats_dirs *d, const char *file);

/** stats_read - a whole control file; empty when it is missing or can't be read now */
void stats_read(int dir_fd, const char *file, struct buf *out);

/** stats_u64 - a file with one number; "max" is UINT64_MAX, what can't be read 0 */
uint64_t stats_u64(int dir_fd, const char *file);

/** stats_key - the number behind @key in a file of "key number" lines; 0: not there */
uint64_t stats_key(const char *text, const char *key);

/** stats_number - the digits at @s; @ret_end behind them, may be NULL */
uint64_t stats_number(const char *s, const char **ret_end);

/** stats_put - a member unless it is 0 */
void stats_put(struct json_out *o, const char *key, uint64_t value);

/** stats_pressure - member "psi" from a v2 *.pressure file; nothing when there is none */
void stats_pressure(int dir_fd, const char *file, struct json_out *o);

void stats_blkio(const struct stats_dirs *d, struct json_out *o);
void stats_hugetlb(const struct stats_dirs *d, struct json_out *o);
