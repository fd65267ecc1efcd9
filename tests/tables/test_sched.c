/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <string.h>

#include "base/parse.h"
#include "mech/sched/sched.h"

/* Process and linux objects in, steps out. */

#define S(text) ((char *)(uintptr_t)(text))
#define LIST(...)                                                                                  \
	{                                                                                          \
		.list = (char *[]){ __VA_ARGS__, NULL },                                           \
		.count = sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)                        \
	}

struct fixture {
	struct plan plan;
	struct plan_view host, island;
	struct err e;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	plan_init(&f->plan);
}

static void view(struct fixture *f)
{
	assert_int_equal(plan_view_half(&f->plan.host, NULL, 0, &f->host, &f->e), 0);
	assert_int_equal(plan_view_half(&f->plan.island, NULL, 0, &f->island, &f->e), 0);
}

static void list_of_numbers_becomes_a_mask(void **state)
{
	static const struct {
		const char *text;
		int r;
		unsigned char mask[2];
	} rows[] = {
		{ "0", 0, { 0x01, 0 } },
		{ "0-3,7", 0, { 0x8f, 0 } },
		{ "3-3", 0, { 0x08, 0 } },
		{ "15", 0, { 0, 0x80 } },
		{ "0-15", 0, { 0xff, 0xff } },
		{ "1,1,1", 0, { 0x02, 0 } },
		{ "7-8", 0, { 0x80, 0x01 } },
		{ "007", 0, { 0x80, 0 } },
		{ "16", -ERANGE, { 0, 0 } },
		{ "0-16", -ERANGE, { 0, 0 } },
		{ "", -EINVAL, { 0, 0 } },
		{ ",", -EINVAL, { 0, 0 } },
		{ "1,", -EINVAL, { 0, 0 } },
		{ ",1", -EINVAL, { 0, 0 } },
		{ "3-1", -EINVAL, { 0, 0 } },
		{ "1-", -EINVAL, { 0, 0 } },
		{ "-1", -EINVAL, { 0, 0 } },
		{ "1 2", -EINVAL, { 0, 0 } },
		{ "1\n", -EINVAL, { 0, 0 } },
		{ "1-2-3", -EINVAL, { 0, 0 } },
		{ "99999999999999999999", -ERANGE, { 0, 0 } },
		{ "0x1", -EINVAL, { 0, 0 } },
		{ "1,a", -EINVAL, { 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned char mask[2] = { 0 };

		assert_int_equal(parse_list(rows[i].text, mask, 16), rows[i].r);
		assert_memory_equal(mask, rows[i].mask, sizeof(mask));
	}
	assert_int_equal(parse_list(NULL, (unsigned char[2]){ 0 }, 16), -EINVAL);
}

static void every_policy_has_its_number(void **state)
{
	static const struct {
		const char *name;
		int32_t priority;
		uint32_t policy;
	} rows[] = { { "SCHED_OTHER", 0, 0 },	{ "SCHED_FIFO", 1, 1 }, { "SCHED_RR", 99, 2 },
		     { "SCHED_BATCH", 0, 3 },	{ "SCHED_ISO", 0, 4 },	{ "SCHED_IDLE", 0, 5 },
		     { "SCHED_DEADLINE", 0, 6 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oci_scheduler c = { .policy = S(rows[i].name),
					   .priority = rows[i].priority };
		struct oci_process pr = { .scheduler = &c };
		struct fixture f;

		begin(&f);
		assert_int_equal(sched_plan_process(&pr, &f.plan, &f.e), 0);
		view(&f);
		assert_int_equal(f.host.nsteps, 1);
		assert_int_equal(f.host.steps[0].kind, STEP_SCHEDULER);
		assert_int_equal(f.host.steps[0].phase, PHASE_COMMIT);
		assert_int_equal(f.host.steps[0].u.sched.policy, rows[i].policy);
		assert_int_equal(f.host.steps[0].u.sched.priority, rows[i].priority);
		plan_done(&f.plan);
	}
}

static void scheduler_flags_and_times_are_passed_on(void **state)
{
	struct oci_scheduler c = {
		.policy = S("SCHED_DEADLINE"),
		.flags = LIST(S("SCHED_FLAG_RESET_ON_FORK"), S("SCHED_FLAG_RECLAIM"),
			      S("SCHED_FLAG_DL_OVERRUN"), S("SCHED_FLAG_KEEP_POLICY"),
			      S("SCHED_FLAG_KEEP_PARAMS"), S("SCHED_FLAG_UTIL_CLAMP_MIN"),
			      S("SCHED_FLAG_UTIL_CLAMP_MAX")),
		.runtime_ns = 1,
		.deadline_ns = 2,
		.period_ns = 3
	};
	struct oci_io_priority io = { S("IOPRIO_CLASS_BE"), 7 };
	struct oci_process pr = { .scheduler = &c, .io_priority = &io };
	const struct step *s;
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(sched_plan_process(&pr, &f.plan, &f.e), 0);
	view(&f);
	s = &f.host.steps[0];
	assert_int_equal(s->u.sched.flags, 0x7f);
	assert_int_equal(s->u.sched.runtime_ns, 1);
	assert_int_equal(s->u.sched.deadline_ns, 2);
	assert_int_equal(s->u.sched.period_ns, 3);
	assert_int_equal(f.host.steps[1].kind, STEP_IO_PRIORITY);
	assert_int_equal(f.host.steps[1].u.num.value, 2 << 13 | 7);
	plan_done(&f.plan);
}

static uint32_t bit(const struct plan_view *v, const struct step *s, uint32_t i)
{
	const unsigned char *mask = view_blob(v, s->u.affinity.cpus);

	return mask[i / 8] >> (i % 8) & 1;
}

static void affinity_is_set_before_the_clone_and_after_the_cgroup(void **state)
{
	struct oci_cpu_affinity both = { S("1"), S("0,2") }, first = { S("1"), NULL };
	struct oci_cpu_affinity last = { S(""), S("3") }, none = { S(""), S("") };
	const struct {
		struct oci_cpu_affinity *a;
		uint32_t steps;
		bool exec, reset;
	} rows[] = {
		{ &both, 2, true, false }, { &first, 2, true, true }, { &last, 1, true, false },
		{ &none, 1, true, true },  { NULL, 1, true, true },   { &both, 1, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oci_process pr = { .exec_cpu_affinity = rows[i].a };
		const struct step *s;
		struct fixture f;

		begin(&f);
		assert_int_equal(sched_plan_affinity(&pr, rows[i].exec, &f.plan, &f.e), 0);
		view(&f);
		assert_int_equal(f.host.nsteps, rows[i].steps);
		s = f.host.steps;
		/* What nobody named gives the islander all CPUs that its cgroup has. */
		assert_int_equal(!view_str(&f.host, s[rows[i].steps - 1].u.affinity.field),
				 rows[i].reset);
		if (rows[i].steps == 2) {
			assert_int_equal(s[0].phase, PHASE_HOST);
			assert_int_equal(s[1].phase, PHASE_COMMIT);
			assert_true(bit(&f.host, &s[0], 1) && !bit(&f.host, &s[0], 0));
			assert_true(bit(&f.host, &s[1], 0) && bit(&f.host, &s[1], 2));
			/* An initial list alone: then all that the cgroup has. */
			assert_int_equal(bit(&f.host, &s[1], SCHED_MAX_CPUS - 1),
					 rows[i].a == &first);
		}
		plan_done(&f.plan);
	}
}

static void memory_policy_becomes_mode_and_mask(void **state)
{
	struct oci_memory_policy m = { .mode = S("MPOL_BIND"),
				       .nodes = S("0,9"),
				       .flags = LIST(S("MPOL_F_STATIC_NODES"),
						     S("MPOL_F_NUMA_BALANCING")) };
	struct oci_personality d = { .domain = S("LINUX32") };
	struct oci_linux l = { .memory_policy = &m, .personality = &d };
	const unsigned char *mask;
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(sched_plan_linux(&l, &f.plan, &f.e), 0);
	view(&f);
	assert_int_equal(f.island.nsteps, 2);
	assert_int_equal(f.island.steps[0].kind, STEP_PERSONALITY);
	assert_int_equal(f.island.steps[0].u.num.value, 8);
	assert_int_equal(f.island.steps[1].kind, STEP_MEMORY_POLICY);
	assert_int_equal(f.island.steps[1].u.mempolicy.mode,
			 MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_NUMA_BALANCING);
	mask = view_blob(&f.island, f.island.steps[1].u.mempolicy.nodes);
	assert_int_equal(mask[0], 1);
	assert_int_equal(mask[1], 2);
	plan_done(&f.plan);
}

static void every_listed_mode_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; sched_mempolicy_modes[i]; i++) {
		bool alone = str_eq(sched_mempolicy_modes[i], "MPOL_DEFAULT") ||
			     str_eq(sched_mempolicy_modes[i], "MPOL_LOCAL");
		struct oci_memory_policy m = { .mode = S(sched_mempolicy_modes[i]),
					       .nodes = alone ? NULL : S("0") };
		struct oci_linux l = { .memory_policy = &m };
		struct fixture f;

		begin(&f);
		assert_int_equal(sched_plan_linux(&l, &f.plan, &f.e), 0);
		view(&f);
		assert_int_equal(f.island.steps[0].u.mempolicy.nodes.off == 0, alone);
		plan_done(&f.plan);
	}
	assert_int_equal(sched_plan_linux(NULL, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_of_numbers_becomes_a_mask),
		cmocka_unit_test(every_policy_has_its_number),
		cmocka_unit_test(scheduler_flags_and_times_are_passed_on),
		cmocka_unit_test(affinity_is_set_before_the_clone_and_after_the_cgroup),
		cmocka_unit_test(memory_policy_becomes_mode_and_mask),
		cmocka_unit_test(every_listed_mode_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
