/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"
#include "plan/island.h"
#include "sys/host.h"

/*
 * SELinux labels and AppArmor profiles: both are asked for by writing to an attribute of one's
 * own in /proc and take effect at the next execve. A label that this host has nobody to
 * enforce is an error.
 *
 * The attribute is opened through the islander's verified procfs, while that is there, and
 * written in PHASE_ENTER, in front of the startContainer hooks, which are programs of the container, too.
 */

enum lsm_kind { LSM_NONE, LSM_SELINUX, LSM_APPARMOR };

/**
 * lsm_plan_mounts - can this host carry out linux.mountLabel? It adds no step
 *
 * The label itself is a file-system option: see mech/mount.
 * Return: 0; -EOPNOTSUPP.
 */
int lsm_plan_mounts(const struct oci_linux *l, const struct host_facts *h, struct err *e);

/**
 * lsm_plan_keys - around STEP_KEYRING: the session keyring gets the process's label
 * @before: give the label; else take it back
 */
void lsm_plan_keys(const struct oci_process *pr, bool before, struct plan *p);

/**
 * lsm_plan_open - LABEL_OPEN for process.selinuxLabel and apparmorProfile, in PHASE_INIT
 *
 * "" asks for nothing, and neither does the profile "unconfined" without AppArmor. A profile is asked
 * for as a trial, too, so that one that is not loaded is an error of `create` (aa_change_profile(2)).
 * Return: 0; -EOPNOTSUPP when the host has no such module; -EINVAL for a value with control
 * characters.
 */
int lsm_plan_open(const struct oci_process *pr, const struct host_facts *h, struct plan *p,
		  struct err *e);

/** lsm_plan_label - LABEL, in PHASE_ENTER: before the filter and the hooks inside, which have it, too */
void lsm_plan_label(const struct oci_process *pr, const struct host_facts *h, struct plan *p);

/** lsm_apply - LABEL_OPEN, LABEL; Context: islander. Return: 0; negative code */
int lsm_apply(struct island *in, const struct step *s, struct err *e);
