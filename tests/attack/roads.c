/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What connect(2), socket(2), setxattr(2) and open_tree(2) do, by other system calls. Static, runs inside a container.
 * Prints a line a road: "ok", or the name of an error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/mount.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { SYS_SETXATTRAT = 463, SYS_OPEN_TREE_ATTR = 467 };

static struct sockaddr_in there = { .sin_family = AF_INET };
static const socklen_t there_len = sizeof(there);

static void *map(int fd, size_t len, off_t off)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, off);
}

/* io_uring(7): one entry, one completion. */
static long by_ring(int fd)
{
	struct io_uring_params p = { 0 };
	const int ring = (int)syscall(SYS_io_uring_setup, 1, &p);
	struct io_uring_sqe *e;
	char *sq, *cq;
	int result;

	if (ring < 0)
		return -1;
	sq = map(ring, p.sq_off.array + p.sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
	cq = map(ring, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		 IORING_OFF_CQ_RING);
	e = map(ring, p.sq_entries * sizeof(*e), IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || e == MAP_FAILED)
		return -1;
	*e = (struct io_uring_sqe){
		.opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)&there, .off = there_len
	};
	*(uint32_t *)(void *)(sq + p.sq_off.array) = 0;
	*(uint32_t *)(void *)(sq + p.sq_off.tail) = 1;
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -1;
	result = ((struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes))->res;
	errno = -result;
	return result;
}

static long by_sendto(int fd)
{
	return sendto(fd, "x", 1, MSG_FASTOPEN, (const struct sockaddr *)&there, there_len);
}

static long by_sendmsg(int fd)
{
	struct iovec part = { "x", 1 };
	const struct msghdr m = {
		.msg_name = &there, .msg_namelen = there_len, .msg_iov = &part, .msg_iovlen = 1
	};

	return sendmsg(fd, &m, MSG_FASTOPEN | MSG_NOSIGNAL);
}

static long by_sendmmsg(int fd)
{
	struct iovec part = { "x", 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_name = &there,
					  .msg_namelen = there_len,
					  .msg_iov = &part,
					  .msg_iovlen = 1 } };

	return sendmmsg(fd, &m, 1, MSG_FASTOPEN);
}

/* unix(7): one of a pair sends to others than its mate. */
static long send_of_pair(int type)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/tmp/server" };
	int pair[2];
	long r;

	if (socketpair(AF_UNIX, type, 0, pair) < 0)
		return -1;
	r = sendto(pair[0], "x", 1, 0, (const struct sockaddr *)&to, sizeof(to));
	close(pair[0]);
	close(pair[1]);
	return r;
}

static long by_pair(int fd)
{
	(void)fd;
	return send_of_pair(SOCK_DGRAM | SOCK_CLOEXEC);
}

static long by_raw_pair(int fd)
{
	(void)fd;
	return send_of_pair(SOCK_RAW);
}

static long by_setxattrat(int fd)
{
	const struct {
		uint64_t value;
		uint32_t size, flags;
	} args = { .value = (uintptr_t) "x", .size = 1 };

	(void)fd;
	return syscall(SYS_SETXATTRAT, AT_FDCWD, "/tmp", 0, "user.road", &args, sizeof(args));
}

static long by_open_tree_attr(int fd)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };

	(void)fd;
	return syscall(SYS_OPEN_TREE_ATTR, AT_FDCWD, "/tmp", OPEN_TREE_CLONE, &attr, sizeof(attr));
}

static const struct {
	const char *name;
	long (*go)(int fd);
} roads[] = {
	{ "ring", by_ring },
	{ "sendto", by_sendto },
	{ "sendmsg", by_sendmsg },
	{ "sendmmsg", by_sendmmsg },
	{ "pair", by_pair },
	{ "raw-pair", by_raw_pair },
	{ "setxattrat", by_setxattrat },
	{ "open_tree_attr", by_open_tree_attr },
};

int main(void)
{
	const int server = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(there);

	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(server, (struct sockaddr *)&there, len) < 0 || listen(server, 16) < 0 ||
	    getsockname(server, (struct sockaddr *)&there, &len) < 0) {
		perror("server");
		return 1;
	}
	for (size_t i = 0; i < sizeof(roads) / sizeof(roads[0]); i++) {
		const int fd = socket(AF_INET, SOCK_STREAM, 0);
		const long r = roads[i].go(fd);

		printf("%s %s\n", roads[i].name, r < 0 ? strerrorname_np(errno) : "ok");
		close(fd);
	}
	return 0;
}
