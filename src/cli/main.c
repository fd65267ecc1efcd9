/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"
#include "sys/host.h"
#include "sys/syscalls.h"

#include <stdio.h>
#include <string.h>

const struct command cli_commands[] = {
	{ "create", cmd_create, "[options] ID", "create a container, its program waits", true },
	{ "start", cmd_start, "ID", "let the program of a created container run", true },
	{ "warm", cmd_warm, "[options] up | take NAME | ls | down NAME",
	  "keep containers waiting, and run programs in them at once", false },
	{ "run", cmd_run, "[options] ID", "create a container and run it", true },
	{ "state", cmd_state, "ID", "print the state of a container as JSON", true },
	{ "kill", cmd_kill, "[options] ID [SIGNAL]", "send a signal (default: TERM)", true },
	{ "delete", cmd_delete, "[options] ID", "remove a stopped container", true },
	{ "pause", cmd_pause, "ID", "stop all processes of a container, for a while", true },
	{ "resume", cmd_resume, "ID", "let a paused container go on", true },
	{ "update", cmd_update, "[options] ID", "change the limits of a container", true },
	{ "events", cmd_events, "[options] ID", "tell of memory running out, and usage, as JSON",
	  true },
	{ "checkpoint", cmd_checkpoint, "[options] ID", "write a running container to files",
	  true },
	{ "restore", cmd_restore, "[options] ID", "bring a container back from files", true },
	{ "mounts", cmd_mounts, "add|remove ID FILE", "mount into a running container, or unmount",
	  false },
	{ "agent", cmd_agent, "[options] [reload|status|metrics]",
	  "lend containers the system calls that a policy names", false },
	{ "list", cmd_list, "[options]", "list the containers below --root", true },
	{ "exec", cmd_exec, "[options] ID COMMAND [ARGUMENT...] | -p FILE ID",
	  "run another process in a container", true },
	{ "ps", cmd_ps, "[options] ID [PS OPTIONS...]", "show the processes in a container", true },
	{ "spec", cmd_spec, "[options]", "write a config.json to begin with", true },
	{ "features", cmd_features, "", "print what this program can do as JSON", true },
	{ "plan", cmd_plan, "[options]", "print what run would do, step by step, and do nothing",
	  false },
	{ "policy", cmd_policy, "[options] check FILE... | explain FILE [QUESTION]",
	  "check a policy, tell what its lines mean and which one decides", false },
	{ "doctor", cmd_doctor, "[options]", "say what this host can do and how to mend the rest",
	  false },
	{ "help", cmd_help, "[options] [COMMAND]", "tell how cay or a command is used", true },
	{ NULL, NULL, NULL, NULL, false },
};

/* What the options in front of the subcommand leave behind. */
struct global_options {
	const char *root, *log, *log_format, *cgroup_manager, *rootless, *criu, *log_level;
	bool debug, systemd_cgroup, version;
};

enum { GLOBAL_OPTIONS = 12 };

static void fill_options(struct global_options *g, struct opt opts[GLOBAL_OPTIONS])
{
	const struct opt rows[GLOBAL_OPTIONS] = {
		{ "root", 0, OPT_STR, &g->root, "DIR", "where state is kept (default: /run/cay)" },
		{ "log", 0, OPT_STR, &g->log, "FILE",
		  "append messages to FILE, journald:NAME or syslog:NAME too" },
		{ "log-format", 0, OPT_STR, &g->log_format, "FORMAT", "text (default) or json" },
		{ "log-level", 0, OPT_STR, &g->log_level, "LEVEL",
		  "warning (default), debug or error" },
		{ "debug", 0, OPT_FLAG, &g->debug, OPT_SHOWN, "more messages" },
		{ "systemd-cgroup", 0, OPT_FLAG, &g->systemd_cgroup, OPT_SHOWN,
		  "the same as --cgroup-manager systemd" },
		{ "cgroup-manager", 0, OPT_STR, &g->cgroup_manager, "NAME",
		  "cgroupfs (default), systemd or disabled" },
		{ "rootless", 0, OPT_STR, &g->rootless, "WHEN",
		  "do without cgroups that can't be had: true, false or auto" },
		{ "criu", 0, OPT_STR, &g->criu, "PROGRAM",
		  "in place of criu, for checkpoint and restore" },
		{ "version", 'v', OPT_FLAG, &g->version, OPT_SHOWN, "print the version" },
		{ "version", 'V', OPT_FLAG, &g->version, NULL, "" },
		{ .type = OPT_END },
	};

	memcpy(opts, rows, sizeof(rows));
}

static int set_root(struct cli *c, const char *root, struct err *e)
{
	AUTO_FREE char *cwd = NULL;

	if (!root)
		c->root = ctr_default_root(&c->arena);
	else if (!*root)
		return err_set(e, EINVAL, "--root: must not be empty");
	else if (root[0] == '/')
		c->root = arena_strdup(&c->arena, root);
	else if ((cwd = getcwd(NULL, 0)))
		c->root = arena_printf(&c->arena, "%s/%s", cwd, root);
	else
		return err_sys(e, errno, "--root \"%s\": the working directory", root);
	return c->root ? 0 : err_oom(e);
}

static int set_rootless(struct cli *c, const char *value, struct err *e)
{
	if (!value || str_eq(value, "auto") || !*value)
		c->rootless = geteuid() != 0 || host_in_userns();
	else if (str_eq(value, "true") || str_eq(value, "1"))
		c->rootless = true;
	else if (str_eq(value, "false") || str_eq(value, "0"))
		c->rootless = false;
	else
		return err_set(e, EINVAL, "--rootless \"%s\": must be true, false or auto", value);
	return 0;
}

static int set_manager(struct cli *c, const struct global_options *g, struct err *e)
{
	const char *name = g->cgroup_manager;

	if (!name)
		c->cgroup_manager = g->systemd_cgroup ? CG_SYSTEMD : CG_CGROUPFS;
	else if (str_eq(name, "cgroupfs"))
		c->cgroup_manager = CG_CGROUPFS;
	else if (str_eq(name, "systemd"))
		c->cgroup_manager = CG_SYSTEMD;
	else if (str_eq(name, "disabled"))
		c->cgroup_manager = CG_DISABLED;
	else
		return err_set(e, EINVAL,
			       "--cgroup-manager \"%s\": must be cgroupfs, systemd or disabled",
			       name);
	return 0;
}

static int apply_options(struct cli *c, const struct global_options *g, struct err *e)
{
	int r;

	c->criu = g->criu && *g->criu ? g->criu : NULL;
	c->log.debug = g->debug;
	r = log_set_level(&c->log, g->log_level, e);
	if (r == 0)
		r = log_open(&c->log, g->log, g->log_format, e);
	if (r == 0)
		r = set_root(c, g->root, e);
	if (r == 0)
		r = set_rootless(c, g->rootless, e);
	if (r == 0)
		r = set_manager(c, g, e);
	return r;
}

/* Arguments may hold secrets (exec --env), so they are not told. */
static int run_command(struct cli *c, const struct opt_args *args)
{
	uint64_t begun = sys_now_ns();
	char text[160];
	int r;

	(void)snprintf(text, sizeof(text), "%s: begins as process %d of user %u", c->command->name,
		       getpid(), geteuid());
	log_write(&c->log, LOG_LEVEL_DEBUG, text);
	r = c->command->run(c, (int)args->count, args->list);
	(void)snprintf(text, sizeof(text), "%s: ends with status %d after %llu us",
		       c->command->name, r, (unsigned long long)(sys_now_ns() - begun) / 1000);
	log_write(&c->log, LOG_LEVEL_DEBUG, text);
	return r;
}

static int dispatch(struct cli *c, const struct global_options *g, const struct opt_args *args)
{
	AUTO_BUF struct buf out = { 0 };

	if (g->version) {
		print_version(&out);
		return cli_print_buf(c, &out);
	}
	if (args->help || args->count == 0) {
		help_usage(c, &out);
		return cli_print_buf(c, &out);
	}
	c->command = help_find(args->list[0]);
	if (!c->command)
		return help_missing(c, args->list[0]);
	return run_command(c, args);
}

/* Whoever starts us without stdio must not get our files in its place. */
static bool has_stdio(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct opt opts[GLOBAL_OPTIONS];
	struct cli c = { .log = LOG_INIT };
	struct global_options g = { 0 };
	struct opt_args args;
	struct err e = { 0 };
	int r;

	if (!has_stdio()) {
		static const char why[] = "cay: stdin, stdout or stderr is missing\n";

		(void)sys_write_all(STDERR_FILENO, why, sizeof(why) - 1);
		return 1;
	}
	fill_options(&g, opts);
	c.options = opts;
	r = opt_parse(argc, argv, opts, 1, &c.arena, &args, &e);
	if (r == 0)
		r = apply_options(&c, &g, &e);
	r = r < 0 ? cli_fail(&c, &e, 1) : dispatch(&c, &g, &args);
	log_close(&c.log);
	arena_done(&c.arena);
	return r;
}
