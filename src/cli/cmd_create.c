/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int cmd_create(struct cli *c, int argc, char **argv)
{
	struct ctr_create_options o = { .root = c->root,
					.cgroup_optional = c->rootless,
					.cgroup_manager = c->cgroup_manager };
	const char *level = NULL;
	bool no_subreaper = false; /* a create adopts nobody anyway */
	const struct opt opts[] = {
		{ "bundle", 'b', OPT_STR, &o.bundle, "DIR", "the bundle (default: \".\")" },
		{ "console-socket", 0, OPT_STR, &o.console_socket, "SOCKET",
		  "who gets the outer end of the terminal" },
		{ "config", 'f', OPT_STR, &o.config, "FILE", "in place of config.json" },
		{ "pidfd-socket", 0, OPT_STR, &o.pidfd_socket, "SOCKET",
		  "who gets the pidfd of the first process" },
		{ "pid-file", 0, OPT_STR, &o.pid_file, "FILE", "write the process id there" },
		{ "no-pivot", 0, OPT_FLAG, &o.no_pivot, OPT_SHOWN,
		  "no pivot_root, for a root on a ramdisk" },
		{ "no-new-keyring", 0, OPT_FLAG, &o.no_new_keyring, OPT_SHOWN,
		  "keep the caller's session keyring" },
		{ "no-subreaper", 0, OPT_FLAG, &no_subreaper, NULL, "" },
		{ "preserve-fds", 0, OPT_U32, &o.preserve_fds, "N", "pass N fds from 3 on" },
		{ "log-level", 0, OPT_STR, &level, NULL, "" },
		{ "timing", 0, OPT_FLAG, &o.timing, OPT_SHOWN, "price each step, on stderr" },
		{ .type = OPT_END },
	};
	AUTO_REPORT struct ctr_report rep = { 0 };
	struct opt_args args;
	struct err e = { 0 };
	int r, status;

	r = cli_args(c, argc, argv, opts, 1, 1, &args);
	if (r >= 0)
		return r;
	o.id = args.list[0];
	r = log_set_level(&c->log, level, &e);
	if (r == 0)
		r = ctr_create(&o, &status, &rep, &e);
	cli_report(c, &rep);
	if (r < 0) {
		(void)err_wrap(&e, "create failed");
		return cli_fail(c, &e, 1);
	}
	return 0;
}
