/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/defaults.h"
#include "oci/features.h"
#include "oci/parse.h"
#include "oci/state.h"
#include "oci/validate.h"

#include <string.h>

static void template_parses_back_and_validates(void **state)
{
	(void)state;
	for (int rootless = 0; rootless < 2; rootless++) {
		AUTO_SPEC struct oci_spec *s = NULL;
		AUTO_BUF struct buf b = { 0 };
		struct err e = { 0 };

		assert_int_equal(oci_template_write(&b, rootless, 1000, 1001, &e), 0);
		assert_int_equal(oci_spec_parse(b.data, b.len, &s, &e), 0);
		if (oci_spec_validate(s, &e) < 0)
			fail_msg("%s", e.msg);
		assert_string_equal(s->oci_version, "1.3.0");
		assert_string_equal(s->hostname, "cay");
		assert_true(s->process->terminal && s->process->no_new_privileges);
		assert_int_equal(s->mounts_count, 7);
		assert_int_equal(s->linux_->namespaces_count, 5);
		assert_int_equal(s->linux_->masked_paths.count, 10);
		assert_int_equal(s->linux_->readonly_paths.count, 5);
		assert_int_equal(oci_namespace(s, OCI_NS_USER) != NULL, rootless);
		assert_int_equal(oci_namespace(s, OCI_NS_NETWORK) == NULL, rootless);
		if (rootless) {
			assert_int_equal(s->linux_->uid_mappings[0].host_id, 1000);
			assert_int_equal(s->linux_->gid_mappings[0].host_id, 1001);
			assert_null(s->linux_->resources);
		} else {
			assert_int_equal(s->linux_->resources->devices_count, 1);
		}
	}
}

static char key[] = "k\"", value[] = "v";
static const struct oci_pair annotations[] = { { key, value } };

static void state_leaves_out_what_is_not_there(void **state)
{
	const struct oci_state s = { .id = "a", .status = "stopped", .bundle = "/b" };
	AUTO_BUF struct buf b = { 0 };
	struct json_out o = { .b = &b };

	(void)state;
	oci_state_write(&o, &s);
	assert_string_equal(b.data, "{\"ociVersion\":\"1.3.0\",\"id\":\"a\","
				    "\"status\":\"stopped\",\"bundle\":\"/b\"}");
}

static void state_tells_all(void **state)
{
	const struct oci_state s = {
		.id = "a",
		.status = "running",
		.bundle = "/b",
		.pid = 42,
		.annotations = annotations,
		.annotations_count = 1,
		.rootfs = "/b/rootfs",
		.created = "2024-01-02T03:04:05Z",
		.owner = "root",
	};
	AUTO_BUF struct buf b = { 0 };
	struct json_out o = { .b = &b };

	(void)state;
	oci_state_write(&o, &s);
	assert_string_equal(b.data,
			    "{\"ociVersion\":\"1.3.0\",\"id\":\"a\",\"pid\":42,"
			    "\"status\":\"running\",\"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\","
			    "\"created\":\"2024-01-02T03:04:05Z\","
			    "\"annotations\":{\"k\\\"\":\"v\"},\"owner\":\"root\"}");
}

static void split_state_with_a_pid_between_is_the_state(void **state)
{
	struct oci_state s = { .id = "a",
			       .status = "creating",
			       .bundle = "/b",
			       .pid = 42,
			       .annotations = annotations,
			       .annotations_count = 1 };
	AUTO_BUF struct buf head = { 0 }, tail = { 0 }, whole = { 0 };
	struct json_out o = { .b = &whole };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(oci_state_split(&s, &head, &tail, &e), 0);
	buf_str(&head, "42");
	buf_str(&head, tail.data);
	oci_state_write(&o, &s);
	assert_string_equal(head.data, whole.data);
}

static void features_leave_out_unknown_lists(void **state)
{
	static const char *const options[] = { "ro", "rw", NULL }, *const none[] = { NULL };
	const struct oci_features f = {
		.mount_options = options,
		.capabilities = none,
		.cgroup_v1 = true,
		.seccomp = true,
		.seccomp_actions = options,
		.annotations = annotations,
		.annotations_count = 1,
		.memory_policy_modes = none,
		.unsafe_annotations = none,
		.idmap_mounts = true,
	};
	AUTO_JSON struct json *doc = NULL;
	AUTO_BUF struct buf b = { 0 };
	struct json_out o = { .b = &b, .pretty = true };
	struct err e = { 0 };
	struct json *l;

	(void)state;
	oci_features_write(&o, &f);
	assert_int_equal(json_parse(b.data, b.len, &doc, &e), 0);
	assert_string_equal(json_string(json_get(doc, "ociVersionMin"), NULL), "1.0.0");
	assert_string_equal(json_string(json_get(doc, "ociVersionMax"), NULL), "1.3.0");
	assert_int_equal(json_len(json_get(doc, "hooks")), 6);
	assert_int_equal(json_len(json_get(doc, "mountOptions")), 2);
	assert_int_equal(json_len(json_get(doc, "annotations")), 1);
	l = json_get(doc, "linux");
	assert_int_equal(json_len(json_get(l, "namespaces")), 8);
	assert_int_equal(json_type(json_get(l, "capabilities")), JSON_ARRAY);
	assert_true(json_bool(json_get(json_get(l, "cgroup"), "v1")));
	assert_false(json_bool(json_get(json_get(l, "cgroup"), "systemd")));
	assert_int_equal(json_len(json_get(json_get(l, "seccomp"), "actions")), 2);
	assert_null(json_get(json_get(l, "seccomp"), "archs"));
	assert_null(json_get(json_get(l, "memoryPolicy"), "flags"));
	assert_true(
		json_bool(json_get(json_get(json_get(l, "mountExtensions"), "idmap"), "enabled")));
	assert_false(json_bool(json_get(json_get(l, "netDevices"), "enabled")));
	assert_int_equal(json_len(json_get(l, "intelRdt")), 3);
}

static void names_match_the_specification(void **state)
{
	(void)state;
	assert_string_equal(oci_ns_name(OCI_NS_CGROUP), "cgroup");
	assert_string_equal(oci_hook_name(OCI_HOOK_START_CONTAINER), "startContainer");
	assert_string_equal(oci_capset_name(OCI_CAPS_INHERITABLE), "inheritable");
	assert_string_equal(oci_throttle_name(OCI_THROTTLE_WRITE_IOPS), "throttleWriteIOPSDevice");
	assert_string_equal(oci_rlimit_name(-1), "RLIMIT_?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(template_parses_back_and_validates),
		cmocka_unit_test(state_leaves_out_what_is_not_there),
		cmocka_unit_test(state_tells_all),
		cmocka_unit_test(split_state_with_a_pid_between_is_the_state),
		cmocka_unit_test(features_leave_out_unknown_lists),
		cmocka_unit_test(names_match_the_specification),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
