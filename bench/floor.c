/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor: what the kernel alone takes for a container. The clone flags, mounts and devices of the
 * default bundle by the shortest road: no specification, no cgroup, no state, no check, no cay.
 *
 *   floor ROOTFS CGROUP-HIERARCHY... -- PROGRAM [ARG...]
 */
#define _GNU_SOURCE
#include <err.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *type, *target, *data;
	unsigned long flags;
} mounts[] = {
	{ "proc", "proc", NULL, 0 },
	{ "tmpfs", "dev", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME },
	{ "devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC },
	{ "tmpfs", "dev/shm", "mode=1777,size=65536k", MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "mqueue", "dev/mqueue", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "sysfs", "sys", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY },
	{ "tmpfs", "sys/fs/cgroup", "mode=755", MS_NOSUID | MS_NOEXEC | MS_NODEV },
};

static const struct {
	const char *path;
	unsigned int major, minor;
} devices[] = { { "dev/null", 1, 3 },	{ "dev/zero", 1, 5 },	 { "dev/full", 1, 7 },
		{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 } };

static const char *const links[][2] = { { "/proc/self/fd", "dev/fd" },
					{ "/proc/self/fd/0", "dev/stdin" },
					{ "/proc/self/fd/1", "dev/stdout" },
					{ "/proc/self/fd/2", "dev/stderr" },
					{ "pts/ptmx", "dev/ptmx" } };

static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					"/proc/sysrq-trigger" };
static const char *const masked[] = { "/proc/acpi",	     "/proc/asound",
				      "/proc/kcore",	     "/proc/keys",
				      "/proc/timer_list",    "/proc/sched_debug",
				      "/proc/latency_stats", "/sys/firmware",
				      "/proc/scsi" };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void bind_readonly(const char *from, const char *to)
{
	if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0)
		mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}

static void fill_root(const char *rootfs, char *const *hierarchies, int count)
{
	char target[64];

	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
	    mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(rootfs) < 0)
		err(1, "rootfs %s", rootfs);
	for (size_t i = 0; i < COUNT(mounts); i++) {
		mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			  mounts[i].data) < 0)
			err(1, "mount %s", mounts[i].target);
	}
	for (int i = 0; i < count; i++) {
		snprintf(target, sizeof(target), "sys/fs/cgroup/%d", i);
		mkdir(target, 0755);
		bind_readonly(hierarchies[i], target);
	}
	for (size_t i = 0; i < COUNT(devices); i++)
		mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor));
	for (size_t i = 0; i < COUNT(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			err(1, "symlink %s", links[i][1]);
}

static void enter_root(void)
{
	struct stat st;

	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0 || sethostname("floor", 5) < 0)
		err(1, "pivot_root");
	mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
	for (size_t i = 0; i < COUNT(readonly); i++)
		bind_readonly(readonly[i], readonly[i]);
	for (size_t i = 0; i < COUNT(masked); i++)
		if (stat(masked[i], &st) == 0 && S_ISDIR(st.st_mode))
			mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, NULL);
		else
			mount("/dev/null", masked[i], NULL, MS_BIND, NULL);
}

int main(int argc, char **argv)
{
	struct clone_args args = { .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
					    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
				   .exit_signal = SIGCHLD };
	int end = 2, status;
	pid_t pid;

	while (end < argc && strcmp(argv[end], "--") != 0)
		end++;
	if (argc < 4 || end + 1 >= argc)
		errx(2, "usage: floor ROOTFS CGROUP-HIERARCHY... -- PROGRAM [ARG...]");
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		err(1, "clone3");
	if (pid == 0) {
		fill_root(argv[1], argv + 2, end - 2);
		enter_root();
		execv(argv[end + 1], argv + end + 1);
		err(1, "%s", argv[end + 1]);
	}
	if (waitpid(pid, &status, 0) < 0)
		err(1, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
