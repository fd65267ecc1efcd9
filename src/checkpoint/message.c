/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/criu.h"

#include "checkpoint/wire.h"

#include <string.h>

static void add_message(struct buf *opts, enum criu_option field, struct buf *m)
{
	if (m->failed)
		opts->failed = true;
	else
		wire_bytes(opts, field, m->data, m->len);
}

void criu_pair(struct buf *opts, enum criu_option field, const char *key, const char *value)
{
	AUTO_BUF struct buf m = { 0 };

	wire_str(&m, 1, key);
	wire_str(&m, 2, value);
	add_message(opts, field, &m);
}

void criu_cg_root(struct buf *opts, const char *ctrl, const char *path)
{
	criu_pair(opts, CRIU_CG_ROOT, ctrl, path);
}

void criu_inherit(struct buf *opts, const char *key, int fd)
{
	AUTO_BUF struct buf m = { 0 };

	wire_str(&m, 1, key);
	wire_uint(&m, 2, (uint64_t)fd);
	add_message(opts, CRIU_INHERIT_FD, &m);
}

static void take_text(const struct wire_field *f, char *to, size_t size)
{
	size_t n = f->bytes ? f->len : 0;

	n = n < size - 1 ? n : size - 1;
	if (n > 0)
		memcpy(to, f->bytes, n);
	to[n] = '\0';
}

/* A pid travels as a number of 64 bits; what does not fit is none. */
static int32_t take_pid(const struct wire_field *f)
{
	return f->value <= INT32_MAX ? (int32_t)f->value : 0;
}

static int take_notify(const struct wire_field *in, struct criu_reply *r)
{
	struct wire w = wire_inside(in);
	struct wire_field f;
	int n;

	while ((n = wire_next(&w, &f)) > 0) {
		if (f.number == 1)
			take_text(&f, r->script, sizeof(r->script));
		else if (f.number == 2)
			r->pid = take_pid(&f);
	}
	return n;
}

static int take_restore(const struct wire_field *in, struct criu_reply *r)
{
	struct wire w = wire_inside(in);
	struct wire_field f;
	int n;

	while ((n = wire_next(&w, &f)) > 0)
		if (f.number == 1)
			r->pid = take_pid(&f);
	return n;
}

static int take_features(const struct wire_field *in, struct criu_reply *r)
{
	struct wire w = wire_inside(in);
	struct wire_field f;
	int n;

	while ((n = wire_next(&w, &f)) > 0) {
		if (f.number == CRIU_MEM_TRACK)
			r->mem_track = f.value;
		else if (f.number == CRIU_LAZY)
			r->lazy_pages = f.value;
	}
	return n;
}

static int take_version(const struct wire_field *in, struct criu_reply *r)
{
	uint32_t part[5] = { 0 }; /* 1: major, 2: minor, 4: sublevel */
	struct wire w = wire_inside(in);
	struct wire_field f;
	bool git = false;
	int n;

	while ((n = wire_next(&w, &f)) > 0) {
		git |= f.number == 3;
		if (f.number < ARRAY_LEN(part) && !f.bytes)
			part[f.number] = f.value < 100 ? (uint32_t)f.value : 99;
	}
	/* A build from git counts as the release it leads to, as CRIU's own libraries count. */
	if (git)
		r->version = part[1] * 10000 + (part[2] + 1) * 100;
	else
		r->version = part[1] * 10000 + part[2] * 100 + part[4];
	return n;
}

static int take_field(const struct wire_field *f, struct criu_reply *r)
{
	switch (f->number) {
	case 1:
		r->type = (uint32_t)f->value;
		return 0;
	case 2:
		r->success = f->value;
		return 0;
	case 4:
		return take_restore(f, r);
	case 5:
		return take_notify(f, r);
	case 7:
		r->code = (int32_t)(uint32_t)f->value;
		return 0;
	case 8:
		return take_features(f, r);
	case 9:
		take_text(f, r->message, sizeof(r->message));
		return 0;
	case 10:
		return take_version(f, r);
	}
	return 0;
}

int criu_reply_parse(const void *bytes, size_t n, struct criu_reply *ret)
{
	const unsigned char *p = bytes;
	struct wire w = { .p = p, .end = p + n };
	struct criu_reply r = { 0 };
	struct wire_field f;
	int got;

	while ((got = wire_next(&w, &f)) > 0) {
		got = take_field(&f, &r);
		if (got < 0)
			return got;
	}
	if (got < 0)
		return got;
	*ret = r;
	return 0;
}
