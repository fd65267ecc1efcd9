/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int cmd_start(struct cli *c, int argc, char **argv)
{
	const struct opt opts[] = { { .type = OPT_END } };
	struct opt_args args;
	struct err e = { 0 };
	int r;

	r = cli_args(c, argc, argv, opts, 1, 1, &args);
	if (r >= 0)
		return r;
	r = ctr_start(c->root, args.list[0], &e);
	return r < 0 ? cli_fail(c, &e, 1) : 0;
}
