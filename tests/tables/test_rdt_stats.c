/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mech/rdt/rdt_stats.h"
#include "sys/syscalls.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A resctrl tree as a two-socket machine shows it, in a temporary directory. */
static char top[] = "/tmp/cay-rdt-XXXXXX";

static const struct {
	const char *path, *text; /* no text: a directory */
} tree[] = {
	{ "info", NULL },
	{ "info/L3", NULL },
	{ "info/L3/cbm_mask", "fffff\n" },
	{ "info/L3/min_cbm_bits", "1\n" },
	{ "info/L3/num_closids", "4\n" },
	{ "info/MB", NULL },
	{ "info/MB/bandwidth_gran", "10\n" },
	{ "info/MB/delay_linear", "1\n" },
	{ "info/MB/min_bandwidth", "10\n" },
	{ "info/MB/num_closids", "8\n" },
	{ "schemata", "    MB:0=100;1=100\n    L3:0=fffff;1=fffff\n" },
	{ "c1", NULL },
	{ "c1/schemata", "    MB:0=20;1=100\n    L3:0=f;1=fffff\n" },
	{ "c1/mon_data", NULL },
	{ "c1/mon_data/mon_L3_00", NULL },
	{ "c1/mon_data/mon_L3_00/llc_occupancy", "4096\n" },
	{ "c1/mon_data/mon_L3_00/mbm_total_bytes", "7\n" },
	{ "c1/mon_data/mon_L3_00/mbm_local_bytes", "5\n" },
	{ "c1/mon_data/mon_L3_01", NULL },
	{ "c1/mon_data/mon_L3_01/llc_occupancy", "0\n" },
	{ "c1/mon_data/mon_L3_01/mbm_total_bytes", "Unavailable\n" },
	{ "c1/mon_data/mon_L3_01/mbm_local_bytes", "2\n" },
	{ "bare", NULL },
};

static int make_tree(void **state)
{
	AUTO_FD int dir = -EBADF;

	(void)state;
	if (!mkdtemp(top))
		return -1;
	dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(tree); i++) {
		AUTO_FD int fd = -EBADF;

		if (!tree[i].text) {
			if (mkdirat(dir, tree[i].path, 0700) < 0)
				return -1;
			continue;
		}
		fd = openat(dir, tree[i].path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (sys_write_all(fd, tree[i].text, strlen(tree[i].text)) < 0)
			return -1;
	}
	return 0;
}

static int remove_tree(void **state)
{
	AUTO_FD int dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	for (size_t i = ARRAY_LEN(tree); i > 0; i--)
		if (unlinkat(dir, tree[i - 1].path, tree[i - 1].text ? 0 : AT_REMOVEDIR) < 0)
			return -1;
	return rmdir(top);
}

static void check(const char *root, const char *group, const char *want)
{
	AUTO_BUF struct buf out = { 0 };
	struct json_out o = { .b = &out };
	char resctrl[256], dir[512];

	(void)snprintf(resctrl, sizeof(resctrl), "%s%s", top, root);
	(void)snprintf(dir, sizeof(dir), "%s/%s", resctrl, group);
	jo_open(&o, NULL, '{');
	rdt_stats(resctrl, dir, &o);
	jo_close(&o, '}');
	assert_string_equal(out.data, want);
}

static void tells_what_runc_tells(void **state)
{
	(void)state;
	check("", "c1",
	      "{\"l3_cache_info\":{\"cbm_mask\":\"fffff\",\"min_cbm_bits\":1,\"num_closids\":4},"
	      "\"l3_cache_schema_root\":\"L3:0=fffff;1=fffff\",\"l3_cache_schema\":\"L3:0=f;1=fffff\","
	      "\"mem_bw_info\":{\"bandwidth_gran\":10,\"delay_linear\":1,\"min_bandwidth\":10,"
	      "\"num_closids\":8},\"mem_bw_schema_root\":\"MB:0=100;1=100\","
	      "\"mem_bw_schema\":\"MB:0=20;1=100\",\"mbm_stats\":[{\"mbm_total_bytes\":7,"
	      "\"mbm_local_bytes\":5},{\"mbm_local_bytes\":2}],\"cmt_stats\":[{\"llc_occupancy\":4096},"
	      "{}]}");
}

static void leaves_out_what_is_not_there(void **state)
{
	(void)state;
	check("/bare", "gone", "{}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_runc_tells),
		cmocka_unit_test(leaves_out_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
