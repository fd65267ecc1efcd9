/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* What an agent has done, in the text format of Prometheus 0.0.4. Pure. */

enum { METRICS_CALLS = 64, METRICS_BUCKETS = 15 };

enum metrics_verdict {
	METRICS_ALLOW,
	METRICS_DENY,
	METRICS_ERROR, /* allowed, but it failed, or there was a doubt */
	METRICS_VERDICTS
};

struct metrics_call {
	const char *name;
	uint64_t count[METRICS_VERDICTS];
	uint64_t bucket[METRICS_BUCKETS]; /* by time, the last: longer than all bounds */
	uint64_t sum_ns;
};

/* Begins as zeros. */
struct metrics {
	struct metrics_call call[METRICS_CALLS];
	size_t ncalls;
	/* Set by whoever has them. */
	uint64_t containers, helpers, policies, connections, started_s;
	uint64_t containers_total, reloads, reload_failures, audit_dropped, audit_lost;
};

/**
 * metrics_count - one decision
 * @call: name of the system call; static, letters, digits and "_"
 * @ns:   from the notification to the answer
 *
 * Calls beyond METRICS_CALLS names count as "other".
 */
void metrics_count(struct metrics *m, const char *call, enum metrics_verdict verdict, uint64_t ns);

/** metrics_text - append all of it */
void metrics_text(const struct metrics *m, struct buf *out);
