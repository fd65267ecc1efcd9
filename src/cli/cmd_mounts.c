/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"
#include "container/control.h"

int cmd_mounts(struct cli *c, int argc, char **argv)
{
	const struct opt opts[] = { { .type = OPT_END } };
	struct opt_args args;
	struct err e = { 0 };
	bool remove;
	int r;

	r = cli_args(c, argc, argv, opts, 3, 3, &args);
	if (r >= 0)
		return r;
	remove = str_eq(args.list[0], "remove");
	if (remove || str_eq(args.list[0], "add"))
		r = ctr_mounts(c->root, args.list[1], args.list[2], remove, &e);
	else
		r = err_set(&e, EINVAL, "unknown command %s: must be add or remove", args.list[0]);
	return r < 0 ? cli_fail(c, &e, 1) : 0;
}
