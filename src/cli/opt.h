/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Options as runc takes them: "-x" and "--x" mean the same for every name, a value follows
 * behind "=" or as the next argument, "--" ends the options. They may stand in front of and
 * behind the positional arguments, unless the command says from where on all is its own.
 */
enum opt_type {
	OPT_END,
	OPT_FLAG, /* bool: --x, --x=false */
	OPT_STR,  /* const char * */
	OPT_U32,  /* uint32_t */
	OPT_LIST, /* struct opt_list: may be given again */
	OPT_U32S, /* struct opt_u32s: may be given again */
};

enum { OPT_MAX_LIST = 4096 };

struct opt_list {
	char **list; /* NULL-terminated; NULL: not given */
	size_t count;
};

struct opt_u32s {
	uint32_t *list;
	size_t count;
};

struct opt {
	const char *name;
	char letter; /* 0: none */
	enum opt_type type;
	void *to;
	const char *value; /* word for the value in the help; NULL: the option is not shown */
	const char *help;
};

struct opt_args {
	char **list; /* NULL-terminated positional arguments; points into argv's strings */
	size_t count;
	bool help; /* --help was given; nothing else is valid then */
};

/* For flags, which have no value, to be shown in the help all the same. */
#define OPT_SHOWN ""

/**
 * opt_parse - parse argv[1] … argv[argc - 1]
 * @opts:  ends with OPT_END; their targets are written to
 * @stop:  behind so many positional arguments everything is positional; 0: options may
 *         stand anywhere
 * @a:     owns lists
 *
 * Return: 0; -EINVAL names the option.
 */
int opt_parse(int argc, char **argv, const struct opt *opts, size_t stop, struct arena *a,
	      struct opt_args *ret, struct err *e);

/** opt_help - append one line an option */
void opt_help(const struct opt *opts, struct buf *out);
