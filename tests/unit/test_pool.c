/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "warm/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct pool filled(uint32_t want, unsigned int ready)
{
	struct pool p = { .want = want };

	for (unsigned int i = 0; i < ready; i++) {
		struct member *m = pool_add(&p);

		assert_non_null(m);
		m->state = MEMBER_READY;
	}
	return p;
}

static void hands_the_oldest_out_and_never_twice(void **state)
{
	struct pool p = filled(3, 3);
	struct member *m;

	(void)state;
	/* The last takes the place of one that is forgotten: order is in the numbers. */
	pool_remove(&p, &p.list[0]);
	m = pool_take(&p, 7);
	assert_int_equal(m->number, 1);
	assert_int_equal(m->client, 7);
	assert_ptr_equal(pool_by_client(&p, 7), m);
	assert_int_equal(pool_take(&p, 8)->number, 2);
	assert_null(pool_take(&p, 9));
	assert_int_equal(pool_count(&p, MEMBER_TAKEN), 2);
	pool_done(&p);
}

static void a_number_is_not_used_again(void **state)
{
	struct pool p = filled(2, 2);

	(void)state;
	pool_remove(&p, &p.list[1]);
	assert_int_equal(pool_add(&p)->number, 2);
	pool_done(&p);
}

static void lacks_what_neither_waits_nor_is_being_made(void **state)
{
	struct pool p = filled(4, 2);

	(void)state;
	assert_int_equal(pool_lacks(&p), 2);
	(void)pool_add(&p);
	assert_int_equal(pool_lacks(&p), 1);
	(void)pool_take(&p, 5);
	assert_int_equal(pool_lacks(&p), 2);
	p.closing = true;
	assert_int_equal(pool_lacks(&p), 0);
	pool_done(&p);
}

static void is_low_with_less_than_half(void **state)
{
	static const struct {
		uint32_t want;
		unsigned int ready;
		bool low;
	} rows[] = {
		{ 4, 4, false }, { 4, 2, false }, { 4, 1, true }, { 1, 1, false },
		{ 1, 0, true },	 { 3, 2, false }, { 3, 1, true }, { 0, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pool p = filled(rows[i].want, rows[i].ready);

		assert_int_equal(pool_is_low(&p), rows[i].low);
		pool_done(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_the_oldest_out_and_never_twice),
		cmocka_unit_test(a_number_is_not_used_again),
		cmocka_unit_test(lacks_what_neither_waits_nor_is_being_made),
		cmocka_unit_test(is_low_with_less_than_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
