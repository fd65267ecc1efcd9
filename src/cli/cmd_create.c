/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <string.h>

/* create, and run, which goes on where create stops. */
static int make(struct cli *c, int argc, char **argv, struct ctr_create_options *o)
{
	const char *level = NULL;
	const struct opt common[] = {
		{ "bundle", 'b', OPT_STR, &o->bundle, "DIR", "the bundle (default: \".\")" },
		{ "console-socket", 0, OPT_STR, &o->console_socket, "SOCKET",
		  "who gets the outer end of the terminal" },
		{ "config", 'f', OPT_STR, &o->config, "FILE", "in place of config.json" },
		{ "pidfd-socket", 0, OPT_STR, &o->pidfd_socket, "SOCKET",
		  "who gets the pidfd of the first process" },
		{ "pid-file", 0, OPT_STR, &o->pid_file, "FILE", "write the process id there" },
		{ "no-pivot", 0, OPT_FLAG, &o->no_pivot, OPT_SHOWN,
		  "no pivot_root, for a root on a ramdisk" },
		{ "no-new-keyring", 0, OPT_FLAG, &o->no_new_keyring, OPT_SHOWN,
		  "keep the caller's session keyring" },
		/* A create adopts nobody anyway. */
		{ "no-subreaper", 0, OPT_FLAG, &o->no_subreaper, o->run ? OPT_SHOWN : NULL,
		  "don't adopt the container's orphans" },
		{ "preserve-fds", 0, OPT_U32, &o->preserve_fds, "N", "pass N fds from 3 on" },
		{ "log-level", 0, OPT_STR, &level, NULL, "" },
		{ "timing", 0, OPT_FLAG, &o->timing, OPT_SHOWN, "price each step, on stderr" },
	};
	const struct opt run_only[] = {
		{ "detach", 'd', OPT_FLAG, &o->detach, OPT_SHOWN, "don't wait for the end" },
		{ "keep", 0, OPT_FLAG, &o->keep, OPT_SHOWN, "don't delete it after its end" },
	};
	struct opt opts[ARRAY_LEN(common) + ARRAY_LEN(run_only) + 1] = { 0 };
	AUTO_REPORT struct ctr_report rep = { 0 };
	struct err e = { 0 };
	int r, status = 0;

	memcpy(opts, common, sizeof(common));
	if (o->run)
		memcpy(opts + ARRAY_LEN(common), run_only, sizeof(run_only));
	r = cli_id(c, argc, argv, opts, &o->id);
	if (r >= 0)
		return r;
	r = log_set_level(&c->log, level, &e);
	o->debug = cli_debug(c);
	if (r == 0)
		r = ctr_create(o, &status, &rep, &e);
	cli_report(c, &rep);
	if (r < 0) {
		(void)err_wrap(&e, "%s failed", argv[0]);
		return cli_fail(c, &e, 1);
	}
	return status;
}

int cmd_create(struct cli *c, int argc, char **argv)
{
	struct ctr_create_options o = { .root = c->root,
					.cgroup_optional = c->rootless,
					.cgroup_manager = c->cgroup_manager };

	return make(c, argc, argv, &o);
}

int cmd_run(struct cli *c, int argc, char **argv)
{
	struct ctr_create_options o = { .root = c->root,
					.cgroup_optional = c->rootless,
					.cgroup_manager = c->cgroup_manager,
					.run = true };

	return make(c, argc, argv, &o);
}
