/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <stdarg.h>
#include <string.h>

enum { POOL_ALIGN = 8, SECTION_ALIGN = 16 };

static struct plan_half *half_of(struct plan *p, enum phase phase)
{
	return phase == PHASE_INIT || phase == PHASE_ENTER ? &p->island : &p->host;
}

static void align_buf(struct buf *b, size_t to)
{
	size_t over = b->len % to;

	if (over)
		buf_zero(b, to - over);
}

void plan_init(struct plan *p)
{
	*p = (struct plan){ .keep_fds = 3 };
	/* Offset 0 means absent, so the pool begins with bytes nobody refers to. */
	buf_zero(&p->host.pool, POOL_ALIGN);
	buf_zero(&p->island.pool, POOL_ALIGN);
}

void plan_done(struct plan *p)
{
	buf_done(&p->host.steps);
	buf_done(&p->host.pool);
	buf_done(&p->island.steps);
	buf_done(&p->island.pool);
}

bool plan_failed(const struct plan *p)
{
	return p->host.steps.failed || p->host.pool.failed || p->island.steps.failed ||
	       p->island.pool.failed;
}

uint32_t plan_slot(struct plan *p)
{
	return p->slots++;
}

void plan_add(struct plan *p, const struct step *s)
{
	buf_add(&half_of(p, (enum phase)s->phase)->steps, s, sizeof(*s));
}

static struct ref add_bytes(struct plan *p, enum phase phase, const void *bytes, size_t n,
			    bool blob)
{
	struct buf *pool = &half_of(p, phase)->pool;
	struct ref r;

	if (blob)
		align_buf(pool, POOL_ALIGN);
	if (n > PLAN_MAX_BYTES || pool->len > PLAN_MAX_BYTES) {
		pool->failed = true;
		return (struct ref){ 0, 0 };
	}
	r = (struct ref){ (uint32_t)pool->len, (uint32_t)n };
	buf_add(pool, bytes, n);
	if (!blob)
		buf_zero(pool, 1);
	return r;
}

struct ref plan_str(struct plan *p, enum phase phase, const char *s)
{
	return s ? add_bytes(p, phase, s, strlen(s), false) : (struct ref){ 0, 0 };
}

struct ref plan_strf(struct plan *p, enum phase phase, const char *fmt, ...)
{
	struct buf *pool = &half_of(p, phase)->pool;
	AUTO_FREE char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		pool->failed = true;
	}
	return plan_str(p, phase, text);
}

struct ref plan_blob(struct plan *p, enum phase phase, const void *bytes, size_t n)
{
	return bytes ? add_bytes(p, phase, bytes, n, true) : (struct ref){ 0, 0 };
}

struct ref plan_list_n(struct plan *p, enum phase phase, char *const *strings, size_t n)
{
	struct buf *pool = &half_of(p, phase)->pool;
	struct ref list;
	uint64_t off;

	if (!strings)
		return (struct ref){ 0, 0 };
	if (n > PLAN_MAX_BYTES / sizeof(off)) {
		pool->failed = true;
		return (struct ref){ 0, 0 };
	}
	align_buf(pool, POOL_ALIGN);
	list = (struct ref){ (uint32_t)pool->len, (uint32_t)n };
	buf_zero(pool, (n + 1) * sizeof(off));
	for (size_t i = 0; i < n; i++) {
		off = plan_str(p, phase, strings[i]).off;
		if (!pool->failed)
			memcpy(pool->data + list.off + i * sizeof(off), &off, sizeof(off));
	}
	return list;
}

struct ref plan_list(struct plan *p, enum phase phase, char *const *strings)
{
	size_t n = 0;

	while (strings && strings[n])
		n++;
	return plan_list_n(p, phase, strings, n);
}

void plan_add_none(struct plan *p, enum phase phase, enum step_kind kind)
{
	plan_add(p, &(struct step){ .kind = (uint16_t)kind, .phase = (uint8_t)phase });
}

void plan_add_num(struct plan *p, enum phase phase, enum step_kind kind, int64_t value)
{
	plan_add(p, &(struct step){ .kind = (uint16_t)kind,
				    .phase = (uint8_t)phase,
				    .u.num.value = value });
}

void plan_add_str(struct plan *p, enum phase phase, enum step_kind kind, const char *text)
{
	plan_add(p, &(struct step){ .kind = (uint16_t)kind,
				    .phase = (uint8_t)phase,
				    .u.str.text = plan_str(p, phase, text) });
}

int plan_encode(const struct plan *p, const int32_t *slots, int32_t sock, struct buf *ret,
		struct err *e)
{
	const struct plan_half *h = &p->island;
	struct plan_head head = {
		.magic = PLAN_MAGIC,
		.version = PLAN_VERSION,
		.nslots = p->slots,
		.nsteps = (uint32_t)(h->steps.len / sizeof(struct step)),
		.pool_len = (uint32_t)h->pool.len + 1, /* plan_check wants a NUL at the end */
		.keep_fds = p->keep_fds,
		.sock = sock,
		.timing = p->timing,
	};

	if (plan_failed(p))
		return err_oom(e);
	if (h->steps.len + h->pool.len > PLAN_MAX_BYTES - 4096 - p->slots * sizeof(int32_t))
		return err_set(e, E2BIG, "plan: larger than %d bytes", PLAN_MAX_BYTES);
	buf_zero(ret, sizeof(head));
	align_buf(ret, SECTION_ALIGN);
	head.slots_off = (uint32_t)ret->len;
	buf_add(ret, slots, p->slots * sizeof(int32_t));
	align_buf(ret, SECTION_ALIGN);
	head.steps_off = (uint32_t)ret->len;
	buf_add(ret, h->steps.data, h->steps.len);
	align_buf(ret, SECTION_ALIGN);
	head.pool_off = (uint32_t)ret->len;
	buf_add(ret, h->pool.data, h->pool.len);
	buf_zero(ret, 1);
	if (ret->failed)
		return err_oom(e);
	head.total = (uint32_t)ret->len;
	memcpy(ret->data, &head, sizeof(head));
	return 0;
}
