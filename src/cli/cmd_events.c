/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "cli/units.h"
#include "container/control.h"
#include "sys/syscalls.h"

static int write_line(const char *line, size_t n, void *arg)
{
	(void)arg;
	return sys_write_all(STDOUT_FILENO, line, n);
}

static int parse_interval(const char *text, uint64_t *ret, struct err *e)
{
	int r = text[0] == '-' ? -EINVAL : unit_duration_ms(text, ret);

	if (text[0] == '-' || (r == 0 && *ret == 0))
		return err_set(e, EINVAL, "duration interval must be greater than 0");
	return r < 0 ? err_set(e, r, "invalid value \"%s\" for flag -interval: parse error", text)
		     : 0;
}

int cmd_events(struct cli *c, int argc, char **argv)
{
	struct ctr_events_options o = { .root = c->root, .emit = write_line };
	const char *interval = "5s";
	const struct opt opts[] = {
		{ "interval", 0, OPT_STR, &interval, "TIME", "between two stats (default: 5s)" },
		{ "stats", 0, OPT_FLAG, &o.once, OPT_SHOWN, "print the usage once, and end" },
		{ .type = OPT_END },
	};
	struct err e = { 0 };
	int r;

	r = cli_id(c, argc, argv, opts, &o.id);
	if (r >= 0)
		return r;
	r = parse_interval(interval, &o.interval_ms, &e);
	if (r == 0)
		r = ctr_events(&o, &e);
	return r < 0 ? cli_fail(c, &e, 1) : 0;
}
