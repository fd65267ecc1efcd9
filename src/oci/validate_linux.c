/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"
#include "oci/sysctl.h"
#include "oci/validate_private.h"

#include <string.h>

/* ---- namespaces and what hangs on them -------------------------------------------- */

int oci_validate_id_maps(const char *name, const struct oci_id_map *maps, size_t n, struct err *e)
{
	/* user_namespaces(7): at most 340 lines since Linux 4.15. */
	enum { MAX_LINES = 340 };

	if (n > MAX_LINES)
		return err_set(e, EINVAL, "%s: %zu entries, the kernel takes %d", name, n,
			       MAX_LINES);
	for (size_t i = 0; i < n; i++) {
		const struct oci_id_map *m = &maps[i];

		if (!m->size)
			return err_set(e, EINVAL, "%s[%zu].size 0: must be at least 1", name, i);
		if (m->container_id > UINT32_MAX - m->size || m->host_id > UINT32_MAX - m->size)
			return err_set(e, EINVAL, "%s[%zu].size %u: runs beyond the last id", name,
				       i, m->size);
	}
	return 0;
}

static int validate_user_ns(const struct oci_spec *s, struct err *e)
{
	const struct oci_linux *l = s->linux_;
	bool any = l->uid_mappings_count || l->gid_mappings_count;
	int r;

	if (any && !oci_namespace(s, OCI_NS_USER))
		return err_set(e, EINVAL,
			       "linux.%s: need a user namespace, add "
			       "{\"type\": \"user\"} to linux.namespaces",
			       l->uid_mappings_count ? "uidMappings" : "gidMappings");
	/* Neither is what `crun spec --rootless` writes: the caller's own ids are meant. */
	if (!l->uid_mappings_count != !l->gid_mappings_count)
		return err_set(e, EINVAL, "linux.%s: required, since the other kind is given",
			       l->uid_mappings_count ? "gidMappings" : "uidMappings");
	r = oci_validate_id_maps("linux.uidMappings", l->uid_mappings, l->uid_mappings_count, e);
	if (r < 0)
		return r;
	return oci_validate_id_maps("linux.gidMappings", l->gid_mappings, l->gid_mappings_count, e);
}

static int validate_time_ns(const struct oci_spec *s, struct err *e)
{
	const struct oci_linux *l = s->linux_;

	if (l->time_offsets_count && !oci_namespace_is_new(s, OCI_NS_TIME))
		return err_set(e, EINVAL,
			       "linux.timeOffsets: need a new time namespace, add "
			       "{\"type\": \"time\"} to linux.namespaces");
	for (size_t i = 0; i < l->time_offsets_count; i++) {
		const char *clock = l->time_offsets[i].clock;

		if (!str_eq(clock, "monotonic") && !str_eq(clock, "boottime"))
			return err_set(
				e, EINVAL,
				"linux.timeOffsets \"%.200s\": must be monotonic or boottime",
				clock);
	}
	return 0;
}

int oci_validate_namespaces(const struct oci_spec *s, struct err *e)
{
	const struct oci_linux *l = s->linux_;
	bool seen[OCI_NS_COUNT] = { false };
	int r;

	for (size_t i = 0; i < l->namespaces_count; i++) {
		const struct oci_namespace *ns = &l->namespaces[i];

		if (seen[ns->type])
			return err_set(e, EINVAL, "linux.namespaces[%zu] \"%.200s\": given twice",
				       i, oci_ns_name(ns->type));
		seen[ns->type] = true;
		if (ns->path && *ns->path && *ns->path != '/')
			return err_set(e, EINVAL,
				       "linux.namespaces[%zu].path \"%.200s\": must be absolute", i,
				       ns->path);
	}
	r = validate_user_ns(s, e);
	return r < 0 ? r : validate_time_ns(s, e);
}

/* ---- sysctl, devices, paths ------------------------------------------------------- */

static int validate_sysctl(const struct oci_spec *s, const struct oci_pair *p, struct err *e)
{
	char path[OCI_SYSCTL_MAX];
	enum oci_ns_type ns;

	if (oci_sysctl_path(p->key, path) < 0)
		return err_set(e, EINVAL, "linux.sysctl \"%.200s\": not the name of a sysctl",
			       p->key);
	if (str_eq(path, "kernel/hostname"))
		return err_set(
			e, EINVAL,
			"linux.sysctl \"%.200s\": conflicts with the field hostname, use that",
			p->key);
	if (oci_sysctl_namespace(path, &ns) < 0)
		return err_set(
			e, EINVAL,
			"linux.sysctl \"%.200s\": is not in a namespace, it would change the host",
			p->key);
	if (!oci_namespace(s, ns))
		return err_set(e, EINVAL,
			       "linux.sysctl \"%.200s\": needs a namespace of type %s of its own",
			       p->key, oci_ns_name(ns));
	return 0;
}

static int validate_device(const struct oci_device *d, size_t i, struct err *e)
{
	if (!path_is_clean(d->path) || str_eq(d->path, "/"))
		return err_set(
			e, EINVAL,
			"linux.devices[%zu].path \"%.200s\": must be absolute, without \"..\"", i,
			d->path);
	if (d->major > 0xfff || d->minor > 0xfffff)
		return err_set(e, EINVAL,
			       "linux.devices[%zu] \"%.200s\": Linux has no device %lld:%lld", i,
			       d->path, (long long)d->major, (long long)d->minor);
	return 0;
}

static int validate_paths(const struct oci_spec *s, const char *name,
			  const struct oci_strings *paths, struct err *e)
{
	if (paths->count && !oci_can_mount(s))
		return err_set(e, EINVAL,
			       "linux.%s: with a user namespace they need a mount namespace, add "
			       "{\"type\": \"mount\"} to linux.namespaces",
			       name);
	for (size_t i = 0; i < paths->count; i++)
		if (paths->list[i][0] != '/')
			return err_set(e, EINVAL, "linux.%s[%zu] \"%.200s\": must be absolute",
				       name, i, paths->list[i]);
	return 0;
}

static int validate_cgroups_path(const char *path, struct err *e)
{
	for (const char *p = path; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (strcspn(p, "/") == 2 && p[0] == '.' && p[1] == '.')
			return err_set(e, EINVAL,
				       "linux.cgroupsPath \"%.200s\": must not hold \"..\"", path);
	return 0;
}

static int validate_propagation(const char *word, struct err *e)
{
	static const char *const words[] = { "",	"shared",     "slave",
					     "private", "unbindable", "rshared",
					     "rslave",	"rprivate",   "runbindable" };

	for (size_t i = 0; word && i < ARRAY_LEN(words); i++)
		if (str_eq(word, words[i]))
			return 0;
	return word ? err_set(e, EINVAL,
			      "linux.rootfsPropagation \"%.200s\": must be shared, slave, private "
			      "or "
			      "unbindable, or one of these with an r in front",
			      word)
		    : 0;
}

static int validate_lists(const struct oci_spec *s, struct err *e)
{
	const struct oci_linux *l = s->linux_;
	int r;

	for (size_t i = 0; i < l->sysctl_count; i++) {
		r = validate_sysctl(s, &l->sysctl[i], e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < l->devices_count; i++) {
		r = validate_device(&l->devices[i], i, e);
		if (r < 0)
			return r;
	}
	r = validate_paths(s, "maskedPaths", &l->masked_paths, e);
	return r < 0 ? r : validate_paths(s, "readonlyPaths", &l->readonly_paths, e);
}

int oci_validate_linux(const struct oci_spec *s, struct err *e)
{
	const struct oci_linux *l = s->linux_;
	int r;

	r = validate_lists(s, e);
	if (r < 0)
		return r;
	r = validate_cgroups_path(l->cgroups_path, e);
	if (r < 0)
		return r;
	r = validate_propagation(l->rootfs_propagation, e);
	if (r < 0)
		return r;
	r = oci_resources_check(l->resources, e);
	if (r < 0)
		return r;
	return l->seccomp ? oci_validate_seccomp(l->seccomp, e) : 0;
}
