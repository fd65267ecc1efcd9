/* SPDX-License-Identifier: Apache-2.0 */
#include "container/terminal.h"

#include "sys/syscalls.h"

#include <string.h>
#include <sys/ioctl.h>

/*
 * The container's terminal does no NL to CR NL of its own, ours does: output that goes to a
 * file then has plain lines. Both as runc has it.
 */
static void clear_onlcr(int console)
{
	struct termios t;

	if (tcgetattr(console, &t) == 0) {
		t.c_oflag &= ~(tcflag_t)ONLCR;
		(void)tcsetattr(console, TCSANOW, &t);
	}
}

static void make_raw(struct terminal *t)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &t->saved) < 0)
		return;
	raw = t->saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST;
	t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

int terminal_require(struct err *e)
{
	AUTO_FD int fd = -EBADF;

	if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO) || isatty(STDERR_FILENO))
		return 0;
	fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	/* The end is what callers of runc look for. */
	return fd < 0 ? err_sys(e, errno,
				"process.terminal is true, but there is no terminal here (set it to "
				"false, or detach and give a --console-socket): open /dev/tty")
		      : 0;
}

int terminal_begin(struct terminal *t, int console, struct err *e)
{
	int flags;

	memset(t, 0, sizeof(*t));
	t->console = console;
	if (console < 0)
		return 0;
	flags = fcntl(console, F_GETFL);
	if (flags < 0 || fcntl(console, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, errno, "container's terminal");
	t->in.from = STDIN_FILENO;
	t->in.to = console;
	t->out.from = console;
	t->out.to = STDOUT_FILENO;
	make_raw(t);
	terminal_resize(t->console);
	return 0;
}

void terminal_resize(int console)
{
	struct winsize ws;

	if (console < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (ioctl(fd, TIOCGWINSZ, &ws) == 0) {
			(void)ioctl(console, TIOCSWINSZ, &ws);
			return;
		}
}

void terminal_prepare(int console)
{
	if (console < 0)
		return;
	clear_onlcr(console);
	terminal_resize(console);
}

static bool pending(const struct relay_dir *d)
{
	return d->off < d->len;
}

static struct pollfd want(int fd, bool wanted, short events)
{
	return (struct pollfd){ .fd = wanted ? fd : -1, .events = events };
}

void terminal_polls(const struct terminal *t, struct pollfd p[TERMINAL_POLLS])
{
	bool on = t->console >= 0;

	p[0] = want(t->in.from, on && !t->in.eof && !pending(&t->in), POLLIN);
	p[1] = want(t->in.to, on && pending(&t->in), POLLOUT);
	p[2] = want(t->out.from, on && !t->out.eof && !pending(&t->out), POLLIN);
	p[3] = want(t->out.to, on && pending(&t->out), POLLOUT);
}

static void fill(struct relay_dir *d)
{
	ssize_t n = read(d->from, d->buf, sizeof(d->buf));

	if (n > 0) {
		d->off = 0;
		d->len = (size_t)n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		d->eof = true;
	}
}

static void drain(struct relay_dir *d)
{
	ssize_t n = write(d->to, d->buf + d->off, d->len - d->off);

	if (n > 0) {
		d->off += (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* Nobody listens any more: swallow, so that the container does not stall. */
		d->off = d->len;
	}
}

/* A pipe on our stdin ended: what a person would type to say so, if the program reads lines. */
static void send_eof(struct terminal *t)
{
	struct termios tio;

	if (tcgetattr(t->console, &tio) < 0 || !(tio.c_lflag & ICANON))
		return;
	t->in.buf[0] = (char)tio.c_cc[VEOF];
	t->in.off = 0;
	t->in.len = 1;
}

void terminal_relay(struct terminal *t, const struct pollfd p[TERMINAL_POLLS])
{
	if (t->console < 0)
		return;
	if (p[0].revents) {
		fill(&t->in);
		if (t->in.eof)
			send_eof(t);
	}
	if (p[1].revents)
		drain(&t->in);
	if (p[2].revents)
		fill(&t->out);
	if (p[3].revents)
		drain(&t->out);
}

static void last_output(struct terminal *t)
{
	uint64_t end = sys_now_ns() + 1000000000;

	t->in.eof = true;
	t->in.off = t->in.len;
	while ((!t->out.eof || pending(&t->out)) && sys_now_ns() < end) {
		struct pollfd p[TERMINAL_POLLS];

		terminal_polls(t, p);
		/* Somebody else may hold the inner end open: then silence is the end. */
		if (poll(p, TERMINAL_POLLS, pending(&t->out) ? 1000 : 100) <= 0)
			return;
		terminal_relay(t, p);
	}
}

void terminal_end(struct terminal *t)
{
	if (t->console < 0)
		return;
	last_output(t);
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
	t->raw = false;
	t->console = -EBADF;
}
