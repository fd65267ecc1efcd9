/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"

#include <limits.h>
#include <string.h>

bool cg_has_word(const char *list, const char *word, char sep)
{
	size_t n = strlen(word);

	while (list) {
		const char *end = strchrnul(list, sep);

		if ((size_t)(end - list) == n && memcmp(list, word, n) == 0)
			return true;
		list = *end ? end + 1 : NULL;
	}
	return false;
}

/* v1 first: on a hybrid host a controller is in one of the two, never in both. */
struct cg_place *cg_controller(struct cg_build *b, const char *name)
{
	for (size_t i = 0; i < b->count; i++)
		if (!b->places[i].h->v2 && cg_has_word(b->places[i].h->controllers, name, ','))
			return &b->places[i];
	for (size_t i = 0; i < b->count; i++)
		if (b->places[i].h->v2 && cg_has_word(b->places[i].h->offered, name, ' '))
			return &b->places[i];
	return NULL;
}

int cg_need(struct cg_build *b, const char *name, const char *field, struct cg_place **ret,
	    struct err *e)
{
	struct cg_place *at = cg_controller(b, name);

	if (!at)
		return err_set(e, EOPNOTSUPP,
			       "linux.resources.%s: this host has no cgroup controller \"%s\"",
			       field, name);
	at->asked = true;
	*ret = at;
	return 0;
}

void cg_set(struct cg_build *b, const struct cg_place *at, enum cg_need need, const char *file,
	    const char *value)
{
	struct step s = { .kind = STEP_CGROUP_SET, .phase = (uint8_t)b->phase };

	s.u.cgroup.dir = plan_str(b->p, b->phase, at->dir);
	s.u.cgroup.file = plan_str(b->p, b->phase, file);
	s.u.cgroup.value = plan_str(b->p, b->phase, value);
	s.u.cgroup.slot = SLOT_NONE;
	s.u.cgroup.optional = need;
	s.u.cgroup.v2 = at->h->v2;
	plan_add(b->p, &s);
}

void cg_set_int(struct cg_build *b, const struct cg_place *at, const char *file, int64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	cg_set(b, at, CG_MUST, file, at->h->v2 && value < 0 ? "max" : text);
}

void cg_try_int(struct cg_build *b, const struct cg_place *at, const char *file, int64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	cg_set(b, at, CG_TRY, file, text);
}

void cg_check(struct cg_build *b, const struct cg_place *at, const char *file, int64_t limit)
{
	struct step s = { .kind = STEP_CGROUP_CHECK, .phase = (uint8_t)b->phase };

	s.u.cgroup.dir = plan_str(b->p, b->phase, at->dir);
	s.u.cgroup.file = plan_str(b->p, b->phase, file);
	s.u.cgroup.value = plan_strf(b->p, b->phase, "%lld", (long long)limit);
	s.u.cgroup.slot = SLOT_NONE;
	plan_add(b->p, &s);
}

void cg_set_uint(struct cg_build *b, const struct cg_place *at, const char *file, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	cg_set(b, at, CG_MUST, file, text);
}

/*
 * "/a//b/./c" → "a/b/c". Every component stays a component: ".." is refused, so the
 * result is always below the place it is put into.
 */
static int clean_path(struct arena *a, const char *path, char **ret, struct err *e)
{
	char *out = arena_alloc(a, strlen(path) + 1), *end = out;

	if (!out)
		return err_oom(e);
	if (strlen(path) >= PATH_MAX)
		return err_set(e, EINVAL, "linux.cgroupsPath: longer than %d bytes", PATH_MAX - 1);
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return err_set(e, EINVAL, "linux.cgroupsPath: \"..\" is not allowed");
		if (n > NAME_MAX || memchr(path, '\n', n))
			return err_set(e, EINVAL,
				       "linux.cgroupsPath: \"%.*s\" is no directory name", NAME_MAX,
				       path);
		if (n > 0 && !(n == 1 && path[0] == '.')) {
			if (end != out)
				*end++ = '/';
			memcpy(end, path, n);
			end += n;
		}
		path += n + (path[n] == '/');
	}
	*end = '\0';
	*ret = out;
	return 0;
}

/*
 * Our own cgroup below the mount. v2 puts the container beside us, not below: our cgroup holds
 * processes, and one that does can't hand controllers down ("no internal processes").
 */
static char *own_below_mount(struct arena *a, const struct cgroup_hierarchy *h)
{
	const char *rest = h->own, *slash;

	if (!str_eq(h->mount_root, "/")) {
		const char *inner = str_after(h->own, h->mount_root);

		if (inner && (*inner == '/' || *inner == '\0'))
			rest = inner;
	}
	/* Outside our cgroup namespace: "/../.."; the mount's root is the nearest to it. */
	if (str_starts(rest, "/.."))
		rest = "";
	if (!h->v2)
		return arena_strdup(a, str_eq(rest, "/") ? "" : rest);
	slash = strrchr(rest, '/');
	return arena_strndup(a, rest, slash ? (size_t)(slash - rest) : 0);
}

static int place(const struct cg_options *o, const struct cgroup_hierarchy *h, const char *inner,
		 bool absolute, struct cg_place *ret, struct err *e)
{
	const char *own = absolute ? "" : own_below_mount(o->arena, h);

	ret->h = h;
	ret->dir = own ? arena_printf(o->arena, "%s%s/%s", h->mount, own, inner) : NULL;
	return ret->dir ? 0 : err_oom(e);
}

static int place_units(const struct oci_spec *s, struct cg_build *b, struct err *e)
{
	const struct host_cgroups *c = &b->host->cgroups;
	int r = cg_unit_names(s, b, e);

	if (r < 0)
		return r;
	b->places = arena_array(b->o->arena, c->count + 1, sizeof(*b->places));
	if (!b->places)
		return err_oom(e);
	for (; b->count < c->count; b->count++) {
		struct cg_place *at = &b->places[b->count];

		at->h = &c->hierarchies[b->count];
		at->dir = arena_printf(b->o->arena, "%s%s%s", at->h->mount, b->unit.manager_path,
				       b->unit.path);
		if (!at->dir)
			return err_oom(e);
	}
	return 0;
}

static int place_all(const struct oci_spec *s, struct cg_build *b, struct err *e)
{
	const struct host_cgroups *c = &b->host->cgroups;
	const char *path = s->linux_ ? s->linux_->cgroups_path : NULL;
	bool absolute = path && path[0] == '/';
	char *inner = NULL;
	int r;

	r = clean_path(b->o->arena, path && path[0] ? path : b->o->id, &inner, e);
	if (r < 0)
		return r;
	if (!inner || inner[0] == '\0')
		return err_set(e, EINVAL, "linux.cgroupsPath \"%s\": names the root cgroup",
			       path ? path : b->o->id);
	b->places = arena_array(b->o->arena, c->count + 1, sizeof(*b->places));
	if (!b->places)
		return err_oom(e);
	for (size_t i = 0; i < c->count; i++) {
		r = place(b->o, &c->hierarchies[i], inner, absolute, &b->places[i], e);
		if (r < 0)
			return r;
	}
	b->count = c->count;
	return 0;
}

static void add_makes(struct cg_build *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct cg_place *at = &b->places[i];
		/* systemd is at home on v2; of v1 it knows a part, and takes what it finds. */
		struct step s = { .kind = at->h->v2 && b->unit.name ? STEP_NONE : STEP_CGROUP_MAKE,
				  .phase = (uint8_t)b->phase };
		const char *value = at->h->v2 ? at->h->offered : NULL;

		if (!at->h->v2 && cg_has_word(at->h->controllers, "cpuset", ','))
			value = "cpuset";
		s.u.cgroup.dir = plan_str(b->p, b->phase, at->dir);
		s.u.cgroup.file = plan_str(b->p, b->phase, at->h->mount);
		s.u.cgroup.value = plan_str(b->p, b->phase, value);
		s.u.cgroup.optional = b->o->optional ? CG_MAY_FAIL : CG_MUST;
		s.u.cgroup.v2 = at->h->v2;
		s.u.cgroup.slot = b->phase == PHASE_HOST ? plan_slot(b->p) : SLOT_NONE;
		at->slot = s.u.cgroup.slot;
		at->make_off = b->p->host.steps.len;
		if (s.kind != STEP_NONE)
			plan_add(b->p, &s);
	}
}

/* MAKE stands before the SETs of its directory, yet only they tell that it must not fail. */
static void insist_on_asked(struct cg_build *b)
{
	struct step s;

	for (size_t i = 0; i < b->count; i++) {
		char *at = b->p->host.steps.data + b->places[i].make_off;

		if (!b->places[i].asked || (b->places[i].h->v2 && b->unit.name))
			continue;
		memcpy(&s, at, sizeof(s));
		s.u.cgroup.optional = CG_MUST;
		memcpy(at, &s, sizeof(s));
	}
}

/*
 * How the islander comes into a cgroup. v2: born there, CLONE_INTO_CGROUP. v1: it enters by
 * itself, writing 0 to `tasks`: a task that moves itself needs no threadgroup lock, whose
 * writer waits for an RCU grace period (kernel/cgroup/cgroup.c, cgroup_procs_write_start).
 */
static void add_entry(struct plan *p, const char *dir, bool v2, enum cg_need need, uint32_t slot,
		      uint32_t *ret_slot)
{
	struct step s = { .kind = STEP_CGROUP_ENTER, .phase = PHASE_INIT };

	if (v2) {
		*ret_slot = slot;
		return;
	}
	s.u.cgroup.dir = plan_str(p, PHASE_INIT, dir);
	s.u.cgroup.slot = slot;
	s.u.cgroup.optional = need;
	plan_add(p, &s);
}

/* A cgroup that is there already; one that is made comes with its entry. */
static uint32_t add_open(struct plan *p, const char *dir, bool v2)
{
	struct step s = { .kind = STEP_CGROUP_OPEN, .phase = PHASE_HOST };

	s.u.cgroup.dir = plan_str(p, PHASE_HOST, dir);
	s.u.cgroup.slot = plan_slot(p);
	s.u.cgroup.optional = CG_MUST;
	s.u.cgroup.v2 = v2;
	plan_add(p, &s);
	return s.u.cgroup.slot;
}

/* v1 mounts may lie below a v2 one. */
const struct cgroup_hierarchy *cg_hierarchy_of(const struct host_cgroups *c, const char *dir)
{
	const struct cgroup_hierarchy *found = NULL;
	size_t best = 0;

	for (size_t i = 0; i < c->count; i++) {
		const char *mount = c->hierarchies[i].mount, *rest = str_after(dir, mount);

		if (!rest || (*rest != '/' && *rest != '\0') || strlen(mount) <= best)
			continue;
		best = strlen(mount);
		found = &c->hierarchies[i];
	}
	return found;
}

uint32_t cg_plan_join(char *const *dirs, const bool *v2, size_t count, struct plan *p)
{
	uint32_t slot = SLOT_NONE;

	for (size_t i = 0; i < count; i++)
		add_entry(p, dirs[i], v2[i], CG_MUST, add_open(p, dirs[i], v2[i]), &slot);
	return slot;
}

static void add_moves(struct cg_build *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct cg_place *at = &b->places[i];
		struct step s = { .kind = STEP_CGROUP_ENTER, .phase = (uint8_t)b->phase };

		if (at->h->v2 && !b->unit.is_slice)
			continue;
		s.u.cgroup.dir = plan_str(b->p, b->phase, at->dir);
		s.u.cgroup.slot = SLOT_NONE;
		s.u.cgroup.optional = b->o->optional && !at->asked ? CG_MAY_FAIL : CG_MUST;
		s.u.cgroup.v2 = at->h->v2;
		plan_add(b->p, &s);
	}
}

void cg_plan_attach(const char *unit, bool user, struct plan *p)
{
	struct step s = { .kind = STEP_SCOPE_ATTACH, .phase = PHASE_PLACE };

	s.u.scope.unit = plan_str(p, PHASE_PLACE, unit);
	s.u.scope.user = user;
	plan_add(p, &s);
	plan_add_num(p, PHASE_INIT, STEP_SYNC, PHASE_PLACE);
}

static int fill_view(struct arena *a, const struct cg_place *at, bool v2_host,
		     struct cgroup_view *ret)
{
	const char *base = strrchr(at->h->mount, '/');

	ret->name = v2_host ? "" : arena_strdup(a, base ? base + 1 : at->h->mount);
	ret->source = at->dir;
	ret->options = at->h->controllers;
	ret->v2 = at->h->v2;
	/* "cpu,cpuacct" is also known by each of its two names. */
	if (!ret->v2 && strchr(ret->options, ',') && str_eq(ret->name, ret->options))
		ret->symlink = ret->options;
	return ret->name ? 0 : -ENOMEM;
}

static int fill_result(const struct cg_build *b, uint32_t slot, struct cg_result *ret,
		       struct err *e)
{
	struct arena *a = b->o->arena;
	struct cg_result r = { .slot = slot, .unit = b->unit.name, .unit_user = b->unit.user };
	bool v2_host = b->host->cgroups.layout == CGROUP_V2;

	r.dirs = arena_array(a, b->count + 1, sizeof(*r.dirs));
	r.views = arena_array(a, b->count + 1, sizeof(*r.views));
	if (!r.dirs || !r.views)
		return err_oom(e);
	for (size_t i = 0; i < b->count; i++) {
		r.dirs[r.dirs_count++] = b->places[i].dir;
		if (fill_view(a, &b->places[i], v2_host, &r.views[r.views_count++]) < 0)
			return err_oom(e);
	}
	*ret = r;
	return 0;
}

/* What was asked for can't be had without a cgroup; device rules alone are everywhere. */
static int without_cgroup(const struct oci_resources *res, struct cg_result *ret, struct err *e)
{
	const char *field = NULL;

	if (res && (res->memory || res->cpu || res->pids_limit.v > 0))
		field = res->memory ? "memory" : res->cpu ? "cpu" : "pids";
	else if (res && (res->block_io || res->hugepage_limits_count || res->unified_count))
		field = res->block_io	     ? "blockIO"
			: res->unified_count ? "unified"
					     : "hugepageLimits";
	if (field)
		return err_set(
			e, EOPNOTSUPP,
			"linux.resources.%s: needs a cgroup, but the cgroup manager is disabled",
			field);
	*ret = (struct cg_result){ .slot = SLOT_NONE };
	return 0;
}

static void add_entries(struct cg_build *b, uint32_t *ret_slot)
{
	if (b->unit.name) {
		add_moves(b);
		plan_add_num(b->p, PHASE_INIT, STEP_SYNC, PHASE_PLACE);
		return;
	}
	for (size_t i = 0; i < b->count; i++) {
		const struct cg_place *at = &b->places[i];

		add_entry(b->p, at->dir, at->h->v2,
			  b->o->optional && !at->asked ? CG_MAY_FAIL : CG_MUST, at->slot, ret_slot);
	}
}

int cg_plan(const struct oci_spec *s, const struct host_facts *h, const struct cg_options *o,
	    struct plan *p, struct cg_result *ret, struct err *e)
{
	bool systemd = o->manager == CG_SYSTEMD;
	struct cg_build b = { .res = s->linux_ ? s->linux_->resources : NULL,
			      .host = h,
			      .o = o,
			      .p = p,
			      .phase = systemd ? PHASE_PLACE : PHASE_HOST };
	uint32_t slot = SLOT_NONE;
	int r;

	if (o->manager == CG_DISABLED)
		return without_cgroup(b.res, ret, e);
	r = systemd ? place_units(s, &b, e) : place_all(s, &b, e);
	if (r < 0)
		return r;
	/* Of a v1 hierarchy systemd cuts back what it did not make itself: it comes first. */
	if (systemd)
		cg_unit_add_start(&b);
	add_makes(&b);
	r = cg_plan_devices(&b, e);
	if (r == 0)
		r = cg_plan_limits(&b, e);
	if (r == 0 && systemd)
		r = cg_unit_finish(s, &b, e);
	if (r < 0)
		return r;
	if (plan_failed(p))
		return err_oom(e);
	insist_on_asked(&b);
	add_entries(&b, &slot);
	if (plan_failed(p))
		return err_oom(e);
	return fill_result(&b, slot, ret, e);
}
