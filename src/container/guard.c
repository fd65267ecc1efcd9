/* SPDX-License-Identifier: Apache-2.0 */
#include "container/guard.h"

#include "base/parse.h"
#include "container/store.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
	READY_MS = 10000,
	LAST_WORDS_MS = 1000,
	END_MS = 5000,
	FIRST_FD =
		3, /* cay-broker private: the policy, the container's pidfd, where it says it is ready */
	FDS = 3,
};

/* A namespace that is joined may be the one that the broker lives in, where its number is known. */
static bool is_ours(const struct oci_namespace *n, const char *name)
{
	char own[32];
	struct stat it, its;

	(void)snprintf(own, sizeof(own), "/proc/self/ns/%s", name);
	return n->path && *n->path && stat(n->path, &it) == 0 && stat(own, &its) == 0 &&
	       it.st_dev == its.st_dev && it.st_ino == its.st_ino;
}

int guard_check(const struct oci_spec *s, struct err *e)
{
	static const enum oci_ns_type needed[] = { OCI_NS_USER, OCI_NS_PID };
	static const char *const names[] = { "user", "pid" };
	const struct oci_linux *l = s->linux_;

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		const struct oci_namespace *n = oci_namespace(s, needed[i]);

		if (n && is_ours(n, names[i]))
			return err_set(e, EINVAL,
				       "--policy: the %s namespace \"%.200s\" is cay's own, where "
				       "the container could name its broker",
				       names[i], n->path);
		if (!n)
			return err_set(
				e, EINVAL,
				"--policy: linux.namespaces names no %s namespace, without which "
				"a container can't be held to a policy (cay spec --rootless "
				"has one)",
				names[i]);
	}
	if (l->seccomp && l->seccomp->listener_path && *l->seccomp->listener_path)
		return err_set(e, EINVAL,
			       "--policy: the calls go to linux.seccomp.listenerPath \"%.200s\" "
			       "already, and a filter has one listener",
			       l->seccomp->listener_path);
	return 0;
}

static struct oci_strings strings(char **list)
{
	struct oci_strings s = { .list = list };

	while (list[s.count])
		s.count++;
	return s;
}

int guard_amend(struct oci_spec *s, const struct ctr *c, struct err *e)
{
	static char allow[] = "SCMP_ACT_ALLOW",
		    killable[] = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
	struct oci_seccomp *sc = s->linux_->seccomp;
	char **flags;

	if (!sc) {
		sc = arena_alloc(&s->arena, sizeof(*sc));
		if (!sc)
			return err_oom(e);
		sc->default_action = allow;
		s->linux_->seccomp = sc;
	}
	/* Others are killed, and would be there once more in each copy that the filter is made of. */
	sc->architectures = (struct oci_strings){ 0 };
	sc->watched = strings(c->watched);
	sc->refused = strings(c->refused);
	if (sc->watched.count == 0)
		return 0;
	sc->listener_path = c->listener;
	sc->listener_metadata = NULL;
	/* No signal restarts a call that has been performed. */
	flags = arena_array(&s->arena, sc->flags.count + 2, sizeof(*flags));
	if (!flags)
		return err_oom(e);
	if (sc->flags.count)
		memcpy(flags, sc->flags.list, sc->flags.count * sizeof(*flags));
	flags[sc->flags.count] = killable;
	sc->flags = (struct oci_strings){ .list = flags, .count = sc->flags.count + 1 };
	return 0;
}

/* ---- its life ------------------------------------------------------------------------------------ */

/* The start time is looked at behind the pidfd. */
static int hold(const struct ctr *c)
{
	AUTO_FD int fd = c->broker > 0 ? sys_pidfd_open(c->broker) : -ESRCH;
	uint64_t start;
	char state;

	if (fd < 0)
		return fd;
	if (sys_start_time(c->broker, &start, &state) < 0 || start != c->broker_start ||
	    state == 'Z')
		return -ESRCH;
	return TAKE_FD(fd);
}

int guard_join(struct oci_spec *s, const struct ctr *c, struct err *e)
{
	AUTO_FD int fd = hold(c);

	if (fd < 0 && c->watched[0])
		return err_set(e, ECONNREFUSED,
			       "its broker is gone: nobody would hold the process to the policy");
	return guard_amend(s, c, e);
}

static bool ends_within(int pidfd, int ms)
{
	const uint64_t end = sys_now_ns() + (uint64_t)ms * 1000000;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n;

	do {
		n = poll(&p, 1, ms);
	} while (n < 0 && errno == EINTR && sys_now_ns() < end);
	return n > 0;
}

void guard_end(const struct ctr *c)
{
	AUTO_FD int fd = hold(c);

	/* Where nobody is left it goes by itself, when all is written down. */
	if (fd < 0 || ends_within(fd, LAST_WORDS_MS))
		return;
	(void)sys_pidfd_send_signal(fd, SIGKILL);
	(void)ends_within(fd, END_MS);
}

/* ---- its birth ----------------------------------------------------------------------------------- */

static int text_memfd(const struct ctr_policy *p)
{
	AUTO_FD int fd = memfd_create("cay-policy", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = sys_write_all(fd, p->text, p->len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

/* Nothing of the caller's stays with it: not his pipes, which he waits for the end of, nor his terminal. */
static int let_go(const int fds[FDS])
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high[FDS];

	if (null < 0)
		return -errno;
	for (int i = 0; i < FIRST_FD; i++)
		if (dup2(null, i) < 0)
			return -errno;
	for (int i = 0; i < FDS; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + FDS);
		if (high[i] < 0)
			return -errno;
	}
	for (int i = 0; i < FDS; i++)
		if (dup2(high[i], FIRST_FD + i) < 0)
			return -errno;
	return sys_close_range(FIRST_FD + FDS, ~0U, 0);
}

static void __attribute__((noreturn))
be_broker(const struct ctr *c, const struct ctr_policy *p, const int fds[FDS])
{
	char name[] = "cay-broker", word[] = "private";
	char first[16];
	char *argv[] = { name, word, c->listener, first, (char *)(uintptr_t)p->log, NULL };
	struct err e = { 0 };
	sigset_t none;
	int r;

	(void)snprintf(first, sizeof(first), "%d", c->pid);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* Neither a hang-up of the caller's terminal nor a signal to his group is meant for it. */
	r = setsid() < 0 ? -errno : let_go(fds);
	if (r < 0)
		(void)err_sys(&e, r, "its files");
	else if (clearenv() == 0)
		(void)spawn_become_libexec(name, argv, &e);
	(void)sys_write_all(r < 0 ? fds[2] : FIRST_FD + 2, e.msg, strlen(e.msg));
	_exit(1);
}

/* Twice born, so that it is nobody's child that waits for his. Return: 0 or -errno. */
static int give_birth(const struct ctr *c, const struct ctr_policy *p, const int fds[FDS])
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			be_broker(c, p, fds);
		_exit(pid < 0 ? errno : 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/* Its process id when it listens, else what is wrong. */
static int await(int fd, pid_t *ret, struct err *e)
{
	const uint64_t end = sys_now_ns() + (uint64_t)READY_MS * 1000000;
	char said[400];
	size_t len = 0;
	uint32_t pid = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&p, 1, READY_MS);

		if (n == 0 || sys_now_ns() > end)
			return err_set(e, ETIMEDOUT, "cay-broker is not ready after %d s",
				       READY_MS / 1000);
		n = n < 0 ? n : read(fd, said + len, sizeof(said) - 1 - len);
		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "cay-broker");
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	said[len] = '\0';
	if (len == 0)
		return err_set(e, ECHILD, "cay-broker ended without a word");
	if (parse_u32(said, &pid) < 0)
		return err_set(e, ECHILD, "cay-broker: %s", said);
	*ret = (pid_t)pid;
	return 0;
}

int guard_start(struct ctr *c, const struct ctr_policy *p, int pidfd, struct err *e)
{
	AUTO_FD int policy = text_memfd(p), ready = -EBADF, theirs = -EBADF;
	int pair[2], r;

	if (!c->watched[0])
		return 0;
	if (policy < 0)
		return err_sys(e, policy, "memfd for the policy");
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	ready = pair[0];
	theirs = pair[1];
	r = give_birth(c, p, (const int[FDS]){ policy, pidfd, theirs });
	if (r < 0)
		return err_sys(e, r, "start cay-broker");
	auto_close_fd(&theirs);
	theirs = -EBADF;
	r = await(ready, &c->broker, e);
	if (r < 0)
		return r;
	r = sys_start_time(c->broker, &c->broker_start, NULL);
	return r < 0 ? err_sys(e, r, "start time of cay-broker") : 0;
}
