/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/compile.h"

#include "mech/cred/cred.h"
#include "mech/sched/sched.h"

static int affinity(const struct oci_fast *f, struct plan *p, struct err *e)
{
	char one[16];

	if (f->cpus)
		return sched_plan_cpus(f->cpus, p, e);
	if (!f->cpu.set)
		return 0;
	(void)snprintf(one, sizeof(one), "%u", f->cpu.v);
	return sched_plan_cpus(one, p, e);
}

int launch_compile_fast(const struct oci_fast *f, struct plan *p, struct err *e)
{
	const struct cred_context c = { .partial = true };
	const struct oci_process pr = { .args = f->args,
					.env = f->env,
					.cwd = f->cwd,
					.rlimits = f->rlimits,
					.rlimits_count = f->rlimits_count,
					.scheduler = f->scheduler,
					.io_priority = f->io_priority };
	int r = affinity(f, p, e);

	if (r == 0)
		r = sched_plan_process(&pr, p, e);
	cred_plan_limits(&pr, true, p);
	if (r == 0)
		r = cred_plan_prepare(&pr, &c, p, e);
	if (r == 0)
		r = cred_plan_exec(&pr, &c, p, e);
	return r == 0 && plan_failed(p) ? err_oom(e) : r;
}
