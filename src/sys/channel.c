/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/channel.h"

#include <string.h>
#include <sys/socket.h>

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int chan_pair(int ret_fd[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fd) < 0 ? -errno : 0;
}

static int send_bytes(int sock, const void *bytes, size_t n, int fd)
{
	union control c = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (fd >= 0) {
		h.msg_control = c.bytes;
		h.msg_controllen = sizeof(c.bytes);
		c.head.cmsg_level = SOL_SOCKET;
		c.head.cmsg_type = SCM_RIGHTS;
		c.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
	}
	do
		r = sendmsg(sock, &h, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return (size_t)r == n ? 0 : -EIO;
}

int chan_send(int sock, const struct msg *m, int fd)
{
	return send_bytes(sock, m, sizeof(*m), fd);
}

int chan_send_fd(int sock, const char *text, int fd)
{
	return send_bytes(sock, text, strlen(text), fd);
}

int chan_recv(int sock, struct msg *m, int *ret_fd)
{
	union control c = { 0 };
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = c.bytes,
			    .msg_controllen = sizeof(c.bytes) };
	int fd = -EBADF;
	ssize_t r;

	do
		r = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (h.msg_controllen >= CMSG_LEN(sizeof(int)) && c.head.cmsg_level == SOL_SOCKET &&
	    c.head.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&c.head), sizeof(fd));
	if (r == 0 || (size_t)r != sizeof(*m) || (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    m->kind == MSG_NONE || m->kind >= MSG_KIND_COUNT) {
		if (fd >= 0)
			close(fd);
		return r == 0 ? 0 : -EBADMSG;
	}
	m->err.msg[sizeof(m->err.msg) - 1] = '\0';
	if (m->kind == MSG_ERROR && m->err.code >= 0)
		m->err.code = -EIO;
	if (ret_fd)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return 1;
}
