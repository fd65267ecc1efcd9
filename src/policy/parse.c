/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parser_private.h"

#include <errno.h>
#include <string.h>

/* Lines: verbs, limits, and the making of the policy out of its rules. */

static const struct word words_verbs[] = {
	{ "default", POLICY_DEFAULT }, { "limit", POLICY_LIMIT }, { "allow", POLICY_ALLOW },
	{ "deny", POLICY_DENY },       { "log", POLICY_LOG },	  { 0 },
};

static const struct word words_limits[] = {
	{ "memory", POLICY_MEMORY },
	{ "pids", POLICY_PIDS },
	{ "time", POLICY_TIME },
	{ "cpu", POLICY_CPU },
	{ 0 },
};

/* A decimal with up to three digits behind the point, times 1000. */
static bool parse_milli(const char *s, size_t len, uint64_t *ret)
{
	const char *point = memchr(s, '.', len);
	size_t whole = point ? (size_t)(point - s) : len, digits = point ? len - whole - 1 : 0;
	uint64_t v, scale = 100;

	if (!parse_number(s, whole, UINT64_MAX / 2000, &v) || (point && digits == 0) || digits > 3)
		return false;
	v *= 1000;
	for (size_t i = 0; i < digits; i++, scale /= 10) {
		unsigned int digit = (unsigned int)(unsigned char)point[1 + i] - '0';

		if (digit > 9)
			return false;
		v += digit * scale;
	}
	*ret = v;
	return true;
}

static bool parse_time_ms(const char *s, size_t len, uint64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	uint64_t v;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t n = strlen(units[i].unit);

		if (len > n && memcmp(s + len - n, units[i].unit, n) == 0 &&
		    parse_number(s, len - n, UINT64_MAX, &v))
			return !__builtin_mul_overflow(v, units[i].ms, ret);
	}
	return false;
}

static bool parse_limit_value(enum policy_limit which, const struct parser *ps,
			      struct policy_limits *ret)
{
	uint64_t *to = NULL;
	bool ok = false;

	switch (which) {
	case POLICY_MEMORY:
		to = &ret->memory_bytes;
		ok = parse_bytes(ps->word, ps->word_len, to);
		break;
	case POLICY_PIDS:
		to = &ret->pids;
		ok = parse_number(ps->word, ps->word_len, UINT32_MAX, to);
		break;
	case POLICY_TIME:
		to = &ret->time_ms;
		ok = parse_time_ms(ps->word, ps->word_len, to);
		break;
	case POLICY_CPU:
		to = &ret->cpu_milli;
		ok = parse_milli(ps->word, ps->word_len, to);
		break;
	case POLICY_LIMITS:
		break;
	}
	return ok && *to > 0;
}

int parse_limit(struct parser *ps)
{
	static const char usage[] = "usage: limit memory 512M pids 64 time 10s cpu 1.5";
	uint32_t which;

	if (ps->word_len == 0)
		return fault(ps, 0, "%s", usage);
	while (ps->word_len > 0) {
		if (!words_find(words_limits, ps->word, ps->word_len, &which))
			return fault(ps, 0, "no such limit; %s", usage);
		if (ps->limit_lines[which])
			return fault(ps, 0, "this limit is set already, on line %u",
				     ps->limit_lines[which]);
		text_next(ps);
		if (ps->word_len == 0)
			return fault(ps, 0, "the value is missing; %s", usage);
		if (!parse_limit_value(which, ps, &ps->p->limits))
			return fault(ps, 0, "\"%.*s\" is no value for it; %s",
				     (int)(ps->word_len > 32 ? 32 : ps->word_len), ps->word, usage);
		ps->limit_lines[which] = ps->number;
		text_next(ps);
	}
	return 0;
}

static int parse_default(struct parser *ps)
{
	bool allow = text_is(ps, "allow");

	if (!allow && !text_is(ps, "deny"))
		return fault(ps, 0, "usage: default allow|deny");
	if (ps->default_line)
		return fault(ps, 0, "the default is given already, on line %u", ps->default_line);
	ps->default_line = ps->number;
	ps->p->allow = allow;
	text_next(ps);
	return ps->word_len > 0 ? fault(ps, 0, "nothing stands behind the default") : 0;
}

/* The line without the blanks around it. */
static int keep_line(struct parser *ps, enum policy_verb verb, size_t start)
{
	struct policy_line l = { .number = ps->number, .verb = verb };
	size_t end = ps->len;

	while (end > start && (ps->line[end - 1] == ' ' || ps->line[end - 1] == '\t'))
		end--;
	l.text = arena_strndup(&ps->p->arena, ps->line + start, end - start);
	return l.text && buf_add(&ps->lines, &l, sizeof(l)) ? 0 : -ENOMEM;
}

/* One rule a pattern. */
static int add_rules(struct parser *ps, enum policy_verb verb)
{
	struct rule r = { .verb = verb,
			  .line = (uint32_t)(ps->lines.len / sizeof(struct policy_line)) - 1 };
	int x;

	ps->verb = verb;
	ps->more.len = 0;
	x = parse_kind(ps, &r);
	if (x < 0)
		return x;
	if (!buf_add(&ps->rules, &r, sizeof(r)))
		return -ENOMEM;
	for (size_t at = 0; at < ps->more.len; at += sizeof(struct pair)) {
		struct pair pair;

		memcpy(&pair, ps->more.data + at, sizeof(pair));
		memcpy(&r.field[ps->more_field], &pair, ps->more_count * sizeof(struct pattern));
		if (!buf_add(&ps->rules, &r, sizeof(r)))
			return -ENOMEM;
	}
	return 0;
}

static int parse_line(struct parser *ps)
{
	uint32_t verb;
	size_t start;
	int r = text_check(ps);

	if (r < 0)
		return r;
	ps->at = 0;
	text_next(ps);
	if (ps->word_len == 0)
		return 0;
	start = (size_t)(ps->word - ps->line);
	if (!words_find(words_verbs, ps->word, ps->word_len, &verb))
		return fault(ps, 0, "a line begins with default, allow, deny, log, limit or #");
	text_next(ps);
	r = keep_line(ps, verb, start);
	if (r < 0)
		return r;
	if (verb == POLICY_DEFAULT)
		return parse_default(ps);
	return verb == POLICY_LIMIT ? parse_limit(ps) : add_rules(ps, verb);
}

static size_t count_faults(const struct parser *ps)
{
	return ps->faults->len / sizeof(struct policy_fault);
}

/* Return: 0, also with faults; -ENOMEM */
static int parse_text(struct parser *ps, const char *text, size_t len)
{
	size_t before = count_faults(ps);
	int r;

	if (len > POLICY_MAX_BYTES) {
		ps->number = 1;
		return fault_code(ps, -E2BIG, 1, "a policy of %zu bytes, the limit is %d", len,
				  POLICY_MAX_BYTES);
	}
	for (size_t at = 0; at < len && count_faults(ps) - before < POLICY_MAX_FAULTS;) {
		const char *end = memchr(text + at, '\n', len - at);

		ps->line = text + at;
		ps->len = end ? (size_t)(end - ps->line) : len - at;
		at += ps->len + 1;
		ps->number++;
		if (ps->len > POLICY_MAX_LINE)
			r = fault_code(ps, -E2BIG, POLICY_MAX_LINE + 1,
				       "a line of %zu bytes, the limit is %d", ps->len,
				       POLICY_MAX_LINE);
		else
			r = parse_line(ps);
		if (r == -ENOMEM)
			return r;
		if (ps->rules.len / sizeof(struct rule) > POLICY_MAX_RULES)
			return fault_code(ps, -E2BIG, 1, "more than %d rules", POLICY_MAX_RULES);
	}
	return 0;
}

/* Copies the rules into the arena and makes the lists that questions are decided by. */
static int finish(struct parser *ps)
{
	struct policy *p = ps->p;
	size_t n[POLICY_KINDS][POLICY_VERBS] = { 0 };

	p->quiet_default = ps->default_line == 0;
	p->nrules = ps->rules.len / sizeof(struct rule);
	p->nlines = ps->lines.len / sizeof(struct policy_line);
	p->rules = arena_array(&p->arena, p->nrules + 1, sizeof(struct rule));
	p->lines = arena_array(&p->arena, p->nlines + 1, sizeof(struct policy_line));
	if (!p->rules || !p->lines)
		return -ENOMEM;
	if (ps->rules.len > 0)
		memcpy(p->rules, ps->rules.data, ps->rules.len);
	if (ps->lines.len > 0)
		memcpy(p->lines, ps->lines.data, ps->lines.len);
	for (size_t i = p->nrules; i-- > 0;) {
		n[p->rules[i].kind][p->rules[i].verb]++;
		p->lines[p->rules[i].line].kind = p->rules[i].kind;
		p->lines[p->rules[i].line].rule = &p->rules[i];
	}
	for (int k = 0; k < POLICY_KINDS; k++)
		for (int v = 0; v < POLICY_VERBS; v++) {
			p->by[k][v] =
				arena_array(&p->arena, n[k][v] + 1, sizeof(const struct rule *));
			if (!p->by[k][v])
				return -ENOMEM;
			n[k][v] = 0;
		}
	for (size_t i = 0; i < p->nrules; i++) {
		const struct rule *r = &p->rules[i];

		p->by[r->kind][r->verb][n[r->kind][r->verb]++] = r;
	}
	return 0;
}

int policy_read(const char *text, size_t len, struct buf *faults, struct policy **ret)
{
	AUTO_POLICY struct policy *p = calloc(1, sizeof(*p));
	struct parser ps = { .p = p, .faults = faults };
	size_t before = faults->len;
	int r = p ? parse_text(&ps, text, len) : -ENOMEM;

	if (r != -ENOMEM && faults->len > before) {
		struct policy_fault first;

		memcpy(&first, faults->data + before, sizeof(first));
		r = first.code;
	}
	if (r == 0)
		r = finish(&ps);
	if (r == 0)
		*ret = TAKE_PTR(p);
	buf_done(&ps.rules);
	buf_done(&ps.lines);
	buf_done(&ps.more);
	return r;
}

int policy_parse(const char *text, size_t len, const char *name, struct policy **ret, struct err *e)
{
	AUTO_BUF struct buf faults = { 0 };
	int r = policy_read(text, len, &faults, ret);
	struct policy_fault first;

	if (r == 0)
		return 0;
	if (r == -ENOMEM)
		return err_oom(e);
	memcpy(&first, faults.data, sizeof(first));
	return err_set(e, r, "%.200s:%u:%u: %s", name, first.line, first.column, first.msg);
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	arena_done(&p->arena);
	free(p);
}

bool policy_speaks(const struct policy *p, enum policy_kind kind)
{
	return kind < POLICY_KINDS && (p->by[kind][POLICY_ALLOW][0] || p->by[kind][POLICY_DENY][0]);
}

size_t policy_lines(const struct policy *p, const struct policy_line **ret)
{
	*ret = p->lines;
	return p->nlines;
}
