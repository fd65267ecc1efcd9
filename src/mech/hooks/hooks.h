/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"
#include "plan/island.h"

/*
 * The six hook kinds. A hook gets the container's state on stdin; what it prints goes
 * into the error message when it fails; it dies with its time limit and with us.
 */

/* Slots of the files that take what hooks say; SLOT_NONE: the error message does. */
struct hooks_output {
	uint32_t out, err;
};

/** hooks_plan_output - OPEN_LOG for what the annotations name */
struct hooks_output hooks_plan_output(const struct oci_spec *s, struct plan *p);

/**
 * hooks_plan - HOOK steps of one kind
 * @phase:      whose program runs them
 * @head, @tail: state JSON round the pid
 * @env:        for those that have none of their own; NULL: that of whoever runs them
 * @home:       the last of @env keeps the place of HOME
 */
void hooks_plan(const struct oci_spec *s, enum oci_hook_kind kind, enum phase phase,
		const char *head, const char *tail, struct hooks_output o, char *const *env,
		bool home, struct plan *p);

/** hooks_open_log - OPEN_LOG: the file, made when missing; Return: fd or a negative code */
int hooks_open_log(const struct plan_view *v, const struct step *s, struct err *e);

/**
 * hooks_apply - run one hook and wait for it
 * @pid: for the state; the container's process as the hook's pid namespace sees it
 *
 * Return: 0; -ETIME over its limit; -EPERM when it failed; -errno when it can't be run.
 */
int hooks_apply(const struct plan_view *v, const struct step *s, pid_t pid, struct err *e);
