/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_plan_internal.h"

#include <linux/mount.h>
#include <stdio.h>
#include <string.h>

/*
 * A mount of type "cgroup" is what the host has: one unified tree, or on v1 and hybrid
 * hosts a tmpfs with a directory for each hierarchy. With a cgroup namespace the file
 * systems are mounted anew and show the container's own cgroup as their root; without one
 * the container's cgroup is bound.
 */
enum { MAX_NAMES = 32 };

/*
 * Rootless without a cgroup namespace, what is bound belongs to the caller and could be used
 * to lift the container's limits: read-only, and empty where there is none (CVE-2023-25809).
 */
static bool is_exposed(const struct mnt_job *j)
{
	return !mnt_has_ns(j->spec, OCI_NS_CGROUP) && !mnt_planner_opens(j->h);
}

/* Call @fn for each name of a comma-separated list; NULL: none. */
static void each_name(const char *list, void (*fn)(const char *name, void *arg), void *arg)
{
	char name[NAME_MAX + 1];

	while (list && *list) {
		size_t n = strcspn(list, ",");

		if (n > 0 && n < sizeof(name)) {
			memcpy(name, list, n);
			name[n] = '\0';
			fn(name, arg);
		}
		list += n + (list[n] == ',');
	}
}

struct names {
	char text[MAX_NAMES][64];
	char *list[MAX_NAMES];
	size_t count;
};

static void add_name(const char *name, void *arg)
{
	struct names *n = arg;

	if (n->count == MAX_NAMES || strlen(name) >= sizeof(n->text[0]))
		return;
	memcpy(n->text[n->count], name, strlen(name) + 1);
	n->list[n->count] = n->text[n->count];
	n->count++;
}

/* A named v1 hierarchy ("name=systemd") has no controllers and must say so. */
static struct ref fs_options(const struct mnt_job *j, const struct cgroup_view *v)
{
	struct ref none = { 0, 0 };
	struct names names = { .count = 0 };

	if (v->v2)
		return none;
	if (str_starts(v->options, "name="))
		add_name("none", &names);
	each_name(v->options, add_name, &names);
	return plan_list_n(j->p, PHASE_INIT, names.list, names.count);
}

static void plan_view(const struct mnt_job *j, const struct cgroup_view *v, const char *target)
{
	bool ns = mnt_has_ns(j->spec, OCI_NS_CGROUP);
	struct step s = mnt_job_step(j, ns ? STEP_MOUNT : STEP_BIND, target);

	if (ns) {
		s.u.mount.fstype = plan_str(j->p, PHASE_INIT, v->v2 ? "cgroup2" : "cgroup");
		s.u.mount.source = plan_str(j->p, PHASE_INIT, *v->name ? v->name : "cgroup");
		s.u.mount.options = fs_options(j, v);
	} else {
		s.u.mount.source = plan_str(j->p, PHASE_INIT, v->source);
		s.u.mount.flags |= MOUNT_RECURSIVE;
		/* What the host's own mount forbids stays forbidden. */
		s.u.mount.attr_clr &= MOUNT_ATTR__ATIME;
	}
	if (is_exposed(j)) {
		s.u.mount.rattr_set |= MOUNT_ATTR_RDONLY;
		s.u.mount.flags |= MOUNT_OPTIONAL;
	}
	plan_add(j->p, &s);
}

static void plan_tmpfs(const struct mnt_job *j, bool readonly)
{
	char mode[] = "mode=755", *list[] = { mode };
	struct step s = mnt_job_step(j, STEP_MOUNT, j->target);

	s.u.mount.fstype = plan_str(j->p, PHASE_INIT, "tmpfs");
	s.u.mount.source = plan_str(j->p, PHASE_INIT, "tmpfs");
	s.u.mount.options = plan_list_n(j->p, PHASE_INIT, list, 1);
	s.u.mount.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	s.u.mount.attr_set |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	s.u.mount.rattr_set = 0;
	s.u.mount.rattr_clr = 0;
	if (readonly)
		s.u.mount.attr_set |= MOUNT_ATTR_RDONLY;
	plan_add(j->p, &s);
}

static void plan_readonly(const struct mnt_job *j)
{
	struct step s = { .kind = STEP_REMOUNT, .phase = PHASE_INIT, .origin = j->index };

	s.u.mount.target = plan_str(j->p, PHASE_INIT, j->target);
	s.u.mount.attr_set = MOUNT_ATTR_RDONLY;
	s.u.mount.slot = SLOT_NONE;
	plan_add(j->p, &s);
}

struct link_job {
	const struct mnt_job *j;
	const char *name; /* what the links lead to */
};

static void plan_link(const char *name, void *arg)
{
	const struct link_job *l = arg;
	struct step s = { .kind = STEP_SYMLINK, .phase = PHASE_INIT, .origin = l->j->index };

	s.u.link.target = plan_str(l->j->p, PHASE_INIT, l->name);
	s.u.link.path = plan_strf(l->j->p, PHASE_INIT, "%s/%s", l->j->target, name);
	plan_add(l->j->p, &s);
}

static int plan_hierarchies(const struct mnt_job *j, struct err *e)
{
	plan_tmpfs(j, false);
	for (size_t i = 0; i < j->o->cgroups_count; i++) {
		const struct cgroup_view *v = &j->o->cgroups[i];
		struct link_job l = { .j = j, .name = v->name };
		char target[PATH_MAX];
		int n = snprintf(target, sizeof(target), "%s/%s", j->target, v->name);

		if (n < 0 || (size_t)n >= sizeof(target))
			return err_set(e, ENAMETOOLONG, "destination: too long");
		plan_view(j, v, target);
		each_name(v->symlink, plan_link, &l);
	}
	if (is_exposed(j) || (j->opts.attr_set & MOUNT_ATTR_RDONLY))
		plan_readonly(j);
	return 0;
}

int mnt_plan_cgroup(struct mnt_job *j, struct err *e)
{
	const struct cgroup_view *v = j->o->cgroups;

	/* Without a hierarchy there is nothing to show: the place is covered all the same. */
	if (j->o->cgroups_count == 0) {
		plan_tmpfs(j, true);
		return 0;
	}
	if (v->name[0] != '\0')
		return plan_hierarchies(j, e);
	if (is_exposed(j))
		plan_tmpfs(j, true);
	plan_view(j, v, j->target);
	return 0;
}
