/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"

#include <ctype.h>
#include <string.h>

/*
 * Properties of a unit as lines "NAME SIGNATURE VALUE", the language that cay-systemd reads:
 * numbers in decimal, "ay" in hexadecimal, elements of other arrays divided by tabs. No value
 * holds a control character. Names: systemd.resource-control(5), org.freedesktop.systemd1(5).
 */

enum {
	SEC_USEC = 1000000,
	USUAL_PERIOD_US = 100000,
	MAX_CPUS = 8192,
	MAX_ELEMENTS = 256,
	MAX_TEXT = 4096
};

/* ---- From control files ---------------------------------------------------------------- */

enum file_form {
	FORM_NUMBER, /* or "max", "-1" */
	FORM_WEIGHT, /* cpu.idle: 1 is the weight 0 */
	FORM_CPU_MAX,
	FORM_QUOTA, /* v1: two files make one property */
	FORM_PERIOD,
	FORM_LIST,
};

static const struct {
	const char *file, *property;
	bool v2;
	enum file_form form;
} files[] = {
	{ "memory.max", "MemoryMax", true, FORM_NUMBER },
	{ "memory.high", "MemoryHigh", true, FORM_NUMBER },
	{ "memory.low", "MemoryLow", true, FORM_NUMBER },
	{ "memory.min", "MemoryMin", true, FORM_NUMBER },
	{ "memory.swap.max", "MemorySwapMax", true, FORM_NUMBER },
	{ "cpu.weight", "CPUWeight", true, FORM_NUMBER },
	{ "cpu.idle", "CPUWeight", true, FORM_WEIGHT },
	{ "cpu.max", NULL, true, FORM_CPU_MAX },
	{ "cpuset.cpus", "AllowedCPUs", true, FORM_LIST },
	{ "cpuset.mems", "AllowedMemoryNodes", true, FORM_LIST },
	{ "pids.max", "TasksMax", true, FORM_NUMBER },
	{ "memory.limit_in_bytes", "MemoryLimit", false, FORM_NUMBER },
	{ "cpu.shares", "CPUShares", false, FORM_NUMBER },
	{ "cpu.cfs_quota_us", NULL, false, FORM_QUOTA },
	{ "cpu.cfs_period_us", NULL, false, FORM_PERIOD },
	{ "pids.max", "TasksMax", false, FORM_NUMBER },
};

static uint64_t number_or_max(const char *text)
{
	uint64_t v;

	return parse_u64(text, &v) < 0 ? UINT64_MAX : v;
}

void cg_property_of_quota(const struct cg_quota *q, struct buf *out)
{
	uint64_t period = q->period_us ? q->period_us : USUAL_PERIOD_US;
	uint64_t per_sec = UINT64_MAX;

	if (!q->set || period == UINT64_MAX)
		return;
	/* systemd keeps whole percents: up, lest a limit it writes be below the one asked for. */
	if (q->quota_us < UINT64_MAX / SEC_USEC)
		per_sec = (q->quota_us * SEC_USEC / period + 9999) / 10000 * 10000;
	buf_printf(out, "CPUQuotaPerSecUSec t %llu\n", (unsigned long long)per_sec);
	if (period != USUAL_PERIOD_US)
		buf_printf(out, "CPUQuotaPeriodUSec t %llu\n", (unsigned long long)period);
}

/* "50000 100000" or "max 100000": microseconds a period; the period may be missing. */
static void cpu_max(const char *value, struct cg_quota *q)
{
	const char *blank = strchr(value, ' ');
	char text[32];

	(void)snprintf(text, sizeof(text), "%.*s",
		       (int)(blank ? (size_t)(blank - value) : strlen(value)), value);
	*q = (struct cg_quota){ .set = true,
				.quota_us = number_or_max(text),
				.period_us = blank ? number_or_max(blank + 1) : 0 };
}

/* A list the kernel refuses will be refused when it is written; here it is only left out. */
static void cpu_list(const char *name, const char *value, struct buf *out)
{
	unsigned char mask[MAX_CPUS / 8] = { 0 };
	size_t used = sizeof(mask);

	if (parse_list(value, mask, MAX_CPUS) < 0)
		return;
	while (used > 0 && mask[used - 1] == 0)
		used--;
	if (used == 0)
		return;
	buf_printf(out, "%s ay ", name);
	for (size_t i = 0; i < used; i++)
		buf_printf(out, "%02x", mask[i]);
	buf_str(out, "\n");
}

void cg_property_of_file(const char *file, bool v2, const char *value, struct cg_quota *q,
			 struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		const char *name = files[i].property;

		if (files[i].v2 != v2 || !str_eq(files[i].file, file))
			continue;
		switch (files[i].form) {
		case FORM_NUMBER:
			buf_printf(out, "%s t %llu\n", name,
				   (unsigned long long)number_or_max(value));
			break;
		case FORM_WEIGHT:
			if (str_eq(value, "1"))
				buf_printf(out, "%s t 0\n", name);
			break;
		case FORM_CPU_MAX:
			cpu_max(value, q);
			break;
		case FORM_QUOTA:
			q->set = true;
			q->quota_us = number_or_max(value);
			break;
		case FORM_PERIOD:
			q->period_us = number_or_max(value);
			break;
		case FORM_LIST:
			cpu_list(name, value, out);
			break;
		}
		return;
	}
}

/* ---- From annotations: a part of GVariant's text form ------------------------------------ */

struct gvariant {
	const char *s; /* what is still to be read */
	char type;     /* of the value, or of the elements; 0: not said */
	bool array;
	size_t count;
	struct buf *out;
};

static const struct {
	const char *word;
	char type;
} type_words[] = {
	{ "boolean", 'b' }, { "byte", 'y' },	   { "int16", 'n' },	 { "uint16", 'q' },
	{ "int32", 'i' },   { "uint32", 'u' },	   { "int64", 'x' },	 { "uint64", 't' },
	{ "string", 's' },  { "objectpath", 'o' }, { "signature", 'g' },
};

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t\n\r");
}

static int read_type(struct gvariant *g, struct err *e)
{
	g->s = skip_blanks(g->s);
	if (*g->s == '@') {
		g->s++;
		g->array = *g->s == 'a';
		g->s += g->array;
		g->type = *g->s;
		if (!g->type || !strchr("bynqiuxtsog", g->type))
			return err_set(e, EINVAL, "type of the value: unknown");
		g->s = skip_blanks(g->s + 1);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(type_words); i++) {
		const char *rest = str_after(g->s, type_words[i].word);

		if (!rest || !strchr(" \t\n\r", *rest) || !*rest)
			continue;
		g->type = type_words[i].type;
		g->s = skip_blanks(rest);
		break;
	}
	return 0;
}

static int read_text(struct gvariant *g, struct err *e)
{
	char quote = *g->s++;
	size_t n = 0;

	if (!g->type)
		g->type = 's';
	if (!strchr("sog", g->type))
		return err_set(e, EINVAL, "value: a text where a number is expected");
	for (; *g->s && *g->s != quote; g->s++, n++) {
		char c = *g->s;

		if (c == '\\' && g->s[1])
			c = *++g->s;
		if (iscntrl((unsigned char)c) || n >= MAX_TEXT)
			return err_set(e, EINVAL, "value: control characters or too long a text");
		buf_add(g->out, &c, 1);
	}
	if (!*g->s)
		return err_set(e, EINVAL, "value: the quote is not closed");
	g->s++;
	return 0;
}

/* Range of each integer type; systemd would take a number cut to size for another one. */
static bool in_range(char type, int64_t i, uint64_t u, bool negative)
{
	switch (type) {
	case 'y':
		return !negative && u <= UINT8_MAX;
	case 'q':
		return !negative && u <= UINT16_MAX;
	case 'u':
		return !negative && u <= UINT32_MAX;
	case 't':
		return !negative;
	case 'n':
		return i >= INT16_MIN && i <= INT16_MAX;
	case 'i':
		return i >= INT32_MIN && i <= INT32_MAX;
	case 'x':
		return negative || u <= INT64_MAX;
	}
	return false;
}

static int read_number(struct gvariant *g, struct err *e)
{
	size_t n = strcspn(g->s, " \t\n\r,]");
	bool negative = *g->s == '-';
	char text[32];
	int64_t i = 0;
	uint64_t u = 0;

	if (!g->type)
		g->type = 'i';
	if (n == 0 || n >= sizeof(text))
		return err_set(e, EINVAL, "value: neither text nor number nor true nor false");
	memcpy(text, g->s, n);
	text[n] = '\0';
	if (negative ? parse_i64(text, &i) < 0 : parse_u64(text, &u) < 0)
		return err_set(e, EINVAL, "value \"%s\": must be a number, or a text in quotes",
			       text);
	if (!negative)
		i = u > INT64_MAX ? INT64_MAX : (int64_t)u;
	if (!in_range(g->type, i, u, negative))
		return err_set(e, EINVAL, "value \"%s\": out of range for its type", text);
	buf_str(g->out, text);
	g->s += n;
	return 0;
}

static int read_scalar(struct gvariant *g, struct err *e)
{
	static const char *const words[] = { "true", "false" };

	if (*g->s == '\'' || *g->s == '"')
		return read_text(g, e);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *rest = str_after(g->s, words[i]);

		if (!rest || isalnum((unsigned char)*rest))
			continue;
		if (g->type && g->type != 'b')
			return err_set(e, EINVAL,
				       "value: true or false where another type is expected");
		g->type = 'b';
		buf_str(g->out, words[i]);
		g->s = rest;
		return 0;
	}
	if (g->type && !strchr("ynqiuxt", g->type))
		return err_set(e, EINVAL, "value: a text needs quotes");
	return read_number(g, e);
}

static int read_array(struct gvariant *g, struct err *e)
{
	g->array = true;
	g->s = skip_blanks(g->s + 1);
	while (*g->s != ']') {
		int r;

		if (g->count++ >= MAX_ELEMENTS)
			return err_set(e, E2BIG, "value: more than %d elements", MAX_ELEMENTS);
		if (g->count > 1)
			buf_str(g->out, "\t");
		r = read_scalar(g, e);
		if (r < 0)
			return r;
		g->s = skip_blanks(g->s);
		if (*g->s == ',')
			g->s = skip_blanks(g->s + 1);
		else if (*g->s != ']')
			return err_set(e, EINVAL, "value: the array is not closed");
	}
	g->s++;
	return 0;
}

static int read_value(struct gvariant *g, struct err *e)
{
	int r = read_type(g, e);

	if (r < 0)
		return r;
	if (g->array && *g->s != '[')
		return err_set(e, EINVAL, "value: an array is expected");
	r = *g->s == '[' ? read_array(g, e) : read_scalar(g, e);
	if (r < 0)
		return r;
	if (*skip_blanks(g->s))
		return err_set(e, EINVAL, "value: nothing may follow behind it");
	return g->type ? 0 : err_set(e, EINVAL, "value: an empty array needs its type: @as []");
}

/* "2.5" and "uint64 2" seconds alike, as runc has it. */
static int read_seconds(const char *value, uint64_t *ret_usec, struct err *e)
{
	struct gvariant g = { .s = value };
	uint64_t whole = 0, part = 0, scale = SEC_USEC;
	size_t n;
	int r = read_type(&g, e);

	if (r < 0)
		return r;
	n = strspn(g.s, "0123456789");
	for (size_t i = 0; i < n && i < 12; i++)
		whole = whole * 10 + (uint64_t)(g.s[i] - '0');
	g.s += n;
	if (n > 0 && *g.s == '.')
		for (g.s++; isdigit((unsigned char)*g.s); g.s++) {
			scale /= 10;
			part += (uint64_t)(*g.s - '0') * scale;
		}
	if (n == 0 || n > 12 || *skip_blanks(g.s))
		return err_set(e, EINVAL, "value: must be a number of seconds");
	*ret_usec = whole * SEC_USEC + part;
	return 0;
}

static bool is_property_name(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!isalpha((unsigned char)name[i]))
			return false;
	return n >= 3 && n <= 64;
}

static bool in_seconds(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && str_eq(name + n - 3, "Sec") && name[n - 4] != 'U';
}

int cg_property_of_annotation(const char *name, const char *value, struct buf *out, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };
	struct gvariant g = { .s = value, .out = &text };
	uint64_t usec;
	int r;

	if (!is_property_name(name))
		return err_set(e, EINVAL, "not the name of a unit's property");
	if (in_seconds(name)) {
		r = read_seconds(value, &usec, e);
		if (r == 0)
			buf_printf(out, "%.*sUSec t %llu\n", (int)strlen(name) - 3, name,
				   (unsigned long long)usec);
		return r;
	}
	r = read_value(&g, e);
	if (r < 0)
		return r;
	if (text.failed)
		return err_oom(e);
	buf_printf(out, "%s %s%c %s\n", name, g.array ? "a" : "", g.type,
		   text.data ? text.data : "");
	return 0;
}
