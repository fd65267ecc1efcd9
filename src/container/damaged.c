/* SPDX-License-Identifier: Apache-2.0 */
#include "container/life.h"

#include "container/store.h"
#include "launch/launch.h"
#include "oci/parse.h"
#include "sys/host.h"
#include "sys/syscalls.h"

/*
 * A container whose state.json can't be read. The configuration it was created from lies beside it, and
 * with the id it tells where create put the cgroups: the same plan is made again, and looked at.
 */
struct damaged {
	struct ctr c;
	struct oci_spec *spec;
	struct host_facts host;
	struct plan plan;
	struct launch_info info;
};

static void damaged_done(struct damaged *d)
{
	launch_info_done(&d->info);
	plan_done(&d->plan);
	host_facts_done(&d->host);
	oci_spec_free(d->spec);
	ctr_done(&d->c);
}
#define AUTO_DAMAGED AUTO(damaged_done)

static bool any_there(char *const *dirs)
{
	for (; *dirs; dirs++)
		if (access(*dirs, F_OK) == 0)
			return true;
	return false;
}

/* Who made the cgroups is not in config.json: whose are there made them. */
static bool find_cgroups(struct damaged *d, enum cg_manager manager)
{
	struct launch_options o = {
		.id = d->c.id, .bundle = "/", .cgroup_optional = true, .cgroup_manager = manager
	};
	struct ctr *c = &d->c;

	launch_info_done(&d->info);
	plan_done(&d->plan);
	plan_init(&d->plan);
	if (launch_compile_restore(d->spec, &d->host, &o, &d->plan, &d->info, NULL) < 0 ||
	    !any_there(d->info.cgroup_dirs))
		return false;
	c->cgroup_dirs = d->info.cgroup_dirs;
	while (c->cgroup_dirs[c->cgroup_count])
		c->cgroup_count++;
	c->unit = d->info.unit;
	c->unit_user = d->info.unit_user;
	return true;
}

/* No configuration, no cgroups; but no memory is no reason to leave them. */
static int look(struct damaged *d, struct err *e)
{
	int r = oci_spec_load(d->c.dir_fd, "config.json", &d->spec, e);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return 0;
	r = host_facts_gather(&d->host, e);
	if (r == 0 && !find_cgroups(d, CG_SYSTEMD))
		(void)find_cgroups(d, CG_CGROUPFS);
	return r;
}

int life_clear_damaged(int root_fd, const char *root, const char *id, struct err *warning,
		       struct err *e)
{
	AUTO_DAMAGED struct damaged d = { .c = CTR_INIT };
	struct err why = *e;
	int r = store_name_ctr(&d.c, root, id, e);

	if (r == 0)
		r = store_open_dir(root_fd, id, STORE_LOCK_MS, &d.c.dir_fd, e);
	if (r == 0)
		r = look(&d, e);
	if (r == 0)
		r = life_clear(&d.c, root_fd, false, warning, e);
	if (r < 0)
		return r;
	(void)err_set(warning, why.code,
		      "%s; removed by %s, with %zu cgroups and what ran in them: other processes, "
		      "resctrl groups and what its hooks made may be left",
		      why.msg, d.spec ? "its configuration" : "its name", d.c.cgroup_count);
	return 0;
}
