/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int cmd_state(struct cli *c, int argc, char **argv)
{
	const struct opt opts[] = { { .type = OPT_END } };
	AUTO_CTR struct ctr ctr = CTR_INIT;
	AUTO_BUF struct buf b = { 0 };
	struct json_out o = { .b = &b, .pretty = true };
	const char *id;
	struct err e = { 0 };
	int r;

	r = cli_id(c, argc, argv, opts, &id);
	if (r >= 0)
		return r;
	r = ctr_open(c->root, id, false, &ctr, &e);
	if (r < 0)
		return cli_fail(c, &e, 1);
	ctr_write_state(&ctr, "", &o);
	buf_str(&b, "\n");
	return cli_print_buf(c, &b);
}
