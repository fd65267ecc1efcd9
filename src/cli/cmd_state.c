/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int cmd_state(struct cli *c, int argc, char **argv)
{
	const struct opt opts[] = { { .type = OPT_END } };
	AUTO_CTR struct ctr ctr = CTR_INIT;
	AUTO_BUF struct buf b = { 0 };
	struct json_out o = { .b = &b, .pretty = true };
	struct opt_args args;
	struct err e = { 0 };
	int r;

	r = cli_args(c, argc, argv, opts, 1, 1, &args);
	if (r >= 0)
		return r;
	r = ctr_open(c->root, args.list[0], false, &ctr, &e);
	if (r < 0)
		return cli_fail(c, &e, 1);
	ctr_write_state(&ctr, "", &o);
	buf_str(&b, "\n");
	return cli_print_buf(c, &b);
}
