/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "oci/spec.h"
#include "plan/island.h"
#include "sys/host.h"

/*
 * linux.intelRdt: cache and memory-bandwidth classes through the resctrl file system
 * (Documentation/filesystems/resctrl.rst; AMD's QoS speaks it too). Planner only. Where
 * resctrl is mounted is a host fact, so that a recorded tree can take its place.
 *
 * The group is closID, or, without one, the container's id: then it is ours, made with the
 * container and removed with it. closID "/" is the default group. Monitoring makes a group
 * of its own below mon_groups, ours as well.
 */

enum rdt_make {
	RDT_CHECK, /* it must be there */
	RDT_MAKE,  /* make it, or take it as it is; write the schemata */
	RDT_MATCH, /* make it, or, when it is there, its schemata must already say the same */
};

/**
 * rdt_plan - RDT_GROUP in PHASE_HOST, RDT_ENTER in PHASE_COMMIT
 * @rdt:      NULL: nothing
 * @a:        owns what @ret_dirs names
 * @ret_dirs: NULL-terminated, what is to be removed with the container, inner first; for the
 *            state file. Set only on success; NULL: nothing
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP when resctrl is not mounted; -ENOMEM.
 */
int rdt_plan(const struct oci_intel_rdt *rdt, const struct host_facts *h, const char *id,
	     struct arena *a, struct plan *p, char ***ret_dirs, struct err *e);

/**
 * rdt_change - the configuration with another cache or bandwidth schema
 * @rdt:    as configured; NULL: none, and an update makes none
 * @l3, @mb: NULL: as before
 * @a:      owns what is new in @ret
 *
 * Return: 0; -EOPNOTSUPP, in runc's words, without @rdt; -ENOMEM.
 */
int rdt_change(const struct oci_intel_rdt *rdt, const char *l3, const char *mb, struct arena *a,
	       struct oci_intel_rdt *ret, struct err *e);

/** rdt_plan_join - exec: RDT_ENTER alone; @rdt as of the container's configuration */
int rdt_plan_join(const struct oci_intel_rdt *rdt, const struct host_facts *h, const char *id,
		  struct plan *p, struct err *e);

/**
 * rdt_apply - RDT_GROUP, RDT_ENTER
 * @ret_made: GROUP: 1 when the directory was made; hand it to rdt_undo
 *
 * Return: 0; -ENOENT for a group that must be there; -EINVAL when its schemata differ or the
 * kernel refuses ours (with the kernel's words).
 */
int rdt_apply(const struct island *in, const struct step *s, uint32_t *ret_made, struct err *e);

/** rdt_undo - remove the group that a GROUP made; its tasks fall back to the default group */
void rdt_undo(const struct plan_view *v, const struct step *s, uint32_t made);

/** rdt_remove - remove the groups of a state file; missing ones are fine. Return: 0; negative code */
int rdt_remove(char *const *dirs, struct err *e);
