/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/audit.h"

#include "base/json.h"
#include "base/text.h"
#include "base/utc.h"

#include <stdio.h>
#include <string.h>

static void put_text(struct json_out *o, const char *key, const char *s)
{
	AUTO_BUF struct buf b = { 0 };
	size_t len = s ? strnlen(s, AUDIT_TEXT_BYTES + 1) : 0;

	if (!s)
		return;
	text_visible(&b, s, len > AUDIT_TEXT_BYTES ? AUDIT_TEXT_BYTES : len);
	if (len > AUDIT_TEXT_BYTES)
		buf_str(&b, "...");
	if (b.failed)
		o->b->failed = true;
	jo_str(o, key, b.data ? b.data : "");
}

static void put_time(struct json_out *o, uint64_t ns)
{
	char date[UTC_SIZE], text[64];

	utc_print(date, (int64_t)(ns / 1000000000));
	(void)snprintf(text, sizeof(text), "%s.%06uZ", date, (unsigned int)(ns / 1000 % 1000000));
	jo_str(o, "time", text);
}

void audit_line(struct buf *out, const struct audit_event *ev)
{
	struct json_out o = { .b = out };

	jo_open(&o, NULL, '{');
	put_time(&o, ev->time_ns);
	put_text(&o, "container", ev->container);
	jo_uint(&o, "owner", ev->owner);
	jo_int(&o, "pid", ev->pid);
	put_text(&o, "policy", ev->policy);
	put_text(&o, "call", ev->call);
	put_text(&o, "what", ev->what);
	jo_str(&o, "verdict", ev->allowed ? "allow" : "deny");
	if (ev->continued)
		jo_bool(&o, "continued", true);
	jo_int(&o, "error", ev->error);
	jo_uint(&o, "line", ev->line);
	put_text(&o, "rule", ev->rule);
	jo_uint(&o, "us", ev->took_ns / 1000);
	if (ev->dropped)
		jo_uint(&o, "dropped", ev->dropped);
	jo_close(&o, '}');
	buf_str(out, "\n");
}

/* Each line costs its share of a second, and a container may be so far ahead. */
bool audit_admit(struct audit_gate *g, uint64_t now_ns, uint64_t *ret_dropped)
{
	const uint64_t cost = UINT64_C(1000000000) / AUDIT_RATE, burst = AUDIT_BURST * cost;

	if (g->paid_until_ns < now_ns)
		g->paid_until_ns = now_ns;
	if (g->paid_until_ns - now_ns > burst - cost) {
		g->dropped++;
		return false;
	}
	g->paid_until_ns += cost;
	*ret_dropped = g->dropped;
	g->dropped = 0;
	return true;
}
