/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "oci/parse.h"

#include <fcntl.h>

static int go(struct cli *c, const char *id, const char *file, struct err *warning, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct oci_fast *f = NULL;
	int r = file ? oci_fast_load(AT_FDCWD, file, &a, &f, e) : 0;

	return r < 0 ? r : ctr_start(c->root, id, f, warning, e);
}

int cmd_start(struct cli *c, int argc, char **argv)
{
	const char *file = NULL;
	const struct opt opts[] = {
		{ "fast", 0, OPT_STR, &file, "FILE",
		  "run the program this JSON file names instead" },
		{ .type = OPT_END },
	};
	AUTO_REPORT struct ctr_report rep = { 0 };
	const char *id;
	struct err e = { 0 };
	int r;

	r = cli_id(c, argc, argv, opts, &id);
	if (r >= 0)
		return r;
	r = go(c, id, file, &rep.warning, &e);
	cli_report(c, &rep);
	return r < 0 ? cli_fail(c, &e, 1) : 0;
}
