/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "plan/plan.h"

#include <sys/types.h>

/* The embedded cay-init: making it executable, and giving birth to it. */

/**
 * islander_open - the islander's program as something that can be executed but not changed
 *
 * A sealed memfd; where memfds may not be executed (vm.memfd_noexec=2), a file on a
 * detached, read-only tmpfs mount.
 * Return: fd, caller closes; or a negative code.
 */
int islander_open(struct err *e);

struct islander_birth {
	uint64_t flags;	       /* CLONE_NEW* */
	int cgroup_fd;	       /* CLONE_INTO_CGROUP, or negative */
	int program_fd;	       /* islander_open */
	int plan_fd;	       /* the encoded plan */
	int sock;	       /* islander's end of the channel */
	unsigned int keep_fds; /* fds below go through untouched */
	const int32_t *slots;  /* fds that stay open for it; negative ones are none */
	uint32_t nslots;
};

/**
 * islander_clone - one clone for all namespaces, then execveat as its very first act
 * @ret_pidfd: set only on success
 *
 * What keeps it from executing comes as MSG_ERROR through the channel.
 * Return: pid, or a negative code.
 */
pid_t islander_clone(const struct islander_birth *b, int *ret_pidfd, struct err *e);
