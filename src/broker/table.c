/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include <linux/audit.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
enum { OUR_ARCH = (int)AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { OUR_ARCH = (int)AUDIT_ARCH_AARCH64 };
#else
#error "which architecture do notifications of our own kind name?"
#endif

/* The only place that says what happens to a call. docs/access-control.md is held to it by a test. */
#define LEND(name, handle, ...)                                                                    \
	{                                                                                          \
#name, SYS_##name, CALL_LEND, { __VA_ARGS__ }, handle                              \
	}
#define ABSENT(name)                                                                               \
	{                                                                                          \
#name, SYS_##name, CALL_ABSENT, { ARG_NONE }, NULL                                 \
	}

const struct call_kind call_table[] = {
	{ "socket", SYS_socket, CALL_SCALAR, { ARG_INT, ARG_INT, ARG_INT }, handle_socket },
	LEND(connect, handle_address, ARG_FD, ARG_ADDR, ARG_INT),
	LEND(bind, handle_address, ARG_FD, ARG_ADDR, ARG_INT),
	LEND(mount, handle_mount, ARG_TEXT, ARG_PATH, ARG_TEXT, ARG_INT, ARG_TEXT),
	LEND(umount2, handle_umount, ARG_PATH, ARG_INT),
#ifdef SYS_mknod
	LEND(mknod, handle_mknod, ARG_PATH, ARG_INT, ARG_INT),
#endif
	LEND(mknodat, handle_mknod, ARG_FD, ARG_PATH, ARG_INT, ARG_INT),
	LEND(sched_setscheduler, handle_sched, ARG_INT, ARG_INT, ARG_PARAM),
	LEND(sched_setparam, handle_sched, ARG_INT, ARG_PARAM),
	LEND(sched_setattr, handle_sched, ARG_INT, ARG_ATTR, ARG_INT),
	LEND(sched_setaffinity, handle_sched, ARG_INT, ARG_INT, ARG_MASK),
	ABSENT(open_tree),
	ABSENT(move_mount),
	ABSENT(fsopen),
	ABSENT(fsconfig),
	ABSENT(fsmount),
	ABSENT(fspick),
	ABSENT(mount_setattr),
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
