/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_private.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/stat.h>

/* Rules and questions back to words. */

enum { MAX_TEXT = 4096 };

void print_text(struct buf *out, const char *s, size_t len)
{
	size_t shown = len > MAX_TEXT ? MAX_TEXT : len, n;

	if (len == 0)
		buf_str(out, "\"\"");
	for (size_t i = 0; i < shown; i += n ? n : 1) {
		n = strchr(" \\*?[]{},#\"", s[i]) ? 0 : text_seen(s + i, len - i);
		if (n)
			buf_add(out, s + i, n);
		else
			buf_printf(out, "\\x%02x", (unsigned char)s[i]);
	}
	if (shown < len)
		buf_str(out, "...");
}

unsigned long print_flags(struct buf *out, const struct word *list, unsigned long flags,
			  const char *first, const char *next)
{
	for (; list->name; list++)
		if (flags & list->number) {
			buf_printf(out, "%s%s", first, list->name);
			first = next;
			flags &= ~(unsigned long)list->number;
		}
	return flags;
}

static void print_address(int family, const uint8_t *addr, struct buf *out)
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(family, addr, text, sizeof(text));
	buf_printf(out, family == AF_INET6 ? "[%s]" : "%s", text);
}

static const struct word *words_of(const struct arg *a, int family)
{
	return a->words ? a->words : words_protocols(family);
}

static void print_number(const struct word *words, uint32_t number, struct buf *out)
{
	const char *name = words_name(words, number);

	if (name)
		buf_str(out, name);
	else
		buf_printf(out, "%u", number);
}

static void print_value(const struct arg *a, const struct value *v, int family, struct buf *out)
{
	switch (a->type) {
	case ARG_PATH:
	case ARG_SOURCE:
	case ARG_NAME:
	case ARG_LABEL:
	case ARG_FSTYPE:
	case ARG_CALL:
		print_text(out, v->text, v->len);
		break;
	case ARG_WORD:
		print_number(words_of(a, family), v->number, out);
		break;
	case ARG_PAIR:
		for (int i = 0; i < 2; i++) {
			buf_str(out, i ? ":" : "");
			if (v[i].set)
				buf_printf(out, "%u", v[i].number);
			else
				buf_str(out, "-");
		}
		break;
	case ARG_ENDPOINT:
		print_address(v->family, v->addr, out);
		buf_printf(out, ":%u", v[1].number);
		break;
	case ARG_RANGE:
		buf_printf(out, "%s=%d", a->keyword, (int)v->number);
		break;
	case ARG_END:
		break;
	}
}

void print_values(enum policy_kind kind, const struct value v[POLICY_FIELDS], struct buf *out)
{
	const struct kind *k = kind_of(kind);

	buf_str(out, k->name);
	for (const struct arg *a = k->args; a->type != ARG_END; a++) {
		const struct value *f = &v[a->field];
		bool set = f->set || (a->type == ARG_PAIR && f[1].set);

		/* A pipe has no number, a change of affinity no policy. */
		if (!set && ((a->flags & ARG_OPTIONAL) || a->type == ARG_PAIR))
			continue;
		if (a->keyword && a->type != ARG_RANGE)
			buf_printf(out, " %s", a->keyword);
		buf_str(out, " ");
		if (set)
			print_value(a, f, (int)v[SOCKET_FAMILY].number, out);
		else
			buf_str(out, "?");
	}
}

static void print_range(const struct pattern *f, const struct word *words, struct buf *out)
{
	if (f->match == MATCH_ANY)
		buf_str(out, "*");
	else if (f->match == MATCH_UNSET)
		buf_str(out, "-");
	else if (f->low == f->high)
		print_number(words, f->low, out);
	else
		buf_printf(out, "%u-%u", f->low, f->high);
}

static void print_bits(const struct pattern *f, struct buf *out)
{
	if (f->match == MATCH_ANY) {
		buf_str(out, "*");
		return;
	}
	print_address(f->family, f->addr, out);
	if (f->bits < (f->family == AF_INET ? 32 : 128))
		buf_printf(out, "/%u", f->bits);
}

static void print_path(const struct pattern *f, struct buf *out)
{
	if (f->match == MATCH_ANY)
		buf_str(out, "**");
	else if (f->match == MATCH_GROUP)
		buf_printf(out, "@%s", group_name(f->low));
	else if (f->len > 0)
		print_text(out, f->text, f->len);
	if (f->match == MATCH_TREE)
		buf_str(out, "/**");
	else if (f->match == MATCH_CHILDREN)
		buf_str(out, "/*");
	else if (f->match == MATCH_PREFIX)
		buf_str(out, "*");
}

static void print_pattern(const struct arg *a, const struct pattern *f, int family, struct buf *out)
{
	switch (a->type) {
	case ARG_PATH:
	case ARG_SOURCE:
	case ARG_NAME:
	case ARG_CALL:
		print_path(f, out);
		break;
	case ARG_LABEL:
		if (f->match == MATCH_ANY)
			buf_str(out, "*");
		else
			print_path(f, out);
		break;
	case ARG_FSTYPE:
		buf_str(out, f->match == MATCH_ANY ? "*" : f->text);
		break;
	case ARG_WORD:
		print_range(f, words_of(a, family), out);
		break;
	case ARG_PAIR:
		print_range(f, NULL, out);
		buf_str(out, ":");
		print_range(f + 1, NULL, out);
		break;
	case ARG_ENDPOINT:
		print_bits(f, out);
		buf_str(out, ":");
		print_range(f + 1, NULL, out);
		break;
	case ARG_RANGE:
		buf_printf(out, "%s%s=%u", a->keyword, f->low == 0 ? "<" : "", f->high);
		break;
	case ARG_END:
		break;
	}
}

/* Arguments that need not be there are left out, but of a socket, where "*" keeps the places. */
static bool is_omitted(const struct rule *r, const struct arg *a)
{
	const struct pattern *f = &r->field[a->field];

	if (r->kind == POLICY_SOCKET)
		return false;
	if (r->kind == POLICY_MKNOD && a->field == MKNOD_MAJOR)
		return r->field[MKNOD_TYPE].low != S_IFCHR && r->field[MKNOD_TYPE].low != S_IFBLK;
	if (!(a->flags & ARG_OPTIONAL) || (r->sourced && a->field == MOUNT_SOURCE))
		return false;
	if (a->type == ARG_PAIR)
		return f[0].match == MATCH_ANY && f[1].match == MATCH_ANY;
	return f->match == MATCH_ANY || f->match == MATCH_UNSET;
}

static void print_options(const struct rule *r, struct buf *out)
{
	size_t before = out->len;

	(void)print_flags(out, words_listed, r->listed, " options ", ",");
	for (size_t i = 0; i < r->noptions; i++) {
		const struct mount_option *o = &r->options[i];

		buf_str(out, out->len > before ? "," : " options ");
		print_text(out, o->key, o->len);
		if (o->value.match == MATCH_ANY)
			continue;
		buf_str(out, "=");
		if (o->value.len > 0 || o->value.match != MATCH_TEXT)
			print_path(&o->value, out);
	}
}

static void print_mount_terms(const struct rule *r, struct buf *out)
{
	if (r->verb != POLICY_ALLOW)
		return;
	(void)print_flags(out, words_flags, r->forced, " ", " ");
	(void)print_flags(out, words_granted, r->granted, " ", " ");
	if (r->size_bytes)
		buf_printf(out, " size<=%llu", (unsigned long long)r->size_bytes);
	if (r->shift)
		buf_str(out, " shift");
	print_options(r, out);
}

static void print_cpus(const unsigned char *bits, struct buf *out)
{
	const char *gap = " cpus ";

	for (unsigned int i = 0, from; i < POLICY_CPUS; i++) {
		if (!(bits[i / 8] >> (i % 8) & 1))
			continue;
		for (from = i; i + 1 < POLICY_CPUS && (bits[(i + 1) / 8] >> ((i + 1) % 8) & 1);)
			i++;
		buf_printf(out, i > from ? "%s%u-%u" : "%s%u", gap, from, i);
		gap = ",";
	}
}

static void print_rule(const struct rule *r, struct buf *out)
{
	static const char *const verbs[] = {
		[POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny", [POLICY_LOG] = "log"
	};
	const struct kind *k = kind_of(r->kind);

	buf_printf(out, "%s %s", verbs[r->verb], k->name);
	if (r->all) {
		buf_str(out, " **\n");
		return;
	}
	for (const struct arg *a = k->args; a->type != ARG_END; a++) {
		if (is_omitted(r, a))
			continue;
		buf_printf(out, " %s", a->keyword && a->type != ARG_RANGE ? a->keyword : "");
		if (a->keyword && a->type != ARG_RANGE)
			buf_str(out, " ");
		print_pattern(a, &r->field[a->field], (int)r->field[SOCKET_FAMILY].low, out);
	}
	if (r->kind == POLICY_MOUNT)
		print_mount_terms(r, out);
	if (r->cpus)
		print_cpus(r->cpus, out);
	buf_str(out, "\n");
}

static void print_limits(const struct policy_limits *l, struct buf *out)
{
	if (l->memory_bytes)
		buf_printf(out, "limit memory %llu\n", (unsigned long long)l->memory_bytes);
	if (l->pids)
		buf_printf(out, "limit pids %llu\n", (unsigned long long)l->pids);
	if (l->time_ms)
		buf_printf(out, "limit time %llums\n", (unsigned long long)l->time_ms);
	if (l->cpu_milli)
		buf_printf(out, "limit cpu %llu.%03llu\n", (unsigned long long)l->cpu_milli / 1000,
			   (unsigned long long)l->cpu_milli % 1000);
}

void policy_print(const struct policy *p, struct buf *out)
{
	buf_str(out, p->allow ? "default allow\n" : "default deny\n");
	print_limits(&p->limits, out);
	for (size_t i = 0; i < p->nrules; i++)
		print_rule(&p->rules[i], out);
}
