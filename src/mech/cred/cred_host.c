/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cred/cred.h"

#include "sys/syscalls.h"

#include <stdio.h>
#include <sys/resource.h>

static int apply_rlimit(pid_t pid, const struct step *s, struct err *e)
{
	struct rlimit l = { .rlim_cur = s->u.rlimit.soft, .rlim_max = s->u.rlimit.hard };

	if (prlimit(pid, (__rlimit_resource_t)s->u.rlimit.resource, &l, NULL) < 0)
		return err_sys(e, errno, "process.rlimits[%u]: set %s to %llu:%llu", s->origin,
			       oci_rlimit_name((int)s->u.rlimit.resource),
			       (unsigned long long)s->u.rlimit.soft,
			       (unsigned long long)s->u.rlimit.hard);
	return 0;
}

int cred_host_apply(struct island *in, const struct step *s, struct err *e)
{
	char path[48], value[24];
	int r;

	if (s->kind == STEP_RLIMIT)
		return apply_rlimit(in->pid, s, e);
	(void)snprintf(path, sizeof(path), "%d/oom_score_adj", in->pid);
	(void)snprintf(value, sizeof(value), "%lld", (long long)s->u.num.value);
	r = sys_write_at(in->proc_fd, path, value);
	if (r < 0)
		return err_sys(e, r, "process.oomScoreAdj: write %s", value);
	return 0;
}
