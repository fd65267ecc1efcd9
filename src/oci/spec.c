/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"
#include "base/parse.h"
#include "oci/table.h"

const char *oci_hook_name(enum oci_hook_kind kind)
{
	static const char *const names[OCI_HOOK_COUNT] = {
		[OCI_HOOK_PRESTART] = "prestart",
		[OCI_HOOK_CREATE_RUNTIME] = "createRuntime",
		[OCI_HOOK_CREATE_CONTAINER] = "createContainer",
		[OCI_HOOK_START_CONTAINER] = "startContainer",
		[OCI_HOOK_POSTSTART] = "poststart",
		[OCI_HOOK_POSTSTOP] = "poststop",
	};

	return kind < OCI_HOOK_COUNT ? names[kind] : "?";
}

const char *oci_ns_name(enum oci_ns_type type)
{
	for (const struct oci_word *w = oci_ns_words; w->word; w++)
		if (w->value == (int)type)
			return w->word;
	return "?";
}

const char *oci_capset_name(enum oci_capset set)
{
	static const char *const names[OCI_CAPS_COUNT] = {
		[OCI_CAPS_BOUNDING] = "bounding",	[OCI_CAPS_EFFECTIVE] = "effective",
		[OCI_CAPS_INHERITABLE] = "inheritable", [OCI_CAPS_PERMITTED] = "permitted",
		[OCI_CAPS_AMBIENT] = "ambient",
	};

	return set < OCI_CAPS_COUNT ? names[set] : "?";
}

const char *oci_throttle_name(enum oci_throttle t)
{
	static const char *const names[OCI_THROTTLE_COUNT] = {
		[OCI_THROTTLE_READ_BPS] = "throttleReadBpsDevice",
		[OCI_THROTTLE_WRITE_BPS] = "throttleWriteBpsDevice",
		[OCI_THROTTLE_READ_IOPS] = "throttleReadIOPSDevice",
		[OCI_THROTTLE_WRITE_IOPS] = "throttleWriteIOPSDevice",
	};

	return t < OCI_THROTTLE_COUNT ? names[t] : "?";
}

const char *oci_rlimit_name(int resource)
{
	for (const struct oci_word *w = oci_rlimit_words; w->word; w++)
		if (w->value == resource)
			return w->word;
	return "RLIMIT_?";
}

const struct oci_namespace *oci_namespace(const struct oci_spec *s, enum oci_ns_type type)
{
	if (!s->linux_)
		return NULL;
	for (size_t i = 0; i < s->linux_->namespaces_count; i++)
		if (s->linux_->namespaces[i].type == type)
			return &s->linux_->namespaces[i];
	return NULL;
}

bool oci_can_mount(const struct oci_spec *s)
{
	return oci_namespace(s, OCI_NS_MOUNT) || !oci_namespace(s, OCI_NS_USER);
}

bool oci_namespace_is_new(const struct oci_spec *s, enum oci_ns_type type)
{
	const struct oci_namespace *ns = oci_namespace(s, type);

	return ns && (!ns->path || !*ns->path);
}

const char *oci_annotation(const struct oci_spec *s, const char *key)
{
	for (size_t i = 0; i < s->annotations_count; i++)
		if (str_eq(s->annotations[i].key, key))
			return s->annotations[i].value;
	return NULL;
}
