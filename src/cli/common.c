/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <string.h>

int cli_fail(struct cli *c, const struct err *e, int status)
{
	log_write(&c->log, LOG_LEVEL_ERROR, e->msg);
	return status;
}

int cli_fail_program(struct cli *c, struct err *e, const char *command, int status)
{
	/* What cred_apply says of the program's own execve; of one that it can't find it says "exec: ". */
	c->log.bare = str_starts(e->msg, "exec ");
	if (!c->log.bare)
		(void)err_wrap(e, "%s failed", command);
	return cli_fail(c, e, c->log.bare ? CLI_NOT_EXECUTED : status);
}

static void tell(void *arg, const char *lines)
{
	struct cli *c = arg;

	while (*lines) {
		size_t n = strcspn(lines, "\n");
		char text[160];

		(void)snprintf(text, sizeof(text), "%.*s", (int)n, lines);
		log_write(&c->log, LOG_LEVEL_DEBUG, text);
		lines += n + (lines[n] == '\n');
	}
}

struct ctr_listener cli_debug(struct cli *c)
{
	return (struct ctr_listener){ .tell = c->log.debug ? tell : NULL, .arg = c };
}

void cli_report(struct cli *c, const struct ctr_report *r)
{
	if (r->warning.code)
		log_write(&c->log, LOG_LEVEL_WARNING, r->warning.msg);
	if (r->timing.len > 0)
		(void)sys_write_all(STDERR_FILENO, r->timing.data, r->timing.len);
}

static int print_help(struct cli *c, const struct opt *opts)
{
	AUTO_BUF struct buf b = { 0 };
	const struct command *k = c->command;

	buf_printf(&b, "NAME:\n   cay %s", k->name);
	if (k->of_runc)
		buf_printf(&b, ", in place of runc %s", k->name);
	buf_printf(&b, " - %s\n\nusage: cay %s %s\n", k->summary, k->name, k->args_help);
	if (opts[0].type != OPT_END)
		buf_str(&b, "\noptions:\n");
	opt_help(opts, &b);
	return cli_print_buf(c, &b);
}

static int count_fault(const struct command *k, size_t min, size_t max, struct err *e)
{
	if (min == max)
		return err_set(e, EINVAL, "\"%s\" requires exactly %zu argument(s): cay %s %s",
			       k->name, min, k->name, k->args_help);
	return err_set(e, EINVAL, "\"%s\" requires %zu to %zu argument(s): cay %s %s", k->name, min,
		       max, k->name, k->args_help);
}

/* Commands whose tail is another program's command line have no upper limit. */
static size_t stop_of(size_t max)
{
	return max == SIZE_MAX ? 1 : 0;
}

int cli_args(struct cli *c, int argc, char **argv, const struct opt *opts, size_t min, size_t max,
	     struct opt_args *args)
{
	const struct command *k = c->command;
	struct err e;
	int r;

	if (c->describe) {
		help_describe_options(opts, c->describe);
		return 0;
	}
	r = opt_parse(argc, argv, opts, stop_of(max), &c->arena, args, &e);
	if (r == 0 && args->help)
		return print_help(c, opts);
	if (r < 0)
		(void)err_wrap(&e, "cay %s", k->name);
	else if (args->count < min && max == SIZE_MAX)
		r = err_set(&e, EINVAL, "\"%s\" requires a minimum of %zu argument(s): cay %s %s",
			    k->name, min, k->name, k->args_help);
	else if (args->count < min || args->count > max)
		r = count_fault(k, min, max, &e);
	return r < 0 ? cli_fail(c, &e, 1) : -1;
}

int cli_id(struct cli *c, int argc, char **argv, const struct opt *opts, const char **ret)
{
	struct opt_args args;
	int r = cli_args(c, argc, argv, opts, 1, 1, &args);

	if (r < 0)
		*ret = args.list[0];
	return r;
}
