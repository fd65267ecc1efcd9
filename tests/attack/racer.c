/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races against whoever answers seccomp notifications: a second thread changes what the arguments
 * point to while the call is being decided.
 *
 *   racer race KIND TRIES        inside a container whose agent is asked; prints "tries won allowed"
 *   racer naive KIND TRIES       the same against an agent that looks and says "go on"
 *   racer reuse TRIES SOCKET PID against the agent at SOCKET, process PID: the caller is killed and
 *                                its number given to another process; SOCKET "naive": one that
 *                                does not ask whether the call still waits
 *   racer thief SOCKET           brings a listener and takes its notifications all the same, for ever
 *   racer crowd SOCKET COUNT     so many processes, each with a listener of its own, that ask now and then
 *   racer killed TRIES           callers that are killed; prints how many of their mounts were known
 *   racer hoard KIND COUNT       makes so many "pipe", "socket", "device", "attribute" in /mnt, or "echo" sockets,
 *                                and keeps them; prints how many there are, and the number of the error if
 *                                there was one
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { GOOD_PORT = 80, EVIL_PORT = 99, GOOD_PRIORITY = 5, EVIL_PRIORITY = 50 };

static void die(const char *what)
{
	perror(what);
	_exit(3);
}

/* ---- what is raced for ------------------------------------------------------------------------ */

static const char good_dir[] = "/mnt/good", evil_dir[] = "/mnt/evil";
static const char good_sock[] = "/mnt/good.sock", evil_sock[] = "/mnt/evil.sock";
static const char good_node[] = "/mnt/good.node", evil_node[] = "/mnt/evil.node";

static char path[64];
static struct sockaddr_in in;
static struct sockaddr_un un;
static struct sched_param param;
static volatile bool stop;

static int udp(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static int bound(const char *at)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", at);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("bind");
	return fd;
}

/* connect to an internet address */
static void prepare_inet(void)
{
	in.sin_family = AF_INET;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(GOOD_PORT);
}

static void flip_inet(bool evil)
{
	in.sin_port = htons(evil ? EVIL_PORT : GOOD_PORT);
}

static int try_inet(bool *won)
{
	struct sockaddr_in peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = udp(), r = connect(fd, (struct sockaddr *)&in, sizeof(in));

	*won = r == 0 && getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
	       ntohs(peer.sin_port) == EVIL_PORT;
	close(fd);
	return r;
}

/* connect to a Unix socket */
static void prepare_unix(void)
{
	bound(good_sock);
	bound(evil_sock);
	un.sun_family = AF_UNIX;
	memcpy(un.sun_path, good_sock, sizeof(good_sock));
}

static void flip_unix(bool evil)
{
	memcpy(un.sun_path + 5, evil ? "evil" : "good", 4);
}

static int try_unix(bool *won)
{
	struct sockaddr_un peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0),
	    r = connect(fd, (struct sockaddr *)&un, sizeof(un));

	*won = r == 0 && getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
	       strcmp(peer.sun_path, evil_sock) == 0;
	close(fd);
	return r;
}

/* mount */
static void prepare_mount(void)
{
	mkdir(good_dir, 0755);
	mkdir(evil_dir, 0755);
	memcpy(path, good_dir, sizeof(good_dir));
}

static void flip_path(bool evil)
{
	memcpy(path + 5, evil ? "evil" : "good", 4);
}

static bool is_mounted(const char *dir)
{
	struct stat at, above;

	return stat(dir, &at) == 0 && stat("/mnt", &above) == 0 && at.st_dev != above.st_dev;
}

static int try_mount(bool *won)
{
	int r = mount("race", path, "tmpfs", 0, "size=64k");

	*won = is_mounted(evil_dir);
	if (r == 0)
		umount2(*won ? evil_dir : good_dir, MNT_DETACH);
	return r;
}

/* mount, by way of a link that changes its end */
static void prepare_link(void)
{
	prepare_mount();
	snprintf(path, sizeof(path), "/mnt/link");
	symlink(good_dir, path);
}

static void flip_link(bool evil)
{
	symlink(evil ? evil_dir : good_dir, "/mnt/next");
	rename("/mnt/next", "/mnt/link");
}

/* mknod */
static void prepare_node(void)
{
	memcpy(path, good_node, sizeof(good_node));
}

static int try_node(bool *won)
{
	int r = (int)syscall(SYS_mknodat, AT_FDCWD, path, S_IFIFO | 0600, 0);

	*won = access(evil_node, F_OK) == 0;
	unlink(good_node);
	unlink(evil_node);
	return r;
}

/* sched_setscheduler */
static void prepare_sched(void)
{
	param.sched_priority = GOOD_PRIORITY;
}

static void flip_sched(bool evil)
{
	param.sched_priority = evil ? EVIL_PRIORITY : GOOD_PRIORITY;
}

static int try_sched(bool *won)
{
	struct sched_param is = { 0 };
	long r = syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param);

	syscall(SYS_sched_getparam, 0, &is);
	*won = is.sched_priority == EVIL_PRIORITY;
	is.sched_priority = 0;
	syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &is);
	return (int)r;
}

/* setxattr; what is won, only the host sees */
static const char opaque[] = "trusted.overlay.opaque";

static int try_xattr(bool *won)
{
	int r = setxattr(path, opaque, "y", 1, 0);

	*won = getxattr(evil_dir, opaque, NULL, 0) >= 0;
	removexattr(evil_dir, opaque);
	return r;
}

/* chown: of the file itself, or what is written down in its place */
static const char record[] = "user.containers.override_stat";

static int try_owner(bool *won)
{
	struct stat s = { 0 };
	int r = chown(path, 7, 7);

	*won = getxattr(evil_dir, record, NULL, 0) >= 0 ||
	       (stat(evil_dir, &s) == 0 && s.st_uid == 7);
	removexattr(evil_dir, record);
	(void)!lchown(evil_dir, 0, 0);
	return r;
}

/* mount of a device: its name changes; RACE_GOOD and RACE_EVIL say which devices that are */
static void prepare_block(void)
{
	snprintf(path, sizeof(path), "/mnt/good.dev");
	if (symlink(getenv("RACE_GOOD"), "/mnt/good.dev") < 0 ||
	    symlink(getenv("RACE_EVIL"), "/mnt/evil.dev") < 0 || mkdir("/mnt/at", 0755) < 0)
		die("devices");
}

static int try_block(bool *won)
{
	int r = mount(path, "/mnt/at", "ext4", 0, "");

	*won = access("/mnt/at/evil", F_OK) == 0;
	if (r == 0)
		umount2("/mnt/at", 0);
	return r;
}

static const struct kind {
	const char *name;
	int nr;
	unsigned int arg; /* that changes */
	void (*prepare)(void);
	void (*flip)(bool evil);
	int (*attempt)(bool *won);
} kinds[] = {
	{ "inet", SYS_connect, 1, prepare_inet, flip_inet, try_inet },
	{ "unix", SYS_connect, 1, prepare_unix, flip_unix, try_unix },
	{ "mount", SYS_mount, 1, prepare_mount, flip_path, try_mount },
	{ "link", SYS_mount, 1, prepare_link, flip_link, try_mount },
	{ "node", SYS_mknodat, 1, prepare_node, flip_path, try_node },
	{ "block", SYS_mount, 0, prepare_block, flip_path, try_block },
	{ "xattr", SYS_setxattr, 0, prepare_mount, flip_path, try_xattr },
	{ "xattr-link", SYS_setxattr, 0, prepare_link, flip_link, try_xattr },
	{ "owner", SYS_chown, 0, prepare_mount, flip_path, try_owner },
	{ "owner-link", SYS_chown, 0, prepare_link, flip_link, try_owner },
	{ "sched", SYS_sched_setscheduler, 2, prepare_sched, flip_sched, try_sched },
};

static const struct kind *kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	fprintf(stderr, "racer: what?\n");
	_exit(2);
}

static void *hammer(void *arg)
{
	const struct kind *k = arg;

	for (bool evil = true; !stop; evil = !evil)
		k->flip(evil);
	return NULL;
}

static void race(const struct kind *k, long tries)
{
	long won = 0, allowed = 0;
	pthread_t thread;
	bool w;

	if (pthread_create(&thread, NULL, hammer, (void *)(uintptr_t)k) != 0)
		die("thread");
	for (long i = 0; i < tries; i++) {
		allowed += k->attempt(&w) == 0;
		won += w;
	}
	stop = true;
	pthread_join(thread, NULL);
	printf("%ld %ld %ld\n", tries, won, allowed);
}

/* ---- an agent that looks and says "go on" ------------------------------------------------------- */

static int filter(int nr)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { .len = 4, .filter = f };
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("no_new_privs");
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			  &p);
	if (fd < 0)
		die("seccomp");
	return fd;
}

static unsigned int looked_at;

static bool looks_good(const struct seccomp_notif *n)
{
	char bytes[128] = "", where[128] = "";
	struct iovec local = { bytes, 100 }, remote = { (void *)n->data.args[looked_at], 100 };
	struct sockaddr_in a;
	struct sched_param p;

	if (n->data.nr == SYS_sched_setscheduler)
		local.iov_len = remote.iov_len = sizeof(p);
	if (n->data.nr == SYS_connect)
		local.iov_len = remote.iov_len = (size_t)n->data.args[2];
	if (process_vm_readv((pid_t)n->pid, &local, 1, &remote, 1, 0) < 0)
		return false;
	memcpy(&p, bytes, sizeof(p));
	memcpy(&a, bytes, sizeof(a));
	if (n->data.nr == SYS_sched_setscheduler)
		return n->data.args[1] != SCHED_FIFO || p.sched_priority <= GOOD_PRIORITY;
	if (n->data.nr == SYS_connect && a.sin_family == AF_INET)
		return ntohs(a.sin_port) == GOOD_PORT;
	if (n->data.nr == SYS_connect)
		return strstr(bytes + 2, "good") != NULL;
	if (!strstr(bytes, ".dev") && readlink(bytes, where, sizeof(where) - 1) > 0)
		return strstr(where, "good") != NULL;
	return strstr(bytes, "good") != NULL;
}

static void go_on(int listener)
{
	for (;;) {
		struct seccomp_notif n = { 0 };
		struct seccomp_notif_resp r = { 0 };

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			_exit(0);
		}
		r.id = n.id;
		if (looks_good(&n))
			r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		else
			r.error = -EPERM;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
	}
}

static int get_fd(int sock)
{
	char c[CMSG_SPACE(sizeof(int))], byte;
	struct iovec v = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof(c)
	};
	int fd;

	if (recvmsg(sock, &m, 0) < 0 || !CMSG_FIRSTHDR(&m))
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void send_fd(int sock, const char *text, int fd)
{
	char c[CMSG_SPACE(sizeof(int))] = "";
	struct iovec v = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof(c)
	};

	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	if (sendmsg(sock, &m, 0) < 0)
		die("sendmsg");
}

/* A place of its own, where nothing of the host is in danger. */
static void hide(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("race", "/mnt", "tmpfs", 0, "size=1m") < 0)
		die("a place of its own");
}

static void naive(const struct kind *k, long tries)
{
	int pair[2];
	pid_t pid;

	hide();
	looked_at = k->arg;
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		go_on(get_fd(pair[0]));
	}
	k->prepare();
	send_fd(pair[1], "x", filter(k->nr));
	race(k, tries);
	kill(pid, SIGKILL);
}

/* ---- a number that is given to somebody else ------------------------------------------------------ */

static void wait_us(long us)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	do {
		clock_gettime(CLOCK_MONOTONIC, &b);
	} while ((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000 < us);
}

/* As the real one does it, but for asking whether the call still waits. */
static void not_asking(int listener)
{
	for (;;) {
		struct seccomp_notif n = { 0 };
		struct seccomp_notif_resp r = { 0 };
		struct sockaddr_in a;
		int pidfd, fd;

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			_exit(0);
		}
		memset(&a, 0, sizeof(a));
		a.sin_family = AF_INET;
		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a.sin_port = htons(GOOD_PORT);
		pidfd = (int)syscall(SYS_pidfd_open, n.pid, 0);
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)n.data.args[0], 0);
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
			r.error = -EPERM;
		close(fd);
		close(pidfd);
		r.id = n.id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
	}
}

static pid_t with_number(pid_t number)
{
	struct clone_args a = { .exit_signal = SIGCHLD,
				.set_tid = (uintptr_t)&number,
				.set_tid_size = 1 };

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

static pid_t helper_of(pid_t agent)
{
	char name[64], text[64] = "";
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/task/%d/children", agent, agent);
	fd = open(name, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	close(fd);
	return atoi(text);
}

/* Return: a listener that the agent at @agent has now, too. */
static int pass_on(const char *agent)
{
	static const char state[] =
		"{\"ociVersion\":\"1.0.2\",\"fds\":[\"seccompFd\"],\"pid\":1,\"metadata\":\"a\","
		"\"state\":{\"ociVersion\":\"1.0.2\",\"id\":\"reuse\",\"status\":\"running\",\"bundle\":\"/\"}}";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	int listener;
	char end;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", agent);
	/* Its own connect is not asked about: that is done before the filter. */
	if (connect(s, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("agent");
	listener = filter(SYS_connect);
	send_fd(s, state, listener);
	(void)!read(s, &end, 1);
	close(s);
	return listener;
}

/* Return: whether the number of the victim got to somebody whose socket was then touched. */
static bool one_reuse(pid_t number, pid_t helper, long us, bool *reused)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int mine = udp(), theirs = udp();
	pid_t caller = with_number(number), other;
	bool won;

	if (caller == 0) {
		dup2(mine, 100);
		prepare_inet();
		connect(100, (struct sockaddr *)&in, sizeof(in));
		_exit(0);
	}
	wait_us(us);
	kill(helper, SIGSTOP);
	kill(caller, SIGKILL);
	waitpid(caller, NULL, 0);
	other = with_number(number);
	if (other == 0) {
		dup2(theirs, 100);
		pause();
		_exit(0);
	}
	*reused = other == number;
	/* Its own descriptor has to be there before anybody looks. */
	wait_us(150);
	kill(helper, SIGCONT);
	wait_us(300);
	won = getpeername(theirs, (struct sockaddr *)&peer, &len) == 0;
	if (other > 0) {
		kill(other, SIGKILL);
		waitpid(other, NULL, 0);
	}
	close(mine);
	close(theirs);
	return won;
}

static void reuse(long tries, const char *agent, pid_t agent_pid)
{
	pid_t number = fork(), helper = 0;
	long won = 0, reused = 0;
	int pair[2];
	bool r;

	/* One that was just given is free now. */
	if (number == 0)
		_exit(0);
	waitpid(number, NULL, 0);
	if (strcmp(agent, "naive") != 0) {
		close(pass_on(agent));
	} else {
		socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
		helper = fork();
		if (helper == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			not_asking(get_fd(pair[0]));
		}
		send_fd(pair[1], "x", filter(SYS_connect));
	}
	prepare_inet();
	for (long i = 0; i < tries; i++) {
		if (!agent_pid || i % 256 != 0) {
			won += one_reuse(number, helper, i % 120, &r);
			reused += r;
			continue;
		}
		/* There is one while there are calls. */
		connect(udp(), (struct sockaddr *)&in, sizeof(in));
		helper = helper_of(agent_pid);
	}
	printf("%ld %ld %ld\n", tries, won, reused);
	if (!agent_pid)
		kill(helper, SIGKILL);
}

/* ---- taking what the agent was told is there ------------------------------------------------------- */

static void thief(const char *agent)
{
	int listener = pass_on(agent);

	prepare_inet();
	/* Seldom enough that there is one at a time: who waits in the kernel already gets it. */
	if (fork() == 0)
		for (int fd = udp();; usleep(2000))
			connect(fd, (struct sockaddr *)&in, sizeof(in));
	puts("ready");
	fflush(stdout);
	go_on(listener);
}

static void crowd(const char *agent, long count)
{
	for (long i = 0; i < count; i++) {
		if (fork() != 0)
			continue;
		prepare_inet();
		pass_on(agent);
		for (int fd = udp();; usleep(400000))
			connect(fd, (struct sockaddr *)&in, sizeof(in));
	}
	puts("ready");
	fflush(stdout);
	pause();
}

/* ---- callers that are killed ---------------------------------------------------------------------- */

static void killed(long tries)
{
	struct timespec from, to;
	long mounted = 0, known = 0, span;

	prepare_mount();
	/* Twice as long as a mount takes here: some are killed early, some late, some not at all. */
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (mount("race", good_dir, "tmpfs", 0, "size=64k") < 0 ||
	    umount2(good_dir, MNT_DETACH) < 0)
		die("mount");
	clock_gettime(CLOCK_MONOTONIC, &to);
	span = 2 * ((to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
	for (long i = 0; i < tries; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			mount("race", good_dir, "tmpfs", 0, "size=64k");
			_exit(0);
		}
		wait_us(i * span / tries);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		/* What came of it, if anything, is there at once or a moment later. */
		while (is_mounted(good_dir)) {
			mounted++;
			if (umount2(good_dir, MNT_DETACH) < 0)
				break;
			known++;
		}
	}
	wait_us(300000);
	while (is_mounted(good_dir) && umount2(good_dir, MNT_DETACH) == 0)
		;
	printf("%ld %ld %d\n", mounted, known, is_mounted(good_dir));
}

/* ---- what stays in memory ------------------------------------------------------------------------ */

static int keep_socket(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	strncpy(un.sun_path, path, sizeof(un.sun_path) - 1);
	r = bind(fd, (struct sockaddr *)&un, sizeof(un));
	close(fd);
	return r;
}

static int keep_attribute(const char *path, long i)
{
	static const char value[2048];
	char name[32];

	/* A tmpfs has 128 KB of them for a file. */
	snprintf(name, sizeof(name), "user.%ld", i % 32);
	if (i % 32 == 0 && mknod(path, S_IFREG | 0600, 0) < 0)
		return -1;
	return setxattr(path, name, value, sizeof(value), 0);
}

/* Held open, where neither its name nor its mount is left. */
static int keep_device(const char *path)
{
	if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0)
		return -1;
	if (open(path, O_RDONLY | O_CLOEXEC) < 0 || umount2(path, MNT_DETACH) < 0)
		die(path);
	return unlink(path);
}

static void hoard(const char *kind, long count)
{
	long made = 0;
	int r = 0;

	for (; r == 0 && made < count; made += r == 0) {
		char path[64];

		snprintf(path, sizeof(path), "/mnt/%ld", *kind == 'a' ? made / 32 : made);
		if (*kind == 'p')
			r = mknod(path, S_IFIFO | 0600, 0);
		else if (*kind == 's')
			r = keep_socket(path);
		else if (*kind == 'e')
			r = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP) < 0 ? -1 : 0;
		else if (*kind == 'd')
			r = keep_device(path);
		else
			r = keep_attribute(path, made);
	}
	printf("%ld %d\n", made, r < 0 ? errno : 0);
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "race")) {
		kind_of(argv[2])->prepare();
		race(kind_of(argv[2]), atol(argv[3]));
	} else if (argc > 3 && !strcmp(argv[1], "naive")) {
		naive(kind_of(argv[2]), atol(argv[3]));
	} else if (argc > 4 && !strcmp(argv[1], "reuse")) {
		reuse(atol(argv[2]), argv[3], atoi(argv[4]));
	} else if (argc > 2 && !strcmp(argv[1], "thief")) {
		thief(argv[2]);
	} else if (argc > 3 && !strcmp(argv[1], "crowd")) {
		crowd(argv[2], atol(argv[3]));
	} else if (argc > 2 && !strcmp(argv[1], "killed")) {
		killed(atol(argv[2]));
	} else if (argc > 3 && !strcmp(argv[1], "hoard")) {
		hoard(argv[2], atol(argv[3]));
	} else {
		fprintf(stderr, "racer: what?\n");
		return 2;
	}
	return 0;
}
