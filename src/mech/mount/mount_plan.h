/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "oci/spec.h"
#include "plan/plan.h"
#include "sys/host.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The plan half of the mount mechanism: root, mounts, devices, masks as steps. Pure.
 *
 * Order for a caller, as runc has it:
 *	mnt_plan_root, mnt_plan_mounts, mnt_plan_devices     PHASE_HOST and PHASE_INIT
 *	console, hooks that see the old root
 *	mnt_plan_pivot
 *	hostname, sysctl
 *	mnt_plan_late
 * mnt_plan does all of it, for callers with nothing to put between.
 */
struct mnt_options {
	const char *bundle;    /* absolute: what relative paths of root and binds start from */
	const char *state_dir; /* where a device node may be made; NULL: nowhere */
	bool no_pivot;
	bool inhabited;	 /* processes live in the namespaces already */
	uint32_t userns; /* slot of the user namespace that is joined; SLOT_NONE: none */
	bool kcore;	 /* the host has /proc/kcore, so /dev/core is linked to it */
	const struct cgroup_view *cgroups; /* for mounts of type "cgroup"; borrowed */
	size_t cgroups_count;
};

/**
 * mnt_plan_root - the container's root as a mount of its own
 *
 * With a new user namespace the planner opens the tree, so the way there need not be
 * open to the mapped user. Where there can't be mounts (oci_can_mount) it is only opened, and
 * anything that would have to be mounted is an error.
 * Return: 0; -EINVAL, naming the field.
 */
int mnt_plan_root(const struct oci_spec *spec, const struct host_facts *h,
		  const struct mnt_options *o, struct plan *p, struct err *e);

/**
 * mnt_plan_mounts - mounts[], in order; step.origin is the index
 *
 * Bind sources are opened by the planner when it has the privilege.
 * Return: 0; -EINVAL or -EPERM, naming mounts[i]; -ENOMEM.
 */
int mnt_plan_mounts(const struct oci_spec *spec, const struct host_facts *h,
		    const struct mnt_options *o, struct plan *p, struct err *e);

/**
 * mnt_plan_devices - default devices, linux.devices and the links in /dev
 *
 * Nothing when /dev is bind-mounted: then it is the host's business.
 * Return: 0; -EINVAL, naming linux.devices[i].
 */
int mnt_plan_devices(const struct oci_spec *spec, const struct host_facts *h,
		     const struct mnt_options *o, struct plan *p, struct err *e);

/** mnt_plan_pivot - change over to the root; without a pivot what the host's kernel shows goes first */
void mnt_plan_pivot(const struct oci_spec *spec, const struct host_facts *h,
		    const struct mnt_options *o, struct plan *p);

/**
 * mnt_plan_late - what must wait until nothing is written any more; after the pivot
 *
 * Propagation of the root, "ro" of tmpfs mounts and /dev, root.readonly, read-only and masked
 * paths.
 */
int mnt_plan_late(const struct oci_spec *spec, const struct host_facts *h,
		  const struct mnt_options *o, struct plan *p, struct err *e);

/** mnt_plan - all of the above in order */
int mnt_plan(const struct oci_spec *spec, const struct host_facts *h, const struct mnt_options *o,
	     struct plan *p, struct err *e);
