/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/metrics.h"

#include <string.h>

/* Upper bounds of the buckets, in microseconds. */
static const uint32_t bounds_us[METRICS_BUCKETS - 1] = { 10,	25,	50,	100,	250,
							 500,	1000,	2500,	5000,	10000,
							 25000, 100000, 500000, 1000000 };

static struct metrics_call *find(struct metrics *m, const char *name)
{
	for (size_t i = 0; i < m->ncalls; i++)
		if (m->call[i].name == name || strcmp(m->call[i].name, name) == 0)
			return &m->call[i];
	if (m->ncalls == METRICS_CALLS)
		return &m->call[METRICS_CALLS - 1];
	m->call[m->ncalls].name = m->ncalls == METRICS_CALLS - 1 ? "other" : name;
	return &m->call[m->ncalls++];
}

void metrics_count(struct metrics *m, const char *call, enum metrics_verdict verdict, uint64_t ns)
{
	struct metrics_call *c = find(m, call);
	size_t i = 0;

	while (i < METRICS_BUCKETS - 1 && ns > bounds_us[i] * UINT64_C(1000))
		i++;
	c->count[verdict]++;
	c->bucket[i]++;
	c->sum_ns += ns;
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP cay_agent_%s %s\n# TYPE cay_agent_%s %s\n", name, help, name, type);
}

static void one(struct buf *out, const char *name, const char *type, const char *help,
		uint64_t value)
{
	head(out, name, type, help);
	buf_printf(out, "cay_agent_%s %llu\n", name, (unsigned long long)value);
}

static void print_calls(const struct metrics *m, struct buf *out)
{
	static const char *const verdicts[METRICS_VERDICTS] = { "allow", "deny", "error" };

	head(out, "calls_total", "counter", "System calls answered, by call and verdict.");
	for (size_t i = 0; i < m->ncalls; i++)
		for (size_t v = 0; v < METRICS_VERDICTS; v++)
			if (m->call[i].count[v])
				buf_printf(
					out,
					"cay_agent_calls_total{call=\"%s\",verdict=\"%s\"} %llu\n",
					m->call[i].name, verdicts[v],
					(unsigned long long)m->call[i].count[v]);
}

static void print_times(const struct metrics_call *c, struct buf *out)
{
	uint64_t total = 0;

	for (size_t b = 0; b < METRICS_BUCKETS; b++) {
		total += c->bucket[b];
		buf_printf(out, "cay_agent_call_seconds_bucket{call=\"%s\",le=\"", c->name);
		if (b < METRICS_BUCKETS - 1)
			buf_printf(out, "%u.%06u", bounds_us[b] / 1000000, bounds_us[b] % 1000000);
		else
			buf_str(out, "+Inf");
		buf_printf(out, "\"} %llu\n", (unsigned long long)total);
	}
	buf_printf(out, "cay_agent_call_seconds_sum{call=\"%s\"} %llu.%09llu\n", c->name,
		   (unsigned long long)c->sum_ns / 1000000000,
		   (unsigned long long)c->sum_ns % 1000000000);
	buf_printf(out, "cay_agent_call_seconds_count{call=\"%s\"} %llu\n", c->name,
		   (unsigned long long)total);
}

void metrics_text(const struct metrics *m, struct buf *out)
{
	one(out, "containers", "gauge", "Containers served now.", m->containers);
	one(out, "containers_total", "counter", "Containers served so far.", m->containers_total);
	one(out, "helpers", "gauge", "Helper processes now.", m->helpers);
	one(out, "connections", "gauge", "Open connections.", m->connections);
	one(out, "policies", "gauge", "Policies in force.", m->policies);
	one(out, "start_time_seconds", "gauge", "When the agent started, since 1970.",
	    m->started_s);
	one(out, "reloads_total", "counter", "Policies read again, with success.", m->reloads);
	one(out, "reload_failures_total", "counter", "Policies that could not be read again.",
	    m->reload_failures);
	one(out, "audit_dropped_total", "counter", "Events over the rate of their container.",
	    m->audit_dropped);
	one(out, "audit_lost_total", "counter", "Events that could not be written.", m->audit_lost);
	print_calls(m, out);
	head(out, "call_seconds", "histogram", "Time from a system call to its answer.");
	for (size_t i = 0; i < m->ncalls; i++)
		print_times(&m->call[i], out);
}
