/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the table tests of cgroups have in common: a specification, a hand-made host, a plan. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <string.h>

#include "base/parse.h"
#include "mech/cgroup/cgroup.h"

struct fixture {
	struct oci_spec spec;
	struct oci_linux lin;
	struct oci_resources res;
	struct oci_memory mem;
	struct oci_cpu cpu;
	struct oci_block_io io;
	struct oci_pair pairs[2];
	struct host_facts host;
	struct cgroup_hierarchy h[8];
	struct cg_options o;
	struct cg_result ret;
	struct arena arena;
	struct plan plan;
	struct plan_view view;
	struct err e;
};

#define S(text) ((char[]){ text })

/** hierarchy - the host gets one more; @offered: controllers of v2, NULL: v1 */
static inline void hierarchy(struct fixture *f, char *mount, char *controllers, char *own,
			     char *offered)
{
	static char root[] = "/";

	f->h[f->host.cgroups.count++] = (struct cgroup_hierarchy){ mount,   controllers,
								   own,	    root,
								   offered, offered != NULL };
}

/** fixture_init - a container "box1" with nothing to say, on a host without cgroups */
static inline void fixture_init(struct fixture *f, enum cgroup_layout layout)
{
	*f = (struct fixture){ .lin = { .cgroups_path = NULL } };
	f->spec.linux_ = &f->lin;
	f->lin.resources = &f->res;
	f->host.cgroups.layout = layout;
	f->host.cgroups.hierarchies = f->h;
	f->o = (struct cg_options){ .id = "box1", .arena = &f->arena };
	plan_init(&f->plan);
}

/** plan_it - Return: what cg_plan says; then f->view shows the planner's half */
static inline int plan_it(struct fixture *f)
{
	int r = cg_plan(&f->spec, &f->host, &f->o, &f->plan, &f->ret, &f->e);

	if (r == 0)
		assert_int_equal(
			plan_view_half(&f->plan.host, NULL, f->plan.slots, &f->view, &f->e), 0);
	return r;
}

static inline void done(struct fixture *f)
{
	plan_done(&f->plan);
	arena_done(&f->arena);
}
