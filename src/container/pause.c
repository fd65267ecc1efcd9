/* SPDX-License-Identifier: Apache-2.0 */
#include "container/control.h"

#include "container/life.h"
#include "mech/cgroup/cgroup.h"

static int set_frozen(const char *root, const char *id, enum life_op op, bool frozen, struct err *e)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	const char *no;
	int r;

	r = ctr_open(root, id, true, &c, e);
	if (r < 0)
		return r;
	no = life_refusal(op, ctr_status(&c));
	if (no)
		return err_set(e, EINVAL, "%s", no);
	return cg_freeze(c.cgroup_dirs, c.cgroup_count, frozen, e);
}

int ctr_pause(const char *root, const char *id, struct err *e)
{
	return set_frozen(root, id, LIFE_PAUSE, true, e);
}

int ctr_resume(const char *root, const char *id, struct err *e)
{
	return set_frozen(root, id, LIFE_RESUME, false, e);
}
