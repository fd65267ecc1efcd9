/* SPDX-License-Identifier: Apache-2.0 */
/* The islander's snprintf under another name, held against libc's. */
#include <stdio.h>

/* clang's fortified stdio.h makes macros of them. */
#undef vsnprintf
#undef snprintf
#define vsnprintf islander_vsnprintf
#define snprintf islander_snprintf
int islander_vsnprintf(char *restrict buf, size_t size, const char *restrict fmt,
		       __builtin_va_list ap);
int islander_snprintf(char *restrict buf, size_t size, const char *restrict fmt, ...);
#include "init/format.c"
#undef vsnprintf
#undef snprintf

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SAME(...)                                                                                  \
	do {                                                                                       \
		char ours_[128], theirs_[128];                                                     \
		int a_ = islander_snprintf(ours_, sizeof(ours_), __VA_ARGS__);                     \
		int b_ = snprintf(theirs_, sizeof(theirs_), __VA_ARGS__);                          \
		assert_string_equal(ours_, theirs_);                                               \
		assert_int_equal(a_, b_);                                                          \
	} while (0)

static void formats_as_libc_does(void **state)
{
	(void)state;
	SAME("plain %% text");
	SAME("%s|%5s|%-5s|%.2s|%.*s", "abc", "abc", "abc", "abc", 1, "abc");
	SAME("%d %d %d", 0, INT_MIN, INT_MAX);
	SAME("%u %x %o %c", UINT_MAX, 0xbeefU, 0755U, 'z');
	SAME("%lld %llu %zu %lx", LLONG_MIN, ULLONG_MAX, (size_t)42, 0x123456789abcUL);
	SAME("%04u|%4u|%-4u|", 7U, 7U, 7U);
}

static void cuts_at_the_size_and_counts_on(void **state)
{
	char b[4] = "zzz";

	(void)state;
	assert_int_equal(islander_snprintf(b, sizeof(b), "%s", "abcdef"), 6);
	assert_string_equal(b, "abc");
	assert_int_equal(islander_snprintf(NULL, 0, "%d", 12345), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_as_libc_does),
		cmocka_unit_test(cuts_at_the_size_and_counts_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
