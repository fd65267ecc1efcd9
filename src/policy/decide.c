/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_private.h"

#include "base/parse.h"

#include <string.h>

/*
 * The verdict. A rule is more specific than another when none of its fields is wider and one is
 * narrower. A deny rule that matches holds unless an allow rule that matches is more specific; so
 * where each of the two is narrower in something, deny wins, too.
 */

static bool match_path(const struct pattern *p, const struct value *v)
{
	const char *rest;

	if (v->len <= p->len || memcmp(v->text, p->text, p->len) != 0 || v->text[p->len] != '/')
		return false;
	rest = v->text + p->len + 1;
	return *rest && (p->match == MATCH_TREE || !strchr(rest, '/'));
}

static bool match_address(const struct pattern *p, const struct value *v, bool lenient)
{
	size_t whole = p->bits / 8;
	uint8_t mask = (uint8_t)(0xff00U >> (p->bits % 8));

	/* Who listens everywhere listens on the denied address, too; on :: for IPv4 as well. */
	if (v->wild && !lenient && (v->family == p->family || v->family == AF_INET6))
		return true;
	return v->family == p->family && memcmp(v->addr, p->addr, whole) == 0 &&
	       (p->bits % 8 == 0 || ((v->addr[whole] ^ p->addr[whole]) & mask) == 0);
}

bool pattern_match(const struct pattern *p, const struct value *v, bool lenient)
{
	if (!v->set)
		return p->match == MATCH_ANY || p->match == MATCH_UNSET || lenient;
	switch (p->match) {
	case MATCH_ANY:
		return true;
	case MATCH_UNSET:
		return false;
	case MATCH_TEXT:
		return v->len == p->len && memcmp(v->text, p->text, p->len) == 0;
	case MATCH_TYPE: /* fs/filesystems.c: what stands behind a dot is for the file system */
		return v->len >= p->len && memcmp(v->text, p->text, p->len) == 0 &&
		       (v->len == p->len || v->text[p->len] == '.');
	case MATCH_PREFIX:
		return v->len >= p->len && memcmp(v->text, p->text, p->len) == 0;
	case MATCH_CHILDREN:
	case MATCH_TREE:
		return match_path(p, v);
	case MATCH_GROUP:
		return group_has(p->low, v->text);
	case MATCH_RANGE:
		return v->number >= p->low && v->number <= p->high;
	case MATCH_ADDR:
		return match_address(p, v, lenient);
	}
	return false;
}

/* A list of paths with ":" between them, as overlay has it: each must match. */
static bool match_paths(const struct pattern *p, const char *list)
{
	char part[4096];

	if (strchr(list, '\\'))
		return false;
	for (;;) {
		size_t n = strcspn(list, ":");
		struct value v = { .set = true, .text = part, .len = n };

		if (n >= sizeof(part))
			return false;
		memcpy(part, list, n);
		part[n] = '\0';
		if (!path_is_plain(part) || !match_path(p, &v))
			return false;
		if (!list[n])
			return true;
		list += n + 1;
	}
}

static bool match_option_value(const struct pattern *p, const char *value)
{
	struct value v = { .set = true, .text = value, .len = value ? strlen(value) : 0 };

	if (p->match == MATCH_ANY)
		return true;
	if (p->match == MATCH_TREE || p->match == MATCH_CHILDREN)
		return value && match_paths(p, value);
	return value && pattern_match(p, &v, true);
}

/* mm/shmem.c: a number and a unit. 0, which is no limit, and percents are refused. */
static bool size_is_within(const char *value, uint64_t most)
{
	uint64_t n;

	return value && parse_bytes(value, strlen(value), &n) && n > 0 && n <= most;
}

static bool option_is_listed(const struct rule *r, const char *option)
{
	const char *equal = strchr(option, '=');
	size_t len = equal ? (size_t)(equal - option) : strlen(option);

	if (r->size_bytes && len == 4 && memcmp(option, "size", 4) == 0)
		return size_is_within(equal ? equal + 1 : NULL, r->size_bytes);
	for (size_t i = 0; i < r->noptions; i++) {
		const struct mount_option *o = &r->options[i];

		if (o->len == len && memcmp(o->key, option, len) == 0 &&
		    match_option_value(&o->value, equal ? equal + 1 : NULL))
			return true;
	}
	return false;
}

static unsigned long all_flags(const struct word *list)
{
	unsigned long flags = 0;

	for (; list->name; list++)
		flags |= list->number;
	return flags;
}

static bool mount_is_within(const struct rule *r, const struct policy_ask *ask)
{
	unsigned long flags = ask->u.mount.flags, may = all_flags(words_flags) | r->listed;
	const char *const *options = ask->u.mount.options;

	/* mount(2): once a magic number stood in the upper half. */
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(unsigned long)MS_MGC_MSK;
	if (str_eq(ask->u.mount.fstype, "bind"))
		may |= MS_BIND;
	if (flags & ~may)
		return false;
	for (; options && *options; options++)
		if (**options && !option_is_listed(r, *options))
			return false;
	return true;
}

static bool cpus_are_within(const struct rule *r, const struct policy_ask *ask)
{
	const uint64_t *words = ask->u.sched.cpus;

	if (!words)
		return true;
	if (!r->cpus)
		return false;
	for (size_t i = 0; i < ask->u.sched.cpus_words * 64; i++)
		if ((words[i / 64] >> (i % 64) & 1) &&
		    (i >= POLICY_CPUS || !(r->cpus[i / 8] >> (i % 8) & 1)))
			return false;
	return true;
}

/* What an allow rule does not say it does not grant, although a deny rule would mean it. */
static bool is_granted(const struct rule *r, const struct policy_ask *ask, const struct value *v)
{
	if (r->all)
		return true;
	if (r->kind == POLICY_MOUNT)
		return mount_is_within(r, ask);
	if (r->kind == POLICY_SCHED)
		return cpus_are_within(r, ask);
	/* A raw socket sends whatever it likes, with addresses of its choice (raw(7)). */
	if (r->kind == POLICY_SOCKET && v[SOCKET_TYPE].number == SOCK_RAW)
		return r->field[SOCKET_TYPE].match != MATCH_ANY;
	return true;
}

/* The kernel does not look at the source of a remount. */
static bool is_field_of(const struct rule *r, const struct policy_ask *ask, int field)
{
	return !(r->kind == POLICY_MOUNT && field == MOUNT_SOURCE &&
		 (ask->u.mount.flags & MS_REMOUNT) && (r->listed & MS_REMOUNT));
}

static bool rule_matches(const struct rule *r, const struct policy_ask *ask, const struct value *v)
{
	bool allow = r->verb == POLICY_ALLOW;
	/* A mount without a source is none from the source that the rule names. */
	bool lenient = allow && r->kind != POLICY_MOUNT;

	for (int i = 0; i < POLICY_FIELDS; i++)
		if (is_field_of(r, ask, i) && !pattern_match(&r->field[i], &v[i], lenient))
			return false;
	return !allow || is_granted(r, ask, v);
}

/* Is @a narrower than @b? */
static bool is_over(const struct rule *a, const struct rule *b)
{
	bool narrower = false;

	for (int i = 0; i < POLICY_FIELDS; i++) {
		if (a->field[i].rank < b->field[i].rank)
			return false;
		narrower |= a->field[i].rank > b->field[i].rank;
	}
	return narrower;
}

static bool is_overruled(const struct rule *deny, const struct rule *const *allows,
			 const struct policy_ask *ask, const struct value *v)
{
	for (; *allows; allows++)
		if (is_over(*allows, deny) && rule_matches(*allows, ask, v))
			return true;
	return false;
}

/* The narrowest that matches, the first among equals; @allows: that none of these overrules. */
static const struct rule *find_rule(const struct rule *const *rules,
				    const struct rule *const *allows, const struct policy_ask *ask,
				    const struct value *v)
{
	const struct rule *best = NULL;

	for (; *rules; rules++)
		if ((!best || is_over(*rules, best)) && rule_matches(*rules, ask, v) &&
		    !(allows && is_overruled(*rules, allows, ask, v)))
			best = *rules;
	return best;
}

/* Each question as the kernel will understand it, so that no spelling of it passes by a rule. */
static void normalise(const struct policy_ask *ask, struct value v[POLICY_FIELDS])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, zero[16];
	struct value *addr = &v[NET_ADDR];

	if (ask->kind == POLICY_CONNECT || ask->kind == POLICY_BIND) {
		if (addr->family == AF_INET6 && memcmp(addr->addr, mapped, sizeof(mapped)) == 0) {
			addr->family = AF_INET;
			memmove(addr->addr, addr->addr + 12, 4);
			memset(addr->addr + 4, 0, 12);
		}
		if (memcmp(addr->addr, zero, sizeof(zero)) != 0)
			return;
		addr->wild = ask->kind == POLICY_BIND;
		if (!addr->wild && addr->family == AF_INET)
			memcpy(addr->addr, (uint8_t[]){ 127, 0, 0, 1 }, 4);
		else if (!addr->wild)
			addr->addr[15] = 1;
	} else if (ask->kind == POLICY_SOCKET) {
		ask_plain_socket(v);
	}
}

static void set_verdict(const struct policy *p, const struct rule *r, struct policy_verdict *ret)
{
	const struct policy_line *l = &p->lines[r->line];

	ret->allow = r->verb == POLICY_ALLOW;
	ret->line = l->number;
	ret->text = l->text;
	if (r->kind == POLICY_MOUNT && ret->allow)
		ret->mount = (struct policy_mount_terms){ .flags = r->forced,
							  .size_bytes = r->size_bytes,
							  .shift = r->shift };
}

static void set_default(const struct policy *p, enum policy_kind kind, struct policy_verdict *ret)
{
	ret->allow = p->allow;
	ret->text = p->allow ? "default allow" : "default deny";
	if (p->allow && kind == POLICY_MOUNT)
		ret->mount.flags = POLICY_FORCED;
}

void policy_decide(const struct policy *p, const struct policy_ask *ask, struct policy_verdict *ret)
{
	struct value v[POLICY_FIELDS];
	const struct rule *const *deny, *const *allow, *const *log, *best;

	*ret = (struct policy_verdict){ .text = "a question without sense" };
	if (!ask_values(ask, v))
		return;
	normalise(ask, v);
	deny = p->by[ask->kind][POLICY_DENY];
	allow = p->by[ask->kind][POLICY_ALLOW];
	log = p->by[ask->kind][POLICY_LOG];
	best = find_rule(deny, allow, ask, v);
	if (!best)
		best = find_rule(allow, NULL, ask, v);
	if (best)
		set_verdict(p, best, ret);
	else
		set_default(p, ask->kind, ret);
	ret->log = find_rule(log, NULL, ask, v) != NULL;
}
