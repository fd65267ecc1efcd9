/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <string.h>

/*
 * The checked reader: the only code that looks at a plan before it is trusted.
 * Shared by both programs; allocates nothing.
 */

enum { ALIGN = 8 };

static bool in_bounds(uint32_t off, uint64_t need, uint32_t total)
{
	return off <= total && need <= (uint64_t)total - off;
}

static bool check_str(const char *pool, uint32_t pool_len, struct ref r)
{
	if (!in_bounds(r.off, (uint64_t)r.len + 1, pool_len))
		return false;
	return memchr(pool + r.off, '\0', (size_t)r.len + 1) == pool + r.off + r.len;
}

/* Entries are pool offsets of strings; each becomes the pointer execve wants. */
static bool resolve_list(char *pool, uint32_t pool_len, struct ref r)
{
	uint64_t *entry;

	if (r.off % ALIGN != 0 ||
	    !in_bounds(r.off, ((uint64_t)r.len + 1) * sizeof(*entry), pool_len))
		return false;
	entry = (uint64_t *)(void *)__builtin_assume_aligned(pool + r.off, ALIGN);
	if (entry[r.len] != 0)
		return false;
	for (uint32_t i = 0; i < r.len; i++) {
		if (entry[i] == 0 || entry[i] >= pool_len)
			return false;
		entry[i] = (uint64_t)(uintptr_t)(pool + entry[i]);
	}
	return true;
}

/* The two passes over all fields: lists write into the pool, so texts are judged after. */
enum pass { PASS_LISTS, PASS_REST };

static bool check_field(const struct step *s, const struct step_field *f, enum pass pass,
			char *pool, uint32_t pool_len, uint32_t nslots)
{
	struct ref r = { 0, 0 };
	uint32_t slot;

	if ((f->type == FIELD_LIST) != (pass == PASS_LISTS))
		return true;
	switch ((enum field_type)f->type) {
	case FIELD_STR:
	case FIELD_LIST:
	case FIELD_BLOB:
		memcpy(&r, (const char *)s + f->offset, sizeof(r));
		break;
	case FIELD_SLOT:
		memcpy(&slot, (const char *)s + f->offset, sizeof(slot));
		return slot == SLOT_NONE || slot < nslots;
	case FIELD_END:
	case FIELD_U32:
	case FIELD_OPT32:
	case FIELD_HEX32:
	case FIELD_I64:
	case FIELD_U64:
	case FIELD_OCT32:
	case FIELD_HEX64:
		return true;
	}
	if (r.off == 0)
		return r.len == 0;
	if (f->type == FIELD_STR)
		return check_str(pool, pool_len, r);
	if (f->type == FIELD_LIST)
		return resolve_list(pool, pool_len, r);
	return r.off % ALIGN == 0 && in_bounds(r.off, r.len, pool_len);
}

static int check_pass(const struct step *steps, uint32_t nsteps, enum pass pass, char *pool,
		      uint32_t pool_len, uint32_t nslots, struct err *e)
{
	for (uint32_t i = 0; i < nsteps; i++) {
		const struct step *s = &steps[i];

		if (s->kind == STEP_NONE || s->kind >= STEP_KIND_COUNT || s->phase >= PHASE_COUNT)
			return err_set(e, EBADMSG, "plan: step %u has unknown kind %u", i, s->kind);
		for (const struct step_field *f = step_describe(s->kind)->fields;
		     f->type != FIELD_END; f++)
			if (!check_field(s, f, pass, pool, pool_len, nslots))
				return err_set(e, EBADMSG, "plan: step %u (%s): bad field at %u", i,
					       step_describe(s->kind)->name, f->offset);
	}
	return 0;
}

/*
 * A list's strings need a NUL somewhere behind them: the last byte of the pool is one, and
 * no list may reach it, so it stays one whatever lists overlap. Two steps that share a list
 * are refused: the second finds pointers, which are out of bounds.
 */
static int check_steps(const struct step *steps, uint32_t nsteps, char *pool, uint32_t pool_len,
		       uint32_t nslots, struct err *e)
{
	int r;

	if (pool_len == 0 || pool[pool_len - 1] != '\0')
		return err_set(e, EBADMSG, "plan: pool is not terminated");
	r = check_pass(steps, nsteps, PASS_LISTS, pool, pool_len - 1, nslots, e);
	return r < 0 ? r : check_pass(steps, nsteps, PASS_REST, pool, pool_len, nslots, e);
}

int plan_check(void *bytes, size_t len, struct plan_view *ret, struct err *e)
{
	const struct plan_head *h = bytes;
	char *base = bytes;
	int r;

	if (len < sizeof(*h) || len > PLAN_MAX_BYTES || h->magic != PLAN_MAGIC || h->total != len)
		return err_set(e, EBADMSG, "plan: not a plan");
	if (h->version != PLAN_VERSION)
		return err_set(e, EBADMSG, "plan: version %u, not %u", h->version, PLAN_VERSION);
	if (h->slots_off % 16 || h->steps_off % 16 || h->pool_off % 16 ||
	    !in_bounds(h->slots_off, (uint64_t)h->nslots * sizeof(int32_t), h->total) ||
	    !in_bounds(h->steps_off, (uint64_t)h->nsteps * sizeof(struct step), h->total) ||
	    !in_bounds(h->pool_off, h->pool_len, h->total) || h->slots_off < sizeof(*h) ||
	    h->steps_off < h->slots_off + (uint64_t)h->nslots * sizeof(int32_t) ||
	    h->pool_off < h->steps_off + (uint64_t)h->nsteps * sizeof(struct step))
		return err_set(e, EBADMSG, "plan: sections overlap or leave the buffer");
	r = check_steps((const struct step *)(void *)(base + h->steps_off), h->nsteps,
			base + h->pool_off, h->pool_len, h->nslots, e);
	if (r < 0)
		return r;
	*ret = (struct plan_view){
		.steps = (const struct step *)(void *)(base + h->steps_off),
		.slots = (const int32_t *)(void *)(base + h->slots_off),
		.pool = base + h->pool_off,
		.nsteps = h->nsteps,
		.nslots = h->nslots,
		.pool_len = h->pool_len,
	};
	return 0;
}

int plan_view_half(struct plan_half *h, const int32_t *slots, uint32_t nslots,
		   struct plan_view *ret, struct err *e)
{
	uint32_t nsteps = (uint32_t)(h->steps.len / sizeof(struct step));
	/* A buf ends in a NUL that its length doesn't count. */
	int r = check_steps((const struct step *)(void *)h->steps.data, nsteps, h->pool.data,
			    (uint32_t)h->pool.len + 1, nslots, e);

	if (r < 0)
		return r;
	*ret = (struct plan_view){
		.steps = (const struct step *)(void *)h->steps.data,
		.slots = slots,
		.pool = h->pool.data,
		.nsteps = nsteps,
		.nslots = nslots,
		.pool_len = (uint32_t)h->pool.len,
	};
	return 0;
}

const char *view_str(const struct plan_view *v, struct ref r)
{
	return r.off ? v->pool + r.off : NULL;
}

char *const *view_list(const struct plan_view *v, struct ref r)
{
	return r.off ? (char *const *)(const void *)__builtin_assume_aligned(v->pool + r.off, ALIGN)
		     : NULL;
}

const void *view_blob(const struct plan_view *v, struct ref r)
{
	return r.off ? v->pool + r.off : NULL;
}

int view_fd(const struct plan_view *v, uint32_t slot)
{
	return slot < v->nslots && v->slots[slot] >= 0 ? v->slots[slot] : -EBADF;
}
