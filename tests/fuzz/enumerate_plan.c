/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enumerate_plan [full] - plan_check on every small buffer there is, within stated bounds
 *
 * The buffer ends at an unreadable page and begins behind one: a byte read outside is a fault, in any
 * build. What plan_check accepts is judged again by rules of our own, and then read completely.
 * What each pass goes through is said in docs/reliability.md; "full" takes all values, the default
 * some of them.
 */
#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = 4, POOL = WORDS * 8 };

static unsigned char *area; /* unreadable page, PAGE bytes, unreadable page */
static unsigned long long tried, accepted;
static bool full;

static void *at_end(size_t len)
{
	return area + 2 * PAGE - len;
}

static void bad(const char *what)
{
	printf("not ok 1 - %s after %llu buffers\n", what, tried);
	exit(1);
}

/* ---- the rules, said another way ----------------------------------------------------------- */

static bool terminated(const char *pool, uint64_t len, const char *s)
{
	return s >= pool && s < pool + len && memchr(s, 0, (size_t)(pool + len - s));
}

static bool field_holds(const struct plan_view *v, const struct step *s, const struct step_field *f)
{
	struct ref r;
	uint32_t slot;

	memcpy(&r, (const char *)s + f->offset, sizeof(r));
	memcpy(&slot, (const char *)s + f->offset, sizeof(slot));
	if (f->type == FIELD_SLOT)
		return slot == SLOT_NONE || slot < v->nslots;
	if (f->type != FIELD_STR && f->type != FIELD_BLOB && f->type != FIELD_LIST)
		return true;
	if (r.off == 0)
		return r.len == 0;
	if (f->type == FIELD_STR)
		return terminated(v->pool, v->pool_len, v->pool + r.off) &&
		       strlen(v->pool + r.off) == r.len;
	if (f->type == FIELD_BLOB)
		return r.off % 8 == 0 && (uint64_t)r.off + r.len <= v->pool_len;
	if (r.off % 8 || r.off + ((uint64_t)r.len + 1) * 8 > v->pool_len || view_list(v, r)[r.len])
		return false;
	for (uint32_t i = 0; i < r.len; i++)
		if (!terminated(v->pool, v->pool_len, view_list(v, r)[i]))
			return false;
	return true;
}

static void judge(void *bytes, size_t len)
{
	const char *begin = bytes, *end = begin + len;
	struct plan_view v;
	struct err e;

	tried++;
	if (plan_check(bytes, len, &v, &e) < 0)
		return;
	accepted++;
	if ((const char *)v.steps < begin || (const char *)(v.steps + v.nsteps) > end ||
	    (const char *)v.slots < begin || (const char *)(v.slots + v.nslots) > end ||
	    v.pool < begin || v.pool + v.pool_len > end)
		bad("accepted a section outside");
	for (uint32_t i = 0; i < v.nsteps; i++) {
		const struct step *s = &v.steps[i];

		if (s->kind == STEP_NONE || s->kind >= STEP_KIND_COUNT || s->phase >= PHASE_COUNT)
			bad("accepted an unknown step");
		for (const struct step_field *f = step_describe(s->kind)->fields; f->name; f++)
			if (!field_holds(&v, s, f))
				bad("accepted a reference outside");
	}
	fuzz_walk(&v);
}

/* ---- pass 1: the head ----------------------------------------------------------------------- */

/* Edges of what is there: 48 head, 16 slots, a step of S, a pool of 32. */
static void heads(void)
{
	const uint32_t s = sizeof(struct step), steps = 64, pool = steps + s, total = pool + POOL;
	const uint32_t counts[] = { 0, 1, 2, 4, 5, 0x24924925, 0x40000000, UINT32_MAX };
	const uint32_t offs[] = { 0,	      16,	  32,	      48,	 63,	     64,
				  80,	      pool - 16,  pool,	      pool + 16, total - 16, total,
				  total + 16, 0x7ffffff0, 0xfffffff0, UINT32_MAX };
	const uint32_t lens[] = { 0, 1, 31, POOL, POOL + 1, 48, total, 0x80000000, UINT32_MAX };
	const uint32_t totals[] = { total, 0, 47, total - 16, total + 16, UINT32_MAX };
	unsigned char *bytes = at_end(total);

	for (size_t t = 0; t < (full ? ARRAY_LEN(totals) : 1); t++)
		for (size_t a = 0; a < ARRAY_LEN(counts); a++)
			for (size_t b = 0; b < ARRAY_LEN(offs); b++)
				for (size_t c = 0; c < ARRAY_LEN(counts); c++)
					for (size_t d = 0; d < ARRAY_LEN(offs); d++)
						for (size_t g = 0; g < ARRAY_LEN(lens); g++)
							for (size_t h = 0; h < ARRAY_LEN(offs);
							     h++) {
								const struct plan_head head = {
									.magic = PLAN_MAGIC,
									.version = PLAN_VERSION,
									.total = totals[t],
									.nslots = counts[a],
									.slots_off = offs[b],
									.nsteps = counts[c],
									.steps_off = offs[d],
									.pool_len = lens[g],
									.pool_off = offs[h],
								};

								memset(bytes, 0, total);
								memcpy(bytes, &head, sizeof(head));
								((struct step *)(void *)(bytes +
											 steps))
									->kind = STEP_SESSION;
								judge(bytes, total);
							}
}

/* Every length from nothing to the whole, of a plan that is right. */
static void lengths(const unsigned char *plan, size_t len)
{
	for (size_t n = 0; n <= len; n++) {
		size_t room = (n + 15) / 16 * 16;
		unsigned char *bytes = at_end(room);

		memcpy(bytes, plan, n);
		judge(bytes, n);
		if (n >= sizeof(struct plan_head)) {
			memcpy(bytes, plan, n);
			((struct plan_head *)(void *)bytes)->total = (uint32_t)n;
			judge(bytes, n);
		}
	}
}

/* ---- pass 2: the steps ---------------------------------------------------------------------- */

static size_t lay_out(unsigned char *ret, uint32_t nsteps, uint32_t pool_len)
{
	struct plan_head h = { .magic = PLAN_MAGIC,
			       .version = PLAN_VERSION,
			       .nslots = 2,
			       .slots_off = 48,
			       .nsteps = nsteps,
			       .steps_off = 64,
			       .pool_len = pool_len };

	h.pool_off = (uint32_t)(64 + nsteps * sizeof(struct step));
	h.total = h.pool_off + (pool_len + 15) / 16 * 16;
	memset(ret, 0, h.total);
	memcpy(ret, &h, sizeof(h));
	return h.total;
}

static const uint32_t some_offs[] = { 0,  1,  7,  8,  9,  15, 16,	  23,
				      24, 30, 31, 32, 33, 40, 0xfffffff8, UINT32_MAX };
static const uint32_t some_lens[] = { 0,  1,  2,  3,  4,  5,	      7,	  8,
				      16, 24, 31, 32, 33, 0x1fffffff, 0x20000000, UINT32_MAX };
/* What a word of the pool may be: offsets at the edges, text with and without an end, wild numbers. */
static const uint64_t words[] = {
	0, 1, 8, 16, 31, 32, 0x4141414141414141, 0x4100000000000041, UINT64_MAX
};

static void fill_pool(unsigned char *pool, unsigned int code)
{
	for (unsigned int i = 0; i < WORDS; i++, code /= ARRAY_LEN(words))
		memcpy(pool + i * 8, &words[code % ARRAY_LEN(words)], 8);
}

static unsigned int pools(void)
{
	unsigned int n = 1;

	for (unsigned int i = 0; i < WORDS; i++)
		n *= ARRAY_LEN(words);
	return n;
}

/* Each field of each kind by itself, each reference with all pools. */
static void one_field(unsigned int kind, const struct step_field *f)
{
	unsigned char plan[PAGE];
	size_t len = lay_out(plan, 1, POOL), pool = len - POOL;
	unsigned char *bytes = at_end(len);
	struct step *s = (void *)(plan + 64);

	s->kind = (uint16_t)kind;
	for (unsigned int code = 0; code < pools(); code += full ? 1 : 7) {
		fill_pool(plan + pool, code);
		for (size_t o = 0; o < ARRAY_LEN(some_offs); o++)
			for (size_t l = 0; l < ARRAY_LEN(some_lens); l++) {
				const struct ref r = { some_offs[o], some_lens[l] };

				memcpy((char *)s + f->offset, &r,
				       f->type == FIELD_SLOT ? 4 : sizeof(r));
				memcpy(bytes, plan, len);
				judge(bytes, len);
			}
	}
}

static void fields(void)
{
	bool done[256] = { false };

	for (unsigned int kind = 0; kind < STEP_KIND_COUNT + 2; kind++)
		for (const struct step_field *f = step_describe(kind)->fields; f->name; f++)
			/* The code looks at type and place only: all pools for one field a type. */
			if (!done[f->type] || full) {
				done[f->type] = true;
				one_field(kind, f);
			}
}

/* Two lists that may overlap in any way, and a text: a step of its own, or the same. */
static void overlaps(bool same_step)
{
	unsigned char plan[PAGE];
	size_t len = lay_out(plan, 2, POOL), pool = len - POOL;
	unsigned char *bytes = at_end(len);
	struct step *s = (void *)(plan + 64), *other = same_step ? s : s + 1;
	const uint32_t offs[] = { 0, 8, 12, 16, 24 }, lens[] = { 0, 1, 2, 3 };

	s[0].kind = s[1].kind = STEP_HOOK;
	for (unsigned int code = 0; code < pools(); code += full ? 1 : 5) {
		fill_pool(plan + pool, code);
		for (unsigned int i = 0; i < 20 * 20 * 20; i++) {
			s->u.hook.argv = (struct ref){ offs[i % 5], lens[i / 5 % 4] };
			other->u.hook.envp = (struct ref){ offs[i / 20 % 5], lens[i / 100 % 4] };
			s->u.hook.path = (struct ref){ offs[i / 400 % 5], lens[i / 2000] * 5 };
			memcpy(bytes, plan, len);
			judge(bytes, len);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned char plan[PAGE];
	size_t len;

	full = argc > 1 && strcmp(argv[1], "full") == 0;
	area = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || mprotect(area + PAGE, PAGE, PROT_READ | PROT_WRITE) < 0)
		return 1;
	heads();
	len = lay_out(plan, 1, POOL);
	((struct step *)(void *)(plan + 64))->kind = STEP_SESSION;
	lengths(plan, len);
	fields();
	overlaps(true);
	overlaps(false);
	printf("1..1\nok 1 - %llu buffers, %llu accepted, no byte read outside\n", tried, accepted);
	return accepted > 0 ? 0 : 1;
}
