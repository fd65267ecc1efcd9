/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"
#include "container/exec_process.h"
/* The command line is no library. */
#include "cli/opt.c" /* NOLINT */

#include <string.h>

struct values {
	const char *bundle;
	bool detach, tty;
	uint32_t fds;
	struct opt_list env;
	struct opt_u32s gids;
};

enum { MAX_ARGS = 16 };

/* Parse a NULL-terminated list of arguments. */
static int parse(struct values *v, const char *const *list, size_t stop, struct arena *a,
		 struct opt_args *ret, struct err *e)
{
	const struct opt opts[] = {
		{ "bundle", 'b', OPT_STR, &v->bundle, "DIR", "the bundle" },
		{ "detach", 'd', OPT_FLAG, &v->detach, OPT_SHOWN, "go away" },
		{ "tty", 't', OPT_FLAG, &v->tty, OPT_SHOWN, "terminal" },
		{ "preserve-fds", 0, OPT_U32, &v->fds, "N", "fds" },
		{ "env", 'e', OPT_LIST, &v->env, "X", "environment" },
		{ "additional-gids", 'g', OPT_U32S, &v->gids, "X", "groups" },
		{ .type = OPT_END },
	};
	char *argv[MAX_ARGS] = { NULL };
	int argc = 1;

	argv[0] = arena_strdup(a, "run");
	for (size_t i = 0; list[i]; i++)
		argv[argc++] = arena_strdup(a, list[i]);
	return opt_parse(argc, argv, opts, stop, a, ret, e);
}

static void takes_every_spelling_of_an_option(void **state)
{
	static const char *const spellings[][4] = {
		{ "--bundle", "/b", "id", NULL }, { "--bundle=/b", "id", NULL },
		{ "-bundle", "/b", "id", NULL },  { "-bundle=/b", "id", NULL },
		{ "-b", "/b", "id", NULL },	  { "-b=/b", "id", NULL },
		{ "--b=/b", "id", NULL },	  { "id", "-b", "/b", NULL },
		{ "id", "--bundle=/b", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
		AUTO_ARENA struct arena a = { 0 };
		struct values v = { 0 };
		struct opt_args args;

		assert_int_equal(parse(&v, spellings[i], 0, &a, &args, NULL), 0);
		assert_string_equal(v.bundle, "/b");
		assert_int_equal(args.count, 1);
		assert_string_equal(args.list[0], "id");
	}
}

static void flags_take_go_booleans(void **state)
{
	static const char *const list[] = { "--detach=false", "-t=1", "--", "-d", NULL };
	AUTO_ARENA struct arena a = { 0 };
	struct values v = { .detach = true };
	struct opt_args args;

	(void)state;
	assert_int_equal(parse(&v, list, 0, &a, &args, NULL), 0);
	assert_false(v.detach);
	assert_true(v.tty);
	assert_int_equal(args.count, 1);
	assert_string_equal(args.list[0], "-d");
}

static void the_tail_of_exec_is_not_looked_at(void **state)
{
	static const char *const list[] = { "-t", "-e", "A=b=c", "--env=", "-g", "5", "-g=6",
					    "id", "ls", "-d",	 "--nope", "--", NULL };
	AUTO_ARENA struct arena a = { 0 };
	struct values v = { 0 };
	struct opt_args args;

	(void)state;
	assert_int_equal(parse(&v, list, 1, &a, &args, NULL), 0);
	assert_true(v.tty);
	assert_false(v.detach);
	assert_int_equal(v.env.count, 2);
	assert_string_equal(v.env.list[0], "A=b=c");
	assert_string_equal(v.env.list[1], "");
	assert_int_equal(v.gids.count, 2);
	assert_int_equal(v.gids.list[1], 6);
	assert_int_equal(args.count, 5);
	assert_string_equal(args.list[3], "--nope");
	assert_string_equal(args.list[4], "--");
}

static void refuses_what_it_does_not_know(void **state)
{
	static const struct {
		const char *list[3];
		const char *says;
	} rows[] = {
		{ { "--nope", NULL }, "flag provided but not defined: -nope" },
		{ { "--bundle", NULL }, "flag needs an argument: -bundle" },
		{ { "--tty=maybe", NULL }, "--tty: invalid value \"maybe\"" },
		{ { "--preserve-fds", "-1", NULL }, "--preserve-fds: invalid value \"-1\"" },
		{ { "-g", "0x1", NULL }, "--additional-gids: invalid value \"0x1\"" },
		{ { "--preserve-fds=4294967296", NULL },
		  "--preserve-fds: invalid value \"4294967296\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ARENA struct arena a = { 0 };
		struct values v = { 0 };
		struct opt_args args;
		struct err e = { 0 };

		assert_int_equal(parse(&v, rows[i].list, 0, &a, &args, &e), -EINVAL);
		assert_string_equal(e.msg, rows[i].says);
	}
}

static void help_is_always_there(void **state)
{
	static const char *const words[] = { "-h", "--help", "-?", "--usage", "-usage" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *const list[] = { words[i], NULL };
		AUTO_ARENA struct arena a = { 0 };
		struct values v = { 0 };
		struct opt_args args;

		assert_int_equal(parse(&v, list, 0, &a, &args, NULL), 0);
		assert_true(args.help);
	}
}

/* ---- What exec's options make of the container's process -------------------------------- */

static char *ls[] = { (char[]){ "ls" }, NULL };
static char *base_env[] = { (char[]){ "A=1" }, NULL };
static char *inheritable[] = { (char[]){ "CAP_KILL" }, NULL };
static uint32_t base_gids[] = { 7 };

static struct oci_capabilities base_caps = {
	.set = { [OCI_CAPS_INHERITABLE] = { inheritable, 1 } },
};

static struct oci_process base(void)
{
	static char cwd[] = "/";

	return (struct oci_process){
		.terminal = true,
		.user = { .uid = 10,
			  .gid = 20,
			  .additional_gids = base_gids,
			  .additional_gids_count = 1 },
		.args = { ls, 1 },
		.env = { base_env, 1 },
		.cwd = cwd,
		.capabilities = &base_caps,
	};
}

static void exec_amends_the_process(void **state)
{
	char *env[] = { (char[]){ "B=2" }, NULL };
	char *caps[] = { (char[]){ "CAP_KILL" }, (char[]){ "CAP_CHOWN" }, NULL };
	uint32_t gids[] = { 8, 9 };
	struct ctr_exec_options o = { .args = ls,
				      .env = env,
				      .caps = caps,
				      .gids = gids,
				      .gids_count = 2,
				      .user = "5",
				      .cwd = "/tmp",
				      .apparmor = "one",
				      .process_label = "a:b:c:s0",
				      .no_new_privs = true };
	AUTO_ARENA struct arena a = { 0 };
	struct oci_process b = base(), *p = NULL;

	(void)state;
	assert_int_equal(exec_process(&o, &b, &a, &p, NULL), 0);
	assert_false(p->terminal);
	assert_true(p->no_new_privileges);
	assert_string_equal(p->apparmor_profile, "one");
	assert_string_equal(p->selinux_label, "a:b:c:s0");
	assert_int_equal(p->user.uid, 5);
	assert_int_equal(p->user.gid, 20);
	assert_int_equal(p->user.additional_gids_count, 3);
	assert_int_equal(p->user.additional_gids[0], 7);
	assert_int_equal(p->user.additional_gids[2], 9);
	assert_string_equal(p->cwd, "/tmp");
	assert_int_equal(p->env.count, 2);
	assert_string_equal(p->env.list[1], "B=2");
	assert_null(p->env.list[2]);
	assert_int_equal(p->capabilities->set[OCI_CAPS_BOUNDING].count, 2);
	assert_int_equal(p->capabilities->set[OCI_CAPS_EFFECTIVE].count, 2);
	assert_int_equal(p->capabilities->set[OCI_CAPS_PERMITTED].count, 2);
	assert_int_equal(p->capabilities->set[OCI_CAPS_INHERITABLE].count, 1);
	assert_int_equal(p->capabilities->set[OCI_CAPS_AMBIENT].count, 1);
	assert_int_equal(base_caps.set[OCI_CAPS_BOUNDING].count, 0);
}

static void exec_takes_only_numbers_for_a_user(void **state)
{
	static const char *const bad[] = { "",	      "root",	    "1:",	    ":1",
					   "1:wheel", "-1",	    " 1",	    "0x10",
					   "1:2:3",   "4294967295", "1:4294967296", "1 " };
	AUTO_ARENA struct arena a = { 0 };
	struct oci_process b = base(), *p = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct ctr_exec_options o = { .args = ls, .user = bad[i] };
		struct err e = { 0 };

		assert_int_equal(exec_process(&o, &b, &a, &p, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "--user"));
	}
}

static void exec_stays_inside_the_cgroup(void **state)
{
	static const char *const bad[] = { "..", "a/../..", "/../x", "memory:..", "cpu:", "nope:/" };
	struct cgroup_hierarchy hier[] = {
		{ .mount = (char[]){ "/sys/fs/cgroup/memory" },
		  .controllers = (char[]){ "memory" } },
	};
	struct host_cgroups h = { .layout = CGROUP_V1, .hierarchies = hier, .count = 1 };
	char *dirs[] = { (char[]){ "/sys/fs/cgroup/memory/cay-nope" }, NULL };
	char *slash[] = { (char[]){ "/" }, NULL };
	struct ctr c = { .cgroup_dirs = dirs, .cgroup_count = 1 };
	AUTO_ARENA struct arena a = { 0 };
	char **ret = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *subs[] = { arena_strdup(&a, bad[i]), NULL };

		assert_int_equal(exec_cgroups(&c, subs, &h, &a, &ret, NULL), -EINVAL);
	}
	assert_int_equal(exec_cgroups(&c, slash, &h, &a, &ret, NULL), 0);
	assert_string_equal(ret[0], dirs[0]);
	assert_null(ret[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_every_spelling_of_an_option),
		cmocka_unit_test(flags_take_go_booleans),
		cmocka_unit_test(the_tail_of_exec_is_not_looked_at),
		cmocka_unit_test(refuses_what_it_does_not_know),
		cmocka_unit_test(help_is_always_there),
		cmocka_unit_test(exec_amends_the_process),
		cmocka_unit_test(exec_takes_only_numbers_for_a_user),
		cmocka_unit_test(exec_stays_inside_the_cgroup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
