/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/opt.h"

#include "base/parse.h"

#include <string.h>

/* What Go's strconv.ParseBool takes, since --x=VALUE comes from runc. */
static int parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (str_eq(s, yes[i]) || str_eq(s, no[i])) {
			*ret = str_eq(s, yes[i]);
			return 0;
		}
	return -EINVAL;
}

static int add_string(struct opt_list *l, char *value, struct arena *a)
{
	char **list;

	if (l->count >= OPT_MAX_LIST)
		return -E2BIG;
	list = arena_array(a, l->count + 2, sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (l->count > 0)
		memcpy(list, l->list, l->count * sizeof(*list));
	list[l->count++] = value;
	l->list = list;
	return 0;
}

static int add_number(struct opt_u32s *l, const char *value, struct arena *a)
{
	uint32_t *list;
	uint32_t n;

	if (parse_u32(value, &n) < 0)
		return -EINVAL;
	if (l->count >= OPT_MAX_LIST)
		return -E2BIG;
	list = arena_array(a, l->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (l->count > 0)
		memcpy(list, l->list, l->count * sizeof(*list));
	list[l->count++] = n;
	l->list = list;
	return 0;
}

static int set_value(const struct opt *o, char *value, struct arena *a, struct err *e)
{
	int r = -EINVAL;

	switch (o->type) {
	case OPT_FLAG:
		r = parse_bool(value, o->to);
		break;
	case OPT_STR:
		*(const char **)o->to = value;
		r = 0;
		break;
	case OPT_U32:
		r = parse_u32(value, o->to) < 0 ? -EINVAL : 0;
		break;
	case OPT_LIST:
		r = add_string(o->to, value, a);
		break;
	case OPT_U32S:
		r = add_number(o->to, value, a);
		break;
	case OPT_END:
		break;
	}
	if (r == -ENOMEM)
		return err_oom(e);
	if (r == -E2BIG)
		return err_set(e, r, "--%s: given more than %d times", o->name, OPT_MAX_LIST);
	return r < 0 ? err_set(e, r, "--%s: invalid value \"%s\"", o->name, value) : 0;
}

static const struct opt *find(const struct opt *opts, const char *name, size_t len)
{
	for (const struct opt *o = opts; o->type != OPT_END; o++)
		if ((strlen(o->name) == len && memcmp(o->name, name, len) == 0) ||
		    (len == 1 && o->letter && o->letter == *name))
			return o;
	return NULL;
}

/* The last two are crun's. */
static bool is_help(const char *name, size_t len)
{
	static const char *const words[] = { "help", "h", "usage", "?" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == len && memcmp(words[i], name, len) == 0)
			return true;
	return false;
}

struct parser {
	char **argv;
	int argc, next;
	const struct opt *opts;
	struct arena *a;
	struct opt_args *ret;
	struct err *e;
};

/* @arg begins with a dash and is neither "-" nor "--". */
static int take_option(struct parser *p, const char *arg)
{
	static char yes[] = "true";
	const char *name = arg + (arg[1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");
	const struct opt *o = find(p->opts, name, len);
	char *value = yes;

	if (!o && is_help(name, len)) {
		p->ret->help = true;
		return 0;
	}
	if (!o)
		return err_set(p->e, EINVAL, "flag provided but not defined: -%.*s",
			       (int)(len > 100 ? 100 : len), name);
	if (name[len] == '=') {
		value = p->argv[p->next - 1] + (name - arg) + len + 1;
	} else if (o->type != OPT_FLAG) {
		if (p->next >= p->argc)
			return err_set(p->e, EINVAL, "flag needs an argument: -%.*s", (int)len,
				       name);
		value = p->argv[p->next++];
	}
	return set_value(o, value, p->a, p->e);
}

int opt_parse(int argc, char **argv, const struct opt *opts, size_t stop, struct arena *a,
	      struct opt_args *ret, struct err *e)
{
	struct parser p = {
		.argv = argv, .argc = argc, .next = 1, .opts = opts, .a = a, .ret = ret, .e = e
	};
	bool open = true;
	int r;

	*ret = (struct opt_args){ 0 };
	ret->list = arena_array(a, (size_t)argc + 1, sizeof(*ret->list));
	if (!ret->list)
		return err_oom(e);
	while (p.next < argc) {
		char *arg = argv[p.next++];

		if (stop && ret->count >= stop)
			open = false;
		if (!open || arg[0] != '-' || arg[1] == '\0') {
			ret->list[ret->count++] = arg;
			continue;
		}
		if (str_eq(arg, "--")) {
			open = false;
			continue;
		}
		r = take_option(&p, arg);
		if (r < 0)
			return r;
	}
	return 0;
}

void opt_help(const struct opt *opts, struct buf *out)
{
	for (const struct opt *o = opts; o->type != OPT_END; o++) {
		size_t start = out->len, width;

		if (!o->value)
			continue;
		buf_printf(out, "  --%s", o->name);
		if (o->letter)
			buf_printf(out, ", -%c", o->letter);
		if (*o->value)
			buf_printf(out, " %s", o->value);
		width = out->len - start;
		buf_printf(out, "%*s%s\n", width < 30 ? 30 - (int)width : 2, "", o->help);
	}
}
