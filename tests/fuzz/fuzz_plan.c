/* SPDX-License-Identifier: Apache-2.0 */
/* The islander's buffer: a valid plan with fields changed, or anything. */
#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

#ifdef CAY_FUZZ
static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Values at the edges of what the head says. */
static uint32_t edge(const struct plan_head *h, uint32_t *seed)
{
	const uint32_t from[] = { 0,
				  8,
				  h->total,
				  h->pool_len,
				  h->pool_off,
				  h->steps_off,
				  h->nslots,
				  h->nsteps,
				  UINT32_MAX,
				  1U << 31,
				  next(seed) % (h->pool_len | 1) };

	return from[next(seed) % ARRAY_LEN(from)] + next(seed) % 17 - 8;
}

static void change_step(uint8_t *data, size_t size, uint32_t *seed)
{
	struct plan_head h;
	uint32_t value;
	size_t at;

	memcpy(&h, data, sizeof(h));
	value = edge(&h, seed);
	if (h.nsteps == 0)
		return;
	at = h.steps_off + (size_t)(next(seed) % h.nsteps) * sizeof(struct step) +
	     next(seed) % (sizeof(struct step) / 4) * 4;
	if (at + 4 <= size)
		memcpy(data + at, &value, 4);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int s)
{
	uint32_t seed = s;
	struct plan_head h;

	if (size < sizeof(h) || next(&seed) % 8 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	for (uint32_t n = 1 + next(&seed) % 3; n > 0; n--) {
		uint32_t what = next(&seed) % 8, value;

		memcpy(&h, data, sizeof(h));
		value = edge(&h, &seed);
		if (what == 0)
			memcpy(data + 8 + next(&seed) % 10 * 4, &value, 4);
		else if (what < 6 || h.pool_off >= size)
			change_step(data, size, &seed);
		else
			data[h.pool_off + next(&seed) % (size - h.pool_off)] = (uint8_t)next(&seed);
	}
	return size;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_check_plan(data, size);
	return 0;
}
