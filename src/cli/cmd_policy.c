/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/json.h"
#include "base/parse.h"
#include "policy/calls.h"
#include "policy/policy_text.h"
#include "sys/syscalls.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

/* A policy file that was read, or why it could not be. */
struct policy_file {
	const char *name;
	struct policy *policy;
	struct buf faults; /* struct policy_fault */
	struct err e;	   /* it could not even be read */
};

static void file_done(struct policy_file *f)
{
	policy_free(f->policy);
	buf_done(&f->faults);
}
#define AUTO_FILE AUTO(file_done)

/* Return: 0; negative: see @f */
static int read_file(const char *name, struct policy_file *f)
{
	AUTO_FD int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	AUTO_BUF struct buf text = { 0 };
	int r;

	f->name = name;
	if (fd < 0)
		return err_sys(&f->e, errno, "policy \"%s\"", name);
	r = buf_read_fd(&text, fd, POLICY_MAX_BYTES);
	if (r == -E2BIG)
		return err_set(&f->e, r, "policy \"%s\": over %d bytes", name, POLICY_MAX_BYTES);
	if (r < 0)
		return err_sys(&f->e, r, "policy \"%s\"", name);
	r = policy_read(text.data ? text.data : "", text.len, &f->faults, &f->policy);
	return r == -ENOMEM ? err_oom(&f->e) : r;
}

static size_t fault_count(const struct policy_file *f)
{
	return f->faults.len / sizeof(struct policy_fault);
}

static struct policy_fault fault_at(const struct policy_file *f, size_t i)
{
	struct policy_fault ret;

	memcpy(&ret, f->faults.data + i * sizeof(ret), sizeof(ret));
	return ret;
}

static void print_faults(const struct policy_file *f, struct buf *out)
{
	for (size_t i = 0; i < fault_count(f); i++) {
		struct policy_fault fault = fault_at(f, i);

		print_escaped(out, f->name);
		buf_printf(out, ":%u:%u: ", fault.line, fault.column);
		print_escaped(out, fault.msg);
		buf_str(out, "\n");
	}
}

static void faults_json(const struct policy_file *f, struct json_out *o)
{
	jo_open(o, NULL, '{');
	jo_str(o, "file", f->name);
	jo_bool(o, "ok", f->policy != NULL);
	jo_open(o, "faults", '[');
	for (size_t i = 0; i < fault_count(f); i++) {
		struct policy_fault fault = fault_at(f, i);

		jo_open(o, NULL, '{');
		jo_uint(o, "line", fault.line);
		jo_uint(o, "column", fault.column);
		jo_str(o, "message", fault.msg);
		jo_close(o, '}');
	}
	jo_close(o, ']');
	if (f->e.code)
		jo_str(o, "error", f->e.msg);
	jo_close(o, '}');
}

/* Return: the exit status */
static int check(struct cli *c, char *const *names, bool json)
{
	AUTO_BUF struct buf out = { 0 };
	struct json_out o = { .b = &out, .pretty = true };
	int status = 0, r;

	if (json)
		jo_open(&o, NULL, '[');
	for (; *names; names++) {
		AUTO_FILE struct policy_file f = { 0 };

		if (read_file(*names, &f) < 0)
			status = 1;
		if (json) {
			faults_json(&f, &o);
			continue;
		}
		if (f.e.code)
			(void)cli_fail(c, &f.e, 1);
		print_faults(&f, &out);
		if (f.policy) {
			print_escaped(&out, f.name);
			buf_str(&out, ": ok\n");
		}
	}
	if (json) {
		jo_close(&o, ']');
		buf_str(&out, "\n");
	}
	r = cli_print_buf(c, &out);
	return r ? r : status;
}

/* Who holds a program to a line, on this host. */
struct carrier {
	const char *name;    /* NULL: nobody */
	const char *reason;  /* then why */
	const char *private; /* why a container's own broker does not; NULL: it does */
};

static bool has_notifications(void)
{
	char text[256];

	return sys_read_at(AT_FDCWD, "/proc/sys/kernel/seccomp/actions_avail", text, sizeof(text)) >
		       0 &&
	       strstr(text, "user_notif");
}

static struct carrier carrier_of(const struct policy_line *l)
{
	const char *gap = policy_gap(l);

	if (!gap && !has_notifications())
		gap = "this kernel has no seccomp notifications";
	return (struct carrier){ .name = gap ? NULL : "broker",
				 .reason = gap,
				 .private = gap ? gap : policy_gap_private(l) };
}

static void line_json(const struct policy_line *l, const struct carrier *by, struct json_out *o)
{
	jo_open(o, NULL, '{');
	jo_uint(o, "line", l->number);
	jo_str(o, "text", l->text);
	jo_str(o, "enforcer", by->name);
	if (!by->name)
		jo_str(o, "reason", by->reason);
	jo_bool(o, "private", !by->private);
	if (by->private)
		jo_str(o, "privateReason", by->private);
	jo_close(o, '}');
}

static void line_text(const struct policy_line *l, const struct carrier *by, struct buf *out)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", l->number);
	print_column(out, number, 6);
	print_column(out, !by->name ? "nobody" : by->private ? "agent" : by->name, 9);
	print_escaped(out, l->text);
	buf_str(out, "\n");
	if (by->private) {
		print_column(out, "", 15);
		buf_printf(out, "-> %s\n", by->private);
	}
}

/* Return: are all lines carried? */
static bool explain_lines(const struct policy *p, struct json_out *json, struct buf *out)
{
	const struct policy_line *lines;
	size_t n = policy_lines(p, &lines);
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		struct carrier by = carrier_of(&lines[i]);

		all = all && by.name;
		if (json)
			line_json(&lines[i], &by, json);
		else
			line_text(&lines[i], &by, out);
	}
	return all;
}

static void kinds_json(const struct policy *p, struct json_out *o)
{
	static const char *const names[] = { [POLICY_HELD_KERNEL] = "kernel",
					     [POLICY_HELD_BROKER] = "broker",
					     [POLICY_HELD_FILTER] = "filter" };

	jo_open(o, "kinds", '[');
	for (int k = 0; k < POLICY_KINDS; k++) {
		const char *const *calls = policy_calls_of((enum policy_kind)k);

		jo_open(o, NULL, '{');
		jo_str(o, "kind", policy_kind_name((enum policy_kind)k));
		jo_str(o, "private", names[policy_holder(p, (enum policy_kind)k, false)]);
		jo_open(o, "calls", '[');
		for (size_t i = 0; i < POLICY_CALLS_KIND && calls[i]; i++)
			jo_str(o, NULL, calls[i]);
		jo_close(o, ']');
		jo_close(o, '}');
	}
	jo_close(o, ']');
}

static void kinds_text(const struct policy *p, struct buf *out)
{
	static const char *const names[] = { [POLICY_HELD_KERNEL] = "left to the kernel",
					     [POLICY_HELD_BROKER] = "asked of the broker",
					     [POLICY_HELD_FILTER] = "refused" };

	buf_str(out, "\nunder --policy\n");
	for (int k = 0; k < POLICY_KINDS; k++) {
		const char *const *calls = policy_calls_of((enum policy_kind)k);

		print_column(out, policy_kind_name((enum policy_kind)k), 9);
		buf_str(out, names[policy_holder(p, (enum policy_kind)k, false)]);
		for (size_t i = 0; i < POLICY_CALLS_KIND && calls[i]; i++)
			buf_printf(out, "%s %s", i ? "" : ":", calls[i]);
		buf_str(out,
			k == POLICY_SYSCALL ? ", but for the names that a line denies\n" : "\n");
	}
}

/* Return: the exit status */
static int explain(struct cli *c, const struct policy *p, bool json)
{
	AUTO_BUF struct buf out = { 0 }, canonical = { 0 };
	struct json_out o = { .b = &out, .pretty = true };
	bool all;
	int r;

	if (!json) {
		all = explain_lines(p, NULL, &out);
		kinds_text(p, &out);
	} else {
		jo_open(&o, NULL, '{');
		jo_open(&o, "lines", '[');
		all = explain_lines(p, &o, &out);
		jo_close(&o, ']');
		jo_bool(&o, "carried", all);
		kinds_json(p, &o);
		policy_print(p, &canonical);
		jo_str(&o, "canonical", canonical.data);
		jo_close(&o, '}');
		buf_str(&out, "\n");
	}
	r = cli_print_buf(c, &out);
	return r ? r : !all;
}

/* "nosuid nodev size<=67108864 shift" */
static void print_terms(const struct policy_mount_terms *t, struct buf *out)
{
	static const struct {
		unsigned long flag;
		const char *name;
	} flags[] = { { MS_RDONLY, "ro" },	 { MS_NOSUID, "nosuid" },
		      { MS_NODEV, "nodev" },	 { MS_NOEXEC, "noexec" },
		      { MS_NOATIME, "noatime" }, { MS_NODIRATIME, "nodiratime" } };
	const char *gap = "";

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (t->flags & flags[i].flag) {
			buf_printf(out, "%s%s", gap, flags[i].name);
			gap = " ";
		}
	if (t->size_bytes)
		buf_printf(out, "%ssize<=%llu", gap, (unsigned long long)t->size_bytes);
	if (t->shift)
		buf_printf(out, "%sshift", t->size_bytes ? " " : gap);
}

static void verdict_json(const struct policy_verdict *v, const char *asked, const char *terms,
			 struct buf *out)
{
	struct json_out o = { .b = out, .pretty = true };

	jo_open(&o, NULL, '{');
	jo_str(&o, "question", asked);
	jo_str(&o, "verdict", v->allow ? "allow" : "deny");
	jo_uint(&o, "line", v->line);
	jo_str(&o, "text", v->text);
	jo_bool(&o, "log", v->log);
	if (*terms)
		jo_str(&o, "terms", terms);
	jo_close(&o, '}');
	buf_str(out, "\n");
}

static void verdict_text(const struct policy_verdict *v, const char *terms, struct buf *out)
{
	buf_printf(out, "%s%s, ", v->allow ? "allow" : "deny", v->log ? ", log" : "");
	if (v->line)
		buf_printf(out, "line %u: ", v->line);
	print_escaped(out, v->text);
	buf_str(out, "\n");
	if (*terms)
		buf_printf(out, "with %s\n", terms);
}

/* Which line decides; Return: the exit status */
static int answer(struct cli *c, const struct policy *p, char *const *words, bool json)
{
	AUTO_QUESTION struct policy_question q = { 0 };
	AUTO_BUF struct buf text = { 0 }, asked = { 0 }, terms = { 0 }, out = { 0 };
	struct policy_verdict v;
	struct err e = { 0 };
	int r;

	for (size_t i = 0; words[i]; i++)
		buf_printf(&text, "%s%s", i ? " " : "", words[i]);
	r = text.failed ? err_oom(&e) : policy_question(text.data, &q, &e);
	if (r < 0) {
		(void)err_wrap(&e, "question");
		return cli_fail(c, &e, 1);
	}
	policy_decide(p, &q.ask, &v);
	policy_describe(&q.ask, &asked);
	buf_str(&terms, "");
	if (v.allow && q.ask.kind == POLICY_MOUNT)
		print_terms(&v.mount, &terms);
	if (asked.failed || terms.failed)
		out.failed = true;
	else if (json)
		verdict_json(&v, asked.data, terms.data, &out);
	else
		verdict_text(&v, terms.data, &out);
	r = cli_print_buf(c, &out);
	return r ? r : !v.allow;
}

/* Return: the exit status */
static int explain_file(struct cli *c, const struct opt_args *args, bool json)
{
	AUTO_FILE struct policy_file f = { 0 };
	AUTO_BUF struct buf faults = { 0 };

	if (read_file(args->list[1], &f) == 0)
		return args->count > 2 ? answer(c, f.policy, args->list + 2, json)
				       : explain(c, f.policy, json);
	if (f.e.code)
		return cli_fail(c, &f.e, 1);
	print_faults(&f, &faults);
	if (faults.failed)
		return cli_print_buf(c, &faults);
	(void)sys_write_all(STDERR_FILENO, faults.data, faults.len);
	return 1;
}

int cmd_policy(struct cli *c, int argc, char **argv)
{
	const char *format = NULL;
	const struct opt opts[] = {
		{ "format", 'f', OPT_STR, &format, "FORMAT", "text (default) or json" },
		{ .type = OPT_END },
	};
	struct opt_args args;
	struct err e = { 0 };
	int r, json;

	r = cli_args(c, argc, argv, opts, 2, OPT_MAX_LIST, &args);
	if (r >= 0)
		return r;
	json = cli_want_json(format, &e);
	if (json < 0)
		return cli_fail(c, &e, 1);
	if (str_eq(args.list[0], "check"))
		return check(c, args.list + 1, json > 0);
	if (str_eq(args.list[0], "explain"))
		return explain_file(c, &args, json > 0);
	(void)err_set(&e, EINVAL, "unknown command %s: must be check or explain", args.list[0]);
	return cli_fail(c, &e, 1);
}
