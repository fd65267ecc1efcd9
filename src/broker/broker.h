/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct broker_options {
	const char *policy_dir, *listen; /* of an agent */
	const char *audit;		 /* file to append to; NULL: stderr */
	uint32_t rate;			 /* calls a second and container; 0: 5,000 */
};

/** broker_agent - serve until told to end; Return: 0 or a negative code */
int broker_agent(const struct broker_options *o, struct err *e);

/* What a private broker is started with. */
enum { BROKER_POLICY_FD = 3, BROKER_FIRST_FD, BROKER_READY_FD };

/**
 * broker_private - serve one container, without any right, until its last process has ended
 * @listen: where its runtime brings listeners
 * @first:  the container's first process, which stands where the container does and has not run yet
 * @log:    file for decisions; NULL: they are not written down
 *
 * The policy is read from BROKER_POLICY_FD, BROKER_FIRST_FD is a pidfd of @first,
 * and to BROKER_READY_FD goes the process id when it listens, else what went wrong.
 * Return: 0 or a negative code, which was told.
 */
int broker_private(const char *listen, pid_t first, const char *log, struct err *e);
