/* SPDX-License-Identifier: Apache-2.0 */
#include "container/notify.h"

#include "base/parse.h"
#include "sys/syscalls.h"
#include "sys/unixsock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#define INSIDE_DIR "/run/notify"

enum {
	MESSAGE_MAX = 4096,	/* systemd takes no more either */
	REST_NS = 10 * 1000000, /* behind each message that says nothing to us */
	LAST_WORDS = 64,	/* what is read at most of a container that has ended */
	MANAGER_SECONDS = 5,	/* as systemd-notify waits for the manager */
};

static const char ready[] = "READY=1";

static const char *manager(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && (*path == '/' || *path == '@') && path[1] ? path : NULL;
}

char *notify_env(void)
{
	static char text[] = "NOTIFY_SOCKET=" INSIDE_DIR "/notify.sock";

	return text;
}

bool notify_asked(const struct oci_spec *s)
{
	if (!manager() || !oci_can_mount(s))
		return false;
	for (size_t i = 0; s->process && i < s->process->env.count; i++)
		if (str_starts(s->process->env.list[i], "NOTIFY_SOCKET="))
			return false;
	for (size_t i = 0; i < s->mounts_count; i++)
		if (str_eq(s->mounts[i].destination, INSIDE_DIR))
			return false;
	return true;
}

int notify_amend(struct oci_spec *s, const char *ctr_dir, struct err *e)
{
	static char destination[] = INSIDE_DIR, bind[] = "bind", nosuid[] = "nosuid",
		    noexec[] = "noexec", nodev[] = "nodev", ro[] = "ro";
	static char *options[] = { bind, nosuid, noexec, nodev, ro, NULL };
	struct oci_mount *all = arena_array(&s->arena, s->mounts_count + 1, sizeof(*all));
	char *source = arena_printf(&s->arena, "%s/notify", ctr_dir);

	if (!all || !source)
		return err_oom(e);
	if (s->mounts_count)
		memcpy(all, s->mounts, s->mounts_count * sizeof(*all));
	all[s->mounts_count] = (struct oci_mount){
		.destination = destination,
		.source = source,
		.options = { .list = options, .count = ARRAY_LEN(options) - 1 },
	};
	s->mounts = all;
	s->mounts_count++;
	return 0;
}

int notify_make_dir(int ctr_dir_fd, struct err *e)
{
	/* Any user inside has to get through, whatever our umask is. */
	if (mkdirat(ctr_dir_fd, "notify", 0755) < 0 || fchmodat(ctr_dir_fd, "notify", 0755, 0) < 0)
		return err_sys(e, errno, "make directory \"notify\" for NOTIFY_SOCKET");
	return 0;
}

bool notify_has_dir(const char *ctr_dir)
{
	AUTO_FREE char *path = NULL;

	if (asprintf(&path, "%s/notify", ctr_dir) < 0) {
		path = NULL;
		return false;
	}
	return access(path, F_OK) == 0;
}

static int connect_abstract(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t n = strlen(name);

	if (fd < 0)
		return -errno;
	if (n >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, name, n);
	a.sun_path[0] = '\0';
	if (connect(fd, (const struct sockaddr *)&a,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int connect_manager(const char *path)
{
	const struct timeval limit = { .tv_sec = MANAGER_SECONDS };
	int fd = *path == '@' ? connect_abstract(path) : unix_connect(path, SOCK_DGRAM);

	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

int notify_open(struct notify *n, const char *ctr_dir, struct err *warning, struct err *e)
{
	const char *address = manager();
	AUTO_FREE char *path = NULL;

	if (!address)
		return 0;
	n->host = connect_manager(address);
	if (n->host < 0) {
		(void)err_sys(warning, n->host, "NOTIFY_SOCKET \"%.100s\": nobody will be told",
			      address);
		n->host = -EBADF;
		return 0;
	}
	if (asprintf(&path, "%s/notify/notify.sock", ctr_dir) < 0) {
		path = NULL;
		return err_oom(e);
	}
	/* Of a start that was killed. */
	(void)unlink(path);
	n->inside = unix_bind(path, SOCK_DGRAM | SOCK_NONBLOCK, 0777);
	return n->inside < 0 ? err_sys(e, n->inside, "bind \"%s\"", path) : 0;
}

static void stop(struct notify *n)
{
	auto_close_fd(&n->inside);
	n->inside = -EBADF;
}

int notify_poll(const struct notify *n, struct pollfd *p)
{
	uint64_t now = n->inside >= 0 && n->rest_ns ? sys_now_ns() : 0;
	bool rests = now < n->rest_ns;

	*p = (struct pollfd){ .fd = rests ? -1 : n->inside, .events = POLLIN };
	return rests ? (int)((n->rest_ns - now) / 1000000) + 1 : -1;
}

/* One line of it, whole: a longer message is none of a program that wants to be understood. */
static bool says_ready(const char *text, size_t len)
{
	for (const char *end = text + len, *line = text; line < end;) {
		const char *nl = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((nl ? nl : end) - line);

		if (n == strlen(ready) && memcmp(line, ready, n) == 0)
			return true;
		line += n + 1;
	}
	return false;
}

/* The manager closes its end once it has come to this message: all before were read by then. */
static int send_barrier(struct notify *n)
{
	static char text[] = "BARRIER=1";
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int pair[2];
	ssize_t r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
					 .cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.head), &pair[1], sizeof(int));
	r = sendmsg(n->host, &m, MSG_NOSIGNAL);
	close(pair[1]);
	n->barrier = pair[0];
	return r < 0 ? -errno : 0;
}

/* The manager may have gone meanwhile: that is no reason to end a container. */
static void tell(struct notify *n, pid_t main_pid)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "MAINPID=%d", main_pid);
	stop(n);
	if (send(n->host, ready, strlen(ready), MSG_NOSIGNAL) >= 0 &&
	    send(n->host, text, strlen(text), MSG_NOSIGNAL) >= 0)
		(void)send_barrier(n);
}

void notify_read(struct notify *n, pid_t main_pid)
{
	char text[MESSAGE_MAX];
	/* What is attached to it, fds above all, the kernel drops: there is no room for it. */
	ssize_t len = recv(n->inside, text, sizeof(text), MSG_TRUNC);

	if (len >= 0 && (size_t)len <= sizeof(text) && says_ready(text, (size_t)len))
		tell(n, main_pid);
	else
		n->rest_ns = sys_now_ns() + REST_NS;
}

void notify_end(struct notify *n, pid_t main_pid)
{
	struct pollfd p = { .events = POLLIN };

	for (int i = 0; i < LAST_WORDS && n->inside >= 0; i++) {
		p.fd = n->inside;
		if (poll(&p, 1, 0) <= 0)
			break;
		notify_read(n, main_pid);
	}
	stop(n);
	p.fd = n->barrier;
	if (n->barrier >= 0)
		(void)poll(&p, 1, MANAGER_SECONDS * 1000);
}

void notify_wait(struct notify *n, pid_t pid, int pidfd)
{
	struct pollfd p[2];

	while (n->inside >= 0) {
		int timeout = notify_poll(n, &p[0]);

		p[1] = (struct pollfd){ .fd = pidfd, .events = POLLIN };
		if (poll(p, 2, timeout) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			break;
		if (p[0].revents)
			notify_read(n, pid);
	}
	notify_end(n, pid);
}

void notify_done(struct notify *n)
{
	auto_close_fd(&n->inside);
	auto_close_fd(&n->host);
	auto_close_fd(&n->barrier);
	*n = (struct notify)NOTIFY_INIT;
}
