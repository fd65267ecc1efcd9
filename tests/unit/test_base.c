/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"
#include "base/utc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void error_keeps_the_code_negative(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_set(&e, ENOENT, "no \"%s\"", "x"), -ENOENT);
	assert_int_equal(e.code, -ENOENT);
	assert_int_equal(err_set(&e, -EPERM, "x"), -EPERM);
	assert_int_equal(err_set(NULL, EIO, "nobody listens"), -EIO);
	assert_int_equal(err_set(&e, 0, "forgotten code"), -EINVAL);
}

static void wrapping_puts_context_in_front(void **state)
{
	struct err e;

	(void)state;
	err_sys(&e, ENOENT, "open \"%s\"", "a");
	assert_int_equal(err_wrap(&e, "rootfs"), -ENOENT);
	assert_string_equal(e.msg, "rootfs: open \"a\": no such file or directory");
}

/* The islander's libc has words of its own. */
static void errors_are_called_as_linux_calls_them(void **state)
{
	static const struct {
		int code;
		const char *words;
	} rows[] = {
		{ EBUSY, "x: device or resource busy" },
		{ ELOOP, "x: too many levels of symbolic links" },
		{ ENAMETOOLONG, "x: file name too long" },
		{ EIO, "x: input/output error" },
		{ EPERM, "x: operation not permitted" },
		{ 4000, "x: unknown error 4000" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e;

		err_sys(&e, rows[i].code, "x");
		assert_string_equal(e.msg, rows[i].words);
	}
}

static void a_message_too_long_is_cut_not_lost(void **state)
{
	char big[2000];
	struct err e;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, EINVAL, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	err_wrap(&e, "ctx");
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_memory_equal(e.msg, "ctx: xxx", 8);
}

static void numbers_are_parsed_strictly(void **state)
{
	static const char *const bad[] = { "",	  " 1", "1 ",
					   "+1",  "-1", "0x1",
					   "1.0", "a",	"18446744073709551616" };
	uint64_t u = 7;
	uint32_t w = 7;
	int64_t i;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(bad); n++)
		assert_true(parse_u64(bad[n], &u) < 0);
	assert_int_equal(u, 7);
	assert_int_equal(parse_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(parse_u32("4294967296", &w), -ERANGE);
	assert_int_equal(w, 7);
	assert_int_equal(parse_i64("-9223372036854775808", &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(parse_i64("9223372036854775808", &i), -ERANGE);
	assert_int_equal(parse_i64("-9223372036854775809", &i), -ERANGE);
	assert_int_equal(parse_octal("0755", &w), 0);
	assert_int_equal(w, 0755);
	assert_true(parse_octal("8", &w) < 0);
	assert_int_equal(parse_octal("10000", &w), -ERANGE);
}

static void clean_paths_hold_no_dots(void **state)
{
	(void)state;
	assert_true(path_is_clean("/"));
	assert_true(path_is_clean("/a//b/...c/"));
	assert_false(path_is_clean("a"));
	assert_false(path_is_clean("/a/../b"));
	assert_false(path_is_clean("/a/."));
	assert_false(path_is_clean(NULL));
}

static void buffer_grows_and_stays_terminated(void **state)
{
	AUTO_BUF struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_false(b.failed);
	assert_int_equal(b.len, strlen(b.data));
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.data[b.len], '\0');
	assert_int_equal(b.data[b.len - 2], '\0');
}

static void buffer_refuses_more_than_the_limit(void **state)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FD int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(buf_read_fd(&b, fd, 100000), -E2BIG);
}

static void arena_memory_is_zeroed_and_aligned(void **state)
{
	struct arena a = { NULL };

	(void)state;
	for (size_t n = 1; n < 40000; n = n * 3 + 1) {
		unsigned char *p = arena_alloc(&a, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	assert_null(arena_array(&a, SIZE_MAX, 2));
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	arena_done(&a);
	assert_null(a.head);
}

static void times_are_printed_as_rfc_3339_has_them(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00" },
		{ 951782400, "2000-02-29T00:00:00" },
		{ 951868799, "2000-02-29T23:59:59" },
		{ 951868800, "2000-03-01T00:00:00" },
		{ 1735689599, "2024-12-31T23:59:59" },
		{ 4107542400, "2100-03-01T00:00:00" },
		{ 253402300799, "9999-12-31T23:59:59" },
		{ -1, "1970-01-01T00:00:00" },
		{ INT64_MAX, "9999-12-31T23:59:59" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[UTC_SIZE];

		utc_print(text, rows[i].seconds);
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_keeps_the_code_negative),
		cmocka_unit_test(wrapping_puts_context_in_front),
		cmocka_unit_test(errors_are_called_as_linux_calls_them),
		cmocka_unit_test(a_message_too_long_is_cut_not_lost),
		cmocka_unit_test(numbers_are_parsed_strictly),
		cmocka_unit_test(clean_paths_hold_no_dots),
		cmocka_unit_test(buffer_grows_and_stays_terminated),
		cmocka_unit_test(buffer_refuses_more_than_the_limit),
		cmocka_unit_test(arena_memory_is_zeroed_and_aligned),
		cmocka_unit_test(times_are_printed_as_rfc_3339_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
