/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"
#include "plan/island.h"
#include "sys/host.h"

/*
 * Namespaces: made by the clone where that is possible, else by the islander step by
 * step (joining by path, time offsets), and the id maps of a new user namespace.
 */

/** ns_flag - CLONE_NEW* of a namespace type */
uint64_t ns_flag(enum oci_ns_type type);

/** ns_flags - CLONE_NEW* of every namespace in the configuration, new or joined */
uint64_t ns_flags(const struct oci_spec *s);

/**
 * ns_maps_only_self - does the new user namespace hold our own ids and no others?
 *
 * Such a map needs no helper program, but the kernel wants setgroups(2) given up for it.
 */
bool ns_maps_only_self(const struct oci_spec *s, const struct host_facts *h);

/**
 * ns_plan - CLONE, id maps, joining, the second birth where one is needed, and the names
 * @cgroup_slot: v2 directory the clone is born into, or SLOT_NONE
 * @ret_user:    slot of the user namespace that is joined, or SLOT_NONE
 *
 * Adds OPEN_NS, CLONE, MAP_IDS, SYNC(MAP), PRIVATE, SETNS, UNSHARE, FORK … in the one
 * order that works. After its steps the islander stands in all its namespaces but cgroup.
 * Return: 0; -EINVAL for what can't be had here; -EPERM without privilege or user namespace.
 */
int ns_plan(const struct oci_spec *s, const struct host_facts *h, uint32_t cgroup_slot,
	    struct plan *p, uint32_t *ret_user, struct err *e);

/** ns_plan_home - OPEN_NS, SETNS: back to the mount namespace of the planner, at its root */
void ns_plan_home(struct plan *p);

/** ns_plan_names - HOSTNAME, DOMAINNAME and SYSCTL steps */
void ns_plan_names(const struct oci_spec *s, struct plan *p);

/** ns_host_open - STEP_OPEN_NS: open and verify a namespace file; Return: fd or -errno */
int ns_host_open(const struct plan_view *v, const struct step *s, struct err *e);

/** ns_host_open_pidfd - STEP_OPEN_PIDFD: pidfd of a process that is still the same one */
int ns_host_open_pidfd(const struct step *s, struct err *e);

/** ns_host_open_root - STEP_OPEN_ROOT: root directory of a process that is still the same one */
int ns_host_open_root(struct island *in, const struct step *s, struct err *e);

/** ns_host_map - STEP_MAP_IDS for the waiting islander */
int ns_host_map(struct island *in, const struct step *s, struct err *e);

/**
 * ns_apply - SETNS, UNSHARE, BECOME_ROOT, TIME_OFFSETS, FORK, HOSTNAME, DOMAINNAME, SYSCTL,
 * SESSION, KEYRING, PRIVATE
 *
 * FORK returns in the second birth only.
 * Context: islander. Return: 0 or a negative code.
 */
int ns_apply(struct island *in, const struct step *s, struct err *e);
