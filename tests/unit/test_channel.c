/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/channel.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static void an_error_crosses_whole(void **state)
{
	struct msg out = { .kind = MSG_ERROR, .value = -5, .number = 9 }, in;
	int s[2];

	(void)state;
	assert_int_equal(chan_pair(s), 0);
	err_set(&out.err, EIO, "mounts[3]: no");
	assert_int_equal(chan_send(s[0], &out, -1), 0);
	assert_int_equal(chan_recv(s[1], &in, NULL), 1);
	assert_int_equal(in.value, -5);
	assert_string_equal(in.err.msg, "mounts[3]: no");
	close(s[0]);
	assert_int_equal(chan_recv(s[1], &in, NULL), 0);
	assert_int_equal(chan_send(s[1], &out, -1), -EPIPE);
	close(s[1]);
}

static void an_fd_comes_along_close_on_exec(void **state)
{
	struct msg m = { .kind = MSG_CONSOLE };
	int s[2], fd = -1;

	(void)state;
	assert_int_equal(chan_pair(s), 0);
	assert_int_equal(chan_send(s[0], &m, 0), 0);
	assert_int_equal(chan_recv(s[1], &m, &fd), 1);
	assert_true(fd > 2);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	/* Not wanted: closed, not leaked. */
	assert_int_equal(chan_send(s[0], &m, 0), 0);
	assert_int_equal(chan_recv(s[1], &m, NULL), 1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	close(s[0]);
	close(s[1]);
}

static void odd_sizes_and_kinds_are_refused(void **state)
{
	struct msg m = { .kind = MSG_KIND_COUNT }, in;
	char big[sizeof(m) + 1] = { 0 };
	int s[2];

	(void)state;
	assert_int_equal(chan_pair(s), 0);
	assert_int_equal(chan_send(s[0], &m, -1), 0);
	assert_int_equal(chan_recv(s[1], &in, NULL), -EBADMSG);
	assert_int_equal(send(s[0], big, sizeof(big), 0), (int)sizeof(big));
	assert_int_equal(chan_recv(s[1], &in, NULL), -EBADMSG);
	assert_int_equal(send(s[0], big, 3, 0), 3);
	assert_int_equal(chan_recv(s[1], &in, NULL), -EBADMSG);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_crosses_whole),
		cmocka_unit_test(an_fd_comes_along_close_on_exec),
		cmocka_unit_test(odd_sizes_and_kinds_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
