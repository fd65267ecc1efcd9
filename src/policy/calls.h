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

/* Who answers a call for a container that has a broker of its own. */
enum policy_holder {
	POLICY_HELD_KERNEL, /* as without a policy */
	POLICY_HELD_BROKER, /* by its lines, and the default where none matches */
	POLICY_HELD_FILTER, /* refused whatever it asks, so nobody has to look at it */
};

/**
 * policy_holder - who answers the calls of a kind?
 * @logged: every decision is to be written down, which only a broker can
 *
 * The broker, when a line speaks of the kind, else the kernel: so under `default allow`, and always for views
 * and chown. For all others `default deny` holds by itself: by the filter
 * where no line allows anything of the kind.
 */
enum policy_holder policy_holder(const struct policy *p, enum policy_kind kind, bool logged);

/**
 * policy_calls - the calls that a policy is about
 * @ret: watched: those that the broker answers. refused: those that the filter does, with what a line
 *       of `deny syscall` names, of the calls of our own architecture. Set only on success;
 *       policy_calls_done
 *
 * Return: 0; -ENOMEM.
 */
int policy_calls(const struct policy *p, bool logged, struct policy_calls *ret, struct err *e);
void policy_calls_done(struct policy_calls *c);
#define AUTO_CALLS AUTO(policy_calls_done)

/** policy_calls_of - the calls of a kind; at most POLICY_CALLS_KIND, NULL behind them if fewer */
const char *const *policy_calls_of(enum policy_kind kind);
