/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Thin wrappers round the system calls that libc lacks or dresses up. All return
 * the result or -errno, never set errno as the interface, and open with O_CLOEXEC.
 * Shared by cay (glibc) and cay-init (musl).
 */

int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t resolve);
/** sys_open_in_root - openat2 with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS */
int sys_open_in_root(int root_fd, const char *path, uint64_t flags);
int sys_open_tree(int dirfd, const char *path, unsigned int flags);
int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags);
int sys_mount_setattr(int dirfd, const char *path, unsigned int flags, const struct mount_attr *a);
int sys_fsopen(const char *fstype);
int sys_fspick(int dirfd, const char *path, unsigned int flags);
int sys_fsconfig(int fd, unsigned int cmd, const char *key, const void *value, int aux);
int sys_fsmount(int fd, unsigned int attr);
int sys_pidfd_open(pid_t pid);
int sys_pidfd_send_signal(int pidfd, int sig);
int sys_close_range(unsigned int first, unsigned int last, unsigned int flags);
int sys_pivot_root(const char *new_root, const char *put_old);
int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags);
int sys_keyctl_join(const char *name);
/** sys_clone3 - fork-like use only (no new stack unless in @args); Return: pid, 0 in the child, -errno */
int sys_clone3(struct clone_args *args);

/**
 * sys_is_fs - does @fd live on a file system of type @magic (linux/magic.h)?
 */
bool sys_is_fs(int fd, unsigned long magic);

/**
 * sys_open_proc - a handle on /proc that is known to be procfs
 *
 * Return: O_PATH directory fd, or -errno; -EXDEV when /proc is not a procfs root.
 */
int sys_open_proc(void);

/**
 * sys_proc_open - open a file below a procfs handle: no symlinks, no other mount
 * @flags: O_RDONLY, O_WRONLY…
 */
int sys_proc_open(int proc_fd, const char *path, int flags);

/** sys_write_all - write everything, through short writes and EINTR; Return: 0 or -errno */
int sys_write_all(int fd, const void *bytes, size_t n);

/**
 * sys_write_at - write a short value with one write(2) to an existing file below @dirfd
 *
 * Return: 0 or -errno.
 */
int sys_write_at(int dirfd, const char *path, const char *value);

/**
 * sys_read_at - read a small file below @dirfd into @buf, terminated; -E2BIG when it does not fit
 *
 * Return: bytes read, or -errno.
 */
int sys_read_at(int dirfd, const char *path, char *buf, size_t size);

/**
 * sys_loopback_up - bring up the loopback interface of the network namespace of a socket
 * @fd: of any family: it stands for the namespace it was made in; borrowed
 *
 * Return: 0 or -errno; -EPERM without CAP_NET_ADMIN there.
 */
int sys_loopback_up(int fd);

/**
 * sys_start_time - field 22 of /proc/<pid>/stat, clock ticks since boot
 *
 * Return: 0; -ESRCH when there is no such process .
 */
int sys_start_time(pid_t pid, uint64_t *ret, char *ret_state);

/** sys_now_ns - CLOCK_MONOTONIC */
uint64_t sys_now_ns(void);
