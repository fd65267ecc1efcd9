/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "broker/helper.h"

/*
 * What a process makes is charged to the cgroup that it is in: the memory of files, mounts and
 * sockets, and what programs attached there say of its network. So whoever makes something for a
 * container is born in the cgroup of the thread that asked: as if that had made it.
 *
 * With version 2 that is the whole cgroup. With version 1 it is memory and the class of its network
 * traffic.
 */

enum berth {
	BERTH_OURS,   /* what is made lasts no longer than the call, or has a bound of its own */
	BERTH_CALLER, /* the thread's cgroup */
};

/**
 * berth_fork - fork, and be born there
 *
 * In a container that has no process left to be born as (pids.max) the child moves there instead,
 * which no limit forbids. Whoever is there already stays. The child is the first that dies when memory runs out there.
 * Context: with our rights still, or born there before.
 * Return: as fork(2).
 */
pid_t berth_fork(const struct helper *h, const struct call *c, enum berth where);

/**
 * berth_spend - may we make something that stays in memory?
 * @at:    on the file system of this file; -EBADF: on none
 * @bytes: about as large as that
 *
 * Always where it is charged to the caller, or on a disk. A private broker may not always go where its container is,
 * say when systemd has put it there: then a container has a megabyte for all that is made for it.
 * Return: 0; -ENOSPC.
 */
int berth_spend(const struct helper *h, int at, size_t bytes);
/** berth_refund - it is gone, and had not been charged to the caller */
void berth_refund(const struct helper *h, size_t bytes);
/** berth_charged - is what this process makes charged to the caller? */
bool berth_charged(void);

enum { BERTH_INODE = 1024 }; /* about what a file takes */
