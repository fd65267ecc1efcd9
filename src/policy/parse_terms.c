/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parser_private.h"

#include "base/parse.h"

#include <errno.h>
#include <string.h>

/* What stands behind the arguments: conditions of an allow rule, and what it adds. */

enum { SHOWN = 48 }; /* of a word in a message */

static int shown(size_t len)
{
	return (int)(len > SHOWN ? SHOWN : len);
}

static int parse_option_value(struct parser *ps, const char *s, size_t len, struct pattern *ret)
{
	bool tree = len >= 2 && s[0] == '/' && s[len - 1] == '*';

	if (len == 2 && memcmp(s, "**", 2) == 0 && !ps->question) {
		*ret = (struct pattern){ 0 };
		return 0;
	}
	if (tree)
		return parse_path_part(ps, s, len, ret);
	ret->match = MATCH_TEXT;
	return text_plain(ps, s, len, &ret->text, &ret->len);
}

/* "key", "key=value" */
static int parse_option(struct parser *ps, const char *s, size_t len, struct rule *r,
			struct mount_option *ret)
{
	const char *equal = len > 0 ? memchr(s, '=', len) : NULL;
	size_t key = equal ? (size_t)(equal - s) : len;
	uint32_t bit;
	int x;

	if (key == 0)
		return fault(ps, (size_t)(s - ps->word), "an empty option");
	if (!equal && words_find(words_listed, s, key, &bit)) {
		r->listed |= bit;
		return 1;
	}
	if (!equal &&
	    (words_find(words_flags, s, key, &bit) || words_find(words_granted, s, key, &bit)))
		return fault(ps, (size_t)(s - ps->word), "\"%.*s\" stands before \"options\"",
			     shown(key), s);
	x = text_plain(ps, s, key, &ret->key, &ret->len);
	if (x == 0 && strchr(ret->key, '='))
		return fault(ps, (size_t)(s - ps->word), "the name of an option holds no \"=\"");
	if (x == 0 && equal)
		x = parse_option_value(ps, equal + 1, len - key - 1, &ret->value);
	return x;
}

static int parse_options(struct parser *ps, struct rule *r)
{
	const char *end, *s;
	size_t room = 1;

	if (r->options)
		return fault(ps, 0, "options are given already");
	text_next(ps);
	end = ps->word + ps->word_len;
	if (ps->word_len == 0)
		return fault(ps, 0, "a list of options is missing: mode,uid=0");
	for (s = ps->word; s < end; s++)
		room += *s == ',';
	r->options = arena_array(&ps->p->arena, room, sizeof(*r->options));
	if (!r->options)
		return -ENOMEM;
	for (s = ps->word; s <= end; s++) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		size_t len = (size_t)((comma ? comma : end) - s);
		int x = parse_option(ps, s, len, r, &r->options[r->noptions]);

		if (x < 0)
			return x;
		if (x == 0)
			r->noptions++;
		s += len;
	}
	return 0;
}

/* Return: 0: done; 1: it is no such word; -EINVAL */
static int parse_mount_word(struct parser *ps, struct rule *r)
{
	const char *size = text_after(ps, "size<="), *end = ps->word + ps->word_len;
	uint32_t bit;

	if (words_find(words_flags, ps->word, ps->word_len, &bit)) {
		r->forced |= bit;
	} else if (ps->question) {
		return text_is(ps, "options") ? parse_options(ps, r) : 1;
	} else if (words_find(words_granted, ps->word, ps->word_len, &bit)) {
		r->granted |= bit;
	} else if (text_is(ps, "shift")) {
		r->shift = true;
	} else if (text_is(ps, "options")) {
		return parse_options(ps, r);
	} else if (size) {
		if (r->size_bytes)
			return fault(ps, 0, "the size is limited already");
		if (!parse_bytes(size, (size_t)(end - size), &r->size_bytes) || !r->size_bytes)
			return fault(ps, (size_t)(size - ps->word),
				     "\"%.*s\" is no size: a number and K, M, G or T",
				     shown((size_t)(end - size)), size);
	} else {
		return 1;
	}
	return 0;
}

static bool lists_option(const struct rule *r, const char *key)
{
	for (size_t i = 0; i < r->noptions; i++)
		if (strcmp(r->options[i].key, key) == 0)
			return true;
	return false;
}

static int check_mount(struct parser *ps, struct rule *r)
{
	const struct pattern *type = &r->field[MOUNT_FSTYPE];
	const char *name = type->match == MATCH_ANY ? NULL : type->text;

	if (ps->question)
		return 0;
	if (r->forced & r->granted)
		return fault(ps, 0, "%s and its opposite in one rule",
			     (r->forced & r->granted) & MS_NOSUID ? "suid" : "dev");
	r->forced |= POLICY_FORCED & ~r->granted;
	if (ps->verb != POLICY_ALLOW)
		return 0;
	if (!r->sourced && !(name && fs_has_no_source(name)))
		return fault(ps, 0, "say what may be mounted: from PATH, or from ** for anything");
	if (r->size_bytes && !str_eq(name, "tmpfs"))
		return fault(ps, 0, "only tmpfs knows a size");
	if (r->size_bytes && (lists_option(r, "size") || lists_option(r, "nr_blocks")))
		return fault(ps, 0, "size<= can't hold when options lists size or nr_blocks");
	return 0;
}

static int parse_cpus(struct parser *ps, struct rule *r)
{
	unsigned char *bits = arena_alloc(&ps->p->arena, POLICY_CPUS / 8);
	char *list;

	if (r->cpus)
		return fault(ps, 0, "cpus are given already");
	text_next(ps);
	list = arena_strndup(&ps->p->arena, ps->word, ps->word_len);
	if (!bits || !list)
		return -ENOMEM;
	if (parse_list(list, bits, POLICY_CPUS) < 0)
		return fault(ps, 0, "\"%.*s\" is no list of CPUs: 0-3,7", shown(ps->word_len),
			     ps->word);
	r->cpus = bits;
	return 0;
}

static int parse_term(struct parser *ps, struct rule *r)
{
	bool mount = r->kind == POLICY_MOUNT;

	if (!mount && !(r->kind == POLICY_SCHED && text_is(ps, "cpus")))
		return 1;
	if (ps->verb != POLICY_ALLOW && !ps->question)
		return fault(ps, 0, "\"%.*s\": only an allow rule has terms", shown(ps->word_len),
			     ps->word);
	return mount ? parse_mount_word(ps, r) : parse_cpus(ps, r);
}

int parse_terms(struct parser *ps, struct rule *r)
{
	while (ps->word_len > 0) {
		int x = parse_term(ps, r);

		if (x < 0)
			return x;
		if (x > 0)
			return fault(ps, 0, "\"%.*s\" is not understood here; usage: %s",
				     shown(ps->word_len), ps->word, kind_of(r->kind)->usage);
		text_next(ps);
	}
	if (r->kind == POLICY_MOUNT)
		return check_mount(ps, r);
	if (r->kind == POLICY_SCHED && r->field[SCHED_POLICY].match == MATCH_UNSET && !r->cpus)
		return fault(ps, 0, "a scheduling policy or cpus is missing; usage: %s",
			     kind_of(r->kind)->usage);
	return 0;
}
