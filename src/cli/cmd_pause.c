/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "container/control.h"

static int set(struct cli *c, int argc, char **argv,
	       int (*fn)(const char *root, const char *id, struct err *e))
{
	const struct opt opts[] = { { .type = OPT_END } };
	const char *id;
	struct err e = { 0 };
	int r;

	r = cli_id(c, argc, argv, opts, &id);
	if (r >= 0)
		return r;
	r = fn(c->root, id, &e);
	return r < 0 ? cli_fail(c, &e, 1) : 0;
}

int cmd_pause(struct cli *c, int argc, char **argv)
{
	return set(c, argc, argv, ctr_pause);
}

int cmd_resume(struct cli *c, int argc, char **argv)
{
	return set(c, argc, argv, ctr_resume);
}
