/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"
#include "plan/island.h"

/* The container's terminal: made inside its devpts, outer end handed out by SCM_RIGHTS. */

/**
 * tty_plan - the CONSOLE step, if the process wants a terminal
 * @console_slot: connected console socket, or SLOT_NONE: the planner gets the outer end
 * @mount:        bind the inner end on /dev/console (create and run, not exec)
 */
void tty_plan(const struct oci_process *pr, uint32_t console_slot, bool mount, struct plan *p);

/** tty_host_connect - STEP_CONNECT: connect to the console socket; Return: fd or a negative code */
int tty_host_connect(const char *path, struct err *e);

/**
 * tty_apply - STEP_CONSOLE
 *
 * Looks at nothing by name twice: ptmx is opened inside the root and must be a devpts
 * node, the inner end comes from TIOCGPTPEER (CVE-2025-52565).
 * Afterwards fds 0, 1 and 2 are the terminal and it controls our session.
 */
int tty_apply(struct island *in, const struct step *s, struct err *e);
