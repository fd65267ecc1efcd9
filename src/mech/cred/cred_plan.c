/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cred/cred.h"

#include "base/parse.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const uint64_t sys_admin = 1ULL << CAP_SYS_ADMIN;

/*
 * The mask of one set. Names unknown here, and capabilities this runtime doesn't hold
 * itself, can't be granted and are left out (config.md, process.capabilities).
 */
static uint64_t cap_bit(const char *name, const struct host_facts *h, const struct cred_context *c)
{
	uint64_t ours = c->userns ? ~0ULL : h->caps_bounding;
	cap_value_t v;

	if (cap_from_name(name, &v) < 0 || v < 0 || (uint32_t)v > h->cap_last)
		return 0;
	return 1ULL << v & ours;
}

static uint64_t cap_set(const struct oci_process *pr, enum oci_capset set,
			const struct host_facts *h, const struct cred_context *c)
{
	uint64_t mask = 0;

	for (size_t i = 0; pr->capabilities && i < pr->capabilities->set[set].count; i++)
		mask |= cap_bit(pr->capabilities->set[set].list[i], h, c);
	return mask;
}

void cred_missing(const struct oci_process *pr, const struct host_facts *h,
		  const struct cred_context *c, struct err *w)
{
	const uint64_t may = cap_set(pr, OCI_CAPS_PERMITTED, h, c) &
			     cap_set(pr, OCI_CAPS_INHERITABLE, h, c);
	AUTO_BUF struct buf names = { 0 }, ambient = { 0 };

	for (unsigned int set = 0; pr->capabilities && set < OCI_CAPS_COUNT; set++)
		for (size_t i = 0; i < pr->capabilities->set[set].count; i++) {
			const char *name = pr->capabilities->set[set].list[i];
			uint64_t bit = cap_bit(name, h, c);

			if (bit == 0 && !(names.data && strstr(names.data, name)))
				buf_printf(&names, " %.100s", name);
			else if (set == OCI_CAPS_AMBIENT && !(bit & may))
				buf_printf(&ambient, "%s%s", ambient.len ? ", " : "", name);
		}
	if (names.len > 0)
		(void)err_set(w, EPERM,
			      "process.capabilities: ignoring what can't be granted:%.400s",
			      names.data);
	else if (ambient.len > 0)
		(void)err_set(w, EPERM,
			      "process.capabilities: can't raise ambient capability %.300s: "
			      "must be permitted and inheritable, too",
			      ambient.data);
}

char **cred_names(struct arena *a, uint32_t cap_last)
{
	char **list = arena_array(a, (size_t)cap_last + 2, sizeof(*list));
	size_t n = 0;

	for (uint32_t c = 0; list && c <= cap_last; c++) {
		char *name = cap_to_name((cap_value_t)c);

		if (name && str_starts(name, "cap_")) {
			list[n] = arena_strdup(a, name);
			for (char *p = list[n]; p && *p; p++)
				if (*p >= 'a' && *p <= 'z')
					*p = (char)(*p - 'a' + 'A');
			n += list[n] != NULL;
		}
		cap_free(name);
	}
	return list;
}

void cred_plan_limits(const struct oci_process *pr, bool lower, struct plan *p)
{
	for (size_t i = 0; i < pr->rlimits_count; i++)
		plan_add(p,
			 &(struct step){
				 .kind = STEP_RLIMIT,
				 .phase = PHASE_COMMIT,
				 .origin = (uint32_t)i,
				 .u.rlimit = { .soft = pr->rlimits[i].soft,
					       .hard = pr->rlimits[i].hard,
					       .lower = lower,
					       .resource = (uint32_t)pr->rlimits[i].resource } });
	if (pr->oom_score_adj.set)
		plan_add_num(p, PHASE_INIT, STEP_OOM_SCORE, pr->oom_score_adj.v);
}

/* ---- environment -------------------------------------------------------------------------- */

/* The names already taken; open addressing, at most half full. */
struct names {
	const char **slots;
	size_t size; /* a power of two */
};

static bool take_name(struct names *n, const char *entry)
{
	size_t len = strcspn(entry, "="), at;
	uint32_t h = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)entry[i]) * 16777619U;
	for (at = h & (n->size - 1); n->slots[at]; at = (at + 1) & (n->size - 1))
		if (strncmp(n->slots[at], entry, len) == 0 && n->slots[at][len] == '=')
			return false;
	n->slots[at] = entry;
	return true;
}

static void reverse(const char **list, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		const char *other = list[n - 1 - i];

		list[n - 1 - i] = list[i];
		list[i] = other;
	}
}

/* As runc and engines have it, an empty HOME is none. */
static void take_entry(struct names *names, const char *entry, struct cred_env *ret)
{
	if (!take_name(names, entry))
		return;
	if (str_starts(entry, "HOME=")) {
		ret->home = entry[5] == '\0';
		if (ret->home)
			return;
	} else if (str_starts(entry, "PATH=")) {
		ret->path = entry + 5;
	}
	ret->list[ret->count++] = entry;
}

int cred_env(const struct oci_process *pr, const struct cred_context *c, struct cred_env *ret,
	     struct err *e)
{
	AUTO_FREE const char **slots = NULL;
	struct names names = { .size = 16 };
	size_t own = pr->env.list ? pr->env.count : 0, more = 0;

	*ret = (struct cred_env){ .home = true };
	while (c->extra_env && c->extra_env[more])
		more++;
	while (names.size < 2 * (own + more))
		names.size *= 2;
	names.slots = slots = calloc(names.size, sizeof(*slots));
	ret->list = calloc(own + more + 2, sizeof(*ret->list));
	if (!slots || !ret->list)
		return err_oom(e);
	/* From the end: of several with one name the last holds, and keeps its place. */
	for (size_t i = more; i-- > 0;)
		take_entry(&names, c->extra_env[i], ret);
	for (size_t i = own; i-- > 0;)
		take_entry(&names, pr->env.list[i], ret);
	reverse(ret->list, ret->count);
	if (ret->home)
		ret->list[ret->count++] = "HOME=";
	return 0;
}

static bool is_effective(const struct oci_process *pr, const char *cap)
{
	const struct oci_strings *set =
		pr->capabilities ? &pr->capabilities->set[OCI_CAPS_EFFECTIVE] : NULL;

	for (size_t i = 0; set && i < set->count; i++)
		if (str_eq(set->list[i], cap))
			return true;
	return false;
}

static int plan_exec_step(const struct oci_process *pr, const struct cred_context *c,
			  struct plan *p, enum phase phase, enum step_kind kind, struct err *e)
{
	struct step s = { .kind = (uint16_t)kind, .phase = (uint8_t)phase };
	AUTO_CRED_ENV struct cred_env env = { 0 };
	bool kept = c->partial && !pr->env.list;
	int r;

	if (!pr->args.count && !(c->partial && !pr->args.list))
		return err_set(e, EINVAL, "process.args: must not be empty");
	r = cred_env(pr, c, &env, e);
	if (r < 0)
		return r;
	/* The look-up needs the name alone; the program gets everything. */
	s.u.exec.argv =
		plan_list_n(p, phase, pr->args.list, kind == STEP_LOOKUP ? 1 : pr->args.count);
	s.u.exec.path = plan_str(p, phase, env.path || kept ? env.path : DEFAULT_PATH);
	s.u.exec.uid = pr->user.uid;
	s.u.exec.gid = pr->user.gid;
	s.u.exec.overrides = kind == STEP_LOOKUP && is_effective(pr, "CAP_DAC_OVERRIDE");
	s.u.exec.home = !kept && env.home;
	if (kind == STEP_EXEC && !kept)
		s.u.exec.envp = plan_list_n(p, phase, (char *const *)env.list, env.count);
	plan_add(p, &s);
	return 0;
}

void cred_plan_workdir(const struct oci_process *pr, const struct cred_context *c, struct plan *p)
{
	if (pr->cwd || !c->partial)
		plan_add(p, &(struct step){ .kind = STEP_WORKDIR,
					    .phase = PHASE_INIT,
					    .u.workdir = { plan_str(p, PHASE_INIT, pr->cwd),
							   c->make_cwd } });
}

int cred_plan_prepare(const struct oci_process *pr, const struct cred_context *c, struct plan *p,
		      struct err *e)
{
	cred_plan_workdir(pr, c, p);
	return plan_exec_step(pr, c, p, PHASE_INIT, STEP_LOOKUP, e);
}

int cred_plan_exec(const struct oci_process *pr, const struct cred_context *c, struct plan *p,
		   struct err *e)
{
	return plan_exec_step(pr, c, p, PHASE_ENTER, STEP_EXEC, e);
}

static void plan_caps(const struct oci_process *pr, const struct host_facts *h,
		      const struct cred_context *c, uint64_t also, struct plan *p)
{
	plan_add(p, &(struct step){
			    .kind = STEP_CAPS,
			    .phase = PHASE_ENTER,
			    .u.caps = { .effective = cap_set(pr, OCI_CAPS_EFFECTIVE, h, c) | also,
					.permitted = cap_set(pr, OCI_CAPS_PERMITTED, h, c) | also,
					.inheritable = cap_set(pr, OCI_CAPS_INHERITABLE, h, c),
					.ambient = cap_set(pr, OCI_CAPS_AMBIENT, h, c) } });
}

int cred_plan_enter(const struct oci_process *pr, const struct host_facts *h,
		    const struct cred_context *c, bool filtered, struct plan *p, struct err *e)
{
	bool keep_admin = filtered && !pr->no_new_privileges;

	if (pr->user.additional_gids_count && c->setgroups_denied && !c->keep_groups)
		return err_set(
			e, EINVAL,
			"process.user.additionalGids: setgroups is denied in this user namespace");
	plan_add(p, &(struct step){ .kind = STEP_BOUNDING,
				    .phase = PHASE_ENTER,
				    .u.caps.bounding = cap_set(pr, OCI_CAPS_BOUNDING, h, c) });
	if (!c->setgroups_denied && !c->keep_groups) {
		static const uint32_t none[1];

		plan_add(p,
			 &(struct step){
				 .kind = STEP_GROUPS,
				 .phase = PHASE_ENTER,
				 .u.groups.may_deny = c->setgroups_unsure &&
						      !pr->user.additional_gids_count,
				 .u.groups.gids = plan_blob(
					 p, PHASE_ENTER,
					 pr->user.additional_gids_count ? pr->user.additional_gids
									: none,
					 pr->user.additional_gids_count * sizeof(uint32_t)) });
	}
	plan_add(p, &(struct step){
			    .kind = STEP_USER,
			    .phase = PHASE_ENTER,
			    .u.user = { .uid = pr->user.uid,
					.gid = pr->user.gid,
					.umask = pr->user.umask.set ? pr->user.umask.v : 022 } });
	plan_caps(pr, h, c, keep_admin ? sys_admin : 0, p);
	if (pr->no_new_privileges)
		plan_add_none(p, PHASE_ENTER, STEP_NO_NEW_PRIVS);
	return 0;
}

void cred_plan_modest(const struct oci_process *pr, const struct host_facts *h,
		      const struct cred_context *c, bool filtered, struct plan *p)
{
	uint64_t need = 1ULL << CAP_SETUID | 1ULL << CAP_SETGID | 1ULL << CAP_SETPCAP |
			1ULL << CAP_CHOWN | 1ULL << CAP_FOWNER | 1ULL << CAP_DAC_OVERRIDE |
			cap_set(pr, OCI_CAPS_PERMITTED, h, c);

	if (filtered && !pr->no_new_privileges)
		need |= sys_admin;
	/* Inheritable is given now: later it could only be narrowed to what is permitted. */
	plan_add(p, &(struct step){
			    .kind = STEP_CAPS,
			    .phase = PHASE_INIT,
			    .u.caps = { .effective = need,
					.permitted = need,
					.inheritable = cap_set(pr, OCI_CAPS_INHERITABLE, h, c) } });
}

void cred_plan_drop(const struct oci_process *pr, const struct host_facts *h,
		    const struct cred_context *c, bool filtered, struct plan *p)
{
	if (filtered && !pr->no_new_privileges &&
	    !(cap_set(pr, OCI_CAPS_PERMITTED, h, c) & cap_set(pr, OCI_CAPS_EFFECTIVE, h, c) &
	      sys_admin))
		plan_caps(pr, h, c, 0, p);
}
