/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cred/home.h"

#include "base/auto.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* A root with this /etc/passwd. */
static int root_with(const char *text, size_t len, char dir[32])
{
	int root, fd;

	(void)snprintf(dir, 32, "/tmp/cay-home-XXXXXX");
	assert_non_null(mkdtemp(dir));
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	assert_int_equal(mkdirat(root, "etc", 0755), 0);
	if (text) {
		fd = openat(root, "etc/passwd", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_int_equal(write(fd, text, len), (ssize_t)len);
		close(fd);
	}
	return root;
}

static void expect(const char *text, size_t len, uint32_t uid, const char *want)
{
	char dir[32], home[HOME_BYTES];
	AUTO_FD int root = root_with(text, len, dir);

	home_find(root, uid, home);
	assert_string_equal(home, want);
	(void)unlinkat(root, "etc/passwd", 0);
	(void)unlinkat(root, "etc", AT_REMOVEDIR);
	(void)rmdir(dir);
}

#define EXPECT(text, uid, want) expect(text, sizeof(text) - 1, uid, want)

static void finds_the_users_directory(void **state)
{
	(void)state;
	EXPECT("root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n", 1000,
	       "/home/me");
	EXPECT("root:x:0:0:root:/root:/bin/sh\n", 0, "/root");
	EXPECT("me:x:7:7::/last/line/without/newline:/bin/sh", 7, "/last/line/without/newline");
}

static void odd_files_mean_the_root_directory(void **state)
{
	char big[2 * HOME_BYTES];
	int n;

	(void)state;
	expect(NULL, 0, 0, "/");
	EXPECT("", 0, "/");
	EXPECT("root:x:0:0:root\n", 0, "/");
	EXPECT("a:x::0::/a:/\nb:x:-1:0::/b:/\nc:x:0x0:0::/c:/\nd:x:1a:0::/d:/\n", 0, "/");
	EXPECT("a:x:18446744073709551616:0::/a:/\nb:x:4294967296:0::/b:/\n", 0, "/");
	EXPECT("a:x:0:0::relative:/\n", 0, "/");
	EXPECT("a:x:0:0::/x\0y:/\n", 0, "/");
	n = snprintf(big, sizeof(big), "a:x:0:0::/%0*d:/\n", HOME_BYTES, 0);
	expect(big, (size_t)n, 0, "/");
}

static void nothing_but_a_regular_file_is_read(void **state)
{
	char dir[32], home[HOME_BYTES];
	AUTO_FD int root = root_with(NULL, 0, dir);

	(void)state;
	assert_int_equal(mkfifoat(root, "etc/passwd", 0644), 0);
	home_find(root, 0, home);
	assert_string_equal(home, "/");
	(void)unlinkat(root, "etc/passwd", 0);
	assert_int_equal(symlinkat("/proc/self/environ", root, "etc/passwd"), 0);
	home_find(root, 0, home);
	assert_string_equal(home, "/");
	(void)unlinkat(root, "etc/passwd", 0);
	(void)unlinkat(root, "etc", AT_REMOVEDIR);
	(void)rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_users_directory),
		cmocka_unit_test(odd_files_mean_the_root_directory),
		cmocka_unit_test(nothing_but_a_regular_file_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
