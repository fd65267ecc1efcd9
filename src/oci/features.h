/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/json.h"
#include "oci/spec.h"

/*
 * What `cay features` says (runtime-spec features.md, features-linux.md): what was built
 * in, whatever the host can do. The mechanisms' lists come from the caller. Every list
 * ends with NULL; a NULL list means "unknown" and is left out.
 */
struct oci_features {
	const char *const *mount_options;
	const char *const *capabilities;
	bool cgroup_v1, cgroup_v2, cgroup_systemd, cgroup_systemd_user, cgroup_rdma;
	bool seccomp;
	const char *const *seccomp_actions, *const *seccomp_operators, *const *seccomp_archs;
	const char *const *seccomp_known_flags, *const *seccomp_supported_flags;
	bool apparmor, selinux;
	bool intel_rdt, intel_rdt_schemata, intel_rdt_monitoring;
	const char *const *memory_policy_modes, *const *memory_policy_flags;
	bool idmap_mounts, net_devices;
	const struct oci_pair *annotations;
	size_t annotations_count;
	/* Annotations of config.json that change what the runtime does; "x." is a prefix. */
	const char *const *unsafe_annotations;
};

/** oci_features_write - the document as one JSON value; @o->b says whether memory sufficed */
void oci_features_write(struct json_out *o, const struct oci_features *f);
