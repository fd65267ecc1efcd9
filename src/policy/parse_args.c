/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parser_private.h"

#include "base/parse.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The arguments of a rule, as the grammar of its kind has them. */

int parse_path_part(struct parser *ps, const char *s, size_t len, struct pattern *ret)
{
	struct pattern f = { .match = MATCH_TEXT };
	size_t literal = len, at = (size_t)(s - ps->word);
	int r;

	if (len == 2 && memcmp(s, "**", 2) == 0 && !ps->question) {
		*ret = (struct pattern){ 0 };
		return 0;
	}
	if (len == 0 || s[0] != '/')
		return fault(ps, at, "\"%.*s\": a path must be absolute",
			     (int)(len > 64 ? 64 : len), s);
	if (len >= 3 && memcmp(s + len - 3, "/**", 3) == 0) {
		f.match = MATCH_TREE;
		literal = len - 3;
	} else if (len >= 2 && memcmp(s + len - 2, "/*", 2) == 0) {
		f.match = MATCH_CHILDREN;
		literal = len - 2;
	}
	if (ps->question && f.match != MATCH_TEXT)
		return fault(ps, at + literal, "a question is about one path");
	r = text_plain(ps, s, literal, &f.text, &f.len);
	if (r < 0)
		return r;
	if (f.len > 0 && !path_is_plain(f.text))
		return fault(ps, at,
			     "\"%.*s\": no \"..\", \".\" or empty component, no \"/\" at the end",
			     (int)(len > 64 ? 64 : len), s);
	f.rank = (uint32_t)f.len * 4 + (f.match == MATCH_TREE ? 1 : f.match == MATCH_TEXT ? 3 : 2);
	*ret = f;
	return 0;
}

/* @name, @prefix*; user.name, user.* */
static int parse_label(struct parser *ps, const struct arg *a, struct pattern *ret)
{
	struct pattern f = { .match = MATCH_TEXT };
	size_t len = ps->word_len;
	int r;

	if ((a->flags & ARG_ANY) && text_is(ps, "*") && !ps->question) {
		*ret = (struct pattern){ 0 };
		return 0;
	}
	if (len > 1 && ps->word[len - 1] == '*' && !ps->question) {
		f.match = MATCH_PREFIX;
		len--;
	}
	r = text_plain(ps, ps->word, len, &f.text, &f.len);
	if (r < 0)
		return r;
	if (a->type == ARG_NAME && f.match == MATCH_TEXT && f.len == 1)
		return fault(ps, 0, "\"@\" needs a name, or * for any");
	f.rank = (uint32_t)f.len * 4 + (f.match == MATCH_TEXT ? 3 : 1);
	*ret = f;
	return 0;
}

/* Where it looks like a path it must be one, and a bind mount has nothing else. */
static int parse_source(struct parser *ps, const struct rule *r, struct pattern *ret)
{
	struct pattern f = { .match = MATCH_TEXT };
	int x;

	if ((str_eq(r->field[MOUNT_FSTYPE].text, "bind") && !ps->question) || text_is(ps, "**") ||
	    ps->word[0] == '/' ||
	    (memchr(ps->word, '/', ps->word_len) && !memchr(ps->word, ':', ps->word_len)))
		return parse_path_part(ps, ps->word, ps->word_len, ret);
	x = text_plain(ps, ps->word, ps->word_len, &f.text, &f.len);
	f.rank = (uint32_t)f.len * 4 + 3;
	*ret = f;
	return x;
}

static int parse_fstype(struct parser *ps, struct pattern *ret)
{
	static const char chars[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	struct pattern f = { .match = MATCH_TEXT, .rank = 2 };

	if (text_is(ps, "*") && !ps->question) {
		*ret = (struct pattern){ 0 };
		return 0;
	}
	for (size_t i = 0; i < ps->word_len; i++)
		if (!memchr(chars, ps->word[i], sizeof(chars) - 1))
			return fault(ps, i, "\"%.*s\" is no file system",
				     (int)(ps->word_len > 64 ? 64 : ps->word_len), ps->word);
	f.text = arena_strndup(&ps->p->arena, ps->word, ps->word_len);
	f.len = ps->word_len;
	if (!f.text)
		return -ENOMEM;
	if (!ps->question && !strchr(f.text, '.')) {
		f.match = MATCH_TYPE;
		f.rank = 1;
	}
	*ret = f;
	return 0;
}

/* A name that is misspelt must not become a rule that nothing ever matches. */
static int parse_call(struct parser *ps, struct pattern *ret)
{
	struct pattern f = { .match = MATCH_TEXT, .rank = 2 };
	int group;

	if (text_is(ps, "**") && !ps->question) {
		*ret = (struct pattern){ 0 };
		return 0;
	}
	if (ps->word[0] == '@') {
		group = ps->question ? -1 : group_find(ps->word + 1, ps->word_len - 1);
		if (group < 0)
			return fault(ps, 0, "no group \"%.*s\" of system calls",
				     (int)(ps->word_len > 32 ? 32 : ps->word_len), ps->word);
		*ret = (struct pattern){ .match = MATCH_GROUP, .rank = 1, .low = (uint32_t)group };
		return 0;
	}
	f.text = arena_strndup(&ps->p->arena, ps->word, ps->word_len);
	f.len = ps->word_len;
	if (!f.text)
		return -ENOMEM;
	if (seccomp_syscall_resolve_name(f.text) == __NR_SCMP_ERROR)
		return fault(ps, 0, "no system call \"%.*s\"", (int)(f.len > 32 ? 32 : f.len),
			     f.text);
	*ret = f;
	return 0;
}

static void set_number(struct pattern *f, uint32_t low, uint32_t high)
{
	*f = (struct pattern){
		.match = MATCH_RANGE, .low = low, .high = high, .rank = UINT32_MAX - (high - low)
	};
}

int parse_range_part(struct parser *ps, const char *s, size_t len, uint32_t max,
		     struct pattern *ret)
{
	const char *dash = len > 0 ? memchr(s, '-', len) : NULL;
	size_t first = dash ? (size_t)(dash - s) : len;
	uint64_t low, high;

	if (len == 1 && *s == '*' && !ps->question) {
		*ret = (struct pattern){ 0 };
		return 0;
	}
	if (!parse_number(s, first, max, &low))
		goto bad;
	high = low;
	if (dash && (ps->question || !parse_number(dash + 1, len - first - 1, max, &high)))
		goto bad;
	if (high < low)
		goto bad;
	set_number(ret, (uint32_t)low, (uint32_t)high);
	return 0;
bad:
	return fault(ps, (size_t)(s - ps->word), "\"%.*s\": must be a number up to %u%s",
		     (int)(len > 32 ? 32 : len), s, max, ps->question ? "" : ", a range N-M or *");
}

static int parse_pair(struct parser *ps, const struct arg *a, struct pattern f[2])
{
	const char *colon = memchr(ps->word, ':', ps->word_len);
	size_t len[2];
	const char *s[2];

	if (!colon)
		return fault(ps, 0, "\"%.*s\": must be %s",
			     (int)(ps->word_len > 32 ? 32 : ps->word_len), ps->word, a->what);
	s[0] = ps->word;
	len[0] = (size_t)(colon - s[0]);
	s[1] = colon + 1;
	len[1] = ps->word_len - len[0] - 1;
	for (int i = 0; i < 2; i++) {
		int r = 0;

		if ((a->flags & ARG_UNSET) && len[i] == 1 && *s[i] == '-')
			f[i] = (struct pattern){ .match = MATCH_UNSET, .rank = UINT32_MAX };
		else
			r = parse_range_part(ps, s[i], len[i], i ? a->max2 : a->max, &f[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Return: 0; 1: an optional one is something else; -EINVAL */
static int parse_word(struct parser *ps, const struct kind *k, const struct arg *a,
		      const struct rule *r, struct pattern *ret)
{
	const struct word *words = a->words;
	uint32_t number;
	uint64_t v;

	if (!words && r->field[SOCKET_FAMILY].match == MATCH_RANGE)
		words = words_protocols((int)r->field[SOCKET_FAMILY].low);
	if ((a->flags & ARG_ANY) && text_is(ps, "*") && !ps->question) {
		*ret = (struct pattern){ 0 };
		return 0;
	}
	if (words_find(words, ps->word, ps->word_len, &number)) {
		set_number(ret, number, number);
		return 0;
	}
	/* Of "socket inet 1" the number is the protocol: types have names. */
	if ((a->flags & ARG_NUMBER) && parse_number(ps->word, ps->word_len, INT32_MAX, &v) &&
	    (a->field != SOCKET_TYPE || text_more(ps))) {
		set_number(ret, (uint32_t)v, (uint32_t)v);
		return 0;
	}
	if ((a->flags & ARG_OPTIONAL) && a->field != SOCKET_PROTOCOL)
		return 1;
	return fault(ps, 0, "\"%.*s\" is not %s; usage: %s",
		     (int)(ps->word_len > 32 ? 32 : ps->word_len), ps->word, a->what, k->usage);
}

/* "priority<=N", "priority=N" */
static int parse_bound(struct parser *ps, const struct arg *a, struct pattern *ret)
{
	const char *end = ps->word + ps->word_len, *s = text_after(ps, a->keyword);
	bool most = s && end - s >= 2 && s[0] == '<' && s[1] == '=' && !ps->question;
	uint64_t v;

	if (!s || s == end || (!most && *s != '='))
		return 1;
	s += most ? 2 : 1;
	if (!parse_number(s, (size_t)(end - s), a->max, &v))
		return fault(ps, (size_t)(s - ps->word), "%s must be a number up to %u", a->keyword,
			     a->max);
	set_number(ret, most ? 0 : (uint32_t)v, (uint32_t)v);
	return 0;
}

/* The current word into the fields of @f; see parse_word for what is returned. */
static int parse_arg(struct parser *ps, const struct kind *k, const struct arg *a,
		     const struct rule *r, struct pattern f[2])
{
	switch (a->type) {
	case ARG_PATH:
		return parse_path_part(ps, ps->word, ps->word_len, f);
	case ARG_SOURCE:
		return parse_source(ps, r, f);
	case ARG_NAME:
		return ps->word[0] == '@' ? parse_label(ps, a, f)
					  : parse_path_part(ps, ps->word, ps->word_len, f);
	case ARG_LABEL:
		return parse_label(ps, a, f);
	case ARG_FSTYPE:
		return parse_fstype(ps, f);
	case ARG_CALL:
		return parse_call(ps, f);
	case ARG_WORD:
		return parse_word(ps, k, a, r, f);
	case ARG_PAIR:
		return parse_pair(ps, a, f);
	case ARG_ENDPOINT:
		return parse_endpoint(ps, f, r->kind == POLICY_CONNECT);
	case ARG_RANGE:
		return parse_bound(ps, a, f);
	case ARG_END:
		break;
	}
	return -EINVAL;
}

static size_t arg_fields(const struct arg *a)
{
	return a->type == ARG_PAIR || a->type == ARG_ENDPOINT ? 2 : 1;
}

/* What else stands in a list, up to the keyword of the argument behind it. */
static int parse_more(struct parser *ps, const struct kind *k, const struct arg *a,
		      const struct rule *r)
{
	const char *end = a[1].type != ARG_END ? a[1].keyword : NULL;

	ps->more_field = a->field;
	ps->more_count = arg_fields(a);
	while (ps->word_len > 0 && !(end && text_is(ps, end))) {
		struct pair pair = { 0 };
		int x;

		if (ps->question)
			return fault(ps, 0, "a question is about one thing; usage: %s", k->usage);
		x = parse_arg(ps, k, a, r, pair.f);
		if (x < 0)
			return x;
		if (!buf_add(&ps->more, &pair, sizeof(pair)))
			return -ENOMEM;
		text_next(ps);
	}
	return 0;
}

/* A pipe, a socket and a file have no number. */
static bool is_skipped(const struct rule *r, const struct arg *a)
{
	return r->kind == POLICY_MKNOD && a->field == MKNOD_MAJOR &&
	       r->field[MKNOD_TYPE].low != S_IFCHR && r->field[MKNOD_TYPE].low != S_IFBLK;
}

static int parse_one(struct parser *ps, const struct kind *k, const struct arg *a, struct rule *r)
{
	bool optional = a->flags & ARG_OPTIONAL;
	int x;

	if (is_skipped(r, a))
		return 0;
	if (a->keyword && a->type != ARG_RANGE) {
		if (!text_is(ps, a->keyword))
			return optional ? 0
					: fault(ps, 0, "expected \"%s\"; usage: %s", a->keyword,
						k->usage);
		text_next(ps);
		optional = false;
		r->sourced |= r->kind == POLICY_MOUNT && a->field == MOUNT_SOURCE;
	}
	if (ps->word_len == 0)
		return optional ? 0 : fault(ps, 0, "%s is missing; usage: %s", a->what, k->usage);
	x = parse_arg(ps, k, a, r, &r->field[a->field]);
	if (x != 0)
		return x < 0 ? x : 0;
	text_next(ps);
	return a->flags & ARG_MANY ? parse_more(ps, k, a, r) : 0;
}

static bool find_kind(const struct parser *ps, enum policy_kind *ret)
{
	for (int i = 0; i < POLICY_KINDS; i++)
		if (text_is(ps, kind_of((enum policy_kind)i)->name)) {
			*ret = (enum policy_kind)i;
			return true;
		}
	return false;
}

int parse_kind(struct parser *ps, struct rule *r)
{
	const struct kind *k;

	if (!find_kind(ps, &r->kind))
		return fault(
			ps, 0,
			"expected read, write, exec, connect, bind, unix, socket, mount, mknod, "
			"chown, sched, view, xattr, bpf or syscall");
	k = kind_of(r->kind);
	text_next(ps);
	if (text_is(ps, "**") && !text_more(ps) && !ps->question) {
		r->all = true;
		r->forced = POLICY_FORCED;
		return 0;
	}
	if (r->kind == POLICY_SCHED)
		r->field[SCHED_POLICY] = (struct pattern){ .match = MATCH_UNSET, .rank = 1 };
	for (const struct arg *a = k->args; a->type != ARG_END; a++) {
		int x = parse_one(ps, k, a, r);

		if (x < 0)
			return x;
	}
	return parse_terms(ps, r);
}
