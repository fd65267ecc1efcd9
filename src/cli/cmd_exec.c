/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"

/* runc answers 255 when the process could not be run, so that 1 is always the program's. */
enum { EXEC_FAILED = 255 };

/* Lists that options fill; their kind is not that of struct ctr_exec_options. */
struct lists {
	struct opt_list env, caps, cgroups;
	struct opt_u32s gids;
};

static int finish(struct ctr_exec_options *o, const struct lists *l, const struct opt_args *args,
		  struct err *e)
{
	size_t skip = args->count > 1 && str_eq(args->list[1], "--") ? 2 : 1;

	o->id = args->list[0];
	o->args = args->list + skip;
	o->env = l->env.list;
	o->caps = l->caps.list;
	o->cgroups = l->cgroups.list;
	o->gids = l->gids.list;
	o->gids_count = l->gids.count;
	if (!o->process_file && !o->args[0])
		return err_set(e, EINVAL, "process args cannot be empty");
	return 0;
}

static int go(struct cli *c, const struct ctr_exec_options *o, int *status, struct err *e)
{
	AUTO_REPORT struct ctr_report rep = { 0 };
	int r;

	r = ctr_exec(o, status, &rep, e);
	cli_report(c, &rep);
	return r;
}

int cmd_exec(struct cli *c, int argc, char **argv)
{
	struct ctr_exec_options o = { .root = c->root };
	struct lists l = { 0 };
	bool no_subreaper = false;
	const struct opt opts[] = {
		{ "console-socket", 0, OPT_STR, &o.console_socket, "SOCKET",
		  "who gets the outer end of the terminal" },
		{ "cwd", 0, OPT_STR, &o.cwd, "DIR", "working directory in the container" },
		{ "env", 'e', OPT_LIST, &l.env, "NAME=VALUE", "add to the environment" },
		{ "tty", 't', OPT_FLAG, &o.tty, OPT_SHOWN, "give it a terminal" },
		{ "user", 'u', OPT_STR, &o.user, "UID[:GID]", "run as these numbers" },
		{ "additional-gids", 'g', OPT_U32S, &l.gids, "GID", "add a group" },
		{ "process", 'p', OPT_STR, &o.process_file, "FILE", "a process object as JSON" },
		{ "detach", 'd', OPT_FLAG, &o.detach, OPT_SHOWN, "don't wait for the end" },
		{ "pidfd-socket", 0, OPT_STR, &o.pidfd_socket, "SOCKET",
		  "who gets the pidfd of the process" },
		{ "pid-file", 0, OPT_STR, &o.pid_file, "FILE", "write the process id there" },
		{ "process-label", 0, OPT_STR, &o.process_label, "LABEL", "SELinux label" },
		{ "apparmor", 0, OPT_STR, &o.apparmor, "PROFILE", "AppArmor profile" },
		{ "no-new-privs", 0, OPT_FLAG, &o.no_new_privs, OPT_SHOWN,
		  "set no_new_privs even if the container has not" },
		{ "cap", 'c', OPT_LIST, &l.caps, "CAP", "add a capability" },
		{ "preserve-fds", 0, OPT_U32, &o.preserve_fds, "N", "pass N fds from 3 on" },
		{ "cgroup", 0, OPT_LIST, &l.cgroups, "[CONTROLLER:]PATH",
		  "an existing cgroup below the container's" },
		{ "ignore-paused", 0, OPT_FLAG, &o.ignore_paused, OPT_SHOWN,
		  "also into a paused container" },
		{ "no-subreaper", 0, OPT_FLAG, &no_subreaper, NULL, "" },
		{ "timing", 0, OPT_FLAG, &o.timing, OPT_SHOWN, "price each step, on stderr" },
		{ .type = OPT_END },
	};
	struct opt_args args;
	struct err e = { 0 };
	int r, status = 0;

	r = cli_args(c, argc, argv, opts, 1, SIZE_MAX, &args);
	if (r >= 0)
		return r;
	o.debug = cli_debug(c);
	r = finish(&o, &l, &args, &e);
	if (r == 0)
		r = go(c, &o, &status, &e);
	return r < 0 ? cli_fail_program(c, &e, "exec", EXEC_FAILED) : status;
}
