/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/sched/sched.h"

#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

static int apply_memory_policy(const struct island *in, const struct step *s, struct err *e)
{
	/* The kernel takes one bit less than it is told (set_mempolicy(2), BUGS). */
	unsigned long bits = s->u.mempolicy.nodes.len * 8UL;

	if (syscall(SYS_set_mempolicy, s->u.mempolicy.mode,
		    view_blob(in->plan, s->u.mempolicy.nodes), bits ? bits + 1 : 0UL) == 0)
		return 0;
	if (errno == EINVAL && bits)
		return err_set(e, EINVAL,
			       "linux.memoryPolicy: refused: has the host these memory "
			       "nodes, and linux.resources.cpu.mems too?");
	return err_sys(e, errno, "linux.memoryPolicy");
}

int sched_apply(const struct island *in, const struct step *s, struct err *e)
{
	if (s->kind == STEP_MEMORY_POLICY)
		return apply_memory_policy(in, s, e);
	if (personality((unsigned long)s->u.num.value) < 0)
		return err_sys(e, errno, "linux.personality: set 0x%llx",
			       (unsigned long long)s->u.num.value);
	return 0;
}
