/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"

#include "broker/broker.h"
#include "sys/syscalls.h"
#include "sys/unixsock.h"

#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

enum {
	DEFAULT_RATE = 5000,
	BURST_MS = 100,
	BACKLOG = 1024,
	NOTIF_BYTES = 512, /* what helpers have room for */
};

/* A later kernel may have more to say than we have room for. */
static int check_sizes(struct err *e)
{
	struct seccomp_notif_sizes s = { 0 };

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &s) < 0)
		return err_sys(e, errno, "seccomp notifications");
	if (s.seccomp_notif > NOTIF_BYTES ||
	    s.seccomp_notif_resp > sizeof(struct seccomp_notif_resp))
		return err_set(e, ENOSYS,
			       "this kernel's seccomp notifications are larger than known");
	return 0;
}

/* Return: how many containers one user may have: never all descriptors that there are. */
static size_t raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 0;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
	return l.rlim_max / 4 < AGENT_CONTAINERS_USER ? l.rlim_max / 4 : AGENT_CONTAINERS_USER;
}

/*
 * Device nodes that are lent lie on a tmpfs that only we see, in a mount namespace of our own:
 * a container gets a bind mount of one node, and no file system of its own ever holds one. Who holds nodes
 * pays for them (berth.h), so there may be any number.
 */
static int make_devices(struct agent *a, struct err *e)
{
	const char *path = a->devices_path;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "a mount namespace of its own");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(e, errno, "mount propagation");
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make \"%s\"", path);
	if (mount("cay-agent", path, "tmpfs", MS_NOSUID | MS_NOEXEC,
		  "mode=700,size=1m,nr_inodes=0") < 0)
		return err_sys(e, errno, "mount a tmpfs on \"%s\"", path);
	a->devices = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return a->devices < 0 ? err_sys(e, errno, "open \"%s\"", path) : 0;
}

/* Of our own: what covers parts of the host's, for us or for everybody, covers nothing of it. */
static int open_procfs(void)
{
	AUTO_FD int fs = sys_fsopen("proc");
	int r = fs < 0 ? fs : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);

	return r < 0 ? sys_open_proc()
		     : sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

int agent_open_kernel(struct agent *a, struct err *e)
{
	sigset_t wanted;
	int r = check_sizes(e);

	if (r < 0)
		return r;

	sigemptyset(&wanted);
	for (size_t i = 0; i < 4; i++)
		sigaddset(&wanted, (const int[]){ SIGCHLD, SIGHUP, SIGTERM, SIGINT }[i]);
	if (sigprocmask(SIG_BLOCK, &wanted, NULL) < 0)
		return err_sys(e, errno, "signals");
	a->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->tick = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	a->lock = memfd_create("cay-agent-lock", MFD_CLOEXEC);
	a->userns = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	if (a->signals < 0 || a->epoll < 0 || a->tick < 0 || a->lock < 0 || a->userns < 0)
		return err_sys(e, errno, "files of the kernel");
	r = host_facts_gather(&a->host, e);
	if (r < 0)
		return r;
	a->proc = open_procfs();
	if (a->proc < 0)
		return err_sys(e, a->proc, "/proc");
	a->pages = mmap(NULL, (size_t)AGENT_CONTAINERS * AGENT_PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->pages == MAP_FAILED) {
		a->pages = NULL;
		return err_sys(e, errno, "memory for containers");
	}
	return 0;
}

/* A socket that an agent left behind when it was killed is replaced, one that somebody serves is not. */
int agent_listen(const char *path, mode_t mode, struct err *e)
{
	int fd = unix_connect(path, SOCK_STREAM);

	if (fd >= 0) {
		close(fd);
		return err_set(e, EADDRINUSE, "\"%s\": an agent listens there already", path);
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove \"%s\"", path);
	fd = unix_bind(path, SOCK_STREAM | SOCK_NONBLOCK, mode);
	if (fd < 0)
		return err_sys(e, fd, "listen at \"%s\"", path);
	if (listen(fd, BACKLOG) < 0) {
		close(fd);
		return err_sys(e, errno, "listen at \"%s\"", path);
	}
	return fd;
}

static int open_sockets(struct agent *a, struct err *e)
{
	int n = snprintf(a->control_path, sizeof(a->control_path), "%s.ctl", a->listen_path);

	if (a->listen_path[0] != '/' || n < 0 || (size_t)n >= sizeof(a->control_path) - 4)
		return err_set(e, EINVAL, "--listen \"%s\": must be absolute, of at most 100 bytes",
			       a->listen_path);
	(void)snprintf(a->devices_path, sizeof(a->devices_path), "%s.dev", a->listen_path);
	a->control = agent_listen(a->control_path, 0600, e);
	if (a->control < 0)
		return a->control;
	/* Who may ask for which policy is decided by credentials, not by the mode. */
	a->listen = agent_listen(a->listen_path, 0666, e);
	return a->listen < 0 ? a->listen : 0;
}

static int run(struct agent *a, const struct broker_options *o, struct err *e)
{
	int r = policies_load(o->policy_dir, &a->policies, e);

	if (r == 0)
		r = agent_open_kernel(a, e);
	if (r == 0)
		r = audit_open(&a->audit, o->audit, e);
	if (r == 0)
		r = open_sockets(a, e);
	if (r == 0)
		r = make_devices(a, e);
	if (r < 0)
		return r;
	agent_log("%zu policies from %s are in force, listening at %s", a->policies.count,
		  a->policy_dir, a->listen_path);
	r = agent_loop(a, e);
	pool_done(a);
	(void)unlink(a->listen_path);
	(void)unlink(a->control_path);
	return r;
}

void agent_init(struct agent *a, uint32_t rate)
{
	*a = (struct agent){ .epoll = -EBADF,
			     .listen = -EBADF,
			     .control = -EBADF,
			     .signals = -EBADF,
			     .tick = -EBADF,
			     .proc = -EBADF,
			     .lock = -EBADF,
			     .devices = -EBADF,
			     .userns = -EBADF,
			     .first = -EBADF,
			     .audit = AUDIT_FILE_INIT,
			     .cost_ns = 1000000000U / (rate ? rate : DEFAULT_RATE),
			     .burst_ns = (uint64_t)BURST_MS * 1000000,
			     .metrics.started_s = (uint64_t)time(NULL) };
	a->containers_user = raise_limit();
	(void)signal(SIGPIPE, SIG_IGN);
}

int broker_agent(const struct broker_options *o, struct err *e)
{
	static struct agent a;

	agent_init(&a, o->rate);
	a.policy_dir = o->policy_dir;
	a.listen_path = o->listen;
	return run(&a, o, e);
}
