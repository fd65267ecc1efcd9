/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"
#include "oci/validate_private.h"

#include <string.h>

static size_t count_digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* semver.org 2.0: three numbers, then "-pre" and "+build" of [0-9A-Za-z.-]. */
static bool is_semver(const char *s)
{
	static const char word[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-";

	for (int i = 0; i < 3; i++) {
		size_t n = count_digits(s);

		if (!n || (n > 1 && s[0] == '0') || (i < 2 && s[n] != '.'))
			return false;
		s += n + (i < 2);
	}
	if (*s == '-') {
		if (!strspn(s + 1, word))
			return false;
		s += 1 + strspn(s + 1, word);
	}
	if (*s == '+') {
		if (!strspn(s + 1, word))
			return false;
		s += 1 + strspn(s + 1, word);
	}
	return !*s;
}

static int validate_version(const char *v, struct err *e)
{
	if (!v)
		return err_set(e, EINVAL, "ociVersion: required, but missing");
	if (!is_semver(v))
		return err_set(e, EINVAL, "ociVersion \"%.200s\": must be a version like 1.3.0", v);
	if (!str_starts(v, "1."))
		return err_set(e, EINVAL, "ociVersion \"%.200s\": only 1.x is known", v);
	return 0;
}

/* ---- process ---------------------------------------------------------------------- */

static int validate_rlimits(const struct oci_process *p, struct err *e)
{
	for (size_t i = 0; i < p->rlimits_count; i++) {
		const struct oci_rlimit *r = &p->rlimits[i];

		if (r->soft > r->hard)
			return err_set(
				e, EINVAL,
				"process.rlimits[%zu] %s: soft limit %llu is above hard limit %llu",
				i, oci_rlimit_name(r->resource), (unsigned long long)r->soft,
				(unsigned long long)r->hard);
		for (size_t k = 0; k < i; k++)
			if (p->rlimits[k].resource == r->resource)
				return err_set(e, EINVAL, "process.rlimits[%zu] %s: given twice", i,
					       oci_rlimit_name(r->resource));
	}
	return 0;
}

static int validate_env(const char *name, const struct oci_strings *env, struct err *e)
{
	for (size_t i = 0; i < env->count; i++) {
		const char *eq = strchr(env->list[i], '=');

		/* The value may be a secret: only a text that can't have one is shown. */
		if (!eq)
			return err_set(e, EINVAL, "%s[%zu] \"%.200s\": must be NAME=value", name, i,
				       env->list[i]);
		if (eq == env->list[i])
			return err_set(e, EINVAL, "%s[%zu]: the name before = is empty", name, i);
	}
	return 0;
}

static int validate_process(const struct oci_process *p, struct err *e)
{
	int r;

	if (!p->args.count)
		return err_set(e, EINVAL, "process.args: must name a program");
	if (!*p->args.list[0])
		return err_set(e, EINVAL, "process.args[0]: must not be empty");
	if (!p->cwd || !*p->cwd)
		return err_set(e, EINVAL, "process.cwd: required, but missing");
	if (*p->cwd != '/')
		return err_set(e, EINVAL, "process.cwd \"%.200s\": must be absolute", p->cwd);
	r = validate_env("process.env", &p->env, e);
	return r < 0 ? r : validate_rlimits(p, e);
}

int oci_process_validate(const struct oci_process *p, struct err *e)
{
	return validate_process(p, e);
}

/* ---- root, mounts, hooks ---------------------------------------------------------- */

static int validate_root(const struct oci_spec *s, struct err *e)
{
	if (!s->root)
		return err_set(e, EINVAL, "root: required, but missing");
	if (!s->root->path || !*s->root->path)
		return err_set(e, EINVAL, "root.path: required, but missing");
	return 0;
}

static int validate_mount(const struct oci_mount *m, size_t i, struct err *e)
{
	char name[64];
	int r;

	if (!*m->destination)
		return err_set(e, EINVAL, "mounts[%zu].destination: must not be empty", i);
	if (!m->uid_mappings_count != !m->gid_mappings_count)
		return err_set(
			e, EINVAL,
			"mounts[%zu] \"%.200s\": uidMappings and gidMappings must come together", i,
			m->destination);
	(void)snprintf(name, sizeof(name), "mounts[%zu].uidMappings", i);
	r = oci_validate_id_maps(name, m->uid_mappings, m->uid_mappings_count, e);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "mounts[%zu].gidMappings", i);
	return oci_validate_id_maps(name, m->gid_mappings, m->gid_mappings_count, e);
}

static int validate_mounts(const struct oci_spec *s, struct err *e)
{
	if (s->mounts_count && !oci_can_mount(s))
		return err_set(
			e, EINVAL,
			"mounts: with a user namespace they need a mount namespace, add {\"type\": \"mount\"} to "
			"linux.namespaces");
	for (size_t i = 0; i < s->mounts_count; i++) {
		int r = validate_mount(&s->mounts[i], i, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int validate_hook(const struct oci_hook *h, const char *name, struct err *e)
{
	char env[64];

	if (*h->path != '/')
		return err_set(e, EINVAL, "%s.path \"%.200s\": must be absolute", name, h->path);
	if (h->timeout_s.set && (h->timeout_s.v <= 0 || h->timeout_s.v > INT32_MAX))
		return err_set(e, EINVAL, "%s.timeout %lld: must be 1 to %d seconds", name,
			       (long long)h->timeout_s.v, INT32_MAX);
	(void)snprintf(env, sizeof(env), "%s.env", name);
	return validate_env(env, &h->env, e);
}

static int validate_hooks(const struct oci_spec *s, struct err *e)
{
	for (unsigned int kind = 0; kind < OCI_HOOK_COUNT; kind++) {
		for (size_t i = 0; i < s->hooks[kind].hooks_count; i++) {
			char name[56];
			int r;

			(void)snprintf(name, sizeof(name), "hooks.%s[%zu]", oci_hook_name(kind), i);
			r = validate_hook(&s->hooks[kind].hooks[i], name, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- the whole -------------------------------------------------------------------- */

static int validate_top(const struct oci_spec *s, struct err *e)
{
	int r = validate_version(s->oci_version, e);

	if (r < 0)
		return r;
	if (s->other_platform)
		return err_set(e, EINVAL,
			       "%s: belongs to another platform, this is a Linux runtime",
			       s->other_platform);
	if (!s->linux_)
		return err_set(e, EINVAL, "linux: required, but missing");
	if (s->hostname && *s->hostname && !oci_namespace(s, OCI_NS_UTS))
		return err_set(e, EINVAL, "hostname \"%.200s\": needs a uts namespace",
			       s->hostname);
	if (s->domainname && *s->domainname && !oci_namespace(s, OCI_NS_UTS))
		return err_set(e, EINVAL, "domainname \"%.200s\": needs a uts namespace",
			       s->domainname);
	for (size_t i = 0; i < s->annotations_count; i++)
		if (!*s->annotations[i].key)
			return err_set(e, EINVAL, "annotations: a key must not be empty");
	return 0;
}

int oci_spec_validate(const struct oci_spec *s, struct err *e)
{
	static int (*const parts[])(const struct oci_spec *, struct err *) = {
		validate_top,	 validate_root,	 oci_validate_namespaces,
		validate_mounts, validate_hooks, oci_validate_linux,
	};
	int r;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		r = parts[i](s, e);
		if (r < 0)
			return r;
	}
	return s->process ? validate_process(s->process, e) : 0;
}
