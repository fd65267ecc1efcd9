/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

/* NULL: a step that the plan does not have; the islander says which one it was. */
static const struct step *step_of(const struct launch *l, const struct step_price *pr)
{
	const struct step *island = (const void *)l->plan->island.steps.data;

	if (!pr->island)
		return &l->host.steps[pr->index];
	return pr->index < l->plan->island.steps.len / sizeof(*island) ? &island[pr->index] : NULL;
}

void launch_print_prices(const struct launch *l, struct buf *out)
{
	const struct step_price *pr = (const void *)l->prices.data;
	uint64_t sum = 0;

	for (size_t i = 0; i < l->prices.len / sizeof(*pr); i++) {
		const struct step *s = step_of(l, &pr[i]);

		if (!s)
			continue;
		buf_printf(out, "%10.1f us  %-7s %s\n", (double)pr[i].ns / 1000.0,
			   phase_name(s->phase), step_describe(s->kind)->name);
		sum += pr[i].ns;
	}
	buf_printf(out, "%10.1f us  total of steps\n", (double)sum / 1000.0);
}

static void print_affinity(const struct launch *l, const struct step *s, struct buf *out)
{
	const unsigned char *mask = view_blob(&l->host, s->u.affinity.cpus);
	size_t n = s->u.affinity.cpus.len;

	while (n > 1 && !mask[n - 1])
		n--;
	buf_printf(out, "nsexec: affinity: 0x%x", n ? mask[n - 1] : 0U);
	while (n > 1)
		buf_printf(out, "%02x", mask[--n - 1]);
	buf_str(out, "\n");
}

void launch_print_phases(const struct launch *l, bool exec, struct buf *out)
{
	static const enum phase order[] = { PHASE_HOST, PHASE_CLONE, PHASE_PLACE,  PHASE_MAP,
					    PHASE_INIT, PHASE_HOOKS, PHASE_COMMIT, PHASE_ENTER };
	const char *const words[PHASE_COUNT] = {
		[PHASE_CLONE] = ": nsexec container setup",
		[PHASE_INIT] = ": child process in init()",
		[PHASE_ENTER] = exec ? ": setns_init: about to exec"
				     : ": init: closing the pipe to signal completion",
	};
	const struct step_price *pr = (const void *)l->prices.data;

	for (size_t p = 0; p < ARRAY_LEN(order); p++) {
		uint64_t sum = 0;
		size_t steps = 0;

		for (size_t i = 0; i < l->prices.len / sizeof(*pr); i++) {
			const struct step *s = step_of(l, &pr[i]);

			if (!s || s->phase != order[p])
				continue;
			sum += pr[i].ns;
			steps++;
			if (s->kind == STEP_AFFINITY && view_str(&l->host, s->u.affinity.field))
				print_affinity(l, s, out);
			if (s->kind == STEP_SECCOMP)
				buf_printf(out, "seccomp filter flags: %u\n", s->u.seccomp.flags);
		}
		if (steps > 0)
			buf_printf(out, "%s: %zu steps, %.1f us%s\n", phase_name(order[p]), steps,
				   (double)sum / 1000.0, words[order[p]] ? words[order[p]] : "");
	}
}
