/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/hooks/hooks.h"

void hooks_plan(const struct oci_spec *s, enum oci_hook_kind kind, enum phase phase,
		const char *head, const char *tail, struct plan *p)
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
					    .envp = plan_list(p, phase, k->env.list),
					    .head = plan_str(p, phase, head),
					    .tail = plan_str(p, phase, tail),
					    .timeout_s = k->timeout_s.set ? (uint32_t)k->timeout_s.v
									  : 0,
					    .which = (uint32_t)kind,
					    .index = (uint32_t)i } });
	}
}
