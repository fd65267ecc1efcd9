/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/auto.h"

/* A part of the program, not of a library. */
#include "cli/units.c"

static void takes_sizes_as_runc_does(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} rows[] = {
		{ "0", 0 },
		{ "1024", 1024 },
		{ "1k", 1024 },
		{ "1K", 1024 },
		{ "64M", 64 << 20 },
		{ "64MB", 64 << 20 },
		{ "64MiB", 64 << 20 },
		{ "64 mib", 64 << 20 },
		{ "1.5k", 1536 },
		{ "0.5G", 1LL << 29 },
		{ "7b", 7 },
		{ "1T", 1LL << 40 },
		{ "1p", 1LL << 50 },
		{ "8191P", 8191LL << 50 },
		{ "9223372036854775807", INT64_MAX },
		{ "1.", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t got = -1;

		assert_int_equal(unit_bytes(rows[i].text, &got), 0);
		assert_int_equal(got, rows[i].want);
	}
}

static void refuses_what_is_no_size(void **state)
{
	static const char *const rows[] = {
		"",
		"-1",
		"x",
		"1x",
		"1kk",
		"1  k",
		"k",
		".",
		"1kbb",
		" 1",
		"0x10",
		"8192P",
		"99999999999999999999",
		"9223372036854775808",
		"1e3",
		"\xc2\xb5",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t got = -7;

		assert_true(unit_bytes(rows[i], &got) < 0);
		assert_int_equal(got, -7);
	}
}

static void takes_durations_as_go_does(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} rows[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "5s", 5000 },
		{ "100ms", 100 },
		{ "1m30s", 90000 },
		{ "1.5h", 5400000 },
		{ "1ns", 1 },
		{ "999us", 1 },
		{ "1500us", 1 },
		{ ".5s", 500 },
		{ "2h3m4s5ms", 7384005 },
		{ "3\xc2\xb5s", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t got = 77;

		assert_int_equal(unit_duration_ms(rows[i].text, &got), 0);
		assert_int_equal(got, rows[i].want);
	}
}

static void refuses_what_is_no_duration(void **state)
{
	static const char *const rows[] = { "",	   "5",	  "s", "1d", "1s2",
					    "-1s", "1 s", "x", "5S", "99999999999h" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t got = 77;

		assert_true(unit_duration_ms(rows[i], &got) < 0);
		assert_int_equal(got, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_sizes_as_runc_does),
		cmocka_unit_test(refuses_what_is_no_size),
		cmocka_unit_test(takes_durations_as_go_does),
		cmocka_unit_test(refuses_what_is_no_duration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
