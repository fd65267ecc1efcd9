/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/seccomp/seccomp.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int sec_apply(const struct plan_view *v, const struct step *s, struct err *e)
{
	const uint32_t size = s->u.seccomp.filter.len, count = size / sizeof(struct sock_filter);
	const void *filter = view_blob(v, s->u.seccomp.filter);
	struct sock_fprog prog = { .len = (unsigned short)count };
	long r;

	if (!filter || count == 0 || count > SEC_MAX_INSNS ||
	    size % sizeof(struct sock_filter) != 0)
		return err_set(e, EINVAL, "seccomp: filter of %u bytes", size);
	/* The kernel only reads it. */
	prog.filter = (struct sock_filter *)(uintptr_t)filter;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned long)s->u.seccomp.flags, &prog);
	if (r < 0 && errno == ENOSYS && s->u.seccomp.flags == 0)
		r = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0UL, 0UL);
	if (r < 0 && errno == EINVAL)
		return err_sys(e, EINVAL, "seccomp: load the filter with flags %#x",
			       s->u.seccomp.flags);
	if (r < 0)
		return err_sys(e, errno, "seccomp: load the filter");
	/* TSYNC: the number of a thread that could not follow. */
	if (r > 0)
		return err_set(e, EBUSY, "seccomp: thread %ld can't take the filter", r);
	return 0;
}
