/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/rdt/rdt.h"

#include "base/buf.h"
#include "base/parse.h"

#include <limits.h>
#include <string.h>

static bool given(const char *s)
{
	return s && *s;
}

/* Where the container's tasks go. */
struct places {
	char *group;   /* directory */
	char *monitor; /* NULL: none of its own */
	bool ours;     /* named after the container */
};

static int check_names(const struct oci_intel_rdt *rdt, const char *id, struct err *e)
{
	const char *clos = rdt->clos_id;
	/* The directories of resctrl itself. */
	bool taken = str_eq(given(clos) ? clos : id, "info") ||
		     str_eq(given(clos) ? clos : id, "mon_groups") ||
		     str_eq(given(clos) ? clos : id, "mon_data");

	if (given(clos) &&
	    (str_eq(clos, ".") || str_eq(clos, "..") || strpbrk(clos + 1, "/\n") ||
	     (clos[0] == '/' && clos[1]) || clos[0] == '\n' || strlen(clos) > NAME_MAX))
		return err_set(
			e, EINVAL,
			"linux.intelRdt.closID: invalid intelRdt.ClosID \"%.200s\": must be one "
			"directory name, or \"/\"",
			clos);
	if (taken)
		return err_set(e, EINVAL,
			       "linux.intelRdt.closID \"%s\": resctrl uses that name itself",
			       given(clos) ? clos : id);
	return 0;
}

static int find_places(const struct oci_intel_rdt *rdt, const struct host_facts *h, const char *id,
		       struct arena *a, struct places *ret, struct err *e)
{
	bool root = given(rdt->clos_id) && str_eq(rdt->clos_id, "/");
	struct places at = { .ours = !given(rdt->clos_id) };
	int r;

	if (!given(h->resctrl))
		return err_set(
			e, EOPNOTSUPP,
			"linux.intelRdt: no resctrl file system is mounted on this host (mount "
			"-t resctrl resctrl /sys/fs/resctrl; the CPU must have RDT)");
	r = check_names(rdt, id, e);
	if (r < 0)
		return r;
	at.group = root ? arena_strdup(a, h->resctrl)
			: arena_printf(a, "%s/%s", h->resctrl, at.ours ? id : rdt->clos_id);
	if (!at.group)
		return err_oom(e);
	if (rdt->enable_monitoring) {
		at.monitor = arena_printf(a, "%s/mon_groups/%s", at.group, id);
		if (!at.monitor)
			return err_oom(e);
	}
	*ret = at;
	return 0;
}

/* ---- schemata ---------------------------------------------------------------------------- */

static int check_line(const char *field, const char *line, const char *prefix, struct err *e)
{
	if (prefix && !str_starts(line, prefix))
		return err_set(e, EINVAL, "linux.intelRdt.%s \"%.200s\": must begin with \"%s\"",
			       field, line, prefix);
	if (prefix && strchr(line, '\n'))
		return err_set(e, EINVAL, "linux.intelRdt.%s: must not hold a newline", field);
	return 0;
}

/* Every line of @text but, with @no_mb, those of memory bandwidth, each ended by a newline. */
static void add_lines(struct buf *b, const char *text, bool no_mb)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		if (n && !(no_mb && str_starts(text, "MB:"))) {
			(void)buf_add(b, text, n);
			buf_str(b, "\n");
		}
		text += n + (text[n] == '\n');
	}
}

static int schemata(const struct oci_intel_rdt *rdt, struct buf *b, struct err *e)
{
	bool mb = given(rdt->mem_bw_schema);
	int r = mb ? check_line("memBwSchema", rdt->mem_bw_schema, "MB:", e) : 0;

	if (r < 0)
		return r;
	if (given(rdt->l3_cache_schema))
		add_lines(b, rdt->l3_cache_schema, mb);
	if (mb)
		add_lines(b, rdt->mem_bw_schema, false);
	for (size_t i = 0; i < rdt->schemata.count; i++)
		add_lines(b, rdt->schemata.list[i], false);
	return b->failed ? err_oom(e) : 0;
}

/* ---- steps ------------------------------------------------------------------------------- */

static void add_enter(const struct places *at, struct plan *p)
{
	const char *const dirs[] = { at->group, at->monitor };

	/* The group's default monitor is entered with it, so the container's own comes second. */
	for (size_t i = 0; i < ARRAY_LEN(dirs) && dirs[i]; i++)
		plan_add(p, &(struct step){ .kind = STEP_RDT_ENTER,
					    .phase = PHASE_COMMIT,
					    .u.rdt.dir = plan_str(p, PHASE_COMMIT, dirs[i]) });
}

static void add_groups(const struct oci_intel_rdt *rdt, const struct places *at, const char *lines,
		       struct plan *p)
{
	struct step s = { .kind = STEP_RDT_GROUP, .phase = PHASE_HOST };
	bool cmt = rdt->enable_cmt, mbm = rdt->enable_mbm;

	s.u.rdt.dir = plan_str(p, PHASE_HOST, at->group);
	s.u.rdt.schemata = plan_str(p, PHASE_HOST, lines);
	s.u.rdt.make = at->ours				     ? RDT_MAKE
		       : lines && !str_eq(rdt->clos_id, "/") ? RDT_MATCH
							     : RDT_CHECK;
	if (cmt || mbm)
		s.u.rdt.monitor = plan_strf(p, PHASE_HOST, "%s%s", cmt ? "llc_occupancy " : "",
					    mbm ? "mbm_total_bytes mbm_local_bytes " : "");
	plan_add(p, &s);
	if (!at->monitor)
		return;
	s = (struct step){ .kind = STEP_RDT_GROUP, .phase = PHASE_HOST };
	s.u.rdt.dir = plan_str(p, PHASE_HOST, at->monitor);
	s.u.rdt.make = RDT_MAKE;
	plan_add(p, &s);
}

int rdt_plan(const struct oci_intel_rdt *rdt, const struct host_facts *h, const char *id,
	     struct arena *a, struct plan *p, char ***ret_dirs, struct err *e)
{
	AUTO_BUF struct buf lines = { 0 };
	struct places at = { 0 };
	char **dirs;
	size_t n = 0;
	int r;

	*ret_dirs = NULL;
	if (!rdt)
		return 0;
	r = find_places(rdt, h, id, a, &at, e);
	if (r == 0)
		r = schemata(rdt, &lines, e);
	if (r < 0)
		return r;
	dirs = arena_array(a, 3, sizeof(*dirs));
	if (!dirs)
		return err_oom(e);
	add_groups(rdt, &at, lines.len ? lines.data : NULL, p);
	add_enter(&at, p);
	if (at.monitor)
		dirs[n++] = at.monitor;
	if (at.ours)
		dirs[n++] = at.group;
	*ret_dirs = n ? dirs : NULL;
	return 0;
}

int rdt_change(const struct oci_intel_rdt *rdt, const char *l3, const char *mb, struct arena *a,
	       struct oci_intel_rdt *ret, struct err *e)
{
	struct oci_intel_rdt x;

	if (!rdt)
		return err_set(e, EOPNOTSUPP,
			       "updating a non-existent Intel RDT configuration is not supported");
	x = *rdt;
	if (l3)
		x.l3_cache_schema = arena_strdup(a, l3);
	if (mb)
		x.mem_bw_schema = arena_strdup(a, mb);
	if ((l3 && !x.l3_cache_schema) || (mb && !x.mem_bw_schema))
		return err_oom(e);
	*ret = x;
	return 0;
}

int rdt_plan_join(const struct oci_intel_rdt *rdt, const struct host_facts *h, const char *id,
		  struct plan *p, struct err *e)
{
	struct arena a = { 0 };
	struct places at = { 0 };
	int r;

	if (!rdt)
		return 0;
	r = find_places(rdt, h, id, &a, &at, e);
	if (r == 0)
		add_enter(&at, p);
	arena_done(&a);
	return r;
}
