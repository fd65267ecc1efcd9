/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* Printing works on a plan still in the builder: list entries are pool offsets here. */
struct printer {
	const struct plan_half *half;
	struct buf *text;      /* text form, or … */
	struct json_out *json; /* … JSON form */
};

static const char *pool_str(const struct plan_half *h, uint64_t off)
{
	return h->pool.data + off;
}

/* Control bytes would let a configuration draw on somebody's terminal. */
static void quoted(struct buf *out, const char *s)
{
	buf_str(out, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_add(out, s, 1);
	}
	buf_str(out, "\"");
}

static uint64_t list_entry(const struct plan_half *h, struct ref r, uint32_t i)
{
	uint64_t off;

	memcpy(&off, h->pool.data + r.off + i * sizeof(off), sizeof(off));
	return off;
}

static void print_list(struct printer *pr, const char *name, struct ref r)
{
	if (pr->json)
		jo_open(pr->json, name, '[');
	else
		buf_printf(pr->text, " %s=[", name);
	for (uint32_t i = 0; i < r.len; i++) {
		const char *s = pool_str(pr->half, list_entry(pr->half, r, i));

		if (pr->json) {
			jo_str(pr->json, NULL, s);
			continue;
		}
		buf_str(pr->text, i ? " " : "");
		quoted(pr->text, s);
	}
	if (pr->json)
		jo_close(pr->json, ']');
	else
		buf_str(pr->text, "]");
}

static void print_ref(struct printer *pr, const struct step_field *f, struct ref r)
{
	if (r.off == 0)
		return;
	if (f->type == FIELD_LIST) {
		print_list(pr, f->name, r);
	} else if (f->type == FIELD_BLOB) {
		if (pr->json)
			jo_uint(pr->json, f->name, r.len);
		else
			buf_printf(pr->text, " %s=<%u bytes>", f->name, r.len);
	} else if (pr->json) {
		jo_str(pr->json, f->name, pool_str(pr->half, r.off));
	} else {
		buf_printf(pr->text, " %s=", f->name);
		quoted(pr->text, pool_str(pr->half, r.off));
	}
}

static void print_number(struct printer *pr, const struct step_field *f, uint64_t v)
{
	bool hex = f->type == FIELD_HEX32 || f->type == FIELD_HEX64;

	if (v == 0 && (hex || f->type == FIELD_OPT32))
		return;
	if (pr->json && f->type == FIELD_I64)
		jo_int(pr->json, f->name, (int64_t)v);
	else if (pr->json)
		jo_uint(pr->json, f->name, v);
	else if (f->type == FIELD_I64)
		buf_printf(pr->text, " %s=%lld", f->name, (long long)v);
	else if (f->type == FIELD_OCT32)
		buf_printf(pr->text, " %s=0%llo", f->name, (unsigned long long)v);
	else if (hex)
		buf_printf(pr->text, " %s=0x%llx", f->name, (unsigned long long)v);
	else
		buf_printf(pr->text, " %s=%llu", f->name, (unsigned long long)v);
}

static void print_field(struct printer *pr, const struct step *s, const struct step_field *f)
{
	const char *at = (const char *)s + f->offset;
	struct ref r;
	uint32_t v32;
	uint64_t v64;

	switch ((enum field_type)f->type) {
	case FIELD_STR:
	case FIELD_LIST:
	case FIELD_BLOB:
		memcpy(&r, at, sizeof(r));
		print_ref(pr, f, r);
		return;
	case FIELD_SLOT:
		memcpy(&v32, at, sizeof(v32));
		if (v32 != SLOT_NONE)
			print_number(pr, f, v32);
		return;
	case FIELD_U32:
	case FIELD_OPT32:
	case FIELD_HEX32:
	case FIELD_OCT32:
		memcpy(&v32, at, sizeof(v32));
		print_number(pr, f, v32);
		return;
	case FIELD_I64:
	case FIELD_U64:
	case FIELD_HEX64:
		memcpy(&v64, at, sizeof(v64));
		print_number(pr, f, v64);
		return;
	case FIELD_END:
		return;
	}
}

static void print_step(struct printer *pr, const struct step *s)
{
	const struct step_desc *d = step_describe(s->kind);

	if (pr->json) {
		jo_open(pr->json, NULL, '{');
		jo_str(pr->json, "phase", phase_name(s->phase));
		jo_str(pr->json, "step", d->name);
	} else {
		buf_printf(pr->text, d->fields->name ? "%-7s %-15s" : "%-7s %s",
			   phase_name(s->phase), d->name);
	}
	for (const struct step_field *f = d->fields; f->name; f++)
		print_field(pr, s, f);
	if (pr->json)
		jo_close(pr->json, '}');
	else
		buf_str(pr->text, "\n");
}

static void print_phase(struct printer *pr, const struct plan_half *h, enum phase phase)
{
	const struct step *s = (const void *)h->steps.data;
	size_t n = h->steps.len / sizeof(*s);

	pr->half = h;
	for (size_t i = 0; i < n; i++)
		if (s[i].phase == phase)
			print_step(pr, &s[i]);
}

/*
 * In the order in which things happen: a SYNC of the islander is where the planner's
 * phase of that number runs.
 */
static void print_all(struct printer *pr, const struct plan *p)
{
	const struct step *s = (const void *)p->island.steps.data;
	size_t n = p->island.steps.len / sizeof(*s);

	print_phase(pr, &p->host, PHASE_HOST);
	print_phase(pr, &p->host, PHASE_CLONE);
	for (size_t i = 0; i < n; i++) {
		pr->half = &p->island;
		print_step(pr, &s[i]);
		if (s[i].kind == STEP_SYNC)
			print_phase(pr, &p->host, (enum phase)s[i].u.num.value);
	}
}

void plan_print(const struct plan *p, struct buf *out)
{
	print_all(&(struct printer){ .text = out }, p);
}

void plan_print_json(const struct plan *p, struct buf *out)
{
	struct json_out o = { .b = out, .pretty = true };

	jo_open(&o, NULL, '{');
	jo_uint(&o, "version", PLAN_VERSION);
	jo_open(&o, "steps", '[');
	print_all(&(struct printer){ .json = &o }, p);
	jo_close(&o, ']');
	jo_close(&o, '}');
	buf_str(out, "\n");
}
