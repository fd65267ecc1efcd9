/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/syscalls.h"

#include "base/parse.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static int ret_errno(long r)
{
	return r < 0 ? -errno : (int)r;
}

int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };
	int r;

	/* EAGAIN: a rename raced with a look-up that must stay inside the root. */
	for (int tries = 0; tries < 32; tries++) {
		r = ret_errno(syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
		if (r != -EAGAIN && r != -EINTR)
			break;
	}
	return r;
}

int sys_open_in_root(int root_fd, const char *path, uint64_t flags)
{
	return sys_openat2(root_fd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int sys_open_tree(int dirfd, const char *path, unsigned int flags)
{
	return ret_errno(syscall(SYS_open_tree, dirfd, path, flags | OPEN_TREE_CLOEXEC));
}

int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
	return ret_errno(syscall(SYS_move_mount, from_fd, from, to_fd, to, flags));
}

int sys_mount_setattr(int dirfd, const char *path, unsigned int flags, const struct mount_attr *a)
{
	return ret_errno(syscall(SYS_mount_setattr, dirfd, path, flags, a, sizeof(*a)));
}

int sys_fsopen(const char *fstype)
{
	return ret_errno(syscall(SYS_fsopen, fstype, FSOPEN_CLOEXEC));
}

int sys_fspick(int dirfd, const char *path, unsigned int flags)
{
	return ret_errno(syscall(SYS_fspick, dirfd, path, flags | FSPICK_CLOEXEC));
}

int sys_fsconfig(int fd, unsigned int cmd, const char *key, const void *value, int aux)
{
	return ret_errno(syscall(SYS_fsconfig, fd, cmd, key, value, aux));
}

int sys_fsmount(int fd, unsigned int attr)
{
	return ret_errno(syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, attr));
}

int sys_pidfd_open(pid_t pid)
{
	return ret_errno(syscall(SYS_pidfd_open, pid, 0));
}

int sys_pidfd_send_signal(int pidfd, int sig)
{
	return ret_errno(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
}

int sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return ret_errno(syscall(SYS_close_range, first, last, flags));
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return ret_errno(syscall(SYS_pivot_root, new_root, put_old));
}

int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return ret_errno(syscall(SYS_execveat, dirfd, path, argv, envp, flags));
}

int sys_keyctl_join(const char *name)
{
	return ret_errno(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name, 0, 0, 0));
}

int sys_clone3(struct clone_args *args)
{
	return ret_errno(syscall(SYS_clone3, args, sizeof(*args)));
}

bool sys_is_fs(int fd, unsigned long magic)
{
	struct statfs s;

	return fstatfs(fd, &s) == 0 && (unsigned long)s.f_type == magic;
}

int sys_open_proc(void)
{
	int fd = sys_openat2(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd >= 0 && !sys_is_fs(fd, PROC_SUPER_MAGIC)) {
		close(fd);
		return -EXDEV;
	}
	return fd;
}

int sys_proc_open(int proc_fd, const char *path, int flags)
{
	return sys_openat2(proc_fd, path, (uint64_t)(unsigned int)flags,
			   RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
}

int sys_write_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int sys_write_at(int dirfd, const char *path, const char *value)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t n = strlen(value);
	ssize_t w;
	int r;

	if (fd < 0)
		return -errno;
	w = write(fd, value, n);
	r = w < 0 ? -errno : (size_t)w == n ? 0 : -EIO;
	close(fd);
	return r;
}

int sys_loopback_up(int fd)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	return ioctl(fd, SIOCSIFFLAGS, &r) < 0 ? -errno : 0;
}

int sys_read_at(int dirfd, const char *path, char *buf, size_t size)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	int r = 0;

	if (fd < 0)
		return -errno;
	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	if (r < 0)
		return r;
	if (len == size)
		return -E2BIG;
	buf[len] = '\0';
	return (int)len;
}

/* proc_pid_stat(5): the name in field 2 may hold anything, so count from its last ')'. */
int sys_start_time(pid_t pid, uint64_t *ret, char *ret_state)
{
	char path[32], text[1024], *p, *end;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	r = sys_read_at(AT_FDCWD, path, text, sizeof(text));
	if (r == -ENOENT)
		return -ESRCH;
	if (r < 0)
		return r;
	p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return -EBADMSG;
	p += 2;
	if (ret_state)
		*ret_state = *p;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EBADMSG;
		p++;
	}
	end = p + strspn(p, "0123456789");
	*end = '\0';
	return parse_u64(p, ret);
}

uint64_t sys_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}
