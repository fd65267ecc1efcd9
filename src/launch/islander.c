/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/islander.h"

#include "launch/islander_blob.h"
#include "sys/channel.h"
#include "sys/syscalls.h"

#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

enum { PROGRAM_MODE = 0555 };

static int open_memfd(void)
{
	AUTO_FD int fd = memfd_create("cay-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, r;

	/* MFD_EXEC came with Linux 6.3; before, every memfd may be executed. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("cay-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	r = sys_write_all(fd, islander_blob, islander_blob_size);
	if (r < 0)
		return r;
	if (fchmod(fd, PROGRAM_MODE) < 0)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, seals | F_SEAL_EXEC) < 0 && fcntl(fd, F_ADD_SEALS, seals) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* The way where memfds can't be executed: nobody has a path to this mount. */
static int open_on_tmpfs(void)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_FD int fs = sys_fsopen("tmpfs");
	AUTO_FD int mnt = -EBADF, fd = -EBADF;
	int r;

	if (fs < 0)
		return fs;
	r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return r;
	mnt = sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (mnt < 0)
		return mnt;
	fd = openat(mnt, "cay-init", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, PROGRAM_MODE);
	if (fd < 0)
		return -errno;
	r = sys_write_all(fd, islander_blob, islander_blob_size);
	if (r < 0)
		return r;
	close(TAKE_FD(fd));
	r = sys_mount_setattr(mnt, "", AT_EMPTY_PATH, &ro);
	if (r < 0)
		return r;
	fd = sys_openat2(mnt, "cay-init", O_RDONLY, 0);
	return TAKE_FD(fd);
}

static int map_self(void)
{
	char uids[32], gids[32];
	int r;

	(void)snprintf(uids, sizeof(uids), "%u %u 1", geteuid(), geteuid());
	(void)snprintf(gids, sizeof(gids), "%u %u 1", getegid(), getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	r = sys_write_at(AT_FDCWD, "/proc/self/setgroups", "deny");
	if (r == 0)
		r = sys_write_at(AT_FDCWD, "/proc/self/uid_map", uids);
	return r < 0 ? r : sys_write_at(AT_FDCWD, "/proc/self/gid_map", gids);
}

static void __attribute__((noreturn)) lend_hand(int sock)
{
	struct msg m = { .kind = MSG_GO };
	int fd = map_self();

	if (fd == 0)
		fd = open_on_tmpfs();
	m.value = fd < 0 ? fd : 0;
	(void)chan_send(sock, &m, fd);
	_exit(0);
}

/* Who may not mount may in a user namespace of a child's; the open file outlives both. */
static int open_by_child(void)
{
	AUTO_FD int ours = -EBADF, theirs = -EBADF;
	struct msg m = { .kind = MSG_NONE };
	int pair[2], fd = -EBADF, r = chan_pair(pair);
	pid_t pid;

	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		lend_hand(theirs);
	auto_close_fd(&theirs);
	theirs = -EBADF;
	r = chan_recv(ours, &m, &fd);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r > 0)
		r = m.value < 0 ? m.value : fd;
	return r == 0 && fd < 0 ? -ECHILD : r;
}

int islander_open(struct err *e)
{
	int r = open_memfd();

	if (r == -EACCES)
		r = open_on_tmpfs();
	if (r == -EPERM)
		r = open_by_child();
	if (r < 0)
		return err_sys(e, r, "make cay-init executable");
	return r;
}

/*
 * In a new user namespace no uid is mapped yet, so execve would take all capabilities
 * away; ambient ones survive it (capabilities(7)).
 */
static int keep_caps_over_exec(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (unsigned int i = 0; i < 2; i++)
		data[i].inheritable = data[i].permitted;
	if (syscall(SYS_capset, &head, data) < 0)
		return -errno;
	for (unsigned int c = 0; c < 64; c++)
		if ((data[c / 32].permitted >> (c % 32) & 1) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
			return -errno;
	return 0;
}

static int let_through(int fd)
{
	return fd >= 0 && fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

static int child_fds(const struct islander_birth *b)
{
	int r = sys_close_range(b->keep_fds, ~0U, CLOSE_RANGE_CLOEXEC);

	for (uint32_t i = 0; r == 0 && i < b->nslots; i++)
		if (b->slots[i] != b->cgroup_fd)
			r = let_through(b->slots[i]);
	if (r == 0)
		r = let_through(b->sock);
	return r < 0 ? r : let_through(b->plan_fd);
}

static void __attribute__((noreturn)) child(const struct islander_birth *b)
{
	struct msg m = { .kind = MSG_ERROR };
	char number[16], sock[16];
	char name[] = "cay-init";
	char *const argv[] = { name, number, sock, NULL }, *const envp[] = { NULL };
	int r = b->flags & CLONE_NEWUSER ? keep_caps_over_exec() : 0;

	(void)snprintf(number, sizeof(number), "%d", b->plan_fd);
	(void)snprintf(sock, sizeof(sock), "%d", b->sock);
	if (r == 0)
		r = child_fds(b);
	if (r == 0)
		r = sys_execveat(b->program_fd, "", argv, envp, AT_EMPTY_PATH);
	m.value = err_sys(&m.err, r, "execute cay-init");
	(void)chan_send(b->sock, &m, -1);
	_exit(1);
}

pid_t islander_clone(const struct islander_birth *b, int *ret_pidfd, struct err *e)
{
	int pidfd = -EBADF;
	struct clone_args args = {
		.flags = b->flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	int r;

	if (b->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned int)b->cgroup_fd;
	}
	r = sys_clone3(&args);
	if (r == 0)
		child(b);
	if (r == -ENOSPC)
		return err_set(e, r,
			       "clone: namespace limit reached (/proc/sys/user/max_*_namespaces)");
	if (r == -EPERM && b->flags & CLONE_NEWUSER)
		return err_set(
			e, r,
			"clone: user namespaces are not permitted on this host (see cay doctor)");
	if (r < 0)
		return err_sys(e, r, "clone with namespaces 0x%llx", (unsigned long long)b->flags);
	*ret_pidfd = pidfd;
	return r;
}
