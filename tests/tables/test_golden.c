/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole plans against golden files, which are reviewed like code. Host facts are made by
 * hand, so the result is the same everywhere. CAY_GOLDEN=write renews the files.
 */
#include "base/arena.h"
#include "launch/launch.h"
#include "oci/parse.h"
#include "oci/validate.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct cgroup_hierarchy v2_host[] = {
	{ .mount = TEXT("/sys/fs/cgroup"),
	  .controllers = TEXT(""),
	  .own = TEXT("/user.slice/me"),
	  .mount_root = TEXT("/"),
	  .offered = TEXT("cpuset cpu io memory pids"),
	  .v2 = true },
};
static struct cgroup_hierarchy hybrid_host[] = {
	{ .mount = TEXT("/sys/fs/cgroup/memory"),
	  .controllers = TEXT("memory"),
	  .own = TEXT("/"),
	  .mount_root = TEXT("/") },
	{ .mount = TEXT("/sys/fs/cgroup/devices"),
	  .controllers = TEXT("devices"),
	  .own = TEXT("/"),
	  .mount_root = TEXT("/") },
	{ .mount = TEXT("/sys/fs/cgroup/unified"),
	  .controllers = TEXT(""),
	  .own = TEXT("/"),
	  .mount_root = TEXT("/"),
	  .offered = TEXT("hugetlb"),
	  .v2 = true },
};

static const struct host_facts root_v2 = {
	.admin = true,
	.initial_userns = true,
	.caps_effective = ~0ULL,
	.caps_bounding = ~0ULL,
	.cap_last = 40,
	.cgroups = { .layout = CGROUP_V2, .hierarchies = v2_host, .count = 1 },
};
static const struct host_facts root_hybrid = {
	.admin = true,
	.initial_userns = true,
	.caps_effective = ~0ULL,
	.caps_bounding = ~0ULL,
	.cap_last = 40,
	.cgroups = { .layout = CGROUP_HYBRID, .hierarchies = hybrid_host, .count = 3 },
};
static const struct host_facts rootless_v2 = {
	.euid = 1000,
	.egid = 1000,
	.initial_userns = true,
	.caps_bounding = ~0ULL,
	.cap_last = 40,
	.cgroups = { .layout = CGROUP_V2, .hierarchies = v2_host, .count = 1 },
};

static char *golden_path(struct arena *a, const char *name)
{
	const char *dir = getenv("CAY_SOURCE");

	return arena_printf(a, "%s/tests/tables/golden/%s", dir ? dir : ".", name);
}

static void read_file(struct arena *a, const char *name, struct buf *ret)
{
	AUTO_FD int fd = open(golden_path(a, name), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail_msg("golden file %s: not found", name);
	assert_int_equal(buf_read_fd(ret, fd, 1 << 20), 0);
}

static void compare(struct arena *a, const char *name, const struct buf *got)
{
	AUTO_BUF struct buf want = { 0 };

	if (getenv("CAY_GOLDEN")) {
		AUTO_FD int fd =
			open(golden_path(a, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		assert_int_equal(write(fd, got->data, got->len), (ssize_t)got->len);
		return;
	}
	read_file(a, name, &want);
	assert_string_equal(got->data, want.data);
}

static void check(const char *config, const char *golden, const struct host_facts *h, bool gate)
{
	struct launch_options o = { .id = "isle",
				    .bundle = "/bundle",
				    .state_dir = "/run/cay/isle",
				    .gate = gate,
				    .cgroup_optional = !h->admin };
	AUTO_INFO struct launch_info info = { 0 };
	AUTO_SPEC struct oci_spec *spec = NULL;
	AUTO_BUF struct buf text = { 0 };
	AUTO_BUF struct buf out = { 0 };
	AUTO_PLAN struct plan p;
	struct arena a = { NULL };
	struct err e = { 0 };

	plan_init(&p);
	read_file(&a, config, &text);
	if (oci_spec_parse(text.data, text.len, &spec, &e) < 0 || oci_spec_validate(spec, &e) < 0 ||
	    launch_compile(spec, h, &o, &p, &info, &e) < 0)
		fail_msg("%s: %s", config, e.msg);
	plan_print(&p, &out);
	compare(&a, golden, &out);
	arena_done(&a);
}

static void default_bundle_on_v2(void **state)
{
	(void)state;
	check("default.json", "default-v2.plan", &root_v2, false);
}

static void default_bundle_on_hybrid_with_a_gate(void **state)
{
	(void)state;
	check("default.json", "default-hybrid.plan", &root_hybrid, true);
}

static void rootless_bundle(void **state)
{
	(void)state;
	check("rootless.json", "rootless-v2.plan", &rootless_v2, false);
}

static void joined_namespaces_and_hooks(void **state)
{
	(void)state;
	check("pod.json", "pod-v2.plan", &root_v2, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_bundle_on_v2),
		cmocka_unit_test(default_bundle_on_hybrid_with_a_gate),
		cmocka_unit_test(rootless_bundle),
		cmocka_unit_test(joined_namespaces_and_hooks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
