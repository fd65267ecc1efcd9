/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/lsm/lsm.h"

#include "base/parse.h"

#include <string.h>

static bool given(const char *s)
{
	return s && *s;
}

/* What has its own folder below attr/ answers there; attr/exec is the first module's alone. */
static const char *const selinux_exec[] = { "self/attr/selinux/exec", "self/attr/exec", NULL };
static const char *const selinux_keys[] = { "self/attr/selinux/keycreate", "self/attr/keycreate",
					    NULL };
static const char *const apparmor_exec[] = { "self/attr/apparmor/exec", "self/attr/exec", NULL };
static const char *const apparmor_now[] = { "self/attr/apparmor/current", "self/attr/current",
					    NULL };

static void add_open(enum lsm_kind lsm, const char *const *files, struct plan *p)
{
	struct step s = { .kind = STEP_LABEL_OPEN, .phase = PHASE_INIT };

	s.u.label.files = plan_list(p, PHASE_INIT, (char *const *)(uintptr_t)files);
	s.u.label.lsm = lsm;
	plan_add(p, &s);
}

static void add_label(enum lsm_kind lsm, enum phase phase, const char *prefix, const char *value,
		      struct plan *p)
{
	struct step s = { .kind = STEP_LABEL, .phase = (uint8_t)phase };

	s.u.label.value = plan_strf(p, phase, "%s%s", prefix, value);
	s.u.label.lsm = lsm;
	plan_add(p, &s);
}

static int check_value(const char *field, const char *value, struct err *e)
{
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return err_set(e, EINVAL, "%s: must not hold control characters", field);
	return 0;
}

static int need(bool there, const char *module, const char *field, const char *value, struct err *e)
{
	if (!there)
		return err_set(e, EOPNOTSUPP,
			       "%s \"%.200s\": %s is disabled on this host or not supported by its "
			       "kernel",
			       field, value, module);
	return check_value(field, value, e);
}

static bool wants_profile(const struct oci_process *pr, const struct host_facts *h)
{
	return given(pr->apparmor_profile) &&
	       (h->apparmor || !str_eq(pr->apparmor_profile, "unconfined"));
}

int lsm_plan_mounts(const struct oci_linux *l, const struct host_facts *h, struct err *e)
{
	if (!l || !given(l->mount_label))
		return 0;
	return need(h->selinux, "SELinux", "linux.mountLabel", l->mount_label, e);
}

void lsm_plan_keys(const struct oci_process *pr, bool before, struct plan *p)
{
	if (!given(pr->selinux_label))
		return;
	if (before)
		add_open(LSM_SELINUX, selinux_keys, p);
	add_label(LSM_SELINUX, PHASE_INIT, "", before ? pr->selinux_label : "", p);
}

int lsm_plan_open(const struct oci_process *pr, const struct host_facts *h, struct plan *p,
		  struct err *e)
{
	int r = 0;

	if (given(pr->selinux_label)) {
		r = need(h->selinux, "SELinux", "process.selinuxLabel", pr->selinux_label, e);
		if (r < 0)
			return r;
		add_open(LSM_SELINUX, selinux_exec, p);
	}
	if (wants_profile(pr, h)) {
		r = need(h->apparmor, "AppArmor", "process.apparmorProfile", pr->apparmor_profile,
			 e);
		if (r < 0)
			return r;
		/* Changes nothing: it fails when the profile is not loaded, before the gate. */
		add_open(LSM_APPARMOR, apparmor_now, p);
		add_label(LSM_APPARMOR, PHASE_INIT, "permprofile ", pr->apparmor_profile, p);
		add_open(LSM_APPARMOR, apparmor_exec, p);
	}
	return 0;
}

void lsm_plan_label(const struct oci_process *pr, const struct host_facts *h, struct plan *p)
{
	if (wants_profile(pr, h))
		add_label(LSM_APPARMOR, PHASE_ENTER, "exec ", pr->apparmor_profile, p);
	if (given(pr->selinux_label))
		add_label(LSM_SELINUX, PHASE_ENTER, "", pr->selinux_label, p);
}
