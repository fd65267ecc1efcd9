/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A static program that makes the calls an agent answers, from inside a container.
 * Prints one answer a line: "ok", what was found, or the name of an error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int answer(long r)
{
	puts(r < 0 ? strerrorname_np(errno) : "ok");
	return 0;
}

/* socket FAMILY TYPE PROTOCOL */
static int do_socket(char **a)
{
	return answer(socket(atoi(a[0]), atoi(a[1]), atoi(a[2])));
}

/* sysinfo [null|readonly|end|kernel|WHAT]: "TOTAL FREE UPTIME PROCESSES", or what comes of a bad pointer */
static int do_sysinfo(char **a)
{
	const size_t page = 4096;
	char *two =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sysinfo s;
	void *to = &s;

	two[0] = 1;
	if (a[0] && !strcmp(a[0], "null"))
		to = NULL;
	if (a[0] && !strcmp(a[0], "kernel"))
		to = (void *)0xffffffff80000000UL;
	if (a[0] && !strcmp(a[0], "readonly") && mprotect(to = two, page, PROT_READ) < 0)
		return 1;
	if (a[0] && !strcmp(a[0], "end") && munmap(two + page, page) == 0)
		to = two + page - 8;
	if (a[0] && !strcmp(a[0], "half") && mprotect(two + page, page, PROT_READ) == 0)
		to = two + page - 8;
	if (a[0] && !strcmp(a[0], "across"))
		to = two + page - 8;
	if (syscall(SYS_sysinfo, to) < 0)
		return answer(-1);
	if (to != &s)
		memcpy(&s, to, sizeof(s));
	printf("%lu %lu %ld %u\n", s.totalram * s.mem_unit, s.freeram * s.mem_unit, s.uptime,
	       s.procs);
	return 0;
}

/* view [creat|write|path|dir|at|at2|cloexec|link] PATH: the first line, and what the file is */
static int do_view(char **a)
{
	const struct open_how how = { .flags = O_RDONLY };
	const char *base = strrchr(a[1], '/') + 1;
	char line[80] = "", text[80] = "", link[32];
	int fd, dir;
	ssize_t n;

	dir = open("/proc", O_PATH);
	if (!strcmp(a[0], "write"))
		fd = open(a[1], O_RDWR);
	else if (!strcmp(a[0], "path"))
		fd = open(a[1], O_PATH);
	else if (!strcmp(a[0], "at"))
		fd = openat(dir, base, O_RDONLY);
	else if (!strcmp(a[0], "at2"))
		fd = (int)syscall(SYS_openat2, AT_FDCWD, a[1], &how, sizeof(how));
	else if (!strcmp(a[0], "open"))
		fd = (int)syscall(SYS_open, a[1], O_RDONLY, 0);
	else
		fd = open(a[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return answer(-1);
	n = read(fd, line, sizeof(line) - 1);
	if (n >= 0)
		line[strcspn(line, "\n")] = '\0';
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, sizeof(text) - 1);
	printf("%s|%.*s|%d|%s|%s\n", line, (int)n, text, fcntl(fd, F_GETFD),
	       write(fd, "x", 1) < 0 ? strerrorname_np(errno) : "written",
	       ftruncate(fd, 0) < 0 ? strerrorname_np(errno) : "cut");
	return 0;
}

static volatile bool flip_stop;

static void *flip_link(void *arg)
{
	for (unsigned int i = 0; !flip_stop; i++) {
		(void)!symlink(i & 1 ? "/proc/meminfo" : "/tmp/own", "/tmp/next");
		rename("/tmp/next", "/tmp/link");
	}
	return arg;
}

/* flip N: a link that changes its end is opened so often: "VIEW OWN KERNEL OTHER WRITABLE" */
static int do_flip(char **a)
{
	enum { VIEW, OWN, KERNEL, OTHER };
	int seen[OTHER + 1] = { 0 }, writable = 0;
	pthread_t thread;

	close(open("/tmp/own", O_CREAT | O_WRONLY, 0600));
	(void)!symlink("/tmp/own", "/tmp/link");
	if (pthread_create(&thread, NULL, flip_link, NULL) != 0)
		return 1;
	for (int n = atoi(a[0]); n > 0; n--) {
		int fd = open("/tmp/link", O_RDONLY), is = OTHER;
		char text[64] = "", link[32];

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		(void)!readlink(link, text, sizeof(text) - 1);
		if (!strcmp(text, "/memfd:meminfo (deleted)"))
			is = VIEW;
		else if (!strcmp(text, "/tmp/own"))
			is = OWN;
		else if (!strcmp(text, "/proc/meminfo"))
			is = KERNEL;
		seen[is]++;
		writable += write(fd, "x", 1) >= 0;
		close(fd);
	}
	flip_stop = true;
	pthread_join(thread, NULL);
	printf("%d %d %d %d %d\n", seen[VIEW], seen[OWN], seen[KERNEL], seen[OTHER], writable);
	return 0;
}

/* old: getpid(2) by its number in 32-bit programs */
static int do_old(char **a)
{
	long r = -1;

	(void)a;
#ifdef __x86_64__
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
	errno = r < 0 ? (int)-r : 0;
#endif
	return answer(r);
}

/* owner [fd:|empty:]PATH UID GID: by name, by descriptor, by one that only names */
static int do_owner(char **a)
{
	const uid_t uid = (uid_t)atol(a[1]);
	const gid_t gid = (gid_t)atol(a[2]);

	if (!strncmp(a[0], "fd:", 3))
		return answer(fchown(open(a[0] + 3, O_RDONLY), uid, gid));
	if (!strncmp(a[0], "empty:", 6))
		return answer(fchownat(open(a[0] + 6, O_PATH), "", uid, gid, AT_EMPTY_PATH));
	return answer(chown(a[0], uid, gid));
}

/* many N FAMILY TYPE PROTOCOL: as often; how often, and the last answer */
static int do_many(char **a)
{
	int n = atoi(a[0]);

	for (int i = 0; i < n; i++)
		errno = socket(atoi(a[1]), atoi(a[2]), atoi(a[3])) < 0 ? errno : 0;
	printf("%d %s\n", n, errno ? strerrorname_np(errno) : "ok");
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

/* p99 N FAMILY TYPE PROTOCOL: the 99th percentile and the median in ns, 1 ms between calls */
static int do_p99(char **a)
{
	static long took[100000];
	const struct timespec nap = { .tv_nsec = 1000000 };
	int n = atoi(a[0]);

	for (int i = 0; i < n; i++) {
		struct timespec from, to;

		clock_gettime(CLOCK_MONOTONIC, &from);
		if (socket(atoi(a[1]), atoi(a[2]), atoi(a[3])) >= 0)
			return answer(0);
		clock_gettime(CLOCK_MONOTONIC, &to);
		took[i] = (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
		nanosleep(&nap, NULL);
	}
	qsort(took, (size_t)n, sizeof(took[0]), by_size);
	printf("%ld %ld\n", took[n * 99 / 100], took[n / 2]);
	return 0;
}

/* Files of a process that is none of ours: how many can be opened or read? */
static int take_from(pid_t pid)
{
	char name[64], link[64];
	int n = 0;

	for (int fd = 0; fd < 16; fd++) {
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", pid, fd);
		n += readlink(name, link, sizeof(link)) > 0;
	}
	snprintf(name, sizeof(name), "/proc/%d/mem", pid);
	n += open(name, O_RDWR) >= 0;
	n += ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
	return n;
}

/* snoop N: mount proc so often, while a child looks for strangers; mounts, strangers, what was taken
   of them, and of an ordinary process */
static int do_snoop(char **a)
{
	int n = atoi(a[0]), mounts = 0, pipefd[2], all[3] = { 0 };
	pid_t child;

	if (pipe(pipefd) < 0)
		return answer(-1);
	child = fork();
	if (child == 0) {
		int seen = 0, taken = 0;
		char c;

		fcntl(pipefd[0], F_SETFL, O_NONBLOCK);
		/* Numbers rise by one with each that is born here. */
		while (read(pipefd[0], &c, 1) != 1)
			for (pid_t p = getpid() + 1; p < getpid() + 2 * n + 8; p++) {
				if (kill(p, 0) < 0)
					continue;
				seen++;
				taken += take_from(p);
			}
		all[0] = seen;
		all[1] = taken;
		all[2] = take_from(getppid());
		_exit(write(pipefd[1], all, sizeof(all)) < 0);
	}
	for (int i = 0; i < n; i++) {
		if (mount("p", "/mnt/good", "proc", 0, "") < 0)
			continue;
		mounts++;
		umount2("/mnt/good", MNT_DETACH);
	}
	(void)!write(pipefd[1], "x", 1);
	waitpid(child, NULL, 0);
	(void)!read(pipefd[0], all, sizeof(all));
	printf("%d %d %d %d\n", mounts, all[0], all[1], all[2]);
	return 0;
}

/* stuck FILE N: N children whose mount has its target in FILE, and then one that has not */
static int do_stuck(char **a)
{
	int fd = open(a[0], O_RDONLY), n = atoi(a[1]);
	struct timespec from, to;
	char *target = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (target == MAP_FAILED)
		return answer(-1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < n; i++)
		if (fork() == 0) {
			long r = mount("t", target, "tmpfs", 0, "");

			printf("stuck %s\n", r < 0 ? strerrorname_np(errno) : "ok");
			_exit(0);
		}
	usleep(100000);
	clock_gettime(CLOCK_MONOTONIC, &from);
	printf("quick ");
	answer(mount("t", "/mnt/x", "tmpfs", 0, ""));
	clock_gettime(CLOCK_MONOTONIC, &to);
	fprintf(stderr, "%f\n",
		(double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	while (wait(NULL) > 0)
		;
	return 0;
}

/* crowded: takes every process that can be had, for ever; once /tmp/go is there a mount */
static int do_crowded(char **a)
{
	pid_t pid = fork();

	(void)a;
	if (pid == 0)
		for (bool told = false;; usleep(500)) {
			while ((pid = fork()) > 0)
				;
			while (pid == 0)
				pause();
			if (!told)
				(void)!write(STDOUT_FILENO, "crowded\n", 8);
			told = true;
		}
	while (access("/tmp/go", F_OK) < 0)
		usleep(10000);
	answer(mount("t", "/mnt/x", "tmpfs", 0, ""));
	fflush(stdout);
	pause();
	return 0;
}

static socklen_t address(const char *host, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (strchr(host, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)atoi(port));
		inet_pton(AF_INET6, host, &in6->sin6_addr);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(port));
	inet_pton(AF_INET, host, &in->sin_addr);
	return sizeof(*in);
}

/* "odd": a socket of another family, given an internet address */
static int socket_for(const char *proto, const char *host)
{
	if (!strcmp(proto, "odd"))
		return socket(AF_UNIX, SOCK_STREAM, 0);
	return socket(strchr(host, ':') ? AF_INET6 : AF_INET,
		      !strcmp(proto, "udp") ? SOCK_DGRAM : SOCK_STREAM, 0);
}

/* connect tcp|udp|odd HOST PORT [nonblock] */
static int do_connect(char **a)
{
	struct sockaddr_storage s;
	socklen_t len = address(a[1], a[2], &s);
	int fd = socket_for(a[0], a[1]);

	if (a[3])
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return answer(connect(fd, (struct sockaddr *)&s, len));
}

/* bind tcp|udp HOST PORT */
static int do_bind(char **a)
{
	struct sockaddr_storage s;
	socklen_t len = address(a[1], a[2], &s);

	return answer(bind(socket_for(a[0], a[1]), (struct sockaddr *)&s, len));
}

/* listen HOST PORT: one child accepts for ever; the parent ends */
static int do_listen(char **a)
{
	struct sockaddr_storage s;
	socklen_t len = address(a[0], a[1], &s);
	int fd = socket_for("tcp", a[0]), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&s, len) < 0 || listen(fd, 64) < 0)
		return answer(-1);
	if (fork() > 0)
		return answer(0);
	close(1);
	close(2);
	for (;;)
		close(accept(fd, NULL, NULL));
}

static socklen_t local(const char *path, struct sockaddr_un *un)
{
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path));
	if (path[0] != '@')
		return sizeof(*un);
	un->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

/* unix connect|bind|serve PATH|@NAME; serve: says who connects, once */
static int do_unix(char **a)
{
	struct sockaddr_un un;
	socklen_t len = local(a[1], &un), n = sizeof(struct ucred);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct ucred who;

	if (!strcmp(a[0], "connect"))
		return answer(connect(fd, (struct sockaddr *)&un, len));
	if (bind(fd, (struct sockaddr *)&un, len) < 0)
		return answer(-1);
	if (!strcmp(a[0], "bind"))
		return answer(0);
	if (listen(fd, 8) < 0)
		return answer(-1);
	puts("ok");
	fflush(stdout);
	fd = accept(fd, NULL, NULL);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return answer(-1);
	printf("%u %u\n", who.uid, who.gid);
	return 0;
}

/* sched POLICY PRIORITY [PID]: the answer, then what is in force */
static int do_sched(char **a)
{
	struct sched_param p = { .sched_priority = atoi(a[1]) };
	pid_t pid = a[2] ? atoi(a[2]) : 0;

	answer(syscall(SYS_sched_setscheduler, pid, atoi(a[0]), &p));
	syscall(SYS_sched_getparam, pid, &p);
	printf("%ld %d\n", syscall(SYS_sched_getscheduler, pid), p.sched_priority);
	return 0;
}

/* affinity CPU */
static int do_affinity(char **a)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)atoi(a[0]), &set);
	return answer(sched_setaffinity(0, sizeof(set), &set));
}

/* mount SOURCE TARGET TYPE FLAGS OPTIONS */
static int do_mount(char **a)
{
	return answer(mount(a[0], a[1], a[2], strtoul(a[3], NULL, 0), a[4]));
}

/* setattr TARGET SET CLEAR: mount_setattr(2) */
static int do_setattr(char **a)
{
	struct mount_attr m = { .attr_set = strtoul(a[1], NULL, 0),
				.attr_clr = strtoul(a[2], NULL, 0) };

	return answer(syscall(SYS_mount_setattr, AT_FDCWD, a[0], 0, &m, sizeof(m)));
}

/* umount TARGET FLAGS */
static int do_umount(char **a)
{
	return answer(umount2(a[0], atoi(a[1])));
}

/* mknod PATH c|b|p MAJOR MINOR */
static int do_mknod(char **a)
{
	mode_t type = a[1][0] == 'c' ? S_IFCHR : a[1][0] == 'b' ? S_IFBLK : S_IFIFO;

	return answer(mknod(a[0], type | 0644, makedev(atoi(a[2]), atoi(a[3]))));
}

/* setxattr path|link|fd FILE NAME VALUE */
static int do_setxattr(char **a)
{
	const size_t n = strlen(a[3]);

	if (!strcmp(a[0], "link"))
		return answer(lsetxattr(a[1], a[2], a[3], n, 0));
	if (!strcmp(a[0], "fd"))
		return answer(fsetxattr(open(a[1], O_RDONLY), a[2], a[3], n, 0));
	return answer(setxattr(a[1], a[2], a[3], n, 0));
}

enum { GETS = 0, ALLOWS = 1 };

/* What a program for devices is made of: refuse the device MAJOR:MINOR, allow all else. */
static int load_device(const char *kind)
{
	struct bpf_insn insns[] = {
		{ BPF_LDX | BPF_MEM | BPF_W, 2, 1, 4, 0 },
		{ BPF_JMP | BPF_JNE | BPF_K, 2, 0, 4, 1 },
		{ BPF_LDX | BPF_MEM | BPF_W, 2, 1, 8, 0 },
		{ BPF_JMP | BPF_JNE | BPF_K, 2, 0, 2, 5 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, GETS },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, ALLOWS },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
			     .insn_cnt = 8,
			     .insns = (uintptr_t)insns,
			     .license = (uintptr_t) "GPL" };

	if (!strcmp(kind, "call"))
		insns[4] = (struct bpf_insn){ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns };
	if (!strcmp(kind, "back"))
		insns[3].off = -4;
	if (!strcmp(kind, "wild")) /* the verifier's affair */
		insns[2].off = 64;
	if (!strcmp(kind, "many"))
		a.insn_cnt = 100000;
	if (!strcmp(kind, "tracing"))
		a.prog_type = BPF_PROG_TYPE_KPROBE;
	if (!strcmp(kind, "flags"))
		a.prog_flags = BPF_F_SLEEPABLE;
	if (!strcmp(kind, "btf"))
		a.prog_btf_fd = 1;
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
}

static long attach_device(int cmd, int cgroup, int program, unsigned int flags)
{
	union bpf_attr a = { .target_fd = (unsigned int)cgroup,
			     .attach_bpf_fd = (unsigned int)program,
			     .attach_type = BPF_CGROUP_DEVICE,
			     .attach_flags = flags };

	return syscall(SYS_bpf, cmd, &a, sizeof(a));
}

/* bpf load KIND | bpf attach DIR [FLAGS] | bpf detach DIR: loads, attaches, looks whether
   /dev/zero can be opened in there, and with "detach" once more when that is done */
static int do_bpf(char **a)
{
	int program = load_device(strcmp(a[0], "load") ? "" : a[1]), cgroup;
	char name[256];
	FILE *f;

	if (program < 0 || !strcmp(a[0], "load"))
		return answer(program);
	cgroup = open(a[1], O_RDONLY | O_DIRECTORY);
	answer(attach_device(BPF_PROG_ATTACH, cgroup, program,
			     a[2] ? (unsigned int)atoi(a[2]) : BPF_F_ALLOW_MULTI));
	snprintf(name, sizeof(name), "%s/cgroup.procs", a[1]);
	f = fopen(name, "w");
	if (!f || fprintf(f, "0") < 0 || fclose(f) != 0)
		return answer(-1);
	answer(open("/dev/zero", O_RDONLY));
	answer(open("/dev/null", O_RDONLY));
	if (strcmp(a[0], "detach") != 0)
		return 0;
	answer(attach_device(BPF_PROG_DETACH, cgroup, program, 0));
	return answer(open("/dev/zero", O_RDONLY));
}

/* programs N: load so many, and keep them; how many there are, and the last answer */
static int do_programs(char **a)
{
	int n = 0;

	errno = 0;
	while (n < atoi(a[0]) && load_device("") >= 0)
		n++;
	printf("%d %s\n", n, errno ? strerrorname_np(errno) : "ok");
	return 0;
}

/* syscall NUMBER ARGUMENT... */
static int do_syscall(char **a)
{
	long arg[6] = { 0 };

	for (int i = 0; i < 6 && a[1 + i]; i++)
		arg[i] = strtol(a[1 + i], NULL, 0);
	return answer(
		syscall(strtol(a[0], NULL, 0), arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]));
}

/* ---- cost ------------------------------------------------------------------------------------ */

static struct sockaddr_in nobody;
static struct sockaddr_un server;

static long cost_getppid(void)
{
	return syscall(SYS_getppid);
}

static long made(int fd)
{
	return fd < 0 ? fd : close(fd);
}

static long cost_socket(void)
{
	return made(socket(AF_INET, SOCK_STREAM, 0));
}

static long cost_ping(void)
{
	return made(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}

static long cost_refused(void)
{
	return socket(AF_INET, SOCK_SEQPACKET, 0) < 0 ? 0 : -1;
}

static long cost_connect(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	long r = connect(fd, (struct sockaddr *)&nobody, sizeof(nobody));

	close(fd);
	return r;
}

static long cost_bind(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	long r = bind(fd, (struct sockaddr *)&nobody, sizeof(nobody));

	close(fd);
	return r;
}

static long cost_unix(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	long r = connect(fd, (struct sockaddr *)&server, sizeof(server));

	close(fd);
	return r;
}

static long cost_mount(void)
{
	return mount("t", "/mnt/x", "tmpfs", 0, "size=64k") < 0 ? -1
								: umount2("/mnt/x", MNT_DETACH);
}

static long cost_fifo(void)
{
	return mknod("/mnt/fifo", S_IFIFO | 0600, 0) < 0 ? -1 : unlink("/mnt/fifo");
}

/* An agent's node is a mount; an own one is none. */
static long cost_device(void)
{
	if (mknod("/mnt/null", S_IFCHR | 0600, makedev(1, 3)) < 0)
		return -1;
	umount2("/mnt/null", MNT_DETACH);
	return unlink("/mnt/null");
}

static long cost_opaque(void)
{
	return setxattr("/mnt/opaque", "trusted.overlay.opaque", "y", 1, 0);
}

static long cost_affinity(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static long cost_fifo_class(void)
{
	const struct sched_param p = { .sched_priority = 1 };

	return syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p);
}

static long cost_owner(void)
{
	return chown("/mnt/opaque", 5, 5);
}

static long cost_mode(void)
{
	return chmod("/mnt/opaque", 0755);
}

static long cost_sysinfo(void)
{
	struct sysinfo s;

	return syscall(SYS_sysinfo, &s);
}

static long cost_view(void)
{
	return close(open("/proc/cpuinfo", O_RDONLY));
}

static long cost_open(void)
{
	return close(open("/mnt/opaque", O_RDONLY));
}

static const struct {
	const char *name;
	long (*once)(void);
} costs[] = {
	{ "getppid", cost_getppid },
	{ "socket", cost_socket },
	{ "socket-refused", cost_refused },
	{ "socket-ping", cost_ping },
	{ "connect-udp", cost_connect },
	{ "connect-unix", cost_unix },
	{ "bind", cost_bind },
	{ "mount-umount2", cost_mount },
	{ "mknod-fifo", cost_fifo },
	{ "mknod-null", cost_device },
	{ "setxattr-opaque", cost_opaque },
	{ "sched_setaffinity", cost_affinity },
	{ "sched_setscheduler", cost_fifo_class },
	{ "chown", cost_owner },
	{ "chmod", cost_mode },
	{ "sysinfo", cost_sysinfo },
	{ "open-view", cost_view },
	{ "open", cost_open },
};

/* cost N: each kind so often; its name and ns a call, or the error */
static int do_cost(char **a)
{
	int n = atoi(a[0]), fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	nobody.sin_family = AF_INET;
	nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	nobody.sin_port = htons(9080);
	local("/mnt/server", &server);
	unlink("/mnt/server");
	mkdir("/mnt/opaque", 0755);
	if (bind(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		return answer(-1);
	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		struct timespec from, to;
		long r = 0;

		for (int k = 0; k < n / 10 + 1 && r >= 0; k++)
			r = costs[i].once();
		clock_gettime(CLOCK_MONOTONIC, &from);
		for (int k = 0; k < n && r >= 0; k++)
			r = costs[i].once();
		clock_gettime(CLOCK_MONOTONIC, &to);
		if (r < 0)
			printf("%s %s\n", costs[i].name, strerrorname_np(errno));
		else
			printf("%s %ld\n", costs[i].name,
			       ((to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec -
				from.tv_nsec) /
				       n);
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **args);
} all[] = {
	{ "socket", do_socket },     { "connect", do_connect },	  { "bind", do_bind },
	{ "listen", do_listen },     { "unix", do_unix },	  { "sched", do_sched },
	{ "affinity", do_affinity }, { "mount", do_mount },	  { "umount", do_umount },
	{ "mknod", do_mknod },	     { "many", do_many },	  { "cost", do_cost },
	{ "stuck", do_stuck },	     { "p99", do_p99 },		  { "snoop", do_snoop },
	{ "syscall", do_syscall },   { "setxattr", do_setxattr }, { "setattr", do_setattr },
	{ "owner", do_owner },	     { "sysinfo", do_sysinfo },	  { "view", do_view },
	{ "flip", do_flip },	     { "bpf", do_bpf },		  { "programs", do_programs },
	{ "old", do_old },	     { "crowded", do_crowded },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(argv[1], all[i].name))
			return all[i].run(argv + 2);
	fprintf(stderr, "ask: what?\n");
	return 2;
}
