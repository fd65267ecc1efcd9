/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/compile.h"

#include "mech/cgroup/cgroup.h"
#include "mech/mount/mount_plan.h"
#include "mech/ns/ns.h"
#include "mech/rdt/rdt.h"

#include <linux/sched.h>

/*
 * CRIU makes the processes, their namespaces and mounts. What is left for a plan: the cgroups
 * round them, and what create does to the root itself: the places that mounts need.
 */
static int cgroups(const struct oci_spec *s, const struct host_facts *h,
		   const struct launch_options *o, struct plan *p, struct launch_info *ret,
		   struct cg_result *cg, struct err *e)
{
	struct cg_options co = { .id = o->id,
				 .optional = o->cgroup_optional,
				 .manager = o->cgroup_manager,
				 .arena = &ret->arena };
	int r = cg_plan(s, h, &co, p, cg, e);

	if (r < 0)
		return r;
	ret->unit = cg->unit;
	ret->unit_user = cg->unit_user;
	ret->cgroup_dirs = arena_array(&ret->arena, cg->dirs_count + 1, sizeof(char *));
	if (!ret->cgroup_dirs)
		return err_oom(e);
	for (size_t i = 0; i < cg->dirs_count; i++)
		ret->cgroup_dirs[i] = cg->dirs[i];
	return 0;
}

/* Whoever will be inside is there already: moved, where create has it born. */
static void move_in(const struct cg_result *cg, const struct launch_options *o, struct plan *p)
{
	for (size_t i = 0; i < cg->dirs_count; i++) {
		struct step s = { .kind = STEP_CGROUP_ENTER, .phase = PHASE_PLACE };

		s.u.cgroup.dir = plan_str(p, PHASE_PLACE, cg->dirs[i]);
		s.u.cgroup.slot = SLOT_NONE;
		s.u.cgroup.optional = o->cgroup_optional ? CG_MAY_FAIL : CG_MUST;
		plan_add(p, &s);
	}
}

int launch_compile_restore(const struct oci_spec *s, const struct host_facts *h,
			   const struct launch_options *o, struct plan *p, struct launch_info *ret,
			   struct err *e)
{
	struct cg_result cg = { 0 };
	int r = compile_rootfs_path(s, o->bundle, ret, e);

	if (r == 0)
		r = cgroups(s, h, o, p, ret, &cg, e);
	if (r == 0)
		r = rdt_plan(s->linux_ ? s->linux_->intel_rdt : NULL, h, o->id, &ret->arena, p,
			     &ret->rdt_dirs, e);
	if (r < 0)
		return r;
	if (o->cgroup_manager == CG_CGROUPFS)
		move_in(&cg, o, p);
	ret->namespaces = ns_flags(s);
	return plan_failed(p) ? err_oom(e) : 0;
}

int launch_compile_root(const struct oci_spec *s, const struct host_facts *h,
			const struct launch_options *o, struct plan *p, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_PLAN struct plan unused;
	struct cg_options co = { .id = o->id,
				 .optional = o->cgroup_optional,
				 .manager = o->cgroup_manager,
				 .arena = &a };
	struct mnt_options mo = { .bundle = o->bundle, .kcore = h->kcore, .userns = SLOT_NONE };
	struct cg_result cg = { 0 };
	int r;

	plan_init(&unused);
	p->keep_fds = 3;
	r = cg_plan(s, h, &co, &unused, &cg, e);
	mo.cgroups = cg.views;
	mo.cgroups_count = cg.views_count;
	plan_add(p, &(struct step){ .kind = STEP_CLONE,
				    .phase = PHASE_CLONE,
				    .u.clone = { CLONE_NEWNS, SLOT_NONE } });
	plan_add_none(p, PHASE_INIT, STEP_PRIVATE);
	if (r == 0)
		r = mnt_plan_root(s, h, &mo, p, e);
	if (r == 0)
		r = mnt_plan_mounts(s, h, &mo, p, e);
	if (r == 0)
		r = mnt_plan_devices(s, h, &mo, p, e);
	if (r < 0)
		return r;
	plan_add_num(p, PHASE_INIT, STEP_SYNC, PHASE_COMMIT);
	plan_add_none(p, PHASE_ENTER, STEP_LEAVE);
	return plan_failed(p) ? err_oom(e) : 0;
}

/* A plan under construction holds offsets; a string is all that is looked at here. */
static const char *text(const struct plan *p, struct ref r)
{
	return r.len ? p->island.pool.data + r.off : NULL;
}

static const char *outside_target(const struct plan *p, const struct step *s, const char **source)
{
	if (s->kind == STEP_BIND && !(s->u.mount.flags & MOUNT_SRC_IN_ROOT)) {
		*source = text(p, s->u.mount.source);
		return text(p, s->u.mount.target);
	}
	if (s->kind == STEP_DEVICE && s->u.device.bind) {
		*source = text(p, s->u.device.path);
		return *source;
	}
	return NULL;
}

int launch_outside_mounts(const struct plan *p, struct arena *a, struct oci_pair **ret,
			  size_t *ret_count, struct err *e)
{
	const struct step *steps = (const void *)p->island.steps.data;
	size_t n = p->island.steps.len / sizeof(*steps), count = 0;
	struct oci_pair *list = arena_array(a, n + 1, sizeof(*list));

	if (!list || plan_failed(p))
		return err_oom(e);
	for (size_t i = 0; i < n; i++) {
		const char *source = NULL, *target = outside_target(p, &steps[i], &source);

		if (!target || !source)
			continue;
		list[count].key = arena_strdup(a, target);
		list[count].value = arena_strdup(a, source);
		if (!list[count].key || !list[count].value)
			return err_oom(e);
		count++;
	}
	*ret = list;
	*ret_count = count;
	return 0;
}
