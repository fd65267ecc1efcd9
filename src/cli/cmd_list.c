/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 6 };

/* Cells of the table, row by row, the heading first. */
struct table {
	struct arena *arena;
	char **cells;
	size_t rows;
};

static int add_row(struct table *t, const struct ctr *k, struct err *e)
{
	enum ctr_status st = ctr_status(k);
	char **row = t->cells + t->rows * COLUMNS;

	row[0] = arena_strdup(t->arena, k->id);
	row[1] = arena_printf(t->arena, "%d", st == CTR_STOPPED ? 0 : k->pid);
	row[2] = arena_strdup(t->arena, ctr_status_name(st));
	row[3] = arena_strdup(t->arena, k->bundle);
	row[4] = arena_strdup(t->arena, k->created);
	row[5] = ctr_owner(k, t->arena);
	for (size_t i = 0; i < COLUMNS; i++)
		if (!row[i])
			return err_oom(e);
	t->rows++;
	return 0;
}

static size_t shown_len(const char *s)
{
	AUTO_BUF struct buf b = { 0 };

	print_escaped(&b, s);
	return b.len;
}

/* Columns as runc has them: at least 12 wide, three blanks between. */
static void print_table(const struct table *t, struct buf *out)
{
	static const char *const head[COLUMNS] = { "ID",     "PID",	"STATUS",
						   "BUNDLE", "CREATED", "OWNER" };
	size_t width[COLUMNS];

	for (size_t i = 0; i < COLUMNS; i++) {
		width[i] = 9;
		for (size_t r = 0; r < t->rows; r++) {
			size_t n = shown_len(t->cells[r * COLUMNS + i]);

			width[i] = n > width[i] ? n : width[i];
		}
		width[i] += 3;
	}
	for (size_t r = 0; r <= t->rows; r++) {
		for (size_t i = 0; i < COLUMNS; i++) {
			const char *cell = r ? t->cells[(r - 1) * COLUMNS + i] : head[i];

			print_column(out, cell, i + 1 < COLUMNS ? width[i] : 0);
		}
		buf_str(out, "\n");
	}
}

/* A container may go while we list: then it is left out. */
static int each(struct cli *c, char **ids, struct table *t, struct json_out *json, struct err *e)
{
	int r;

	for (; *ids; ids++) {
		AUTO_CTR struct ctr k = CTR_INIT;

		r = ctr_open(c->root, *ids, false, &k, e);
		if (r == -ENOENT)
			continue;
		if (r < 0) {
			log_write(&c->log, LOG_LEVEL_WARNING, e->msg);
			continue;
		}
		if (json) {
			const char *owner = ctr_owner(&k, &c->arena);

			ctr_write_state(&k, owner ? owner : "", json);
			continue;
		}
		r = add_row(t, &k, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int print_list(struct cli *c, char **ids, size_t count, bool as_json, struct buf *out,
		      struct err *e)
{
	struct json_out json = { .b = out };
	struct table t = { .arena = &c->arena };
	int r;

	t.cells = arena_array(&c->arena, (count + 1) * COLUMNS, sizeof(*t.cells));
	if (!t.cells)
		return err_oom(e);
	if (as_json && count == 0) {
		buf_str(out, "null\n");
		return 0;
	}
	if (as_json)
		jo_open(&json, NULL, '[');
	r = each(c, ids, &t, as_json ? &json : NULL, e);
	if (r < 0)
		return r;
	if (as_json) {
		jo_close(&json, ']');
		buf_str(out, "\n");
	} else {
		print_table(&t, out);
	}
	return 0;
}

int cmd_list(struct cli *c, int argc, char **argv)
{
	const char *format = NULL;
	bool quiet = false;
	const struct opt opts[] = {
		{ "format", 'f', OPT_STR, &format, "FORMAT", "table (default) or json" },
		{ "quiet", 'q', OPT_FLAG, &quiet, OPT_SHOWN, "only ids" },
		{ .type = OPT_END },
	};
	AUTO_BUF struct buf out = { 0 };
	struct opt_args args;
	struct err e = { 0 };
	size_t count = 0;
	char **ids;
	int r, as_json;

	r = cli_args(c, argc, argv, opts, 0, 0, &args);
	if (r >= 0)
		return r;
	as_json = cli_want_json(format, &e);
	r = as_json < 0 ? as_json : ctr_list(c->root, &c->arena, &ids, &count, &e);
	if (r < 0)
		return cli_fail(c, &e, 1);
	if (quiet)
		for (size_t i = 0; i < count; i++)
			buf_printf(&out, "%s\n", ids[i]);
	else
		r = print_list(c, ids, count, as_json > 0, &out, &e);
	return r < 0 ? cli_fail(c, &e, 1) : cli_print_buf(c, &out);
}
