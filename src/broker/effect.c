/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/effect.h"

#include "base/buf.h"
#include "sys/syscalls.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { ANSWERED = 0, SILENT = 1 };

/* Of a child: where its call stands written. */
static struct pending *ours;

/* ---- answering ------------------------------------------------------------------------------ */

/* Return: false: nobody is there who could write it down. */
static bool tell(const struct helper *h, struct event *ev, const char *words, size_t words_len,
		 const char *text)
{
	const size_t text_len = text ? strlen(text) : 0, max = EVENT_TEXT_MAX / 2;
	struct iovec part[3] = { { .iov_base = ev, .iov_len = sizeof(*ev) } };
	const struct msghdr m = { .msg_iov = part, .msg_iovlen = 3 };
	ssize_t n;

	ev->words_len = (uint16_t)(words_len < max ? words_len : max);
	ev->text_len = (uint16_t)(text_len < max ? text_len : max);
	part[1] = (struct iovec){ .iov_base = (void *)(uintptr_t)words, .iov_len = ev->words_len };
	part[2] = (struct iovec){ .iov_base = (void *)(uintptr_t)text, .iov_len = ev->text_len };
	do {
		n = sendmsg(h->events, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n >= 0;
}

static void tell_agent(const struct helper *h, const struct call *c, const struct outcome *o)
{
	AUTO_BUF struct buf words = { 0 };
	const struct policy_verdict *v = &o->ruling.verdict;
	struct event ev = { .nr = c->kind ? c->kind->nr : -1,
			    .tid = c->tid,
			    .error = o->error,
			    .line = v->line,
			    .took_ns = sys_now_ns() - c->begun_ns,
			    .allowed = o->ruling.error == 0,
			    .continued = o->continued };

	if (o->ask.kind != POLICY_KINDS)
		policy_describe(&o->ask, &words);
	else if (o->words)
		buf_str(&words, o->words);
	/* What nobody can write down is not done: without the agent the call fails with ENOSYS. */
	if (!tell(h, &ev, words.data, words.len, v->text))
		_exit(SILENT);
	if (ours)
		atomic_store(&ours->told, true);
}

static void respond(const struct helper *h, uint64_t id, int error, int64_t value, uint32_t flags)
{
	struct seccomp_notif_resp resp = {
		.id = id, .val = error ? 0 : value, .error = -error, .flags = error ? 0 : flags
	};

	/* ENOENT: killed, or interrupted by a signal. Then nobody wants to know. */
	while (ioctl(h->notify, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 && errno == EINTR)
		;
}

static void give_fd(const struct helper *h, const struct call *c, const struct outcome *o)
{
	struct seccomp_notif_addfd add = { .id = c->id,
					   .flags = SECCOMP_ADDFD_FLAG_SEND,
					   .srcfd = (uint32_t)o->fd,
					   .newfd_flags = o->cloexec ? O_CLOEXEC : 0 };
	int r;

	do {
		r = ioctl(h->notify, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	} while (r < 0 && errno == EINTR);
	if (r < 0 && errno != ENOENT)
		respond(h, c->id, errno, 0, 0);
}

void outcome_answer(struct helper *h, const struct call *c, const struct outcome *o)
{
	tell_agent(h, c, o);
	if (o->error == 0 && o->fd >= 0)
		give_fd(h, c, o);
	else
		respond(h, c->id, o->error, o->value,
			o->continued ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0);
}

void outcome_refuse(struct helper *h, const struct call *c, int error)
{
	struct outcome o = OUTCOME_INIT;

	o.error = error < 0 ? -error : error;
	outcome_answer(h, c, &o);
}

void outcome_let_pass(struct helper *h, const struct call *c)
{
	shared_pay_back(h->shared, h->cost_ns);
	respond(h, c->id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

int effect_ruling(const struct helper *h, const struct call *c, const struct policy_ask *ask,
		  bool lends, struct outcome *o)
{
	o->ask = *ask;
	decide(h->policy, c->kind->name, ask, lends, &o->ruling);
	o->error = o->ruling.error;
	return o->error ? -o->error : 0;
}

int effect_ruling_by_name(const struct helper *h, const struct call *c, struct outcome *o)
{
	const struct policy_ask ask = { .kind = POLICY_SYSCALL, .u.syscall = c->kind->name };

	if (h->policy)
		policy_decide(h->policy, &ask, &o->ruling.verdict);
	o->ruling.error = !h->policy || (o->ruling.verdict.line && !o->ruling.verdict.allow) ? EPERM
											     : 0;
	o->error = o->ruling.error;
	return o->error ? -o->error : 0;
}

/* ---- children ------------------------------------------------------------------------------- */

static struct pending *free_place(struct helper *h)
{
	for (unsigned int i = 0; i < SHARED_CHILDREN; i++)
		if (!atomic_load(&h->desk->child[i].since_ns))
			return &h->desk->child[i];
	return NULL;
}

static void act_in_child(struct helper *h, struct call *c,
			 void (*act)(struct helper *h, struct call *c, struct outcome *o))
{
	struct outcome o = OUTCOME_INIT;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		_exit(SILENT);
	o.error = EPERM;
	act(h, c, &o);
	/* Killed meanwhile, or a signal made it give up: the number may be anybody's by now. */
	if (o.error != ESRCH || call_alive(h, c))
		outcome_answer(h, c, &o);
	_exit(ANSWERED);
}

static void wait_for_place(struct helper *h)
{
	siginfo_t info;

	while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	effect_reap(h);
}

void effect_fork(struct helper *h, struct call *c, enum berth where, unsigned int deadline_ms,
		 void (*act)(struct helper *h, struct call *c, struct outcome *o))
{
	struct pending *p;
	pid_t pid;

	/* Each has a deadline, so a place will be free. */
	while (!(p = free_place(h)))
		wait_for_place(h);
	pending_begin(p, c->id, c->kind->nr, c->tid,
		      sys_now_ns() + (uint64_t)deadline_ms * 1000000);
	pid = berth_fork(h, c, where);
	if (pid == 0) {
		ours = p;
		act_in_child(h, c, act);
	}
	atomic_store(&p->pid, pid);
	if (pid > 0)
		return;
	outcome_refuse(h, c, EPERM);
	pending_end(p);
}

/* Return: the status of the other one, or as if it had ended without an answer. */
static int wait_for(pid_t pid)
{
	int status = SILENT << 8;

	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void __attribute__((noreturn)) end_as(int status)
{
	if (WIFSIGNALED(status))
		(void)kill(getpid(), WTERMSIG(status));
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : SILENT);
}

void effect_go_on(const struct helper *h, const struct call *c, enum berth where,
		  void (*then)(const struct helper *h))
{
	pid_t pid = berth_fork(h, c, where);
	int status;

	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
			_exit(SILENT);
		return;
	}
	status = wait_for(pid);
	if (then)
		then(h);
	end_as(status);
}

/* ---- a child that keeps our rights ------------------------------------------------------------ */

static int send_with(int sock, int fd, const void *bytes, size_t len)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		control.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS,
						 .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Return: bytes; 0 at the end; -errno. */
static ssize_t receive_with(int sock, int *ret_fd, void *bytes, size_t len)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = bytes, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	const struct cmsghdr *c;
	ssize_t n;

	do {
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	*ret_fd = -EBADF;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	return n < 0 ? -errno : n;
}

static void serve_once(const struct keeper *k, int sock)
{
	_Alignas(16) char bytes[KEEPER_BYTES];
	AUTO_FD int fd = -EBADF, ret = -EBADF;
	const ssize_t n = receive_with(sock, &fd, bytes, sizeof(bytes));
	int r;

	/* It was refused, and nobody asks. */
	if (n <= 0)
		return;
	r = call_alive(k->h, k->c) ? k->serve(k, fd, bytes, (size_t)n, &ret) : -ESRCH;
	(void)send_with(sock, ret, &r, sizeof(r));
}

int effect_keep(struct keeper *k)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = berth_fork(k->h, k->c, k->where);
	if (pid == 0) {
		k->sock = pair[0];
		close(pair[1]);
		return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
	}
	close(pair[0]);
	if (pid > 0)
		serve_once(k, pair[1]);
	close(pair[1]);
	end_as(wait_for(pid));
}

int effect_ask(struct keeper *k, int fd, const void *bytes, size_t len, int *ret_fd)
{
	int r = send_with(k->sock, fd, bytes, len), answer = -EPERM, got = -EBADF;

	if (r == 0 && receive_with(k->sock, &got, &answer, sizeof(answer)) != sizeof(answer))
		r = -EPERM;
	if (r == 0)
		r = answer;
	if (ret_fd && r == 0)
		*ret_fd = got;
	else
		auto_close_fd(&got);
	return r;
}

int effect_make(const struct helper *h, const struct call *c,
		int (*make)(const struct helper *h, const void *ctx), const void *ctx)
{
	int pair[2], fd = -EBADF, r = -ENOMEM;
	ssize_t n;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = berth_fork(h, c, BERTH_CALLER);
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0) {
			fd = r = make(h, ctx);
			(void)send_with(pair[0], fd, &r, sizeof(r));
		}
		_exit(ANSWERED);
	}
	close(pair[0]);
	n = pid < 0 ? -EAGAIN : receive_with(pair[1], &fd, &r, sizeof(r));
	close(pair[1]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n < 0)
		return (int)n;
	return r < 0 ? r : fd;
}

/* A child that was killed left what it had not taken away. */
static void clean_up(const struct helper *h, pid_t pid)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%d", pid);
	if (h->devices >= 0)
		(void)unlinkat(h->devices, name, 0);
}

/*
 * It is refused, whatever it has done. Killed, and not by us: memory ran out in the caller's cgroup, or whoever may
 * end the processes there did. What the agent killed it has written down.
 */
static void answer_for(const struct helper *h, const struct pending *p, int status)
{
	const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
			    atomic_load(&p->deadline_ns) != UINT64_MAX;
	struct event ev = { .nr = atomic_load(&p->nr),
			    .tid = atomic_load(&p->tid),
			    .error = killed ? ENOMEM : EPERM,
			    .took_ns = sys_now_ns() - atomic_load(&p->since_ns) };

	if (!atomic_load(&p->told))
		(void)tell(h, &ev, EVENT_ENDED, sizeof(EVENT_ENDED) - 1, NULL);
	respond(h, atomic_load(&p->id), ev.error, 0, 0);
}

void effect_reap(struct helper *h)
{
	for (unsigned int i = 0; i < SHARED_CHILDREN; i++) {
		struct pending *p = &h->desk->child[i];
		const pid_t pid = atomic_load(&p->pid);
		int status = 0;

		if (!atomic_load(&p->since_ns) || waitpid(pid, &status, WNOHANG) != pid)
			continue;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != ANSWERED) {
			clean_up(h, pid);
			answer_for(h, p, status);
		}
		pending_end(p);
	}
}

unsigned int effect_busy(const struct helper *h)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SHARED_CHILDREN; i++)
		n += atomic_load(&h->desk->child[i].since_ns) != 0;
	return n;
}
