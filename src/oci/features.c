/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/features.h"

static void write_list(struct json_out *o, const char *key, const char *const *list)
{
	if (!list)
		return;
	jo_open(o, key, '[');
	for (; *list; list++)
		jo_str(o, NULL, *list);
	jo_close(o, ']');
}

static void write_enabled(struct json_out *o, const char *key, bool enabled)
{
	jo_open(o, key, '{');
	jo_bool(o, "enabled", enabled);
	jo_close(o, '}');
}

static void write_hooks(struct json_out *o)
{
	jo_open(o, "hooks", '[');
	for (unsigned int kind = 0; kind < OCI_HOOK_COUNT; kind++)
		jo_str(o, NULL, oci_hook_name(kind));
	jo_close(o, ']');
}

static void write_namespaces(struct json_out *o)
{
	jo_open(o, "namespaces", '[');
	for (unsigned int type = 0; type < OCI_NS_COUNT; type++)
		jo_str(o, NULL, oci_ns_name(type));
	jo_close(o, ']');
}

static void write_cgroup(struct json_out *o, const struct oci_features *f)
{
	jo_open(o, "cgroup", '{');
	jo_bool(o, "v1", f->cgroup_v1);
	jo_bool(o, "v2", f->cgroup_v2);
	jo_bool(o, "systemd", f->cgroup_systemd);
	jo_bool(o, "systemdUser", f->cgroup_systemd_user);
	jo_bool(o, "rdma", f->cgroup_rdma);
	jo_close(o, '}');
}

static void write_seccomp(struct json_out *o, const struct oci_features *f)
{
	jo_open(o, "seccomp", '{');
	jo_bool(o, "enabled", f->seccomp);
	write_list(o, "actions", f->seccomp_actions);
	write_list(o, "operators", f->seccomp_operators);
	write_list(o, "archs", f->seccomp_archs);
	write_list(o, "knownFlags", f->seccomp_known_flags);
	write_list(o, "supportedFlags", f->seccomp_supported_flags);
	jo_close(o, '}');
}

static void write_linux(struct json_out *o, const struct oci_features *f)
{
	jo_open(o, "linux", '{');
	write_namespaces(o);
	write_list(o, "capabilities", f->capabilities);
	write_cgroup(o, f);
	write_seccomp(o, f);
	write_enabled(o, "apparmor", f->apparmor);
	write_enabled(o, "selinux", f->selinux);
	jo_open(o, "intelRdt", '{');
	jo_bool(o, "enabled", f->intel_rdt);
	jo_bool(o, "schemata", f->intel_rdt_schemata);
	jo_bool(o, "monitoring", f->intel_rdt_monitoring);
	jo_close(o, '}');
	if (f->memory_policy_modes || f->memory_policy_flags) {
		jo_open(o, "memoryPolicy", '{');
		write_list(o, "modes", f->memory_policy_modes);
		write_list(o, "flags", f->memory_policy_flags);
		jo_close(o, '}');
	}
	jo_open(o, "mountExtensions", '{');
	write_enabled(o, "idmap", f->idmap_mounts);
	jo_close(o, '}');
	write_enabled(o, "netDevices", f->net_devices);
	jo_close(o, '}');
}

void oci_features_write(struct json_out *o, const struct oci_features *f)
{
	jo_open(o, NULL, '{');
	jo_str(o, "ociVersionMin", OCI_VERSION_MIN);
	jo_str(o, "ociVersionMax", OCI_VERSION);
	write_hooks(o);
	write_list(o, "mountOptions", f->mount_options);
	write_linux(o, f);
	if (f->annotations_count) {
		jo_open(o, "annotations", '{');
		for (size_t i = 0; i < f->annotations_count; i++)
			jo_str(o, f->annotations[i].key, f->annotations[i].value);
		jo_close(o, '}');
	}
	write_list(o, "potentiallyUnsafeConfigAnnotations", f->unsafe_annotations);
	jo_close(o, '}');
}
