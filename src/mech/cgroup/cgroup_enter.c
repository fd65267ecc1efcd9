/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup.h"

#include <unistd.h>

int cg_enter(const struct island *in, const struct step *s, struct err *e)
{
	int fd = view_fd(in->plan, s->u.cgroup.slot);

	if (fd >= 0 && write(fd, "0", 1) == 1)
		return 0;
	if (s->u.cgroup.optional != CG_MUST)
		return 0;
	return err_sys(e, fd < 0 ? -fd : errno, "cgroup: enter %s",
		       view_str(in->plan, s->u.cgroup.dir));
}
