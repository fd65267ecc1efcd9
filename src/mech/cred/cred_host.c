/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cred/cred.h"

#include <sys/resource.h>

int cred_host_apply(struct island *in, const struct step *s, struct err *e)
{
	struct rlimit l = { .rlim_cur = s->u.rlimit.soft, .rlim_max = s->u.rlimit.hard };
	struct rlimit now;

	if (s->u.rlimit.lower) {
		if (prlimit(in->pid, (__rlimit_resource_t)s->u.rlimit.resource, NULL, &now) < 0)
			return err_sys(e, errno, "rlimits[%u]: read the limit", s->origin);
		if (l.rlim_max > now.rlim_max)
			return err_set(e, EPERM,
				       "rlimits[%u]: %s can only be lowered at the start, the "
				       "container has %llu",
				       s->origin, oci_rlimit_name((int)s->u.rlimit.resource),
				       (unsigned long long)now.rlim_max);
	}
	if (prlimit(in->pid, (__rlimit_resource_t)s->u.rlimit.resource, &l, NULL) < 0)
		return err_sys(e, errno, "process.rlimits[%u]: set %s to %llu:%llu", s->origin,
			       oci_rlimit_name((int)s->u.rlimit.resource),
			       (unsigned long long)s->u.rlimit.soft,
			       (unsigned long long)s->u.rlimit.hard);
	return 0;
}
