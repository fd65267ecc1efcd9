/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include "base/parse.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Found in PATH, and able to write maps: setuid, or with file capabilities. */
static bool find_helper(const char *name, char *ret, size_t size)
{
	const char *path = getenv("PATH");

	for (const char *s = path ? path : "/usr/bin:/bin"; *s;) {
		int n = (int)strcspn(s, ":");

		if (n > 0 && snprintf(ret, size, "%.*s/%s", n, s, name) < (int)size &&
		    access(ret, X_OK) == 0)
			return true;
		s += n + (s[n] == ':');
	}
	return false;
}

static void check_helper(struct doctor *d, const char *name)
{
	char path[PATH_MAX];
	bool found = find_helper(name, path, sizeof(path));

	doctor_note(d, name, found ? HEALTH_OK : HEALTH_LIMITED,
		    "apt-get install uidmap; without it a user without privilege has one id only",
		    "%s", found ? path : "not installed");
}

static char *my_name(struct doctor *d)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;
	char *name = NULL;

	while (f && !name && (pw = fgetpwent(f)))
		if (pw->pw_uid == d->host.euid)
			name = arena_strdup(&d->arena, pw->pw_name);
	if (f)
		(void)fclose(f);
	return name;
}

static bool is_mine(const char *line, const char *name, uid_t uid)
{
	const char *rest = name ? str_after(line, name) : NULL;
	char number[16];

	if (rest && *rest == ':')
		return true;
	(void)snprintf(number, sizeof(number), "%u:", uid);
	return str_starts(line, number);
}

static void check_ranges(struct doctor *d, const char *what, const char *path, const char *name)
{
	FILE *f = fopen(path, "re");
	char line[256], found[256] = "";

	while (f && !*found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (is_mine(line, name, d->host.euid))
			memcpy(found, line, sizeof(found));
	}
	if (f)
		(void)fclose(f);
	doctor_note(d, what, *found || d->root ? HEALTH_OK : HEALTH_LIMITED,
		    "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER", "%s",
		    *found    ? found
		    : d->root ? "none, root needs none"
			      : "none");
}

static void check_allowed(struct doctor *d)
{
	const char *max = doctor_read(d, "/proc/sys/user/max_user_namespaces");
	const char *clone = doctor_read(d, "/proc/sys/kernel/unprivileged_userns_clone");
	const char *armor =
		doctor_read(d, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	bool ok = !str_eq(max, "0") && !str_eq(clone, "0") && !str_eq(armor, "1");

	doctor_note(d, "rootless", ok ? HEALTH_OK : HEALTH_LIMITED,
		    "sysctl user.max_user_namespaces=65536 kernel.unprivileged_userns_clone=1 "
		    "kernel.apparmor_restrict_unprivileged_userns=0",
		    "user.max_user_namespaces=%s%s%s%s%s", max ? max : "absent",
		    clone ? " unprivileged_userns_clone=" : "", clone ? clone : "",
		    armor ? " apparmor_restrict_unprivileged_userns=" : "", armor ? armor : "");
}

void doctor_users(struct doctor *d)
{
	const char *name = my_name(d);

	check_allowed(d);
	check_helper(d, "newuidmap");
	check_helper(d, "newgidmap");
	check_ranges(d, "subuid", "/etc/subuid", name);
	check_ranges(d, "subgid", "/etc/subgid", name);
}

static const char *layout_name(enum cgroup_layout l)
{
	switch (l) {
	case CGROUP_NONE:
		return "none";
	case CGROUP_V1:
		return "v1";
	case CGROUP_HYBRID:
		return "hybrid";
	case CGROUP_V2:
		return "v2";
	}
	return "none";
}

void doctor_cgroups(struct doctor *d)
{
	const struct host_cgroups *h = &d->host.cgroups;
	enum health bad = d->root ? HEALTH_MISSING : HEALTH_LIMITED;
	char all[400] = "";

	doctor_note(d, "cgroups", h->layout == CGROUP_NONE ? bad : HEALTH_OK,
		    "mount -t cgroup2 cgroup2 /sys/fs/cgroup", "%s", layout_name(h->layout));
	for (size_t i = 0; i < h->count; i++) {
		const char *c = h->hierarchies[i].controllers;
		char path[PATH_MAX];
		size_t n = strlen(all);

		if (h->hierarchies[i].v2) {
			(void)snprintf(path, sizeof(path), "%s/cgroup.controllers",
				       h->hierarchies[i].mount);
			c = doctor_read(d, path);
		}
		if (c && *c)
			(void)snprintf(all + n, sizeof(all) - n, "%s%s", n ? " " : "", c);
	}
	doctor_note(d, "cgroup controllers", *all || h->layout == CGROUP_NONE ? HEALTH_OK : bad,
		    "boot with the controllers enabled (cgroup_enable=memory and the like)", "%s",
		    *all ? all : "none");
}
