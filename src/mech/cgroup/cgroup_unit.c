/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"

#include <limits.h>
#include <string.h>

/*
 * A container as a unit of systemd: names, and what the service manager is told about it.
 * Names: systemd.unit(5), systemd.slice(5); the form of linux.cgroupsPath is runc's.
 */

enum { UNIT_NAME_MAX = 255 };

static const char annotation_prefix[] = "org.systemd.property.";

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && str_eq(s + n - k, suffix);
}

bool cg_unit_name_check(const char *unit)
{
	static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789:-_.\\@";
	size_t n = unit ? strlen(unit) : 0;

	return n > 0 && n <= UNIT_NAME_MAX && strspn(unit, valid) == n && unit[0] != '.' &&
	       (has_suffix(unit, ".scope") || has_suffix(unit, ".slice"));
}

/* "a-b.slice" lies in "a.slice": a dash is a level, so none may be empty. */
static bool is_slice_name(const char *s)
{
	return str_eq(s, "-.slice") || (cg_unit_name_check(s) && has_suffix(s, ".slice") &&
					s[0] != '-' && !strstr(s, "--") && !strstr(s, "-.slice"));
}

/* "a-b.slice" → "/a.slice/a-b.slice"; "-.slice" is the root itself. */
static char *expand_slice(struct arena *a, const char *slice)
{
	size_t stem = strlen(slice) - strlen(".slice");
	char *path = arena_strdup(a, "");

	if (str_eq(slice, "-.slice"))
		return path;
	for (size_t i = 1; path && i <= stem; i++)
		if (i == stem || slice[i] == '-')
			path = arena_printf(a, "%s/%.*s.slice", path, (int)i, slice);
	return path;
}

/*
 * Where the service manager's own cgroup is. A user's lies at a fixed place below the root
 * (user@.service(5)); if we stand in it ourselves, our own path tells even more surely.
 */
static char *manager_path(struct arena *a, const struct host_facts *h, bool user)
{
	for (size_t i = 0; user && i < h->cgroups.count; i++) {
		const struct cgroup_hierarchy *c = &h->cgroups.hierarchies[i];
		const char *at = strstr(c->own, "/user@"), *end;

		if (!c->v2 && !str_eq(c->controllers, "name=systemd"))
			continue;
		end = at ? strstr(at, ".service") : NULL;
		if (end)
			return arena_strndup(a, c->own,
					     (size_t)(end - c->own) + strlen(".service"));
	}
	return user ? arena_printf(a, "/user.slice/user-%u.slice/user@%u.service", h->outer_uid,
				   h->outer_uid)
		    : arena_strdup(a, "");
}

/* "slice:prefix:name" cut into three; absent: all by default. Out of memory: NULLs. */
static int split_path(const char *text, const char *id, struct arena *a, char *part[3],
		      struct err *e)
{
	const char *one = text && *text ? strchr(text, ':') : NULL;
	const char *two = one ? strchr(one + 1, ':') : NULL;

	if (text && *text && (!two || strchr(two + 1, ':')))
		return err_set(
			e, EINVAL,
			"linux.cgroupsPath \"%.200s\": must be slice:prefix:name for cgroups "
			"through systemd",
			text);
	part[0] = two ? arena_strndup(a, text, (size_t)(one - text)) : arena_strdup(a, "");
	part[1] = two ? arena_strndup(a, one + 1, (size_t)(two - one - 1)) : arena_strdup(a, "cay");
	part[2] = two ? arena_strdup(a, two + 1) : arena_strdup(a, id);
	return 0;
}

int cg_unit_names(const struct oci_spec *s, struct cg_build *b, struct err *e)
{
	const char *path = s->linux_ ? s->linux_->cgroups_path : NULL;
	struct arena *a = b->o->arena;
	struct cg_unit *u = &b->unit;
	char *part[3] = { NULL }, *slice_path;
	int r;

	u->user = b->host->euid != 0 || !b->host->initial_userns;
	r = split_path(path, b->o->id, a, part, e);
	if (r < 0)
		return r;
	if (!part[0] || !part[1] || !part[2])
		return err_oom(e);
	u->slice = part[0][0] ? part[0] : arena_strdup(a, u->user ? "user.slice" : "system.slice");
	u->is_slice = has_suffix(part[2], ".slice");
	u->name = u->is_slice  ? part[2]
		  : part[1][0] ? arena_printf(a, "%s-%s.scope", part[1], part[2])
			       : arena_printf(a, "%s.scope", part[2]);
	u->manager_path = manager_path(a, b->host, u->user);
	if (!u->slice || !u->name || !u->manager_path)
		return err_oom(e);
	if (!is_slice_name(u->slice))
		return err_set(e, EINVAL, "linux.cgroupsPath \"%.200s\": \"%.100s\" is no slice",
			       path ? path : "", u->slice);
	if (!(u->is_slice ? is_slice_name(u->name) : cg_unit_name_check(u->name)))
		return err_set(e, EINVAL,
			       "linux.cgroupsPath \"%.200s\": \"%.100s\" is no unit name",
			       path ? path : "", u->name);
	slice_path = expand_slice(a, u->is_slice ? u->name : u->slice);
	u->path = !slice_path || u->is_slice ? slice_path
					     : arena_printf(a, "%s/%s", slice_path, u->name);
	return u->path ? 0 : err_oom(e);
}

void cg_unit_add_start(struct cg_build *b)
{
	struct step s = { .kind = STEP_SCOPE_START, .phase = (uint8_t)b->phase };

	s.u.scope.unit = plan_str(b->p, b->phase, b->unit.name);
	s.u.scope.path = plan_strf(b->p, b->phase, "%s%s", b->unit.manager_path, b->unit.path);
	s.u.scope.user = b->unit.user;
	b->unit.step_off = b->p->host.steps.len;
	plan_add(b->p, &s);
}

/* Whatever is written to a file that systemd also writes, systemd must know. */
static void add_limits(struct cg_build *b, struct buf *out)
{
	const char *pool = b->p->host.pool.data;
	struct cg_quota quota = { 0 };

	for (size_t off = b->unit.step_off; off < b->p->host.steps.len;
	     off += sizeof(struct step)) {
		struct step s;

		memcpy(&s, b->p->host.steps.data + off, sizeof(s));
		if (s.kind == STEP_CGROUP_SET && s.u.cgroup.optional == CG_MUST)
			cg_property_of_file(pool + s.u.cgroup.file.off, s.u.cgroup.v2,
					    pool + s.u.cgroup.value.off, &quota, out);
	}
	cg_property_of_quota(&quota, out);
}

static void add_basics(struct cg_build *b, struct buf *out)
{
	const struct cg_unit *u = &b->unit;
	bool v2 = b->host->cgroups.layout == CGROUP_V2;

	buf_printf(out, "Description s cay container %s\n", b->o->id);
	buf_printf(out, "%s %s %s\n", u->is_slice ? "Wants" : "Slice", u->is_slice ? "as" : "s",
		   u->slice);
	if (!u->is_slice)
		buf_str(out, "Delegate b true\nCollectMode s inactive-or-failed\n");
	buf_str(out, "DefaultDependencies b false\n"
		     "MemoryAccounting b true\nCPUAccounting b true\nTasksAccounting b true\n");
	buf_printf(out, "%s b true\n", v2 ? "IOAccounting" : "BlockIOAccounting");
}

int cg_unit_finish(const struct oci_spec *s, struct cg_build *b, struct err *e)
{
	AUTO_BUF struct buf out = { 0 };
	struct step start;

	if (plan_failed(b->p))
		return err_oom(e);
	add_basics(b, &out);
	add_limits(b, &out);
	/* Last, so that it has the last word. */
	for (size_t i = 0; i < s->annotations_count; i++) {
		const char *name = str_after(s->annotations[i].key, annotation_prefix);
		int r;

		if (!name)
			continue;
		r = cg_property_of_annotation(name, s->annotations[i].value, &out, e);
		if (r < 0)
			return err_wrap(e, "annotation \"%.128s\"", s->annotations[i].key);
	}
	if (out.failed)
		return err_oom(e);
	memcpy(&start, b->p->host.steps.data + b->unit.step_off, sizeof(start));
	start.u.scope.properties = plan_str(b->p, b->phase, out.data);
	if (plan_failed(b->p))
		return err_oom(e);
	memcpy(b->p->host.steps.data + b->unit.step_off, &start, sizeof(start));
	return 0;
}
