/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"
#include "oci/parse.h"
#include "warm/warm.h"

#include <fcntl.h>

/* The options of all four words: one table, as for every command. */
struct warm_args {
	struct warm_options up;
	const char *process, *format;
	bool detach;
};

static int up(struct cli *c, struct warm_args *w, const char *const *rest, struct err *e)
{
	if (*rest)
		return err_set(e, EINVAL, "warm up: \"%s\" is too much", *rest);
	w->up.create.root = c->root;
	w->up.create.cgroup_optional = c->rootless;
	w->up.create.cgroup_manager = c->cgroup_manager;
	return warm_up(&w->up, e);
}

static int take(struct cli *c, const struct warm_args *w, const char *name, int *status,
		struct err *e)
{
	struct oci_fast *f = NULL;
	AUTO_BUF struct buf out = { 0 };
	char *id = NULL;
	int r = w->process ? oci_fast_load(AT_FDCWD, w->process, &c->arena, &f, e) : 0;

	if (r == 0)
		r = warm_take(c->root, name, f, w->detach, &c->arena, &id, status, e);
	if (r < 0 || !w->detach)
		return r;
	buf_printf(&out, "%s\n", id);
	*status = cli_print_buf(c, &out);
	return 0;
}

static int ls(struct cli *c, const struct warm_args *w, int *status, struct err *e)
{
	AUTO_BUF struct buf out = { 0 };
	struct json_out o = { .b = &out, .pretty = true };
	struct warm_pool *list;
	size_t n;
	int json = cli_want_json(w->format, e);
	int r = json < 0 ? json : warm_list(c->root, &c->arena, &list, &n, e);

	if (r < 0)
		return r;
	if (json)
		jo_open(&o, NULL, '[');
	else
		buf_str(&out, "NAME                 READY  WANTED\n");
	for (size_t i = 0; i < n; i++) {
		if (!json) {
			buf_printf(&out, "%-20s %5u  %6u\n", list[i].name, list[i].ready,
				   list[i].want);
			continue;
		}
		jo_open(&o, NULL, '{');
		jo_str(&o, "name", list[i].name);
		jo_uint(&o, "ready", list[i].ready);
		jo_uint(&o, "wanted", list[i].want);
		jo_close(&o, '}');
	}
	if (json) {
		jo_close(&o, ']');
		buf_str(&out, "\n");
	}
	*status = cli_print_buf(c, &out);
	return 0;
}

static int go(struct cli *c, struct warm_args *w, const struct opt_args *args, int *status,
	      struct err *e)
{
	const char *word = args->list[0], *name = args->list[1];

	if (str_eq(word, "up"))
		return up(c, w, (const char *const *)args->list + 1, e);
	if (str_eq(word, "ls") && !name)
		return ls(c, w, status, e);
	if (str_eq(word, "take") && name)
		return take(c, w, name, status, e);
	if (str_eq(word, "down") && name)
		return warm_down(c->root, name, e);
	return err_set(e, EINVAL, "warm %s: must be up, take NAME, ls or down NAME", word);
}

int cmd_warm(struct cli *c, int argc, char **argv)
{
	struct warm_args w = { .up.count = 1 };
	const struct opt opts[] = {
		{ "bundle", 'b', OPT_STR, &w.up.create.bundle, "DIR",
		  "up: the bundle (default: \".\")" },
		{ "number", 'n', OPT_U32, &w.up.count, "N", "up: how many wait (default: 1)" },
		{ "name", 0, OPT_STR, &w.up.name, "NAME",
		  "up: call them so (default: the directory of the bundle)" },
		{ "foreground", 0, OPT_FLAG, &w.up.foreground, OPT_SHOWN,
		  "up: stay and keep them, in place of a process behind" },
		{ "process", 'p', OPT_STR, &w.process, "FILE",
		  "take: what to run, as for start --fast" },
		{ "detach", 'd', OPT_FLAG, &w.detach, OPT_SHOWN,
		  "take: print its id and don't wait for the end" },
		{ "format", 'f', OPT_STR, &w.format, "FORMAT", "ls: table (default) or json" },
		{ .type = OPT_END },
	};
	struct opt_args args;
	struct err e = { 0 };
	int r, status = 0;

	r = cli_args(c, argc, argv, opts, 1, 2, &args);
	if (r >= 0)
		return r;
	r = go(c, &w, &args, &status, &e);
	return r < 0 ? cli_fail(c, &e, 1) : status;
}
