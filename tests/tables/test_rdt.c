/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/parse.h"
#include "mech/rdt/rdt.h"

/*
 * A recorded resctrl tree of ordinary files in place of the file system: what is written where,
 * and what of the tree is believed. What only the kernel does (files that appear in a new group)
 * is put there beforehand.
 */

#define S(text) ((char *)(uintptr_t)(text))
#define LIST(...)                                                                                  \
	{                                                                                          \
		.list = (char *[]){ __VA_ARGS__, NULL },                                           \
		.count = sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)                        \
	}

struct fixture {
	char root[64];
	struct host_facts host;
	struct arena arena;
	struct plan plan;
	struct plan_view view;
	char **dirs;
	struct err e;
};

static char *at(const struct fixture *f, const char *path)
{
	static char full[4][256];
	static unsigned int turn;

	turn = (turn + 1) % 4;
	(void)snprintf(full[turn], sizeof(full[0]), "%s/%s", f->root, path);
	return full[turn];
}

static void put(const struct fixture *f, const char *path, const char *text)
{
	FILE *file = fopen(at(f, path), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void group(const struct fixture *f, const char *name, const char *schemata)
{
	char path[128];

	assert_int_equal(mkdir(at(f, name), 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/schemata", name);
	put(f, path, schemata);
	(void)snprintf(path, sizeof(path), "%s/tasks", name);
	put(f, path, "");
	(void)snprintf(path, sizeof(path), "%s/mon_groups", name);
	assert_int_equal(mkdir(at(f, path), 0755), 0);
}

static void expect(const struct fixture *f, const char *path, const char *want)
{
	AUTO_FD int fd = open(at(f, path), O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf have = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(buf_read_fd(&have, fd, 4096), 0);
	assert_string_equal(have.data ? have.data : "", want);
}

static void begin(struct fixture *f)
{
	*f = (struct fixture){ .root = "/tmp/cay-rdt-XXXXXX" };
	assert_non_null(mkdtemp(f->root));
	f->host.resctrl = f->root;
	plan_init(&f->plan);
	assert_int_equal(mkdir(at(f, "info"), 0755), 0);
	assert_int_equal(mkdir(at(f, "info/L3_MON"), 0755), 0);
	assert_int_equal(mkdir(at(f, "mon_groups"), 0755), 0);
	put(f, "info/last_cmd_status", "ok\n");
	put(f, "info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n");
	put(f, "schemata", "    MB:0=100;1=100\n    L3:0=fffff;1=fffff\n");
	put(f, "tasks", "1\n");
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void end(struct fixture *f)
{
	plan_done(&f->plan);
	arena_done(&f->arena);
	assert_int_equal(nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int plan_it(struct fixture *f, const struct oci_intel_rdt *rdt)
{
	int r = rdt_plan(rdt, &f->host, "box1", &f->arena, &f->plan, &f->dirs, &f->e);

	if (r == 0)
		assert_int_equal(plan_view_half(&f->plan.host, NULL, 0, &f->view, &f->e), 0);
	return r;
}

/* All steps, as process 4711; Return: of the first that failed. */
static int perform(struct fixture *f, uint32_t *made)
{
	struct island in = { .plan = &f->view, .pid = 4711 };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < f->view.nsteps; i++)
		r = rdt_apply(&in, &f->view.steps[i], &made[i], &f->e);
	return r;
}

static void without_closid_the_group_is_the_containers_own(void **state)
{
	struct oci_intel_rdt rdt = { .l3_cache_schema = S("L3:0=ff;1=f0"),
				     .mem_bw_schema = S("MB:0=20;1=70") };
	uint32_t made[8] = { 0 };
	struct fixture f;

	(void)state;
	begin(&f);
	group(&f, "box1", "");
	assert_int_equal(plan_it(&f, &rdt), 0);
	assert_int_equal(f.view.nsteps, 2);
	assert_int_equal(f.view.steps[0].phase, PHASE_HOST);
	assert_int_equal(f.view.steps[1].phase, PHASE_COMMIT);
	assert_int_equal(perform(&f, made), 0);
	expect(&f, "box1/schemata", "L3:0=ff;1=f0\nMB:0=20;1=70\n");
	expect(&f, "box1/tasks", "4711");
	assert_string_equal(f.dirs[0], at(&f, "box1"));
	assert_null(f.dirs[1]);
	end(&f);
}

static void schemata_come_last_and_bandwidth_has_one_source(void **state)
{
	struct oci_intel_rdt rdt = { .clos_id = S("gold"),
				     .l3_cache_schema = S("L3:0=f\nMB:0=1;1=1\nL2:0=3"),
				     .mem_bw_schema = S("MB:0=20;1=70"),
				     .schemata = LIST(S("L3:1=1"), S("MB:0=30\n")) };
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(plan_it(&f, &rdt), 0);
	assert_string_equal(view_str(&f.view, f.view.steps[0].u.rdt.schemata),
			    "L3:0=f\nL2:0=3\nMB:0=20;1=70\nL3:1=1\nMB:0=30\n");
	assert_int_equal(f.view.steps[0].u.rdt.make, RDT_MATCH);
	/* Somebody else's class is nobody's to remove. */
	assert_null(f.dirs);
	end(&f);
}

static void an_update_changes_one_schema_of_what_is_configured(void **state)
{
	struct oci_intel_rdt rdt = { .l3_cache_schema = S("L3:0=ff"),
				     .mem_bw_schema = S("MB:0=20") };
	struct oci_intel_rdt changed;
	uint32_t made[8] = { 0 };
	struct fixture f;

	(void)state;
	begin(&f);
	group(&f, "box1", "");
	assert_int_equal(rdt_change(&rdt, "L3:0=f", NULL, &f.arena, &changed, &f.e), 0);
	assert_int_equal(plan_it(&f, &changed), 0);
	assert_int_equal(perform(&f, made), 0);
	expect(&f, "box1/schemata", "L3:0=f\nMB:0=20\n");
	assert_int_equal(rdt_change(&changed, NULL, "MB:0=70", &f.arena, &changed, &f.e), 0);
	assert_string_equal(changed.l3_cache_schema, "L3:0=f");
	assert_string_equal(changed.mem_bw_schema, "MB:0=70");
	end(&f);
}

static void an_update_makes_no_class_where_none_was_configured(void **state)
{
	struct oci_intel_rdt changed = { 0 };
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(rdt_change(NULL, "L3:0=f", NULL, &f.arena, &changed, &f.e), -EOPNOTSUPP);
	assert_string_equal(f.e.msg,
			    "updating a non-existent Intel RDT configuration is not supported");
	assert_null(changed.l3_cache_schema);
	end(&f);
}

static void a_class_that_exists_must_say_the_same(void **state)
{
	static const struct {
		const char *want;
		int r;
	} rows[] = {
		{ "L3:0=ff;1=f0", 0 },	 { "L3:1=F0", 0 },	     { "L3:0=0ff", 0 },
		{ "L3:00=ff", 0 },	 { "MB:0=20;1=70", 0 },	     { "L3:0=fe", -EINVAL },
		{ "L3:2=ff", -EINVAL },	 { "L2:0=ff", -EINVAL },     { "MB:0=2", -EINVAL },
		{ "nonsense", -EINVAL }, { "L3:0=ff;3=1", -EINVAL }, { "L3CODE:0=ff", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oci_intel_rdt rdt = { .clos_id = S("gold"),
					     .schemata = LIST(S(rows[i].want)) };
		uint32_t made[8] = { 0 };
		struct fixture f;

		begin(&f);
		group(&f, "gold", "    MB:0= 20;1= 70\n    L3:0=0ff;1=0f0\n");
		assert_int_equal(plan_it(&f, &rdt), 0);
		assert_int_equal(perform(&f, made), rows[i].r);
		/* Nothing was written over it. */
		expect(&f, "gold/schemata", "    MB:0= 20;1= 70\n    L3:0=0ff;1=0f0\n");
		expect(&f, "gold/tasks", rows[i].r == 0 ? "4711" : "");
		end(&f);
	}
}

static void a_class_without_schema_must_be_there(void **state)
{
	struct oci_intel_rdt rdt = { .clos_id = S("gold") };
	uint32_t made[8] = { 0 };
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(plan_it(&f, &rdt), 0);
	assert_int_equal(perform(&f, made), -ENOENT);
	assert_non_null(strstr(f.e.msg, "closID"));
	group(&f, "gold", "x");
	assert_int_equal(perform(&f, made), 0);
	expect(&f, "gold/schemata", "x");
	expect(&f, "gold/tasks", "4711");
	end(&f);
}

static void root_class_and_monitoring(void **state)
{
	struct oci_intel_rdt rdt = { .clos_id = S("/"), .enable_monitoring = true };
	uint32_t made[8] = { 0 };
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(plan_it(&f, &rdt), 0);
	assert_int_equal(f.view.nsteps, 4);
	assert_string_equal(f.dirs[0], at(&f, "mon_groups/box1"));
	assert_null(f.dirs[1]);
	assert_int_equal(mkdir(at(&f, "mon_groups/box1"), 0755), 0);
	put(&f, "mon_groups/box1/tasks", "");
	assert_int_equal(perform(&f, made), 0);
	/* First the class, whose own monitor it enters with that, then ours. */
	assert_string_equal(view_str(&f.view, f.view.steps[2].u.rdt.dir), f.root);
	expect(&f, "tasks", "4711");
	expect(&f, "mon_groups/box1/tasks", "4711");
	end(&f);
}

static void what_was_made_is_taken_back_and_removed(void **state)
{
	struct oci_intel_rdt rdt = { .enable_monitoring = true };
	uint32_t made[8] = { 0 };
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(plan_it(&f, &rdt), 0);
	/* The kernel's mon_groups is not there by itself: the second step fails. */
	assert_int_equal(perform(&f, made), -ENOENT);
	assert_int_equal(made[0], 1);
	assert_int_equal(made[1], 0);
	rdt_undo(&f.view, &f.view.steps[1], made[1]);
	rdt_undo(&f.view, &f.view.steps[0], made[0]);
	assert_int_equal(access(at(&f, "box1"), F_OK), -1);
	assert_string_equal(f.dirs[0], at(&f, "box1/mon_groups/box1"));
	assert_string_equal(f.dirs[1], at(&f, "box1"));
	assert_int_equal(rdt_remove(f.dirs, &f.e), 0);
	assert_int_equal(mkdir(f.dirs[1], 0755), 0);
	assert_int_equal(rdt_remove(f.dirs, &f.e), 0);
	assert_int_equal(access(f.dirs[1], F_OK), -1);
	assert_int_equal(rdt_remove(NULL, &f.e), 0);
	end(&f);
}

static void monitors_that_the_host_lacks_are_an_error(void **state)
{
	struct oci_intel_rdt rdt = { .clos_id = S("gold"), .enable_cmt = true, .enable_mbm = true };
	uint32_t made[8] = { 0 };
	struct fixture f;

	(void)state;
	begin(&f);
	group(&f, "gold", "");
	assert_int_equal(plan_it(&f, &rdt), 0);
	assert_int_equal(perform(&f, made), 0);
	put(&f, "info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes_x\n");
	assert_int_equal(perform(&f, made), -EOPNOTSUPP);
	assert_non_null(strstr(f.e.msg, "linux.intelRdt.enableMBM"));
	put(&f, "info/L3_MON/mon_features", "mbm_total_bytes\n");
	assert_int_equal(perform(&f, made), -EOPNOTSUPP);
	assert_non_null(strstr(f.e.msg, "linux.intelRdt.enableCMT"));
	end(&f);
}

static void the_kernels_words_are_passed_on(void **state)
{
	struct oci_intel_rdt rdt = { .l3_cache_schema = S("L3:0=5") };
	uint32_t made[8] = { 0 };
	struct fixture f;

	(void)state;
	begin(&f);
	put(&f, "info/last_cmd_status", "non-consecutive bits in mask 5\n");
	assert_int_equal(mkdir(at(&f, "box1"), 0755), 0);
	assert_int_equal(plan_it(&f, &rdt), 0);
	assert_int_equal(perform(&f, made), -ENOENT); /* no schemata file there */
	assert_non_null(strstr(f.e.msg, "non-consecutive bits"));
	end(&f);
}

static void bad_names_and_absent_file_systems(void **state)
{
	static const char *const bad[] = { ".", "..", "a/b", "/a", "info", "mon_groups", "a\nb" };
	struct oci_intel_rdt mb = { .mem_bw_schema = S("L3:0=1") };
	struct oci_intel_rdt line = { .mem_bw_schema = S("MB:0=1\nL3:0=1") };
	struct oci_intel_rdt any = { .clos_id = S("x") };
	struct fixture f;

	(void)state;
	begin(&f);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct oci_intel_rdt rdt = { .clos_id = S(bad[i]) };

		assert_int_equal(plan_it(&f, &rdt), -EINVAL);
	}
	assert_int_equal(plan_it(&f, &mb), -EINVAL);
	assert_int_equal(plan_it(&f, &line), -EINVAL);
	f.host.resctrl = NULL;
	assert_int_equal(plan_it(&f, &any), -EOPNOTSUPP);
	assert_non_null(strstr(f.e.msg, "resctrl"));
	assert_int_equal(plan_it(&f, NULL), 0);
	assert_null(f.dirs);
	end(&f);
}

static void exec_enters_the_same_groups(void **state)
{
	struct oci_intel_rdt rdt = { .enable_monitoring = true };
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(rdt_plan_join(&rdt, &f.host, "box1", &f.plan, &f.e), 0);
	assert_int_equal(plan_view_half(&f.plan.host, NULL, 0, &f.view, &f.e), 0);
	assert_int_equal(f.view.nsteps, 2);
	assert_string_equal(view_str(&f.view, f.view.steps[1].u.rdt.dir),
			    at(&f, "box1/mon_groups/box1"));
	assert_int_equal(rdt_plan_join(NULL, &f.host, "box1", &f.plan, &f.e), 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_closid_the_group_is_the_containers_own),
		cmocka_unit_test(schemata_come_last_and_bandwidth_has_one_source),
		cmocka_unit_test(an_update_changes_one_schema_of_what_is_configured),
		cmocka_unit_test(an_update_makes_no_class_where_none_was_configured),
		cmocka_unit_test(a_class_that_exists_must_say_the_same),
		cmocka_unit_test(a_class_without_schema_must_be_there),
		cmocka_unit_test(root_class_and_monitoring),
		cmocka_unit_test(what_was_made_is_taken_back_and_removed),
		cmocka_unit_test(monitors_that_the_host_lacks_are_an_error),
		cmocka_unit_test(the_kernels_words_are_passed_on),
		cmocka_unit_test(bad_names_and_absent_file_systems),
		cmocka_unit_test(exec_enters_the_same_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
