/* SPDX-License-Identifier: Apache-2.0 */
#include "container/control.h"

#include "base/json.h"
#include "base/parse.h"
#include "container/life.h"
#include "container/store.h"
#include "mech/cgroup/cgroup.h"
#include "mech/rdt/rdt.h"
#include "oci/parse.h"
#include "oci/validate.h"

#include <string.h>

/* An update on its way: the change, and the configuration with the change in it. */
struct change {
	const struct ctr_update_options *o;
	struct ctr c;
	struct arena arena;
	struct host_facts host;
	struct oci_resources *res; /* the change alone */
	struct oci_spec *spec;	   /* all */
	struct buf config;	   /* its text */
};

static void change_done(struct change *x)
{
	host_facts_done(&x->host);
	oci_spec_free(x->spec);
	buf_done(&x->config);
	arena_done(&x->arena);
	ctr_done(&x->c);
}
#define AUTO_CHANGE AUTO(change_done)

/* @config becomes itself with @patch, the text of an object, merged in. */
static int merge(struct buf *config, const char *patch, struct err *e)
{
	AUTO_JSON struct json *doc = NULL, *more = NULL;
	struct buf merged = { 0 };
	struct json_out o = { .b = &merged };
	int r;

	r = json_parse(config->data ? config->data : "", config->len, &doc, e);
	if (r == 0)
		r = json_parse(patch, strlen(patch), &more, e);
	if (r < 0)
		return r;
	jo_merge(&o, NULL, doc, more);
	if (merged.failed) {
		buf_done(&merged);
		return err_oom(e);
	}
	buf_done(config);
	*config = merged;
	return 0;
}

/* The devices of the configuration stay what is in force: an update doesn't touch them. */
static int keep_devices(struct change *x, const struct json *before, struct err *e)
{
	struct json *res = json_get(json_get(before, "linux"), "resources");
	AUTO_BUF struct buf text = { 0 };
	struct json_out o = { .b = &text };

	jo_open(&o, NULL, '{');
	jo_open(&o, "linux", '{');
	jo_open(&o, "resources", '{');
	if (json_get(res, "devices"))
		jo_merge(&o, "devices", NULL, json_get(res, "devices"));
	else
		jo_raw(&o, "devices", "[]");
	jo_close(&o, '}');
	jo_close(&o, '}');
	jo_close(&o, '}');
	return text.failed ? err_oom(e) : merge(&x->config, text.data, e);
}

static int merge_config(struct change *x, struct err *e)
{
	static const char no_swap[] = "{\"linux\":{\"resources\":{\"memory\":{\"swap\":-1}}}}";
	const struct oci_memory *m = x->res->memory;
	AUTO_JSON struct json *before = NULL;
	char *patch = arena_printf(&x->arena, "{\"linux\":{\"resources\":%s}}", x->o->resources);
	int r;

	if (!patch)
		return err_oom(e);
	r = store_get(x->c.dir_fd, "config.json", &x->config, e);
	if (r == 0)
		r = json_parse(x->config.data ? x->config.data : "", x->config.len, &before, e);
	if (r == 0)
		r = merge(&x->config, patch, e);
	/* No limit of memory means none of memory and swap either, unless one is named. */
	if (r == 0 && m && m->limit.set && m->limit.v < 0 && !m->swap.set)
		r = merge(&x->config, no_swap, e);
	if (r == 0 && x->res->devices_count > 0)
		r = keep_devices(x, before, e);
	if (r == 0)
		r = oci_spec_parse(x->config.data ? x->config.data : "", x->config.len, &x->spec,
				   e);
	return r < 0 ? err_wrap(e, "container %s: config.json", x->c.id) : 0;
}

/* Two limits that are one value on v2, or bound to each other: the one not named keeps its value. */
static void complete(struct change *x)
{
	const struct oci_resources *all = x->spec->linux_ ? x->spec->linux_->resources : NULL;
	struct oci_memory *m = x->res->memory;
	struct oci_cpu *c = x->res->cpu;

	if (all && all->cpu && c && c->quota_us.set != c->period_us.set) {
		c->quota_us = all->cpu->quota_us;
		c->period_us = all->cpu->period_us;
	}
	if (all && all->memory && m && m->limit.set != m->swap.set) {
		m->limit = all->memory->limit;
		m->swap = all->memory->swap;
	}
}

static bool rdt_has(const struct host_facts *h, const char *const *names)
{
	char path[512];

	for (; h->resctrl && *names; names++) {
		(void)snprintf(path, sizeof(path), "%s/info/%s", h->resctrl, *names);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static int check_rdt(const struct change *x, struct err *e)
{
	static const char *const l3[] = { "L3", "L3CODE", NULL }, *const mb[] = { "MB", NULL };

	if (x->o->l3_cache_schema && !rdt_has(&x->host, l3))
		return err_set(e, EOPNOTSUPP, "Intel RDT/CAT: l3 cache schema is not enabled");
	if (x->o->mem_bw_schema && !rdt_has(&x->host, mb))
		return err_set(e, EOPNOTSUPP,
			       "Intel RDT/MBA: memory bandwidth schema is not enabled");
	return 0;
}

static int run_rdt(struct change *x, struct plan *p, struct err *e)
{
	struct plan_view v = { 0 };
	struct island in = {
		.plan = &v, .root_fd = -EBADF, .proc_fd = -EBADF, .sock = -EBADF, .pid = x->c.pid
	};
	uint32_t made;
	int r = plan_failed(p) ? err_oom(e) : plan_view_half(&p->host, NULL, 0, &v, e);

	for (uint32_t i = 0; r >= 0 && i < v.nsteps; i++) {
		struct step s = v.steps[i];

		/* That it was there already, with other values, is what an update is about. */
		if (s.kind == STEP_RDT_GROUP && s.u.rdt.schemata.len)
			s.u.rdt.make = RDT_MAKE;
		r = rdt_apply(&in, &s, &made, e);
	}
	return r < 0 ? r : 0;
}

/* The other half of a class keeps its lines. */
static int merge_rdt(struct change *x, const struct oci_intel_rdt *rdt, struct err *e)
{
	AUTO_BUF struct buf patch = { 0 };
	struct json_out o = { .b = &patch };

	jo_open(&o, NULL, '{');
	jo_open(&o, "linux", '{');
	jo_open(&o, "intelRdt", '{');
	if (rdt->l3_cache_schema)
		jo_str(&o, "l3CacheSchema", rdt->l3_cache_schema);
	if (rdt->mem_bw_schema)
		jo_str(&o, "memBwSchema", rdt->mem_bw_schema);
	jo_close(&o, '}');
	jo_close(&o, '}');
	jo_close(&o, '}');
	return patch.failed ? err_oom(e) : merge(&x->config, patch.data, e);
}

static int update_rdt(struct change *x, struct err *e)
{
	const struct ctr_update_options *o = x->o;
	struct oci_intel_rdt rdt;
	AUTO_PLAN struct plan p;
	char **dirs = NULL;
	int r;

	if (!o->l3_cache_schema && !o->mem_bw_schema)
		return 0;
	r = rdt_change(x->spec->linux_ ? x->spec->linux_->intel_rdt : NULL, o->l3_cache_schema,
		       o->mem_bw_schema, &x->arena, &rdt, e);
	if (r < 0)
		return r;
	plan_init(&p);
	r = rdt_plan(&rdt, &x->host, x->c.id, &x->arena, &p, &dirs, e);
	if (r == 0)
		r = run_rdt(x, &p, e);
	return r < 0 ? r : merge_rdt(x, &rdt, e);
}

static int open_running(struct change *x, struct err *e)
{
	const char *no;
	int r;

	r = ctr_open(x->o->root, x->o->id, true, &x->c, e);
	if (r < 0)
		return r;
	no = life_refusal(LIFE_UPDATE, ctr_status(&x->c));
	if (no)
		return err_set(e, ESRCH, "%s", no);
	return host_facts_gather(&x->host, e);
}

int ctr_update(const struct ctr_update_options *o, struct err *e)
{
	AUTO_CHANGE struct change x = { .o = o, .c = CTR_INIT };
	int r;

	r = oci_resources_parse(o->resources, strlen(o->resources), &x.arena, &x.res, e);
	if (r == 0)
		r = oci_resources_validate(x.res, e);
	if (r < 0)
		return err_wrap(e, "resources");
	r = open_running(&x, e);
	if (r == 0)
		r = check_rdt(&x, e);
	if (r == 0)
		r = merge_config(&x, e);
	if (r < 0)
		return r;
	complete(&x);
	if (x.c.unit)
		r = cg_unit_update(x.res, &x.host, x.c.cgroup_dirs, x.c.cgroup_count, x.c.unit,
				   x.c.unit_user, e);
	if (r == 0)
		r = cg_update(x.res, &x.host, x.c.cgroup_dirs, x.c.cgroup_count, e);
	if (r == 0)
		r = update_rdt(&x, e);
	if (r < 0)
		return r;
	return store_put(x.c.dir_fd, "config.json", x.config.data, x.config.len, 0600, e);
}
