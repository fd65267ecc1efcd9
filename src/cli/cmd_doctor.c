/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/json.h"
#include "cli/doctor.h"
#include "sys/syscalls.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void doctor_note(struct doctor *d, const char *name, enum health health, const char *advice,
		 const char *fmt, ...)
{
	struct finding f = { .name = name,
			     .health = health,
			     .advice = health == HEALTH_OK ? NULL : advice };
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f.detail = arena_strdup(&d->arena, text);
	if (!f.detail)
		d->findings.failed = true;
	else
		buf_add(&d->findings, &f, sizeof(f));
}

char *doctor_read(struct doctor *d, const char *path)
{
	char text[4096];
	int n = sys_read_at(AT_FDCWD, path, text, sizeof(text));

	if (n < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return arena_strdup(&d->arena, text);
}

static const char *health_name(enum health h)
{
	switch (h) {
	case HEALTH_OK:
		return "ok";
	case HEALTH_LIMITED:
		return "limited";
	case HEALTH_MISSING:
		return "missing";
	}
	return "missing";
}

static const char *health_colour(enum health h)
{
	switch (h) {
	case HEALTH_OK:
		return "\033[32m";
	case HEALTH_LIMITED:
		return "\033[33m";
	case HEALTH_MISSING:
		return "\033[31m";
	}
	return "";
}

static bool want_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}

static void print_table(const struct finding *f, size_t n, bool works, struct buf *out)
{
	bool colour = want_colour();

	for (size_t i = 0; i < n; i++) {
		if (colour)
			buf_str(out, health_colour(f[i].health));
		print_column(out, health_name(f[i].health), 9);
		if (colour)
			buf_str(out, "\033[0m");
		print_column(out, f[i].name, 22);
		print_escaped(out, f[i].detail);
		buf_str(out, "\n");
		if (f[i].advice) {
			print_column(out, "", 31);
			buf_str(out, "-> ");
			print_escaped(out, f[i].advice);
			buf_str(out, "\n");
		}
	}
	buf_str(out, works ? "cay run works on this host\n"
			   : "cay run does not work on this host: mend what is missing\n");
}

static void print_json(const struct finding *f, size_t n, bool works, struct buf *out)
{
	struct json_out o = { .b = out, .pretty = true };

	jo_open(&o, NULL, '{');
	jo_bool(&o, "ok", works);
	jo_open(&o, "checks", '[');
	for (size_t i = 0; i < n; i++) {
		jo_open(&o, NULL, '{');
		jo_str(&o, "name", f[i].name);
		jo_str(&o, "status", health_name(f[i].health));
		jo_str(&o, "detail", f[i].detail);
		if (f[i].advice)
			jo_str(&o, "advice", f[i].advice);
		jo_close(&o, '}');
	}
	jo_close(&o, ']');
	jo_close(&o, '}');
	buf_str(out, "\n");
}

static int examine(struct doctor *d, struct err *e)
{
	int r;

	r = host_facts_gather(&d->host, e);
	if (r < 0)
		return r;
	d->root = d->host.admin;
	doctor_kernel(d);
	doctor_namespaces(d);
	doctor_users(d);
	doctor_cgroups(d);
	doctor_seccomp(d);
	doctor_extras(d);
	return d->findings.failed ? err_oom(e) : 0;
}

/* Return: the exit status */
static int show(struct cli *c, const struct doctor *d, bool json)
{
	AUTO_BUF struct buf out = { 0 };
	size_t n = d->findings.len / sizeof(struct finding);
	const void *bytes = d->findings.data;
	const struct finding *f = bytes;
	bool works = true;
	int r;

	for (size_t i = 0; i < n; i++)
		works = works && f[i].health != HEALTH_MISSING;
	(json ? print_json : print_table)(f, n, works, &out);
	r = cli_print_buf(c, &out);
	return r ? r : !works;
}

int cmd_doctor(struct cli *c, int argc, char **argv)
{
	const char *format = NULL;
	const struct opt opts[] = {
		{ "format", 'f', OPT_STR, &format, "FORMAT", "table (default) or json" },
		{ .type = OPT_END },
	};
	struct doctor d = { 0 };
	struct opt_args args;
	struct err e = { 0 };
	int r, json;

	r = cli_args(c, argc, argv, opts, 0, 0, &args);
	if (r >= 0)
		return r;
	json = cli_want_json(format, &e);
	r = json < 0 ? json : examine(&d, &e);
	r = r < 0 ? cli_fail(c, &e, 1) : show(c, &d, json > 0);
	host_facts_done(&d.host);
	buf_done(&d.findings);
	arena_done(&d.arena);
	return r;
}
