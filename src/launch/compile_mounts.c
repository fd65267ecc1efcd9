/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/compile.h"

#include "base/parse.h"
#include "mech/mount/mount_plan.h"

#include <linux/sched.h>

/*
 * Mounts that come or go while the container runs: an exec without a program. The islander
 * joins the namespaces, does to the root what it does when it builds one, and leaves.
 */
static int add(const struct oci_spec *s, const struct host_facts *h,
	       const struct launch_exec_options *o, struct plan *p, struct err *e)
{
	struct mnt_options mo = { .bundle = o->bundle, .inhabited = true, .userns = SLOT_NONE };
	/* What was done to the root when it was built is not done again. */
	struct oci_linux lin = s->linux_ ? *s->linux_ : (struct oci_linux){ 0 };
	struct oci_spec late = *s;
	int r = mnt_plan_mounts(s, h, &mo, p, e);

	if (r < 0)
		return r;
	lin.masked_paths = lin.readonly_paths = (struct oci_strings){ 0 };
	lin.rootfs_propagation = NULL;
	late.linux_ = &lin;
	late.root = NULL;
	return mnt_plan_late(&late, h, &mo, p, e);
}

static int take_away(const struct oci_spec *s, struct plan *p, struct err *e)
{
	for (size_t i = s->mounts_count; i > 0; i--) {
		const char *path = s->mounts[i - 1].destination;

		if (!path || !path[0])
			return err_set(e, EINVAL, "mounts[%zu].destination: missing", i - 1);
		plan_add_str(p, PHASE_INIT, STEP_UNMOUNT, path);
	}
	return 0;
}

int launch_compile_mounts(const struct oci_spec *s, const struct host_facts *h,
			  const struct launch_exec_options *o, bool remove, struct plan *p,
			  struct err *e)
{
	int r;

	if (!(o->namespaces & CLONE_NEWNS))
		return err_set(e, EOPNOTSUPP,
			       "mounts: the container has no mount namespace of its own");
	for (size_t i = 0; i < s->mounts_count; i++)
		if (str_starts(s->mounts[i].type ? s->mounts[i].type : "", "cgroup"))
			return err_set(e, EOPNOTSUPP,
				       "mounts[%zu].type \"%s\": can't be changed while it runs", i,
				       s->mounts[i].type);
	p->keep_fds = 3;
	compile_join(o, SLOT_NONE, NULL, p);
	r = remove ? take_away(s, p, e) : add(s, h, o, p, e);
	if (r < 0)
		return r;
	plan_add_num(p, PHASE_INIT, STEP_SYNC, PHASE_COMMIT);
	plan_add_none(p, PHASE_ENTER, STEP_LEAVE);
	return plan_failed(p) ? err_oom(e) : 0;
}
