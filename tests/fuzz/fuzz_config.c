/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: parse, validate, compile, encode, and check what the islander would get. */
#include "fuzz.h"

#include "launch/launch.h"
#include "oci/parse.h"
#include "oci/validate.h"

static void compile(const struct oci_spec *s)
{
	struct launch_options o = {
		.id = "fuzz", .bundle = "/bundle", .state_dir = "/state", .gate = true
	};
	AUTO_INFO struct launch_info info = { 0 };
	AUTO_BUF struct buf wire = { 0 };
	AUTO_BUF struct buf text = { 0 };
	int32_t slots[1024] = { 0 };
	AUTO_PLAN struct plan p;
	struct host_facts h;
	struct err e;

	fuzz_host(&h);
	plan_init(&p);
	if (launch_compile(s, &h, &o, &p, &info, &e) < 0 || p.slots > ARRAY_LEN(slots))
		return;
	plan_print(&p, &text);
	plan_print_json(&p, &text);
	if (plan_encode(&p, slots, 3, &wire, &e) == 0) {
		AUTO_FREE uint8_t *copy = NULL;
		struct plan_view v;

		if (posix_memalign((void **)&copy, 16, wire.len) != 0)
			return;
		memcpy(copy, wire.data, wire.len);
		/* What we build ourselves must be fine. */
		if (plan_check(copy, wire.len, &v, &e) < 0)
			abort();
		fuzz_walk(&v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_SPEC struct oci_spec *s = NULL;
	struct err e;

	if (oci_spec_parse((const char *)data, size, &s, &e) == 0 && oci_spec_validate(s, &e) == 0)
		compile(s);
	return 0;
}
