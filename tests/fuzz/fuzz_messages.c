/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an islander says, as the planner takes it: packets of any size and content on the channel,
 * some with an fd. Input: for each packet one byte of flags (1: with an fd, 2: a whole message, its
 * kind in the next byte; else a length in the next), then its bytes.
 */
#include "fuzz.h"

#include "launch/launch.h"
#include "sys/channel.h"

#include <fcntl.h>
#include <sys/socket.h>

enum { MAX_PACKETS = 32 };

static void send_packet(int sock, const void *bytes, size_t n, bool with_fd)
{
	static int null_fd = -EBADF;
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (null_fd < 0)
		null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (with_fd) {
		h.msg_control = c.bytes;
		h.msg_controllen = sizeof(c.bytes);
		c.head.cmsg_level = SOL_SOCKET;
		c.head.cmsg_type = SCM_RIGHTS;
		c.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.head), &null_fd, sizeof(null_fd));
	}
	(void)sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void play(int sock, const uint8_t *data, size_t size)
{
	for (unsigned int i = 0; i < MAX_PACKETS && size >= 2; i++) {
		uint8_t flags = *data++, what = *data++;
		struct msg m = { .kind = what };
		const void *bytes = data;
		size_t n = what;

		size -= 2;
		if (flags & 2) {
			n = size < sizeof(m) - sizeof(m.kind) ? size : sizeof(m) - sizeof(m.kind);
			n = flags & 4 && n > 12 ? 12 : n;
			memcpy((char *)&m + sizeof(m.kind), data, n);
			send_packet(sock, &m, sizeof(m), flags & 1);
		} else {
			n = n < size ? n : size;
			send_packet(sock, bytes, n, flags & 1);
		}
		data += n;
		size -= n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan p = { .timing = size > 0 && (data[0] & 128) };
	struct launch l = { .plan = &p,
			    .pid = INT32_MAX,
			    .pidfd = -EBADF,
			    .console_fd = -EBADF,
			    .proc_fd = -EBADF,
			    .gate = size > 0 && (data[0] & 64) };
	struct msg m;
	struct err e = { 0 };
	int pair[2], r;

	if (chan_pair(pair) < 0)
		return 0;
	l.sock = pair[0];
	if (size > 0)
		play(pair[1], data + 1, size - 1);
	(void)shutdown(pair[1], SHUT_WR);
	r = launch_release(&l, &e);
	if (r < 0 && (e.code >= 0 || !memchr(e.msg, '\0', sizeof(e.msg))))
		abort();
	launch_done(&l);
	/* The islander's half of the conversation. */
	while (chan_recv(pair[1], &m, NULL) > 0 && m.kind == MSG_GO)
		;
	close(pair[1]);
	return 0;
}
