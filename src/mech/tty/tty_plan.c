/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/tty/tty.h"

void tty_plan(const struct oci_process *pr, uint32_t console_slot, bool mount, struct plan *p)
{
	const struct oci_box *size = pr->console_size;

	if (!pr->terminal)
		return;
	plan_add(p, &(struct step){ .kind = STEP_CONSOLE,
				    .phase = PHASE_INIT,
				    .u.console = { .slot = console_slot,
						   .rows = size ? size->height : 0,
						   .cols = size ? size->width : 0,
						   .uid = pr->user.uid,
						   .mount = mount } });
}
