/* SPDX-License-Identifier: Apache-2.0 */
#include "container/exec_process.h"

#include "base/parse.h"

#include <string.h>

static size_t list_len(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static int append(struct oci_strings *s, char *const *more, struct arena *a, struct err *e)
{
	size_t n = list_len(more);
	char **list;

	if (n == 0)
		return 0;
	list = arena_array(a, s->count + n + 1, sizeof(*list));
	if (!list)
		return err_oom(e);
	if (s->count > 0)
		memcpy(list, s->list, s->count * sizeof(*list));
	memcpy(list + s->count, more, n * sizeof(*list));
	s->list = list;
	s->count += n;
	return 0;
}

static bool has(const struct oci_strings *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (str_eq(s->list[i], name))
			return true;
	return false;
}

static int add_caps(struct oci_process *p, char *const *caps, struct arena *a, struct err *e)
{
	static const enum oci_capset sets[] = { OCI_CAPS_BOUNDING, OCI_CAPS_EFFECTIVE,
						OCI_CAPS_PERMITTED };
	struct oci_capabilities *c;
	int r;

	if (list_len(caps) == 0)
		return 0;
	c = arena_alloc(a, sizeof(*c));
	if (!c)
		return err_oom(e);
	if (p->capabilities)
		*c = *p->capabilities;
	p->capabilities = c;
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		r = append(&c->set[sets[i]], caps, a, e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; caps[i]; i++) {
		char *const one[] = { caps[i], NULL };

		if (!has(&c->set[OCI_CAPS_INHERITABLE], caps[i]))
			continue;
		r = append(&c->set[OCI_CAPS_AMBIENT], one, a, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_user(struct oci_process *p, const char *user, struct arena *a, struct err *e)
{
	char *uid, *gid;

	if (!user)
		return 0;
	uid = arena_strdup(a, user);
	if (!uid)
		return err_oom(e);
	gid = strchr(uid, ':');
	if (gid)
		*gid++ = '\0';
	if (parse_u32(uid, &p->user.uid) < 0)
		return err_set(e, EINVAL, "--user \"%s\": the uid must be a number", user);
	if (gid && parse_u32(gid, &p->user.gid) < 0)
		return err_set(e, EINVAL, "--user \"%s\": the gid must be a number", user);
	if (p->user.uid == UINT32_MAX || p->user.gid == UINT32_MAX)
		return err_set(e, EINVAL, "--user \"%s\": 4294967295 is no id", user);
	return 0;
}

static int add_gids(struct oci_process *p, const struct ctr_exec_options *o, struct arena *a,
		    struct err *e)
{
	size_t had = p->user.additional_gids_count;
	uint32_t *gids;

	if (o->gids_count == 0)
		return 0;
	gids = arena_array(a, had + o->gids_count, sizeof(*gids));
	if (!gids)
		return err_oom(e);
	if (had > 0)
		memcpy(gids, p->user.additional_gids, had * sizeof(*gids));
	memcpy(gids + had, o->gids, o->gids_count * sizeof(*gids));
	p->user.additional_gids = gids;
	p->user.additional_gids_count += o->gids_count;
	return 0;
}

/* Strings of options are never written to; struct oci_process just has no const. */
static int set_string(char **field, const char *value, struct arena *a, struct err *e)
{
	if (!value)
		return 0;
	*field = arena_strdup(a, value);
	return *field ? 0 : err_oom(e);
}

int exec_process(const struct ctr_exec_options *o, const struct oci_process *base, struct arena *a,
		 struct oci_process **ret, struct err *e)
{
	struct oci_process *p = arena_alloc(a, sizeof(*p));
	int r;

	if (!p)
		return err_oom(e);
	if (!base)
		return err_set(e, EINVAL,
			       "the container's config.json has no process: use "
			       "--process");
	if (list_len(o->args) == 0)
		return err_set(e, EINVAL, "process args cannot be empty");
	*p = *base;
	p->args = (struct oci_strings){ 0 };
	p->terminal = o->tty;
	p->no_new_privileges = base->no_new_privileges || o->no_new_privs;
	r = append(&p->args, o->args, a, e);
	if (r == 0)
		r = append(&p->env, o->env, a, e);
	if (r == 0)
		r = set_string(&p->cwd, o->cwd, a, e);
	if (r == 0)
		r = set_string(&p->apparmor_profile, o->apparmor, a, e);
	if (r == 0)
		r = set_string(&p->selinux_label, o->process_label, a, e);
	if (r == 0)
		r = add_caps(p, o->caps, a, e);
	if (r == 0)
		r = set_user(p, o->user, a, e);
	if (r == 0)
		r = add_gids(p, o, a, e);
	if (r == 0)
		*ret = p;
	return r;
}

static bool in_list(const char *list, const char *name, size_t len)
{
	for (const char *s = list; *s;) {
		size_t n = strcspn(s, ",");

		if (n == len && strncmp(s, name, n) == 0)
			return true;
		s += n + (s[n] == ',');
	}
	return false;
}

/* The hierarchy whose mount point @dir lies below. */
static const struct cgroup_hierarchy *hierarchy_of(const struct host_cgroups *h, const char *dir)
{
	const struct cgroup_hierarchy *best = NULL;

	for (size_t i = 0; i < h->count; i++) {
		const struct cgroup_hierarchy *y = &h->hierarchies[i];
		const char *rest = str_after(dir, y->mount);

		if (rest && (*rest == '/' || *rest == '\0') &&
		    (!best || strlen(y->mount) > strlen(best->mount)))
			best = y;
	}
	return best;
}

struct sub {
	const char *controllers; /* may be "" : all */
	size_t controllers_len;
	const char *path;
};

static int parse_sub(const char *text, struct sub *ret, struct arena *a, struct err *e)
{
	const char *colon = strchr(text, ':');
	const char *path = colon ? colon + 1 : text;
	const char *clean;

	while (*path == '/')
		path++;
	clean = arena_printf(a, "/%s", path);
	if (!clean)
		return err_oom(e);
	if (!path_is_clean(clean))
		return err_set(e, EINVAL,
			       "--cgroup: bad sub cgroup path: \"%s\": must name a cgroup "
			       "below the container's own",
			       text);
	ret->controllers = text;
	ret->controllers_len = colon ? (size_t)(colon - text) : 0;
	ret->path = clean;
	return 0;
}

static bool concerns(const struct sub *s, const struct cgroup_hierarchy *h)
{
	if (s->controllers_len == 0)
		return true;
	for (size_t i = 0; h && i < s->controllers_len;) {
		size_t n = strcspn(s->controllers + i, ",:");

		if (in_list(h->controllers, s->controllers + i, n))
			return true;
		i += n + 1;
	}
	return false;
}

static int apply_sub(const struct sub *s, const char *text, const struct ctr *c,
		     const struct host_cgroups *h, struct arena *a, char **dirs, struct err *e)
{
	bool used = false;

	for (size_t i = 0; i < c->cgroup_count; i++) {
		if (!concerns(s, hierarchy_of(h, c->cgroup_dirs[i])))
			continue;
		used = true;
		if (!s->path || s->path[1] == '\0')
			continue;
		dirs[i] = arena_printf(a, "%s%s", c->cgroup_dirs[i], s->path);
		if (!dirs[i])
			return err_oom(e);
		if (access(dirs[i], F_OK) < 0)
			return err_sys(e, errno, "--cgroup \"%s\": error adding pid to %s", text,
				       dirs[i]);
	}
	if (!used)
		return err_set(e, EINVAL,
			       "unknown controller %.*s in --cgroup \"%s\": the container has no "
			       "such cgroup",
			       (int)s->controllers_len, s->controllers, text);
	return 0;
}

int exec_cgroups(const struct ctr *c, char *const *subs, const struct host_cgroups *h,
		 struct arena *a, char ***ret, struct err *e)
{
	char **dirs = arena_array(a, c->cgroup_count + 1, sizeof(*dirs));
	int r;

	if (!dirs)
		return err_oom(e);
	if (c->cgroup_count > 0)
		memcpy(dirs, c->cgroup_dirs, c->cgroup_count * sizeof(*dirs));
	for (size_t i = 0; subs && subs[i]; i++) {
		struct sub s = { 0 };

		r = parse_sub(subs[i], &s, a, e);
		if (r == 0)
			r = apply_sub(&s, subs[i], c, h, a, dirs, e);
		if (r < 0)
			return r;
	}
	*ret = dirs;
	return 0;
}
