/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static char one[] = "one", two[] = "two";
static char *const words[] = { one, two, NULL };

static void build(struct plan *p)
{
	plan_init(p);
	(void)plan_slot(p);
	(void)plan_slot(p);
	plan_add_str(p, PHASE_INIT, STEP_HOSTNAME, "isle");
	plan_add(p, &(struct step){ .kind = STEP_EXEC,
				    .phase = PHASE_ENTER,
				    .u.exec = { .argv = plan_list(p, PHASE_ENTER, words),
						.path = plan_str(p, PHASE_ENTER, "/bin") } });
	plan_add_str(p, PHASE_HOST, STEP_LISTEN, "secret of the host");
	assert_false(plan_failed(p));
}

/* A 16-aligned copy, as mmap gives. */
static char *encode(const struct plan *p, struct buf *wire)
{
	static const int32_t slots[2] = { 7, -1 };
	struct err e;
	void *copy = NULL;

	assert_int_equal(plan_encode(p, slots, 5, wire, &e), 0);
	assert_int_equal(posix_memalign(&copy, 16, wire->len), 0);
	memcpy(copy, wire->data, wire->len);
	return copy;
}

static void survives_the_journey(void **state)
{
	AUTO_PLAN struct plan p;
	AUTO_BUF struct buf wire = { 0 };
	AUTO_FREE char *bytes = NULL;
	struct plan_view v;
	struct err e;

	(void)state;
	build(&p);
	bytes = encode(&p, &wire);
	assert_int_equal(plan_check(bytes, wire.len, &v, &e), 0);
	assert_int_equal(v.nsteps, 2);
	assert_string_equal(view_str(&v, v.steps[0].u.str.text), "isle");
	assert_string_equal(view_list(&v, v.steps[1].u.exec.argv)[1], "two");
	assert_null(view_list(&v, v.steps[1].u.exec.argv)[2]);
	assert_null(view_str(&v, (struct ref){ 0, 0 }));
	assert_int_equal(view_fd(&v, 0), 7);
	assert_int_equal(view_fd(&v, 1), -EBADF);
	assert_int_equal(view_fd(&v, 2), -EBADF);
	assert_int_equal(view_fd(&v, SLOT_NONE), -EBADF);
}

static void nothing_of_the_hosts_half_travels(void **state)
{
	AUTO_PLAN struct plan p;
	AUTO_BUF struct buf wire = { 0 };

	(void)state;
	build(&p);
	free(encode(&p, &wire));
	assert_null(memmem(wire.data, wire.len, "secret", 6));
}

static void every_truncation_is_refused(void **state)
{
	AUTO_PLAN struct plan p;
	AUTO_BUF struct buf wire = { 0 };
	AUTO_FREE char *bytes = NULL;
	struct plan_view v;
	struct err e;

	(void)state;
	build(&p);
	bytes = encode(&p, &wire);
	for (size_t n = 0; n < wire.len; n++)
		assert_int_equal(plan_check(bytes, n, &v, &e), -EBADMSG);
}

/* Every byte set to every interesting value: checked or refused, never out of bounds (ASan). */
static void no_forged_byte_leaves_the_buffer(void **state)
{
	static const unsigned char values[] = { 0, 1, 7, 0x7f, 0x80, 0xff };
	AUTO_PLAN struct plan p;
	AUTO_BUF struct buf wire = { 0 };
	AUTO_FREE char *bytes = NULL;
	struct plan_view v;
	struct err e;

	(void)state;
	build(&p);
	bytes = encode(&p, &wire);
	for (size_t i = 0; i < wire.len; i++)
		for (size_t k = 0; k < sizeof(values); k++) {
			memcpy(bytes, wire.data, wire.len);
			bytes[i] = (char)values[k];
			if (plan_check(bytes, wire.len, &v, &e) < 0)
				continue;
			for (uint32_t s = 0; s < v.nsteps; s++)
				if (v.steps[s].kind == STEP_EXEC && v.steps[s].u.exec.argv.off)
					(void)strlen(view_list(&v, v.steps[s].u.exec.argv)[0]);
		}
}

static void a_shared_list_is_refused(void **state)
{
	AUTO_PLAN struct plan p;
	AUTO_BUF struct buf wire = { 0 };
	AUTO_FREE char *bytes = NULL;
	struct plan_view v;
	struct step s = { .kind = STEP_EXEC, .phase = PHASE_ENTER };
	struct err e;

	(void)state;
	plan_init(&p);
	s.u.exec.argv = plan_list(&p, PHASE_ENTER, words);
	plan_add(&p, &s);
	plan_add(&p, &s);
	bytes = encode(&p, &wire);
	assert_int_equal(plan_check(bytes, wire.len, &v, &e), -EBADMSG);
}

static void prints_text_and_json(void **state)
{
	AUTO_PLAN struct plan p;
	AUTO_BUF struct buf text = { 0 };
	AUTO_BUF struct buf json = { 0 };

	(void)state;
	build(&p);
	plan_add_str(&p, PHASE_INIT, STEP_MASK, "/x\033[2J");
	plan_print(&p, &text);
	assert_non_null(strstr(text.data, "hostname        name=\"isle\""));
	assert_non_null(strstr(text.data, "argv=[\"one\" \"two\"]"));
	assert_non_null(strstr(text.data, "\\x1b[2J"));
	assert_null(strchr(text.data, '\033'));
	plan_print_json(&p, &json);
	assert_non_null(strstr(json.data, "\"step\": \"hostname\""));
}

static void every_kind_has_a_name_and_phases_too(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < STEP_KIND_COUNT; k++) {
		assert_non_null(step_describe(k)->name);
		assert_non_null(step_describe(k)->fields);
	}
	assert_ptr_equal(step_describe(STEP_KIND_COUNT), step_describe(STEP_NONE));
	assert_string_equal(phase_name(PHASE_ENTER), "enter");
	assert_string_equal(phase_name(PHASE_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_the_journey),
		cmocka_unit_test(nothing_of_the_hosts_half_travels),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(no_forged_byte_leaves_the_buffer),
		cmocka_unit_test(a_shared_list_is_refused),
		cmocka_unit_test(prints_text_and_json),
		cmocka_unit_test(every_kind_has_a_name_and_phases_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
