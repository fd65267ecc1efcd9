/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/spawn.h"

#include "sys/syscalls.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

extern char **environ;

static int start(const char *program, char *const argv[], int in, int out, pid_t *ret)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&at);
	if (in < 0)
		posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&fa, in, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, out, 2);
	posix_spawn_file_actions_addclosefrom_np(&fa, 3);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawnp(ret, program, &fa, &at, argv, environ);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	return -r;
}

int spawn_helper(const char *program, char *const argv[], struct err *e)
{
	char said[256] = "";
	size_t len = 0;
	int status = 0, fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	r = start(program, argv, -1, fds[1], &pid);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return err_sys(e, r, "run \"%s\"%s", program,
			       r == -ENOENT ? " (is it installed?)" : "");
	}
	for (;;) {
		char drain[256];
		ssize_t n = read(fds[0], drain, sizeof(drain));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n && len < sizeof(said) - 1; i++)
			said[len++] = drain[i] == '\n' ? ' ' : drain[i];
	}
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(e, EPERM, "%s failed: %s", program, *said ? said : "no message");
}

/* ---- Programs of our own --------------------------------------------------------------- */

enum { ANSWER_MAX = 64 << 10 };

/* In the build tree it lies beside cay; installed, in a folder of its own. */
static int find_libexec(const char *name, char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		n = snprintf(path, PATH_MAX, "%.*s/%s", slash ? (int)(slash - self) : 0, self,
			     name);
		if (n > 0 && n < PATH_MAX && access(path, X_OK) == 0)
			return 0;
	}
	n = snprintf(path, PATH_MAX, "%s/%s", CAY_LIBEXEC, name);
	return n > 0 && n < PATH_MAX && access(path, X_OK) == 0 ? 0 : -ENOENT;
}

bool spawn_has_libexec(const char *name)
{
	char path[PATH_MAX];

	return find_libexec(name, path) == 0;
}

int spawn_become_libexec(const char *name, char *const argv[], struct err *e)
{
	char path[PATH_MAX];
	int r = find_libexec(name, path);

	if (r < 0)
		return err_set(e, r, "\"%s\" is not installed in %s", name, CAY_LIBEXEC);
	(void)execv(path, argv);
	return err_sys(e, errno, "run \"%s\"", path);
}

static int text_memfd(const char *text)
{
	AUTO_FD int fd = memfd_create("cay-request", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = sys_write_all(fd, text, strlen(text));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

/* Return: 0 at the end of its output; -ETIMEDOUT. */
static int read_until(int fd, uint64_t deadline_ns, struct buf *b)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = sys_now_ns();
		char part[4096];
		ssize_t n;

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1);
		if (n == 0 || (n < 0 && errno == EINTR))
			continue;
		n = n < 0 ? n : read(fd, part, sizeof(part));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0 && b->len < ANSWER_MAX)
			buf_add(b, part, (size_t)n);
	}
}

static int finish(const char *name, pid_t pid, int read_result, struct buf *said, struct err *e)
{
	const char *line;
	int status = 0;

	if (read_result < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	while (said->len > 0 && said->data[said->len - 1] == '\n')
		said->data[--said->len] = '\0';
	if (read_result < 0)
		return err_sys(e, read_result, "%s", name);
	if (said->failed)
		return err_oom(e);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	line = said->data ? strrchr(said->data, '\n') : NULL;
	line = line ? line + 1 : said->data;
	if (!line || !*line)
		return err_set(e, EPERM, "%s: ended with status %d and no message", name, status);
	return err_set(e, WIFEXITED(status) && WEXITSTATUS(status) == 3 ? ENOTCONN : EPERM, "%s",
		       line);
}

int spawn_libexec(const char *name, char *const argv[], const char *text, int timeout_ms,
		  struct buf *answer, struct err *e)
{
	AUTO_FD int in = -EBADF, out = -EBADF, theirs = -EBADF;
	AUTO_BUF struct buf said = { 0 };
	char path[PATH_MAX];
	pid_t pid;
	int fds[2], r = find_libexec(name, path);

	if (r < 0)
		return err_set(e, r, "\"%s\" is not installed in %s", name, CAY_LIBEXEC);
	in = text_memfd(text);
	if (in < 0)
		return err_sys(e, in, "memfd for %s", name);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	out = fds[0];
	theirs = fds[1];
	r = start(path, argv, in, theirs, &pid);
	if (r < 0)
		return err_sys(e, r == -ENOENT ? -EACCES : r, "run \"%s\"", path);
	auto_close_fd(&theirs);
	theirs = -EBADF;
	r = read_until(out, sys_now_ns() + (uint64_t)timeout_ms * 1000000, &said);
	r = finish(name, pid, r, &said, e);
	if (r < 0)
		return r;
	*answer = said;
	said = (struct buf){ 0 };
	return 0;
}
