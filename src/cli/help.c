/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/json.h"
#include "base/parse.h"

/*
 * What the tables of commands and options say, for people and for programs: the manual pages
 * and the completions are made from help_describe, so that none of them can disagree with what
 * is parsed.
 */

void help_usage(struct cli *c, struct buf *b)
{
	buf_str(b,
		"NAME:\n   cay, in place of runc - Open Container Initiative runtime\n\n"
		"Puts a program on an island of its own.\n\nusage: cay [global options] COMMAND [options] [arguments]\n\ncommands:\n");
	for (const struct command *k = cli_commands; k->name; k++)
		buf_printf(b, "  %-10s %s\n", k->name, k->summary);
	buf_str(b, "\nglobal options:\n");
	opt_help(c->options, b);
	buf_str(b, "\n\"cay COMMAND --help\" tells the options of a command.\n");
}

const struct command *help_find(const char *name)
{
	if (str_eq(name, "h")) /* runc's other name for it */
		name = "help";
	for (const struct command *k = cli_commands; k->name; k++)
		if (str_eq(k->name, name))
			return k;
	return NULL;
}

static const char *type_name(enum opt_type t)
{
	switch (t) {
	case OPT_FLAG:
		return "flag";
	case OPT_STR:
		return "string";
	case OPT_U32:
		return "number";
	case OPT_LIST:
		return "strings";
	case OPT_U32S:
		return "numbers";
	case OPT_END:
		break;
	}
	return "";
}

void help_describe_options(const struct opt *opts, struct json_out *o)
{
	jo_open(o, "options", '[');
	for (; opts->type != OPT_END; opts++) {
		char letter[2] = { opts->letter, '\0' };

		jo_open(o, NULL, '{');
		jo_str(o, "name", opts->name);
		if (opts->letter)
			jo_str(o, "letter", letter);
		jo_str(o, "type", type_name(opts->type));
		if (opts->value && *opts->value)
			jo_str(o, "value", opts->value);
		jo_bool(o, "hidden", !opts->value);
		jo_str(o, "help", opts->help);
		jo_close(o, '}');
	}
	jo_close(o, ']');
}

/* Each command is called to get as far as its table of options, which cli_args then tells. */
static void describe(struct cli *c, struct buf *b)
{
	struct json_out o = { .b = b, .pretty = true };
	const struct command *self = c->command;

	jo_open(&o, NULL, '{');
	jo_str(&o, "version", CAY_VERSION);
	help_describe_options(c->options, &o);
	jo_open(&o, "commands", '[');
	c->describe = &o;
	for (const struct command *k = cli_commands; k->name; k++) {
		char *argv[] = { (char *)k->name, NULL };

		jo_open(&o, NULL, '{');
		jo_str(&o, "name", k->name);
		jo_str(&o, "arguments", k->args_help);
		jo_str(&o, "summary", k->summary);
		c->command = k;
		(void)k->run(c, 1, argv);
		jo_close(&o, '}');
	}
	c->describe = NULL;
	c->command = self;
	jo_close(&o, ']');
	jo_close(&o, '}');
	buf_str(b, "\n");
}

/* Words and status of runc. */
int help_missing(struct cli *c, const char *name)
{
	struct err e;

	(void)err_set(&e, EINVAL, "No help topic for '%.64s': see cay --help", name);
	return cli_fail(c, &e, 3);
}

static int help_of(struct cli *c, const char *name)
{
	static char help[] = "--help";
	char *argv[] = { (char *)name, help, NULL };

	const struct command *k = help_find(name);

	if (!k)
		return help_missing(c, name);
	c->command = k;
	return k->run(c, 2, argv);
}

int cmd_help(struct cli *c, int argc, char **argv)
{
	const char *format = NULL;
	const struct opt opts[] = {
		{ "format", 'f', OPT_STR, &format, "FORMAT",
		  "text (default) or json: all commands and options, for programs" },
		{ .type = OPT_END },
	};
	AUTO_BUF struct buf out = { 0 };
	struct opt_args args;
	struct err e = { 0 };
	int r, json;

	r = cli_args(c, argc, argv, opts, 0, 1, &args);
	if (r >= 0)
		return r;
	json = cli_want_json(format, &e);
	if (json < 0)
		return cli_fail(c, &e, 1);
	if (args.count > 0)
		return help_of(c, args.list[0]);
	if (json)
		describe(c, &out);
	else
		help_usage(c, &out);
	return cli_print_buf(c, &out);
}
