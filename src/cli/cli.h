/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "cli/log.h"
#include "cli/opt.h"
#include "container/container.h"

/* What the options in front of the subcommand say, and where messages go. */
struct cli {
	struct arena arena;
	struct log log;
	const char *root; /* absolute */
	bool rootless;	  /* a cgroup that can't be had is no error */
	enum cg_manager cgroup_manager;
	const char *criu; /* the program; NULL: "criu" from PATH */
	const struct command *command;
	const struct opt *options; /* the ones in front of the subcommand */
	struct json_out *describe; /* not NULL: tell your options and do nothing */
};

/*
 * A subcommand. @run gets argv[0] = name and returns the exit status.
 */
struct command {
	const char *name;
	int (*run)(struct cli *c, int argc, char **argv);
	const char *args_help;
	const char *summary;
	bool of_runc; /* runc has a command of this name, with these options */
};

/** cli_commands - the table, ends with a row without name */
extern const struct command cli_commands[];

/**
 * cli_args - parse the options of a subcommand and count what is left
 * @min, @max: how many positional arguments
 *
 * Prints the help for --help, and the fault with a hint otherwise.
 * Return: -1: go on, @args is filled; else the exit status.
 */
int cli_args(struct cli *c, int argc, char **argv, const struct opt *opts, size_t min, size_t max,
	     struct opt_args *args);

/** cli_id - cli_args of a command whose one argument is a container; Return: as cli_args */
int cli_id(struct cli *c, int argc, char **argv, const struct opt *opts, const char **ret);

/** help_missing - there is no command @name; Return: the exit status, 3 as runc has it */
int help_missing(struct cli *c, const char *name);

/** help_find - the row of a command; NULL: there is none */
const struct command *help_find(const char *name);

/** help_usage - what `cay --help` says */
void help_usage(struct cli *c, struct buf *b);

/** help_describe_options - member "options" of an open JSON object */
void help_describe_options(const struct opt *opts, struct json_out *o);

/** cli_fail - log an error; Return: @status */
int cli_fail(struct cli *c, const struct err *e, int status);

/**
 * cli_fail_program - cli_fail of a command that was to run a program
 *
 * When the kernel refused to execute it, its process would have said so: then stderr gets that line as
 * runc's process writes it, with nothing in front, and the status is the one runc has for it.
 * Return: @status, or CLI_NOT_EXECUTED.
 */
int cli_fail_program(struct cli *c, struct err *e, const char *command, int status);

enum { CLI_NOT_EXECUTED = 255 };

/** cli_debug - who writes debug messages, for options; tell is NULL when there is nobody to */
struct ctr_listener cli_debug(struct cli *c);

/** cli_report - log the warning of @r and print its prices on stderr */
void cli_report(struct cli *c, const struct ctr_report *r);

/** cli_print - write text to stdout; Return: 0, or 1 when it can't be written (logged) */
int cli_print(struct cli *c, const char *text, size_t n);

/** cli_print_buf - cli_print of a buf that may have run out of memory */
int cli_print_buf(struct cli *c, const struct buf *b);

/** cli_want_json - value of --format; Return: 1 json, 0 table, -EINVAL */
int cli_want_json(const char *format, struct err *e);

/**
 * cli_for_each - do something to the containers that an argument means
 * @pattern: an id; with @regex an extended regular expression that is searched for in each id
 * @fn:      Return: 0, or negative with @e set
 *
 * With @regex a failure is logged and the others are done all the same.
 * Return: the exit status.
 */
int cli_for_each(struct cli *c, const char *pattern, bool regex,
		 int (*fn)(struct cli *c, const char *id, void *arg, struct err *e), void *arg);

/** print_escaped - text_visible of a string */
void print_escaped(struct buf *b, const char *s);

/** print_column - print_escaped, padded with blanks to @width */
void print_column(struct buf *b, const char *s, size_t width);

/** cli_commit - what cay was built from; "unknown" where that is no git repository */
extern const char cli_commit[];

/** print_version - what `cay --version` says */
void print_version(struct buf *b);

int cmd_create(struct cli *c, int argc, char **argv);
int cmd_run(struct cli *c, int argc, char **argv);
int cmd_start(struct cli *c, int argc, char **argv);
int cmd_warm(struct cli *c, int argc, char **argv);
int cmd_state(struct cli *c, int argc, char **argv);
int cmd_kill(struct cli *c, int argc, char **argv);
int cmd_delete(struct cli *c, int argc, char **argv);
int cmd_list(struct cli *c, int argc, char **argv);
int cmd_exec(struct cli *c, int argc, char **argv);
int cmd_ps(struct cli *c, int argc, char **argv);
int cmd_spec(struct cli *c, int argc, char **argv);
int cmd_features(struct cli *c, int argc, char **argv);
int cmd_pause(struct cli *c, int argc, char **argv);
int cmd_resume(struct cli *c, int argc, char **argv);
int cmd_update(struct cli *c, int argc, char **argv);
int cmd_events(struct cli *c, int argc, char **argv);
int cmd_checkpoint(struct cli *c, int argc, char **argv);
int cmd_restore(struct cli *c, int argc, char **argv);
int cmd_mounts(struct cli *c, int argc, char **argv);
int cmd_agent(struct cli *c, int argc, char **argv);
int cmd_plan(struct cli *c, int argc, char **argv);
int cmd_policy(struct cli *c, int argc, char **argv);
int cmd_doctor(struct cli *c, int argc, char **argv);
int cmd_help(struct cli *c, int argc, char **argv);
