/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

#include <string.h>

/* The helper's own limit for one operation is below this: it tells what it waited for. */
enum { UNIT_WAIT_MS = 45000 };

/* argv of execve(2) is not const, though nobody changes it. */
static char *manager_word(bool user)
{
	static char of_user[] = "user", of_system[] = "system";

	return user ? of_user : of_system;
}

static int talk(char *const argv[], const char *text, struct buf *answer, struct err *e)
{
	int r = spawn_libexec("cay-systemd", argv, text, UNIT_WAIT_MS, answer, e);

	if (r == -ENOENT)
		return err_set(e, r,
			       "cgroups through systemd need the program cay-systemd: it is not "
			       "installed");
	return r;
}

static int start(const struct plan_view *v, const struct step *s, pid_t pid, struct err *e)
{
	const char *unit = view_str(v, s->u.scope.unit), *path = view_str(v, s->u.scope.path);
	const char *props = view_str(v, s->u.scope.properties);
	AUTO_BUF struct buf answer = { 0 };
	char who[16];
	char *argv[] = { (char[]){ "cay-systemd" }, (char[]){ "start" }, NULL, NULL, NULL, NULL };
	int r;

	if (!unit || !path || !props)
		return err_set(e, EINVAL, "scope: incomplete step");
	(void)snprintf(who, sizeof(who), "%d", pid);
	argv[2] = manager_word(s->u.scope.user);
	argv[3] = (char *)unit;
	argv[4] = who;
	r = talk(argv, props, &answer, e);
	if (r < 0)
		return r;
	if (answer.data && !str_eq(answer.data, path)) {
		(void)cg_unit_stop(unit, s->u.scope.user, NULL);
		return err_set(e, EXDEV,
			       "systemd put %s into the cgroup \"%.180s\", not into \"%.180s\"",
			       unit, answer.data, path);
	}
	return 0;
}

static int attach(const char *unit, bool user, pid_t pid, struct err *e)
{
	AUTO_BUF struct buf answer = { 0 };
	char who[16];
	char *argv[] = {
		(char[]){ "cay-systemd" }, (char[]){ "attach" }, NULL, (char *)unit, who, NULL
	};

	(void)snprintf(who, sizeof(who), "%d", pid);
	argv[2] = manager_word(user);
	return talk(argv, "", &answer, e);
}

int cg_unit_apply(const struct plan_view *v, const struct step *s, pid_t pid, struct err *e)
{
	if (s->kind == STEP_SCOPE_START)
		return start(v, s, pid, e);
	return attach(view_str(v, s->u.scope.unit), s->u.scope.user, pid, e);
}

/* v1 has a file of its own for the period, which an update may leave as it is. */
static uint64_t period_now(char *const *dirs, size_t count)
{
	uint64_t period = 0;
	char text[32];

	for (size_t i = 0; i < count; i++) {
		AUTO_FD int fd = cg_open_dir(dirs[i]);

		if (fd < 0 || sys_read_at(fd, "cpu.cfs_period_us", text, sizeof(text)) < 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		if (parse_u64(text, &period) == 0)
			return period;
	}
	return 0;
}

static void properties_of(const struct plan_view *v, struct cg_quota *quota, struct buf *out)
{
	for (uint32_t i = 0; i < v->nsteps; i++) {
		const struct step *s = &v->steps[i];

		if (s->kind == STEP_CGROUP_SET && s->u.cgroup.optional == CG_MUST)
			cg_property_of_file(view_str(v, s->u.cgroup.file), s->u.cgroup.v2,
					    view_str(v, s->u.cgroup.value), quota, out);
	}
	cg_property_of_quota(quota, out);
}

int cg_unit_update(const struct oci_resources *res, const struct host_facts *h, char *const *dirs,
		   size_t count, const char *unit, bool user, struct err *e)
{
	char *argv[] = { (char[]){ "cay-systemd" }, (char[]){ "set" }, NULL, (char *)unit, NULL };
	AUTO_BUF struct buf lines = { 0 };
	AUTO_BUF struct buf answer = { 0 };
	AUTO_PLAN struct plan p;
	struct plan_view v = { 0 };
	struct cg_quota quota = { 0 };
	int r;

	plan_init(&p);
	r = cg_plan_update(res, h, dirs, count, &p, e);
	if (r == 0)
		r = plan_view_half(&p.host, NULL, 0, &v, e);
	if (r < 0)
		return r;
	quota.period_us = period_now(dirs, count);
	properties_of(&v, &quota, &lines);
	if (lines.failed)
		return err_oom(e);
	argv[2] = manager_word(user);
	return lines.len ? talk(argv, lines.data, &answer, e) : 0;
}

int cg_unit_stop(const char *unit, bool user, struct err *e)
{
	AUTO_BUF struct buf answer = { 0 };
	char *argv[] = { (char[]){ "cay-systemd" }, (char[]){ "stop" }, NULL, (char *)unit, NULL };

	argv[2] = manager_word(user);
	return talk(argv, "", &answer, e);
}
