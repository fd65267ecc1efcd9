/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/criu.h"

#include "checkpoint/wire.h"
#include "sys/channel.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- The child ----------------------------------------------------------------------- */

/*
 * CRIU wants a root that is a mount point whose parent can be reached. Both lie in a mount
 * namespace that goes when CRIU goes: nothing is ever left on the host.
 */
static int make_root(const struct criu_start *s)
{
	char at[PATH_MAX];
	int tree, n;

	if (!s->root)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	tree = sys_open_tree(AT_FDCWD, s->root, OPEN_TREE_CLONE | AT_RECURSIVE);
	if (tree < 0)
		return tree;
	n = snprintf(at, sizeof(at), "%s/root", s->root_at);
	if (n < 0 || (size_t)n >= sizeof(at))
		return -ENAMETOOLONG;
	if (mount("tmpfs", s->root_at, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") <
		    0 ||
	    mkdir(at, 0700) < 0)
		return -errno;
	n = sys_move_mount(tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH);
	close(tree);
	return n;
}

/*
 * CRIU reaches directories through the fds of whoever made the socket, and mounts in them: so they
 * must be of its own mount namespace, and so must the one who makes the socket.
 */
static int find_dir(const struct criu_dir *d)
{
	struct stat before, now;
	int fd, r = 0;

	if (d->fd < 0)
		return 0;
	fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &now) < 0 || fstat(d->fd, &before) < 0)
		return -errno;
	if (now.st_ino != before.st_ino || now.st_dev != before.st_dev)
		r = -ESTALE;
	else if (dup2(fd, d->fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int own_socket(const struct criu_start *s, int *sock)
{
	int pair[2], r = 0;

	if (!s->root)
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(s->dirs); i++)
		r = find_dir(&s->dirs[i]);
	if (r == 0)
		r = chan_pair(pair);
	if (r == 0)
		r = chan_send_fd(*sock, "swrk", pair[0]);
	if (r == 0)
		*sock = pair[1];
	return r;
}

static int let_through(int fd)
{
	return fd >= 0 && fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

static int pass_fds(const struct criu_start *s, int sock)
{
	int r = sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);

	if (r == 0)
		r = let_through(sock);
	for (const int *fd = s->pass; r == 0 && fd && *fd >= 0; fd++)
		r = let_through(*fd);
	for (size_t i = 0; r == 0 && s->root && i < ARRAY_LEN(s->dirs); i++)
		r = let_through(s->dirs[i].fd);
	return r;
}

/*
 * Where the container's stdio is not needed, a session of its own too: an interrupt from the
 * keyboard must not take CRIU away while processes hang on it. It finds us gone and lets them go.
 */
static int child_stdio(const struct criu *c)
{
	int null_fd;

	if (c->said < 0)
		return 0;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(c->said, 2) < 0)
		return -errno;
	(void)setsid();
	return 0;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn))
child(const struct criu_start *s, const struct criu *c, int sock, int report)
{
	char name[] = "criu", verb[] = "swrk", number[16];
	char *const argv[] = { name, verb, number, NULL };
	int r;

	reset_signals();
	r = child_stdio(c);
	if (r == 0)
		r = make_root(s);
	if (r == 0)
		r = own_socket(s, &sock);
	if (r == 0)
		r = pass_fds(s, sock);
	if (r == 0) {
		(void)snprintf(number, sizeof(number), "%d", sock);
		execvp(s->program ? s->program : name, argv);
		r = -errno;
	}
	(void)!write(report, &r, sizeof(r));
	_exit(127);
}

/* ---- The parent ---------------------------------------------------------------------- */

/* Return: bytes received; 0 at the end; -errno. */
static ssize_t receive_bytes(int sock, void *bytes, size_t size, int *ret_fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	AUTO_FD int fd = -EBADF;
	ssize_t n;

	do
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (h.msg_controllen >= CMSG_LEN(sizeof(int)) && control.head.cmsg_level == SOL_SOCKET &&
	    control.head.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EBADMSG;
	*ret_fd = TAKE_FD(fd);
	return n;
}

static int take_socket(struct criu *c, struct err *e)
{
	char text[8];
	int fd = -EBADF;

	if (receive_bytes(c->sock, text, sizeof(text), &fd) <= 0 || fd < 0)
		return err_set(e, EPIPE, "criu: no socket came from its process");
	close(c->sock);
	c->sock = fd;
	return 0;
}

static int wait_exec(const struct criu_start *s, int report, struct err *e)
{
	const char *name = s->program ? s->program : "criu";
	int code = 0;
	ssize_t n;

	do
		n = read(report, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(code) || code >= 0)
		code = -EIO;
	return err_sys(e, code, "run \"%s\"%s", name, code == -ENOENT ? " (is it installed?)" : "");
}

int criu_begin(const struct criu_start *s, struct criu *ret, struct err *e)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	AUTO_FD int theirs = -EBADF, in = -EBADF, out = -EBADF;
	AUTO_CRIU struct criu c = CRIU_INIT;
	int pair[2], r;

	r = chan_pair(pair);
	if (r < 0)
		return err_sys(e, r, "socketpair");
	c.sock = pair[0];
	theirs = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	in = pair[0];
	out = pair[1];
	if (!s->own_stdio)
		c.said = memfd_create("criu-stderr", MFD_CLOEXEC);
	if (!s->own_stdio && c.said < 0)
		return err_sys(e, errno, "memfd for the messages of criu");
	r = sys_clone3(&args);
	if (r == 0)
		child(s, &c, theirs, out);
	if (r < 0)
		return err_sys(e, r, "clone");
	c.pid = r;
	auto_close_fd(&out);
	out = -EBADF;
	auto_close_fd(&theirs);
	theirs = -EBADF;
	r = wait_exec(s, in, e);
	if (r == 0 && s->root)
		r = take_socket(&c, e);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct criu)CRIU_INIT;
	return 0;
}

void criu_end(struct criu *c)
{
	auto_close_fd(&c->sock);
	auto_close_fd(&c->said);
	while (c->pid > 0 && waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*c = (struct criu)CRIU_INIT;
}

/* ---- The conversation ---------------------------------------------------------------- */

static int send_request(struct criu *c, enum criu_request type, const struct buf *opts,
			struct err *e)
{
	AUTO_BUF struct buf m = { 0 };
	ssize_t n;

	wire_uint(&m, 1, type);
	if (opts)
		wire_bytes(&m, type == CRIU_FEATURE_CHECK ? 5 : 2, opts->data, opts->len);
	if (m.failed || (opts && opts->failed))
		return err_oom(e);
	do
		n = send(c->sock, m.data, m.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, errno, "tell criu") : 0;
}

/*
 * Fields 1 (type) and 3 (notify_success) of a request, varints of one byte each. criu waits for it, and
 * then we for criu: it takes no memory, and where it can't be sent, the end of the conversation is sent.
 */
static int answer(struct criu *c, bool good, struct err *e)
{
	const unsigned char m[] = { 1 << 3, CRIU_NOTIFY, 3 << 3, good };
	ssize_t n;
	int r;

	do
		n = send(c->sock, m, sizeof(m), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	r = err_sys(e, errno, "answer criu");
	(void)shutdown(c->sock, SHUT_RDWR);
	return r;
}

static int receive(struct criu *c, struct criu_reply *r, int *ret_fd, struct err *e)
{
	AUTO_FREE char *bytes = malloc(CRIU_MAX_MESSAGE);
	AUTO_FD int fd = -EBADF;
	ssize_t n;

	if (!bytes)
		return err_oom(e);
	n = receive_bytes(c->sock, bytes, CRIU_MAX_MESSAGE, &fd);
	if (n == 0)
		return err_set(e, EPIPE, "criu ended without an answer");
	if (n < 0 && n != -EBADMSG)
		return err_sys(e, (int)n, "hear from criu");
	if (n < 0 || criu_reply_parse(bytes, (size_t)n, r) < 0)
		return err_set(e, EBADMSG, "criu: malformed answer");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int notified(struct criu *c, const struct criu_reply *n, int fd, criu_notify fn, void *arg,
		    struct err *e)
{
	int r = 0, told;

	if (fn)
		r = fn(n, fd, arg, e);
	else
		auto_close_fd(&fd);
	told = answer(c, r == 0, r == 0 ? e : NULL);
	return r < 0 ? r : told;
}

int criu_ask(struct criu *c, enum criu_request type, const struct buf *opts, criu_notify fn,
	     void *arg, struct criu_reply *ret, struct err *e)
{
	int refused = 0;
	int r = send_request(c, type, opts, e);

	while (r == 0) {
		struct criu_reply reply = { 0 };
		struct err broken = { 0 };
		int fd = -EBADF;

		r = receive(c, &reply, &fd, &broken);
		if (r < 0) {
			/* What we refused is the reason for whatever follows. */
			if (!refused && e)
				*e = broken;
			break;
		}
		if (reply.type == CRIU_NOTIFY && reply.success && refused == 0) {
			refused = notified(c, &reply, fd, fn, arg, e);
			continue;
		}
		auto_close_fd(&fd);
		if (reply.type == CRIU_NOTIFY && reply.success) {
			r = answer(c, false, NULL) < 0 ? -EPIPE : 0;
			continue;
		}
		*ret = reply;
		break;
	}
	return refused ? refused : r;
}

static int ask_once(const char *name, enum criu_request type, const struct buf *what,
		    struct criu_reply *ret, struct err *e)
{
	const struct criu_start s = { .program = name };
	AUTO_CRIU struct criu c = CRIU_INIT;
	int r = criu_begin(&s, &c, e);

	if (r == 0)
		r = criu_ask(&c, type, what, NULL, NULL, ret, e);
	if (r == 0 && !ret->success)
		r = criu_failed(&c, ret, NULL, NULL, e);
	return r;
}

int criu_version(const char *name, struct err *e)
{
	struct criu_reply reply = { 0 };
	int r = ask_once(name, CRIU_VERSION, NULL, &reply, e);

	return r < 0 ? err_wrap(e, "criu: version check") : (int)reply.version;
}

int criu_need(const char *name, enum criu_feature f, struct err *e)
{
	struct criu_reply reply = { 0 };
	AUTO_BUF struct buf what = { 0 };
	int r;

	wire_uint(&what, f, true);
	r = ask_once(name, CRIU_FEATURE_CHECK, &what, &reply, e);
	if (r < 0)
		return err_wrap(e, "criu: feature check");
	if (f == CRIU_MEM_TRACK && !reply.mem_track)
		return err_set(e, EOPNOTSUPP, "criu is missing features: MemTrack");
	if (f == CRIU_LAZY && !reply.lazy_pages)
		return err_set(e, EOPNOTSUPP, "criu is missing features: LazyPages");
	return 0;
}
