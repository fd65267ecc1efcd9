/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/parse.h"
#include "mech/mount/mount.h"
#include "mech/mount/mount_options.h"
#include "mech/mount/mount_plan.h"

#include <limits.h>

/* What planning one entry of mounts[] needs to know. */
struct mnt_job {
	const struct oci_spec *spec;
	const struct host_facts *h;
	const struct mnt_options *o;
	struct plan *p;
	const struct oci_mount *m;
	uint32_t index;
	const char *root; /* where the root lies on the host, clean */
	struct mnt_opts opts;
	char target[PATH_MAX]; /* clean: absolute, no ".", "..", double or trailing slash */
};

/** mnt_clean_path - lexically clean @path as if it stood in "/"; Return: 0 or -ENAMETOOLONG */
int mnt_clean_path(const char *path, char *ret, size_t size);

/** mnt_job_step - a step of @kind for @j's target with @j's attributes and flags filled in */
struct step mnt_job_step(const struct mnt_job *j, enum step_kind kind, const char *target);

/** mnt_add_tree - OPEN_TREE of a host path for a later step; Return: the slot */
uint32_t mnt_add_tree(const struct mnt_job *j, const char *path);

/** mnt_idmap_check - refuse an id-mapping that can't be; Return: 0, -EINVAL, -EPERM, -ENOMEM */
int mnt_idmap_check(const struct mnt_job *j, struct err *e);

/** mnt_add_idmap - slot of a user namespace with the maps of an entry that is id-mapped; checked before */
uint32_t mnt_add_idmap(const struct mnt_job *j);

/** mnt_idmap_fill - the maps of OPEN_TREE @s, when the entry is id-mapped; checked before */
void mnt_idmap_fill(const struct mnt_job *j, struct step *s);

/** mnt_wants_idmap - does the entry ask for mapped ids, by option or by maps of its own? */
bool mnt_wants_idmap(const struct mnt_job *j);

/** mnt_plan_cgroup - steps of a mount of type "cgroup" */
int mnt_plan_cgroup(struct mnt_job *j, struct err *e);

/** mnt_has_ns - is there a namespace of @type in the configuration, new or joined? */
bool mnt_has_ns(const struct oci_spec *spec, enum oci_ns_type type);

/** mnt_in_userns - will the islander be root only of a user namespace below the initial one? */
bool mnt_in_userns(const struct oci_spec *spec, const struct host_facts *h);

/** mnt_planner_opens - may the planner clone trees of the host for the islander? */
bool mnt_planner_opens(const struct host_facts *h);

/** mnt_delays_readonly - must "ro" of this mount wait for mnt_plan_late? */
bool mnt_delays_readonly(const struct oci_mount *m, const struct mnt_opts *o, const char *target);

/** mnt_is_bind - does the entry bind, by option or by type? */
bool mnt_is_bind(const struct oci_mount *m, const struct mnt_opts *o);

/** mnt_base_propagation - MS_*: what host mounts become in the container before any option */
uint32_t mnt_base_propagation(const struct oci_spec *spec);
