/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "oci/parse.h"
#include "oci/sysctl.h"
#include "oci/validate.h"
#include "test_oci_full.h"

#include <string.h>

/* A good document with members added to three of its objects; the last of equal keys wins. */
struct change {
	const char *top, *process, *linux_;
	const char *message; /* NULL: the document is good */
};

static int validate(const struct change *c, struct err *e)
{
	AUTO_SPEC struct oci_spec *s = NULL;
	AUTO_BUF struct buf b = { 0 };
	int r;

	buf_printf(&b,
		   "{\"ociVersion\":\"1.0.2-dev\",\"root\":{\"path\":\"rootfs\"},"
		   "\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"%s%s},"
		   "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
		   "{\"type\":\"uts\"},{\"type\":\"ipc\"},{\"type\":\"network\"}]%s%s}%s%s}",
		   c->process ? "," : "", c->process ? c->process : "", c->linux_ ? "," : "",
		   c->linux_ ? c->linux_ : "", c->top ? "," : "", c->top ? c->top : "");
	r = oci_spec_parse(b.data, b.len, &s, e);
	return r < 0 ? r : oci_spec_validate(s, e);
}

static void check_rows(const struct change *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err e = { 0 };
		int r = validate(&rows[i], &e);

		if (rows[i].message)
			assert_true(r == -EINVAL || r == -EOPNOTSUPP);
		else if (r < 0)
			fail_msg("%s", e.msg);
		if (rows[i].message)
			assert_string_equal(e.msg, rows[i].message);
	}
}

static void checks_the_top_of_the_document(void **state)
{
	static const struct change rows[] = {
		{ 0 },
		{ .top = "\"ociVersion\":null", .message = "ociVersion: required, but missing" },
		{ .top = "\"ociVersion\":\"1.3\"",
		  .message = "ociVersion \"1.3\": must be a version like 1.3.0" },
		{ .top = "\"ociVersion\":\"1.03.0\"",
		  .message = "ociVersion \"1.03.0\": must be a version like 1.3.0" },
		{ .top = "\"ociVersion\":\"1.3.0-\"",
		  .message = "ociVersion \"1.3.0-\": must be a version like 1.3.0" },
		{ .top = "\"ociVersion\":\"2.0.0\"",
		  .message = "ociVersion \"2.0.0\": only 1.x is known" },
		{ .top = "\"ociVersion\":\"1.2.0-rc.1+dev\"" },
		{ .top = "\"vm\":{}",
		  .message = "vm: belongs to another platform, this is a Linux runtime" },
		{ .top = "\"linux\":null", .message = "linux: required, but missing" },
		{ .top = "\"root\":null", .message = "root: required, but missing" },
		{ .top = "\"root\":{}", .message = "root.path: required, but missing" },
		{ .top = "\"process\":null" },
		{ .top = "\"hostname\":\"h\",\"domainname\":\"d\"" },
		{ .top = "\"hostname\":\"h\"",
		  .linux_ = "\"namespaces\":[]",
		  .message = "hostname \"h\": needs a uts namespace" },
		{ .top = "\"domainname\":\"d\"",
		  .linux_ = "\"namespaces\":[]",
		  .message = "domainname \"d\": needs a uts namespace" },
		{ .top = "\"annotations\":{\"\":\"\"}",
		  .message = "annotations: a key must not be empty" },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

static void checks_mounts_and_hooks(void **state)
{
	static const struct change rows[] = {
		{ .top = "\"mounts\":[{\"destination\":\"relative\"}]" },
		{ .top = "\"mounts\":[{\"destination\":\"\"}]",
		  .message = "mounts[0].destination: must not be empty" },
		{ .top = "\"mounts\":[{\"destination\":\"/a\"}]", .linux_ = "\"namespaces\":[]" },
		{ .top = "\"mounts\":[{\"destination\":\"/a\"}]",
		  .linux_ = "\"namespaces\":[{\"type\":\"user\"}]",
		  .message =
			  "mounts: with a user namespace they need a mount namespace, add {\"type\": \"mount\"} to "
			  "linux.namespaces" },
		{ .top = "\"mounts\":[{\"destination\":\"/a\",\"uidMappings\":"
			 "[{\"containerID\":0,\"hostID\":0,\"size\":1}]}]",
		  .message = "mounts[0] \"/a\": uidMappings and gidMappings must come together" },
		{ .top = "\"mounts\":[{\"destination\":\"/a\",\"uidMappings\":"
			 "[{\"containerID\":0,\"hostID\":0,\"size\":0}],\"gidMappings\":"
			 "[{\"containerID\":0,\"hostID\":0,\"size\":1}]}]",
		  .message = "mounts[0].uidMappings[0].size 0: must be at least 1" },
		{ .top = "\"hooks\":{\"poststop\":[{\"path\":\"/h\",\"timeout\":1}]}" },
		{ .top = "\"hooks\":{\"poststop\":[{\"path\":\"h\"}]}",
		  .message = "hooks.poststop[0].path \"h\": must be absolute" },
		{ .top = "\"hooks\":{\"prestart\":[{\"path\":\"/h\",\"timeout\":0}]}",
		  .message = "hooks.prestart[0].timeout 0: must be 1 to 2147483647 seconds" },
		{ .top = "\"hooks\":{\"poststart\":[{\"path\":\"/h\",\"env\":[\"A\"]}]}",
		  .message = "hooks.poststart[0].env[0] \"A\": must be NAME=value" },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

static void checks_process(void **state)
{
	static const struct change rows[] = {
		{ .process = "\"args\":[]", .message = "process.args: must name a program" },
		{ .process = "\"args\":null", .message = "process.args: must name a program" },
		{ .process = "\"args\":[\"\"]", .message = "process.args[0]: must not be empty" },
		{ .process = "\"cwd\":\"\"", .message = "process.cwd: required, but missing" },
		{ .process = "\"cwd\":\"data\"",
		  .message = "process.cwd \"data\": must be absolute" },
		{ .process = "\"env\":[\"A=\",\"B\"]",
		  .message = "process.env[1] \"B\": must be NAME=value" },
		{ .process = "\"env\":[\"=secret\"]",
		  .message = "process.env[0]: the name before = is empty" },
		{ .process = "\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1}]",
		  .message = "process.rlimits[0] RLIMIT_AS: soft limit 2 is above hard limit 1" },
		{ .process = "\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1},"
			     "{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1}]",
		  .message = "process.rlimits[1] RLIMIT_AS: given twice" },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

#define MAP "[{\"containerID\":0,\"hostID\":1,\"size\":1}]"

static void checks_namespaces_and_maps(void **state)
{
	static const struct change rows[] = {
		{ .linux_ = "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]",
		  .message = "linux.namespaces[1] \"pid\": given twice" },
		{ .linux_ = "\"namespaces\":[{\"type\":\"pid\",\"path\":\"p\"}]",
		  .message = "linux.namespaces[0].path \"p\": must be absolute" },
		{ .linux_ = "\"uidMappings\":" MAP,
		  .message = "linux.uidMappings: need a user namespace, add {\"type\": \"user\"} "
			     "to linux.namespaces" },
		{ .linux_ = "\"namespaces\":[{\"type\":\"user\"}]" },
		{ .linux_ = "\"namespaces\":[{\"type\":\"user\"}],\"uidMappings\":" MAP,
		  .message = "linux.gidMappings: required, since the other kind is given" },
		{ .linux_ = "\"namespaces\":[{\"type\":\"user\",\"path\":\"/u\"}]" },
		{ .linux_ = "\"namespaces\":[{\"type\":\"user\"}],\"uidMappings\":" MAP
			    ",\"gidMappings\":" MAP },
		{ .linux_ = "\"namespaces\":[{\"type\":\"user\"}],\"gidMappings\":" MAP
			    ",\"uidMappings\":"
			    "[{\"containerID\":1,\"hostID\":0,\"size\":4294967295}]",
		  .message = "linux.uidMappings[0].size 4294967295: runs beyond the last id" },
		{ .linux_ = "\"timeOffsets\":{\"boottime\":{}}",
		  .message = "linux.timeOffsets: need a new time namespace, add "
			     "{\"type\": \"time\"} to linux.namespaces" },
		{ .linux_ = "\"namespaces\":[{\"type\":\"time\"}],\"timeOffsets\":{\"tai\":{}}",
		  .message = "linux.timeOffsets \"tai\": must be monotonic or boottime" },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

static void checks_sysctl_devices_and_paths(void **state)
{
	static const struct change rows[] = {
		{ .linux_ = "\"sysctl\":{\"net/ipv4/ip_forward\":\"1\",\"kernel.sem\":\"1\","
			    "\"fs.mqueue.msg_max\":\"1\",\"kernel.domainname\":\"d\"}" },
		{ .linux_ = "\"sysctl\":{\"kernel.core_pattern\":\"|/x\"}",
		  .message = "linux.sysctl \"kernel.core_pattern\": is not in a namespace, it "
			     "would change the host" },
		{ .linux_ = "\"sysctl\":{\"net/../kernel/core_pattern\":\"\"}",
		  .message = "linux.sysctl \"net/../kernel/core_pattern\": not the name of a "
			     "sysctl" },
		{ .linux_ = "\"sysctl\":{\"kernel.hostname\":\"h\"}",
		  .message = "linux.sysctl \"kernel.hostname\": conflicts with the field "
			     "hostname, use that" },
		{ .linux_ = "\"namespaces\":[],\"sysctl\":{\"net.a\":\"1\"}",
		  .message = "linux.sysctl \"net.a\": needs a namespace of type network of its "
			     "own" },
		{ .linux_ =
			  "\"namespaces\":[{\"type\":\"mount\"}],\"sysctl\":{\"user.max_user_namespaces\":"
			  "\"1\"}",
		  .message = "linux.sysctl \"user.max_user_namespaces\": needs a namespace of "
			     "type user of its own" },
		{ .linux_ = "\"devices\":[{\"path\":\"/dev/../x\",\"type\":\"p\"}]",
		  .message = "linux.devices[0].path \"/dev/../x\": must be absolute, without "
			     "\"..\"" },
		{ .linux_ = "\"devices\":[{\"path\":\"/d\",\"type\":\"c\",\"major\":4096}]",
		  .message = "linux.devices[0] \"/d\": Linux has no device 4096:0" },
		{ .linux_ = "\"maskedPaths\":[\"/a\",\"b\"]",
		  .message = "linux.maskedPaths[1] \"b\": must be absolute" },
		{ .linux_ = "\"readonlyPaths\":[\"/a\"],\"namespaces\":[]" },
		{ .linux_ = "\"readonlyPaths\":[\"/a\"],\"namespaces\":[{\"type\":\"user\"}]",
		  .message =
			  "linux.readonlyPaths: with a user namespace they need a mount namespace, add "
			  "{\"type\": \"mount\"} to linux.namespaces" },
		{ .linux_ = "\"cgroupsPath\":\"system.slice:cay:x\"" },
		{ .linux_ = "\"cgroupsPath\":\"/a/../b\"",
		  .message = "linux.cgroupsPath \"/a/../b\": must not hold \"..\"" },
		{ .linux_ = "\"rootfsPropagation\":\"rprivate\"" },
		{ .linux_ = "\"rootfsPropagation\":\"master\"",
		  .message = "linux.rootfsPropagation \"master\": must be shared, slave, private "
			     "or unbindable, or one of these with an r in front" },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

#define RES(text) .linux_ = "\"resources\":{" text "}"

static void checks_resources(void **state)
{
	static const struct change rows[] = {
		{ RES("\"blockIO\":{\"weight\":0},\"cpu\":{\"cpus\":\"0-3,7\"}") },
		{ RES("\"devices\":[{\"allow\":true,\"access\":\"rx\"}]"),
		  .message = "linux.resources.devices[0].access \"rx\": must be made of r, w "
			     "and m" },
		{ RES("\"hugepageLimits\":[{\"pageSize\":\"2M\",\"limit\":1}]"),
		  .message = "linux.resources.hugepageLimits[0].pageSize \"2M\": must be a size "
			     "like 2MB" },
		{ RES("\"unified\":{\"../x\":\"1\"}"),
		  .message = "linux.resources.unified \"../x\": must be the name of a cgroup "
			     "file" },
		{ RES("\"memory\":{\"limit\":10,\"swap\":5}"),
		  .message = "linux.resources.memory.swap 5: is memory and swap together, must "
			     "not be below memory.limit 10" },
		{ RES("\"memory\":{\"limit\":10,\"swap\":-1}") },
		{ RES("\"cpu\":{\"mems\":\"all\"}"),
		  .message = "linux.resources.cpu.mems \"all\": must be a list like 0-3,7" },
		{ RES("\"blockIO\":{\"weight\":9}"),
		  .message = "linux.resources.blockIO.weight 9: must be from 10 to 1000" },
		{ RES("\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,"
		      "\"leafWeight\":1}]}"),
		  .message = "linux.resources.blockIO.weightDevice[0].leafWeight 1: must be from "
			     "10 to 1000" },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

#define SEC(text) .linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\"," text "}"
#define RULE(text) SEC("\"syscalls\":[{\"names\":[\"open\"]," text "}]")

static void checks_seccomp(void **state)
{
	static const struct change rows[] = {
		{ RULE("\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":65535") },
		{ SEC("\"defaultErrnoRet\":38,\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],"
		      "\"architectures\":[\"SCMP_ARCH_X86_64\"]") },
		{ SEC("\"defaultAction\":\"ALLOW\""),
		  .message = "linux.seccomp.defaultAction \"ALLOW\": no such action" },
		{ SEC("\"defaultAction\":\"SCMP_ACT_NOTIFY\""),
		  .message = "linux.seccomp.defaultAction \"SCMP_ACT_NOTIFY\": can't be the "
			     "default" },
		{ SEC("\"defaultErrnoRet\":4096"),
		  .message = "linux.seccomp.defaultErrnoRet 4096: must be from 0 to 4095" },
		{ SEC("\"listenerMetadata\":\"m\""),
		  .message = "linux.seccomp.listenerMetadata: means nothing without "
			     "listenerPath" },
		{ SEC("\"architectures\":[\"x86\"]"),
		  .message = "linux.seccomp.architectures[0] \"x86\": must be a name that begins "
			     "with SCMP_ARCH_" },
		{ SEC("\"flags\":[\"LOG\"]"),
		  .message = "linux.seccomp.flags[0] \"LOG\": must be a name that begins with "
			     "SECCOMP_FILTER_FLAG_" },
		{ SEC("\"syscalls\":[{\"names\":[],\"action\":\"SCMP_ACT_LOG\"}]"),
		  .message = "linux.seccomp.syscalls[0].names: must not be empty" },
		{ RULE("\"action\":\"KILL\""),
		  .message = "linux.seccomp.syscalls[0].action \"KILL\": no such action" },
		{ RULE("\"action\":\"SCMP_ACT_NOTIFY\""),
		  .message = "linux.seccomp.syscalls[0].action SCMP_ACT_NOTIFY: needs "
			     "linux.seccomp.listenerPath" },
		{ RULE("\"action\":\"SCMP_ACT_ALLOW\",\"args\":"
		       "[{\"index\":0,\"value\":0,\"op\":\"==\"}]"),
		  .message = "linux.seccomp.syscalls[0].args[0].op \"==\": no such operator" },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

static void full_document_passes(void **state)
{
	AUTO_SPEC struct oci_spec *s = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(oci_spec_parse(full_config, strlen(full_config), &s, &e), 0);
	if (oci_spec_validate(s, &e) < 0)
		fail_msg("%s", e.msg);
}

static void long_values_leave_room_for_the_reason(void **state)
{
	AUTO_BUF struct buf b = { 0 };
	struct change c = { 0 };
	struct err e = { 0 };

	(void)state;
	buf_str(&b, "\"cwd\":\"");
	for (int i = 0; i < 5000; i++)
		buf_str(&b, "x");
	buf_str(&b, "\"");
	c.process = b.data;
	assert_int_equal(validate(&c, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "\": must be absolute"));
}

static void sysctl_names_become_paths(void **state)
{
	static const struct {
		const char *key, *path;
	} rows[] = {
		{ "net.ipv4.ip_forward", "net/ipv4/ip_forward" },
		{ "net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding" },
		{ "net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding" },
		{ "net.//.kernel", NULL },
		{ "net..a", NULL },
		{ "/net", NULL },
		{ "net.", NULL },
		{ "", NULL },
		{ ".", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char path[OCI_SYSCTL_MAX];

		assert_int_equal(oci_sysctl_path(rows[i].key, path), rows[i].path ? 0 : -EINVAL);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_the_top_of_the_document),
		cmocka_unit_test(checks_mounts_and_hooks),
		cmocka_unit_test(checks_process),
		cmocka_unit_test(checks_namespaces_and_maps),
		cmocka_unit_test(checks_sysctl_devices_and_paths),
		cmocka_unit_test(checks_resources),
		cmocka_unit_test(checks_seccomp),
		cmocka_unit_test(full_document_passes),
		cmocka_unit_test(long_values_leave_room_for_the_reason),
		cmocka_unit_test(sysctl_names_become_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
