/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int cmd_delete(struct cli *c, int argc, char **argv)
{
	bool force = false;
	const struct opt opts[] = {
		{ "force", 'f', OPT_FLAG, &force, OPT_SHOWN,
		  "kill it if it runs; no error if there is none" },
		{ .type = OPT_END },
	};
	AUTO_REPORT struct ctr_report rep = { 0 };
	struct opt_args args;
	struct err e = { 0 };
	int r;

	r = cli_args(c, argc, argv, opts, 1, 1, &args);
	if (r >= 0)
		return r;
	r = ctr_delete(c->root, args.list[0], force, &rep.warning, &e);
	cli_report(c, &rep);
	return r < 0 ? cli_fail(c, &e, 1) : 0;
}
