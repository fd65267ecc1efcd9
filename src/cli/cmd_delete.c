/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

static int delete_one(struct cli *c, const char *id, void *arg, struct err *e)
{
	AUTO_REPORT struct ctr_report rep = { 0 };
	const bool *force = arg;
	int r;

	r = ctr_delete(c->root, id, *force, &rep.warning, e);
	cli_report(c, &rep);
	return r;
}

int cmd_delete(struct cli *c, int argc, char **argv)
{
	bool force = false, regex = false;
	const struct opt opts[] = {
		{ "force", 'f', OPT_FLAG, &force, OPT_SHOWN,
		  "kill it if it runs; no error if there is none" },
		{ "regex", 'r', OPT_FLAG, &regex, OPT_SHOWN,
		  "ID is a regular expression: all containers it fits" },
		{ .type = OPT_END },
	};
	const char *id;
	int r;

	r = cli_id(c, argc, argv, opts, &id);
	return r >= 0 ? r : cli_for_each(c, id, regex, delete_one, &force);
}
