/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "policy/policy.h"

/* Which system calls a policy is about: what a filter has to send to a broker, or to refuse. Pure. */

enum { POLICY_CALLS_KIND = 10 };

struct policy_calls {
	struct arena arena;
	char **watched, **refused; /* NULL-terminated */
	size_t watched_count, refused_count;
};

/**
 * policy_calls - the calls that its lines are about
 * @ret: watched: of the kinds that a line speaks of, whatever its verb. refused: what a line of
 *       `deny syscall` refuses, of the calls of our own architecture. Set only on success;
 *       policy_calls_done
 *
 * Return: 0; -ENOMEM.
 */
int policy_calls(const struct policy *p, struct policy_calls *ret, struct err *e);
void policy_calls_done(struct policy_calls *c);
#define AUTO_CALLS AUTO(policy_calls_done)

/** policy_calls_of - the calls of a kind; at most POLICY_CALLS_KIND, NULL behind them if fewer */
const char *const *policy_calls_of(enum policy_kind kind);
