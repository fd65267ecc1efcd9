/* SPDX-License-Identifier: Apache-2.0 */
/* exec --process FILE and start --fast FILE: parse, validate, compile. */
#include "fuzz.h"

#include "launch/launch.h"
#include "oci/parse.h"
#include "oci/validate.h"

static void as_fast(const uint8_t *data, size_t size)
{
	AUTO_ARENA struct arena a = { 0 };
	struct oci_fast *f = NULL;
	AUTO_PLAN struct plan p;
	struct err e;

	plan_init(&p);
	if (oci_fast_parse((const char *)data, size, &a, &f, &e) == 0)
		(void)launch_compile_fast(f, &p, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/sys/fs/cgroup/memory/c";
	char *dirs[] = { dir, NULL };
	const bool v2[] = { false };
	struct launch_exec_options o = { .id = "fuzz",
					 .init_pid = 2,
					 .namespaces = 0x20020000,
					 .cgroup_dirs = dirs,
					 .cgroup_v2 = v2 };
	AUTO_INFO struct launch_info info = { 0 };
	AUTO_ARENA struct arena a = { 0 };
	struct oci_process *pr = NULL;
	AUTO_PLAN struct plan p;
	struct host_facts h;
	struct err e;

	as_fast(data, size);
	plan_init(&p);
	fuzz_host(&h);
	if (oci_process_parse((const char *)data, size, &a, &pr, &e) < 0 ||
	    oci_process_validate(pr, &e) < 0)
		return 0;
	o.process = pr;
	(void)launch_compile_exec(&h, &o, &p, &info, &e);
	return 0;
}
