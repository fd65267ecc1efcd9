/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/parse.h"
#include "mech/lsm/lsm.h"

/* Labels in, steps out; and the steps performed on a recorded /proc/self/attr. */

#define S(text) ((char *)(uintptr_t)(text))

struct fixture {
	char root[64];
	struct host_facts host;
	struct plan plan;
	struct plan_view view;
	struct island in;
	struct err e;
};

static void begin(struct fixture *f, bool selinux, bool apparmor)
{
	static const char *const dirs[] = { "self", "self/attr", "self/attr/apparmor" };
	static const char *const files[] = { "self/attr/exec", "self/attr/keycreate",
					     "self/attr/current", "self/attr/apparmor/exec",
					     "self/attr/apparmor/current" };

	*f = (struct fixture){ .root = "/tmp/cay-lsm-XXXXXX",
			       .host = { .selinux = selinux, .apparmor = apparmor } };
	assert_non_null(mkdtemp(f->root));
	plan_init(&f->plan);
	f->in.proc_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->in.proc_fd >= 0);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		assert_int_equal(mkdirat(f->in.proc_fd, dirs[i], 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		close(openat(f->in.proc_fd, files[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
}

static void end(struct fixture *f)
{
	static const char *const files[] = { "self/attr/exec", "self/attr/keycreate",
					     "self/attr/current", "self/attr/apparmor/exec",
					     "self/attr/apparmor/current" };
	static const char *const dirs[] = { "self/attr/apparmor", "self/attr", "self" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		(void)unlinkat(f->in.proc_fd, files[i], 0);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		(void)unlinkat(f->in.proc_fd, dirs[i], AT_REMOVEDIR);
	for (size_t i = 0; i < 2; i++)
		if (f->in.attr_fd[i] > 0)
			close(f->in.attr_fd[i]);
	close(f->in.proc_fd);
	assert_int_equal(rmdir(f->root), 0);
	plan_done(&f->plan);
}

static void expect(const struct fixture *f, const char *path, const char *want)
{
	AUTO_FD int fd = openat(f->in.proc_fd, path, O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf have = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(buf_read_fd(&have, fd, 4096), 0);
	assert_string_equal(have.data ? have.data : "", want);
}

static int perform(struct fixture *f)
{
	int r;

	assert_int_equal(plan_view_half(&f->plan.island, NULL, 0, &f->view, &f->e), 0);
	f->in.plan = &f->view;
	r = 0;
	for (uint32_t i = 0; r == 0 && i < f->view.nsteps; i++)
		r = lsm_apply(&f->in, &f->view.steps[i], &f->e);
	return r;
}

static void opens_early_and_writes_late(void **state)
{
	struct oci_process pr = { .selinux_label = S("u:r:t:s0:c1,c2"),
				  .apparmor_profile = S("prof") };
	static const enum step_kind kinds[] = { STEP_LABEL_OPEN, STEP_LABEL_OPEN, STEP_LABEL,
						STEP_LABEL_OPEN, STEP_LABEL,	  STEP_LABEL };
	struct fixture f;

	(void)state;
	begin(&f, true, true);
	assert_int_equal(lsm_plan_open(&pr, &f.host, &f.plan, &f.e), 0);
	lsm_plan_label(&pr, &f.host, &f.plan);
	assert_int_equal(perform(&f), 0);
	assert_int_equal(f.view.nsteps, ARRAY_LEN(kinds));
	for (uint32_t i = 0; i < ARRAY_LEN(kinds); i++) {
		assert_int_equal(f.view.steps[i].kind, kinds[i]);
		assert_int_equal(f.view.steps[i].phase, i < 4 ? PHASE_INIT : PHASE_ENTER);
	}
	/* AppArmor has a folder of its own here, SELinux does not. */
	expect(&f, "self/attr/exec", "u:r:t:s0:c1,c2");
	expect(&f, "self/attr/current", "");
	expect(&f, "self/attr/apparmor/exec", "exec prof");
	expect(&f, "self/attr/apparmor/current", "permprofile prof");
	end(&f);
}

static void old_kernels_have_one_attribute_for_all(void **state)
{
	struct oci_process pr = { .apparmor_profile = S("prof") };
	struct fixture f;

	(void)state;
	begin(&f, false, true);
	assert_int_equal(unlinkat(f.in.proc_fd, "self/attr/apparmor/exec", 0), 0);
	assert_int_equal(unlinkat(f.in.proc_fd, "self/attr/apparmor/current", 0), 0);
	assert_int_equal(lsm_plan_open(&pr, &f.host, &f.plan, &f.e), 0);
	lsm_plan_label(&pr, &f.host, &f.plan);
	assert_int_equal(perform(&f), 0);
	expect(&f, "self/attr/exec", "exec prof");
	expect(&f, "self/attr/current", "permprofile prof");
	end(&f);
}

static void keyring_gets_the_label_and_it_is_taken_back(void **state)
{
	struct oci_process pr = { .selinux_label = S("u:r:t:s0") };
	struct fixture f;

	(void)state;
	begin(&f, true, false);
	lsm_plan_keys(&pr, true, &f.plan);
	lsm_plan_keys(&pr, false, &f.plan);
	assert_int_equal(perform(&f), 0);
	assert_int_equal(f.view.nsteps, 3);
	assert_string_equal(view_str(&f.view, f.view.steps[1].u.label.value), "u:r:t:s0");
	assert_string_equal(view_str(&f.view, f.view.steps[2].u.label.value), "");
	expect(&f, "self/attr/keycreate", "u:r:t:s0");
	end(&f);
}

static void nothing_asked_for_is_nothing_done(void **state)
{
	struct oci_process rows[] = {
		{ 0 },
		{ .selinux_label = S(""), .apparmor_profile = S("") },
		{ .apparmor_profile = S("unconfined") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture f;

		begin(&f, false, false);
		lsm_plan_keys(&rows[i], true, &f.plan);
		assert_int_equal(lsm_plan_open(&rows[i], &f.host, &f.plan, &f.e), 0);
		lsm_plan_label(&rows[i], &f.host, &f.plan);
		assert_int_equal(f.plan.island.steps.len, 0);
		end(&f);
	}
	assert_int_equal(lsm_plan_mounts(NULL, NULL, NULL), 0);
}

static void unconfined_is_a_profile_where_there_are_profiles(void **state)
{
	struct oci_process pr = { .apparmor_profile = S("unconfined") };
	struct fixture f;

	(void)state;
	begin(&f, false, true);
	assert_int_equal(lsm_plan_open(&pr, &f.host, &f.plan, &f.e), 0);
	lsm_plan_label(&pr, &f.host, &f.plan);
	assert_int_equal(perform(&f), 0);
	expect(&f, "self/attr/apparmor/exec", "exec unconfined");
	end(&f);
}

static void a_label_without_its_module_is_an_error(void **state)
{
	struct oci_process label = { .selinux_label = S("u:r:t:s0") };
	struct oci_process profile = { .apparmor_profile = S("prof") };
	struct oci_process odd = { .apparmor_profile = S("a\nb") };
	struct oci_linux l = { .mount_label = S("u:o:t:s0") };
	struct fixture f;

	(void)state;
	begin(&f, false, false);
	assert_int_equal(lsm_plan_open(&label, &f.host, &f.plan, &f.e), -EOPNOTSUPP);
	assert_non_null(strstr(f.e.msg, "process.selinuxLabel"));
	assert_int_equal(lsm_plan_open(&profile, &f.host, &f.plan, &f.e), -EOPNOTSUPP);
	assert_non_null(strstr(f.e.msg, "AppArmor"));
	assert_int_equal(lsm_plan_mounts(&l, &f.host, &f.e), -EOPNOTSUPP);
	assert_non_null(strstr(f.e.msg, "linux.mountLabel"));
	f.host.selinux = f.host.apparmor = true;
	assert_int_equal(lsm_plan_mounts(&l, &f.host, &f.e), 0);
	assert_int_equal(lsm_plan_open(&odd, &f.host, &f.plan, &f.e), -EINVAL);
	end(&f);
}

static void missing_attributes_and_unopened_ones_are_errors(void **state)
{
	struct oci_process pr = { .selinux_label = S("u:r:t:s0") };
	struct fixture f;

	(void)state;
	begin(&f, true, false);
	lsm_plan_label(&pr, &f.host, &f.plan);
	assert_int_equal(perform(&f), -EBADF);
	plan_done(&f.plan);
	plan_init(&f.plan);
	assert_int_equal(unlinkat(f.in.proc_fd, "self/attr/exec", 0), 0);
	assert_int_equal(lsm_plan_open(&pr, &f.host, &f.plan, &f.e), 0);
	assert_int_equal(perform(&f), -ENOENT);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_early_and_writes_late),
		cmocka_unit_test(old_kernels_have_one_attribute_for_all),
		cmocka_unit_test(keyring_gets_the_label_and_it_is_taken_back),
		cmocka_unit_test(nothing_asked_for_is_nothing_done),
		cmocka_unit_test(unconfined_is_a_profile_where_there_are_profiles),
		cmocka_unit_test(a_label_without_its_module_is_an_error),
		cmocka_unit_test(missing_attributes_and_unopened_ones_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
