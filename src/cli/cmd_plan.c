/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int cmd_plan(struct cli *c, int argc, char **argv)
{
	struct ctr_create_options o = { .root = c->root,
					.cgroup_optional = c->rootless,
					.cgroup_manager = c->cgroup_manager,
					.id = "plan",
					.run = true };
	const char *format = NULL;
	bool create = false;
	const struct opt opts[] = {
		{ "bundle", 'b', OPT_STR, &o.bundle, "DIR", "the bundle (default: \".\")" },
		{ "config", 0, OPT_STR, &o.config, "FILE", "in place of config.json" },
		{ "format", 'f', OPT_STR, &format, "FORMAT", "text (default) or json" },
		{ "id", 0, OPT_STR, &o.id, "ID", "of the container (default: plan)" },
		{ "create", 0, OPT_FLAG, &create, OPT_SHOWN, "with the gate that create has" },
		{ "no-pivot", 0, OPT_FLAG, &o.no_pivot, OPT_SHOWN,
		  "no pivot_root, for a root on a ramdisk" },
		{ "no-new-keyring", 0, OPT_FLAG, &o.no_new_keyring, OPT_SHOWN,
		  "keep the caller's session keyring" },
		{ .type = OPT_END },
	};
	AUTO_BUF struct buf out = { 0 };
	struct opt_args args;
	struct err e = { 0 };
	int r, json;

	r = cli_args(c, argc, argv, opts, 0, 0, &args);
	if (r >= 0)
		return r;
	o.run = !create;
	json = cli_want_json(format, &e);
	r = json < 0 ? json : ctr_compile(&o, json > 0, &out, &e);
	return r < 0 ? cli_fail(c, &e, 1) : cli_print_buf(c, &out);
}
