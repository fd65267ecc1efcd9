/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

static int find_places(struct cg_build *b, char *const *dirs, size_t count, struct arena *a,
		       struct err *e)
{
	b->places = arena_array(a, count + 1, sizeof(*b->places));
	if (!b->places)
		return err_oom(e);
	for (size_t i = 0; i < count; i++) {
		const struct cgroup_hierarchy *h = cg_hierarchy_of(&b->host->cgroups, dirs[i]);

		if (h)
			b->places[b->count++] = (struct cg_place){ .h = h, .dir = dirs[i] };
	}
	return 0;
}

int cg_plan_update(const struct oci_resources *res, const struct host_facts *h, char *const *dirs,
		   size_t count, struct plan *p, struct err *e)
{
	struct arena a = { 0 };
	struct cg_options o = { .arena = &a };
	struct cg_build b = {
		.res = res, .host = h, .o = &o, .p = p, .phase = PHASE_HOST, .update = true
	};
	int r = find_places(&b, dirs, count, &a, e);

	if (r == 0)
		r = cg_plan_limits(&b, e);
	if (r == 0 && plan_failed(p))
		r = err_oom(e);
	arena_done(&a);
	return r;
}

int cg_update(const struct oci_resources *res, const struct host_facts *h, char *const *dirs,
	      size_t count, struct err *e)
{
	AUTO_PLAN struct plan p;
	struct plan_view v = { 0 };
	uint32_t made = 0;
	int fd = -EBADF, r;

	plan_init(&p);
	r = cg_plan_update(res, h, dirs, count, &p, e);
	if (r == 0)
		r = plan_view_half(&p.host, NULL, 0, &v, e);
	for (uint32_t i = 0; r >= 0 && i < v.nsteps; i++)
		r = cg_apply(&v, &v.steps[i], &made, &fd, e);
	return r < 0 ? r : 0;
}
