/* SPDX-License-Identifier: Apache-2.0 */
#include "container/foreground.h"

#include "container/terminal.h"
#include "sys/syscalls.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

int foreground_begin(struct foreground *f, bool subreaper, struct err *e)
{
	sigset_t all;

	sigfillset(&all);
	/* Faults of our own must not wait. */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	if (sigprocmask(SIG_BLOCK, &all, &f->before) < 0)
		return err_sys(e, errno, "block signals");
	f->active = true;
	/* Ignored by whoever started us, it would take the exit status away. */
	(void)signal(SIGCHLD, SIG_DFL);
	f->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (f->signal_fd < 0)
		return err_sys(e, errno, "signalfd");
	if (subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "become subreaper");
	return 0;
}

void foreground_end(struct foreground *f)
{
	auto_close_fd(&f->signal_fd);
	f->signal_fd = -EBADF;
	if (f->active)
		(void)sigprocmask(SIG_SETMASK, &f->before, NULL);
	f->active = false;
}

int foreground_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Return: 1 once @pid is among the dead; 0; -ECHILD when it is no child of ours. */
static int reap(pid_t pid, int *ret_exit)
{
	int status, found = 0;
	pid_t p;

	while ((p = waitpid(-1, &status, WNOHANG)) > 0)
		if (p == pid) {
			*ret_exit = foreground_status(status);
			found = 1;
		}
	return found || p == 0 ? found : -errno;
}

void foreground_signals(const struct foreground *f, int console_fd, int pidfd)
{
	struct signalfd_siginfo si;

	while (read(f->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGCHLD:
		case SIGURG:
		case SIGPIPE: /* of our own writes */
			break;
		case SIGWINCH:
			terminal_resize(console_fd);
			break;
		default:
			(void)sys_pidfd_send_signal(pidfd, (int)si.ssi_signo);
		}
	}
}

enum { POLL_SIGNAL = TERMINAL_POLLS, POLL_NOTIFY, POLLS };

static int loop(struct foreground *f, struct terminal *t, pid_t pid, int pidfd, struct notify *n,
		int *ret_exit, struct err *e)
{
	int r;

	while ((r = reap(pid, ret_exit)) == 0) {
		struct pollfd p[POLLS];
		int timeout = notify_poll(n, &p[POLL_NOTIFY]);

		terminal_polls(t, p);
		p[POLL_SIGNAL] = (struct pollfd){ .fd = f->signal_fd, .events = POLLIN };
		if (poll(p, POLLS, timeout) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(e, errno, "wait for process %d", pid);
		}
		if (p[POLL_SIGNAL].revents)
			foreground_signals(f, t->console, pidfd);
		/* It is us the manager looks after: we end with the program, and as it does. */
		if (p[POLL_NOTIFY].revents)
			notify_read(n, getpid());
		terminal_relay(t, p);
	}
	return r < 0 ? err_sys(e, r, "wait for process %d", pid) : 0;
}

int foreground_wait(struct foreground *f, pid_t pid, int pidfd, int console_fd, struct notify *n,
		    int *ret_exit, struct err *e)
{
	struct terminal t;
	int r;

	r = terminal_begin(&t, console_fd, e);
	if (r < 0)
		return r;
	r = loop(f, &t, pid, pidfd, n, ret_exit, e);
	terminal_end(&t);
	notify_end(n, getpid());
	return r;
}
