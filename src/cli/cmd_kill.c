/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

/* "RTMIN", "RTMIN+3", "RTMAX-2" */
static int parse_realtime(const char *s, int *ret)
{
	int base = strncasecmp(s, "RTMIN", 5) == 0 ? SIGRTMIN : SIGRTMAX;
	uint32_t n = 0;
	int sig;

	if (strncasecmp(s, "RTMIN", 5) != 0 && strncasecmp(s, "RTMAX", 5) != 0)
		return -EINVAL;
	if (s[5] && ((s[5] != '+' && s[5] != '-') || parse_u32(s + 6, &n) < 0 || n > 64))
		return -EINVAL;
	sig = s[5] == '-' ? base - (int)n : base + (int)n;
	if (sig < SIGRTMIN || sig > SIGRTMAX)
		return -EINVAL;
	*ret = sig;
	return 0;
}

static int parse_signal(const char *text, int *ret, struct err *e)
{
	const char *s = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint32_t n;

	if (parse_u32(text, &n) == 0 && n <= (uint32_t)SIGRTMAX) {
		*ret = (int)n;
		return 0;
	}
	for (int i = 1; i < 32; i++) {
		const char *name = sigabbrev_np(i);

		if (name && strcasecmp(name, s) == 0) {
			*ret = i;
			return 0;
		}
	}
	if (parse_realtime(s, ret) == 0)
		return 0;
	return err_set(e, EINVAL, "unknown signal \"%s\"", text);
}

struct what {
	int sig;
	bool all;
};

static int kill_one(struct cli *c, const char *id, void *arg, struct err *e)
{
	const struct what *w = arg;

	return ctr_kill(c->root, id, w->sig, w->all, e);
}

int cmd_kill(struct cli *c, int argc, char **argv)
{
	struct what w = { .sig = SIGTERM };
	bool regex = false;
	const struct opt opts[] = {
		{ "all", 'a', OPT_FLAG, &w.all, OPT_SHOWN, "all processes of the container" },
		{ "regex", 'r', OPT_FLAG, &regex, OPT_SHOWN,
		  "ID is a regular expression: all containers it fits" },
		{ .type = OPT_END },
	};
	struct opt_args args;
	struct err e = { 0 };
	int r;

	r = cli_args(c, argc, argv, opts, 1, 2, &args);
	if (r >= 0)
		return r;
	r = args.count > 1 ? parse_signal(args.list[1], &w.sig, &e) : 0;
	return r < 0 ? cli_fail(c, &e, 1) : cli_for_each(c, args.list[0], regex, kill_one, &w);
}
