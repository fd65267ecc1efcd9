/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"

#include "sys/syscalls.h"

#include <time.h>

static const char *name_of(int nr)
{
	for (const struct call_kind *k = call_table; k->name; k++)
		if (k->nr == nr)
			return k->name;
	return "other";
}

static uint64_t since_1970(void)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void report_event(struct agent *a, struct container *c, const struct event *ev, const char *words,
		  const char *text)
{
	AUTO_BUF struct buf line = { 0 };
	const bool failed = ev->allowed && ev->error;
	struct audit_event out = { .time_ns = since_1970(),
				   .container = c->id,
				   .policy = c->policy_name,
				   .call = name_of(ev->nr),
				   .owner = c->owner,
				   .pid = ev->tid,
				   .what = *words ? words : NULL,
				   .allowed = ev->allowed,
				   .continued = ev->continued,
				   .error = ev->error,
				   .line = ev->line,
				   .rule = *text ? text : NULL,
				   .took_ns = ev->took_ns };

	c->calls++;
	c->refused += ev->error != 0;
	metrics_count(&a->metrics, out.call,
		      failed	    ? METRICS_ERROR
		      : ev->allowed ? METRICS_ALLOW
				    : METRICS_DENY,
		      ev->took_ns);
	if (!audit_admit(&c->gate, sys_now_ns(), &out.dropped)) {
		a->metrics.audit_dropped++;
		return;
	}
	audit_line(&line, &out);
	audit_write(&a->audit, &line);
}

void report_metrics(struct agent *a, struct buf *out)
{
	struct metrics *m = &a->metrics;

	m->containers = a->containers_count;
	m->helpers = a->helpers_count;
	m->policies = a->policies.count;
	m->connections = a->connections_count;
	m->audit_lost = a->audit.lost;
	metrics_text(m, out);
}
