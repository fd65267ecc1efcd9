/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include <linux/audit.h>
#include <sys/syscall.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif

#if defined(__x86_64__)
enum { OUR_ARCH = (int)AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { OUR_ARCH = (int)AUDIT_ARCH_AARCH64 };
#else
#error "which architecture do notifications of our own kind name?"
#endif

/* The only place that says what happens to a call. docs/access-control.md is held to it by a test. */
#define ROW(name, class, rules, handle, ...)                                                       \
	{                                                                                          \
#name, SYS_##name, class, rules, { __VA_ARGS__ }, handle                           \
	}
#define SCALAR(name, ...) ROW(name, CALL_SCALAR, __VA_ARGS__)
#define LEND(name, ...) ROW(name, CALL_LEND, __VA_ARGS__)
#define VIEW(name, ...) ROW(name, CALL_VIEW, __VA_ARGS__)
#define ABSENT(name) ROW(name, CALL_ABSENT, 0, NULL, ARG_NONE)
#define OF_CONNECT (RULE(CONNECT) | RULE(UNIX) | RULE(SOCKET))
#define OF_BIND (RULE(BIND) | RULE(UNIX) | RULE(SOCKET))

const struct call_kind call_table[] = {
	SCALAR(socket, RULE(SOCKET), handle_socket, ARG_INT, ARG_INT, ARG_INT),
	SCALAR(socketpair, RULE(SOCKET), handle_socket, ARG_INT, ARG_INT, ARG_INT),
	LEND(connect, OF_CONNECT, handle_address, ARG_FD, ARG_ADDR, ARG_INT),
	LEND(bind, OF_BIND, handle_address, ARG_FD, ARG_ADDR, ARG_INT),
	LEND(mount, RULE(MOUNT), handle_mount, ARG_TEXT, ARG_PATH, ARG_TEXT, ARG_INT, ARG_TEXT),
	LEND(umount2, 0, handle_umount, ARG_PATH, ARG_INT),
#ifdef SYS_mknod
	LEND(mknod, RULE(MKNOD), handle_mknod, ARG_PATH, ARG_INT, ARG_INT),
#endif
	LEND(mknodat, RULE(MKNOD), handle_mknod, ARG_FD, ARG_PATH, ARG_INT, ARG_INT),
#ifdef SYS_chown
	LEND(chown, RULE(CHOWN), handle_chown, ARG_PATH, ARG_INT, ARG_INT),
	LEND(lchown, RULE(CHOWN), handle_chown, ARG_PATH, ARG_INT, ARG_INT),
	LEND(chmod, 0, handle_chmod, ARG_PATH, ARG_INT),
#endif
	LEND(fchown, RULE(CHOWN), handle_chown, ARG_FD, ARG_INT, ARG_INT),
	LEND(fchownat, RULE(CHOWN), handle_chown, ARG_FD, ARG_PATH, ARG_INT, ARG_INT, ARG_INT),
	LEND(fchmod, 0, handle_chmod, ARG_FD, ARG_INT),
	LEND(fchmodat, 0, handle_chmod, ARG_FD, ARG_PATH, ARG_INT),
	LEND(fchmodat2, 0, handle_chmod, ARG_FD, ARG_PATH, ARG_INT, ARG_INT),
	LEND(setxattr, RULE(XATTR), handle_xattr, ARG_PATH, ARG_TEXT, ARG_VALUE, ARG_INT, ARG_INT),
	LEND(lsetxattr, RULE(XATTR), handle_xattr, ARG_PATH, ARG_TEXT, ARG_VALUE, ARG_INT, ARG_INT),
	LEND(fsetxattr, RULE(XATTR), handle_xattr, ARG_FD, ARG_TEXT, ARG_VALUE, ARG_INT, ARG_INT),
	LEND(bpf, RULE(BPF), handle_bpf, ARG_INT, ARG_BPF, ARG_INT),
	LEND(sched_setscheduler, RULE(SCHED), handle_sched, ARG_INT, ARG_INT, ARG_PARAM),
	LEND(sched_setparam, RULE(SCHED), handle_sched, ARG_INT, ARG_PARAM),
	LEND(sched_setattr, RULE(SCHED), handle_sched, ARG_INT, ARG_ATTR, ARG_INT),
	LEND(sched_setaffinity, RULE(SCHED), handle_sched, ARG_INT, ARG_INT, ARG_MASK),
	VIEW(sysinfo, RULE(VIEW), handle_sysinfo, ARG_OUT),
#ifdef SYS_open
	VIEW(open, RULE(VIEW), handle_open, ARG_PATH, ARG_INT, ARG_INT),
#endif
	VIEW(openat, RULE(VIEW), handle_open, ARG_FD, ARG_PATH, ARG_INT, ARG_INT),
	VIEW(openat2, RULE(VIEW), handle_open, ARG_FD, ARG_PATH, ARG_HOW, ARG_INT),
	ABSENT(open_tree),
	ABSENT(move_mount),
	ABSENT(fsopen),
	ABSENT(fsconfig),
	ABSENT(fsmount),
	ABSENT(fspick),
	ABSENT(mount_setattr),
	ABSENT(open_tree_attr),
	ABSENT(setxattrat),
	ABSENT(io_uring_setup),
	{ 0 },
};

const struct call_kind *call_find(uint32_t arch, int nr)
{
	if (arch != (uint32_t)OUR_ARCH)
		return NULL;
	for (const struct call_kind *k = call_table; k->name; k++)
		if (k->nr == nr)
			return k;
	return NULL;
}
