/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "plan/plan.h"

/*
 * Where the apply halves work: what the islander holds while it builds the inside.
 * The planner uses the same for its own phases, with pid set.
 */
struct island {
	const struct plan_view *plan;
	int root_fd; /* O_PATH directory of the container's root; -EBADF before STEP_ROOT */
	int proc_fd; /* the host's verified procfs, O_PATH directory; islander's writes below it */
	int sock;    /* channel to the other program */
	int mask_fd; /* detached empty read-only directory for STEP_MASK; -EBADF until first use */
	int null_fd; /* verified /dev/null for STEP_MASK of files; -EBADF until first use */
	int attr_fd[2]; /* held attributes by enum lsm_kind - 1; islander only, 0: none */
	int pid;	/* host pid of the islander; it learns its own at the last SYNC */
	char home[256]; /* "HOME=…", from LOOKUP for EXEC */
	/*
	 * start with another program: the plan of creation and its EXEC, from which comes what
	 * the later plan leaves out. NULL: none.
	 */
	const struct plan_view *first_plan;
	const struct step *first_exec;
};
