/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/hooks/hooks.h"

static uint32_t open_log(const char *path, struct plan *p)
{
	struct step s = { .kind = STEP_OPEN_LOG, .phase = PHASE_HOST };

	if (!path)
		return SLOT_NONE;
	s.u.sock.path = plan_str(p, PHASE_HOST, path);
	s.u.sock.slot = plan_slot(p);
	plan_add(p, &s);
	return s.u.sock.slot;
}

struct hooks_output hooks_plan_output(const struct oci_spec *s, struct plan *p)
{
	size_t hooks = 0;

	for (unsigned int kind = 0; kind < OCI_HOOK_COUNT; kind++)
		hooks += s->hooks[kind].hooks_count;
	if (hooks == 0)
		return (struct hooks_output){ SLOT_NONE, SLOT_NONE };
	return (struct hooks_output){ open_log(s->ext.hooks_stdout, p),
				      open_log(s->ext.hooks_stderr, p) };
}

void hooks_plan(const struct oci_spec *s, enum oci_hook_kind kind, enum phase phase,
		const char *head, const char *tail, struct hooks_output o, char *const *env,
		bool home, struct plan *p)
{
	const struct oci_hook_list *l = &s->hooks[kind];

	for (size_t i = 0; i < l->hooks_count; i++) {
		const struct oci_hook *k = &l->hooks[i];
		char *alone[] = { k->path, NULL };

		plan_add(p, &(struct step){
				    .kind = STEP_HOOK,
				    .phase = (uint8_t)phase,
				    .u.hook = {
					    .path = plan_str(p, phase, k->path),
					    .argv = plan_list(p, phase,
							      k->args.count ? k->args.list : alone),
					    .envp = plan_list(p, phase,
							      k->env.list ? k->env.list : env),
					    .home = !k->env.list && home,
					    .head = plan_str(p, phase, head),
					    .tail = plan_str(p, phase, tail),
					    .timeout_s = k->timeout_s.set ? (uint32_t)k->timeout_s.v
									  : 0,
					    .which = (uint32_t)kind,
					    .index = (uint32_t)i,
					    .out = o.out,
					    .err = o.err } });
	}
}
