/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/hooks/hooks.h"

#include "sys/syscalls.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

extern char **environ;

enum { LOOK_UP_MS = 50 }; /* how often a waiting planner looks at clock and signals */

static const char *const kind_names[OCI_HOOK_COUNT] = {
	[OCI_HOOK_PRESTART] = "prestart",
	[OCI_HOOK_CREATE_RUNTIME] = "createRuntime",
	[OCI_HOOK_CREATE_CONTAINER] = "createContainer",
	[OCI_HOOK_START_CONTAINER] = "startContainer",
	[OCI_HOOK_POSTSTART] = "poststart",
	[OCI_HOOK_POSTSTOP] = "poststop",
};

/* A hook under way: its three pipes' near ends, and what it said. */
struct run {
	pid_t pid;
	int pidfd, in, out;
	const char *part[3]; /* of the state: head, pid, tail */
	size_t sent[3];
	unsigned int at;
	char said[200];
	size_t said_len;
};

static void child(const struct plan_view *v, const struct step *s, int in, int out)
{
	int log = view_fd(v, s->u.hook.out), err_log = view_fd(v, s->u.hook.err);
	char *const *envp = view_list(v, s->u.hook.envp);
	const char *why;
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setsid(); /* so that a time-out reaches what the hook started */
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || dup2(in, 0) < 0 ||
	    dup2(log < 0 ? out : log, 1) < 0 || dup2(err_log < 0 ? out : err_log, 2) < 0)
		_exit(127);
	(void)sys_close_range(3, ~0U, 0);
	execve(view_str(v, s->u.hook.path), view_list(v, s->u.hook.argv), envp ? envp : environ);
	why = strerror(errno);
	(void)!write(2, why, strlen(why));
	_exit(127);
}

static int give_up(const struct run *k, int code, struct err *e)
{
	(void)kill(k->pid, SIGKILL);
	while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
		;
	return err_sys(e, code, "watch a hook");
}

static int start(const struct plan_view *v, const struct step *s, struct run *k, struct err *e)
{
	AUTO_FD int in_r = -EBADF, in_w = -EBADF, out_r = -EBADF, out_w = -EBADF;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	in_r = fds[0];
	in_w = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	out_r = fds[0];
	out_w = fds[1];
	k->pid = fork();
	if (k->pid < 0)
		return err_sys(e, errno, "fork");
	if (k->pid == 0)
		child(v, s, in_r, out_w);
	k->pidfd = sys_pidfd_open(k->pid);
	/* Without these its end would never be seen, or reading would wait for it. */
	if (k->pidfd < 0 || fcntl(in_w, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(out_r, F_SETFL, O_NONBLOCK) < 0)
		return give_up(k, k->pidfd < 0 ? k->pidfd : -errno, e);
	k->in = TAKE_FD(in_w);
	k->out = TAKE_FD(out_r);
	return 0;
}

/* Feed stdin as far as it takes; close it when all is told or nobody listens. */
static void feed(struct run *k)
{
	while (k->at < 3) {
		size_t left = strlen(k->part[k->at]) - k->sent[k->at];
		ssize_t n = left ? write(k->in, k->part[k->at] + k->sent[k->at], left) : 0;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		k->sent[k->at] += (size_t)n;
		if ((size_t)n == left)
			k->at++;
	}
	close(k->in);
	k->in = -EBADF;
}

static void listen_to(struct run *k)
{
	char b[256];
	ssize_t n;

	while ((n = read(k->out, b, sizeof(b))) > 0)
		for (ssize_t i = 0; i < n && k->said_len < sizeof(k->said) - 1; i++)
			k->said[k->said_len++] = b[i] == '\n' ? ' ' : b[i];
	if (n == 0) {
		close(k->out);
		k->out = -EBADF;
	}
}

/* The planner blocks these while it holds half a container: has one come meanwhile? */
static bool interrupted(void)
{
	sigset_t s;

	return sigpending(&s) == 0 && (sigismember(&s, SIGINT) || sigismember(&s, SIGTERM) ||
				       sigismember(&s, SIGHUP) || sigismember(&s, SIGQUIT));
}

/* Return: 0 when the hook has ended, -ETIME, -EINTR. */
static int attend(struct run *k, uint32_t timeout_s)
{
	uint64_t deadline_ns = timeout_s ? sys_now_ns() + timeout_s * 1000000000ULL : 0;

	for (;;) {
		struct pollfd p[3] = { { k->pidfd, POLLIN, 0 },
				       { k->in, POLLOUT, 0 },
				       { k->out, POLLIN, 0 } };
		uint64_t now = sys_now_ns();

		if (deadline_ns && now >= deadline_ns)
			return -ETIME;
		if (interrupted())
			return -EINTR;
		if (poll(p, 3, LOOK_UP_MS) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents)
			feed(k);
		if (p[2].revents)
			listen_to(k);
		if (p[0].revents)
			return 0;
	}
}

/* As Go says it, whose words engines and their users know: "exit status 1", "signal: killed". */
static void ending(int status, char *how, size_t size)
{
	size_t n;

	if (WIFEXITED(status)) {
		(void)snprintf(how, size, "exit status %d", WEXITSTATUS(status));
		return;
	}
	n = (size_t)snprintf(how, size, "signal: ");
	(void)snprintf(how + n, size - n, "%s%s", strsignal(WTERMSIG(status)),
		       WCOREDUMP(status) ? " (core dumped)" : "");
	how[n] |= 0x20; /* a letter in whatever case */
}

static int verdict(const struct step *s, const char *path, struct run *k, int r, struct err *e)
{
	const char *kind = s->u.hook.which < OCI_HOOK_COUNT ? kind_names[s->u.hook.which] : "?";
	int status = 0;
	char how[64];

	if (r < 0) {
		(void)kill(-k->pid, SIGKILL);
		(void)kill(k->pid, SIGKILL);
	}
	while (waitpid(k->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (k->out >= 0)
		listen_to(k);
	if (r == -ETIME)
		return err_set(
			e, r, "error running %s hook #%u: \"%s\": killed after its timeout of %u s",
			kind, s->u.hook.index, path, s->u.hook.timeout_s);
	if (r < 0)
		return err_sys(e, r, "error running %s hook #%u: \"%s\"", kind, s->u.hook.index,
			       path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	ending(status, how, sizeof(how));
	return err_set(e, EPERM, "error running %s hook #%u: \"%s\": %s%s%s", kind, s->u.hook.index,
		       path, how, k->said_len ? ": " : "", k->said);
}

int hooks_apply(const struct plan_view *v, const struct step *s, pid_t pid, struct err *e)
{
	const char *path = view_str(v, s->u.hook.path), *tail = view_str(v, s->u.hook.tail);
	const char *head = view_str(v, s->u.hook.head);
	char number[16] = "";
	struct run k = { .pidfd = -EBADF,
			 .in = -EBADF,
			 .out = -EBADF,
			 .part = { head ? head : "", number, tail ? tail : "" } };
	sigset_t pipe_only, before;
	int r;

	if (pid > 0)
		(void)snprintf(number, sizeof(number), "%d", pid);
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &pipe_only, &before) < 0)
		return err_sys(e, errno, "signal mask");
	r = start(v, s, &k, e);
	if (r == 0)
		r = verdict(s, path, &k, attend(&k, s->u.hook.timeout_s), e);
	/* An EPIPE left its signal pending: take it before unblocking. */
	(void)sigtimedwait(&pipe_only, NULL, &(struct timespec){ 0 });
	if (sigprocmask(SIG_SETMASK, &before, NULL) < 0 && r == 0)
		r = err_sys(e, errno, "signal mask");
	for (unsigned int i = 0; i < 3; i++) {
		int fd = i == 0 ? k.in : i == 1 ? k.out : k.pidfd;

		if (fd >= 0)
			close(fd);
	}
	return r;
}
