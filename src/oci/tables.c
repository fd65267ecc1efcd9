/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/table.h"

#include <sys/resource.h>

/*
 * runtime-spec 1.3 config.json, field by field: config.md, config-linux.md and
 * schema/config-schema.json of opencontainers/runtime-spec. T is the struct that a
 * table fills.
 */
/* clang-format off: tables */
#define ROW(k, t, field, ...)                                                                      \
	{                                                                                          \
		.key = k, .type = t, .offset = offsetof(T, field), ##__VA_ARGS__                   \
	}
#define BOOL(k, field) ROW(k, OCI_ROW_BOOL, field)
#define OPT_BOOL(k, field) ROW(k, OCI_ROW_OPT_BOOL, field)
#define STR(k, field) ROW(k, OCI_ROW_STR, field)
#define STRS(k, field) ROW(k, OCI_ROW_STRS, field)
#define NUM(k, kind, field) ROW(k, OCI_ROW_##kind, field)
#define RANGE(k, kind, field, lo, hi) ROW(k, OCI_ROW_##kind, field, .min = lo, .max = hi)
#define WORD(k, field, list) ROW(k, OCI_ROW_WORD, field, .words = list)
#define INLINE(k, field, tab) ROW(k, OCI_ROW_INLINE, field, .table = &tab)
#define OBJECT(k, field, tab) ROW(k, OCI_ROW_OBJECT, field, .table = &tab)
#define LIST(k, kind, field, ...)                                                                  \
	ROW(k, OCI_ROW_##kind, field, .count_offset = offsetof(T, field##_count), ##__VA_ARGS__)
#define ARRAY(k, field, tab) LIST(k, ARRAY, field, .table = &tab)
#define MAP(k, field, tab) LIST(k, MAP, field, .table = &tab)
#define PAIRS(k, field) LIST(k, PAIRS, field)
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}
#define REQUIRED_STR(k, field) ROW(k, OCI_ROW_STR, field, .required = true)
#define REQUIRED_NUM(k, kind, field) ROW(k, OCI_ROW_##kind, field, .required = true)
#define REQUIRED_WORD(k, field, list) ROW(k, OCI_ROW_WORD, field, .words = list, .required = true)
#define TABLE(name, ...)                                                                           \
	static const struct oci_row name##_rows[] = { __VA_ARGS__, END };                          \
	static const struct oci_table name = { sizeof(T), name##_rows }
#define PUBLIC_TABLE(name, ...)                                                                    \
	static const struct oci_row name##_rows[] = { __VA_ARGS__, END };                          \
	const struct oci_table name = { sizeof(T), name##_rows }

/* ---- process ---------------------------------------------------------------------- */

const struct oci_word oci_rlimit_words[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
	{ NULL, 0 },
};

#define T struct oci_box
TABLE(box, RANGE("height", U32, height, 0, UINT16_MAX), RANGE("width", U32, width, 0, UINT16_MAX));
#undef T

#define T struct oci_user
TABLE(user, NUM("uid", U32, uid), NUM("gid", U32, gid), RANGE("umask", OPT_U32, umask, 0, 0777),
      LIST("additionalGids", U32S, additional_gids), STR("username", username));
#undef T

#define T struct oci_capabilities
TABLE(capabilities, STRS("bounding", set[OCI_CAPS_BOUNDING]),
      STRS("effective", set[OCI_CAPS_EFFECTIVE]), STRS("inheritable", set[OCI_CAPS_INHERITABLE]),
      STRS("permitted", set[OCI_CAPS_PERMITTED]), STRS("ambient", set[OCI_CAPS_AMBIENT]));
#undef T

#define T struct oci_rlimit
TABLE(rlimit, REQUIRED_WORD("type", resource, oci_rlimit_words), REQUIRED_NUM("soft", U64, soft),
      REQUIRED_NUM("hard", U64, hard));
#undef T

#define T struct oci_scheduler
TABLE(scheduler, STR("policy", policy), NUM("nice", I32, nice), NUM("priority", I32, priority),
      STRS("flags", flags), NUM("runtime", U64, runtime_ns), NUM("deadline", U64, deadline_ns),
      NUM("period", U64, period_ns));
#undef T

#define T struct oci_io_priority
TABLE(io_priority, STR("class", io_class), NUM("priority", I32, priority));
#undef T

#define T struct oci_cpu_affinity
TABLE(cpu_affinity, STR("initial", initial), STR("final", final));
#undef T

#define T struct oci_process
PUBLIC_TABLE(oci_process_table, BOOL("terminal", terminal),
	     OBJECT("consoleSize", console_size, box), INLINE("user", user, user),
	     STRS("args", args), STRS("env", env), STR("cwd", cwd),
	     OBJECT("capabilities", capabilities, capabilities), ARRAY("rlimits", rlimits, rlimit),
	     BOOL("noNewPrivileges", no_new_privileges), STR("apparmorProfile", apparmor_profile),
	     STR("selinuxLabel", selinux_label),
	     RANGE("oomScoreAdj", OPT_I64, oom_score_adj, -1000, 1000),
	     OBJECT("scheduler", scheduler, scheduler),
	     OBJECT("ioPriority", io_priority, io_priority),
	     OBJECT("execCPUAffinity", exec_cpu_affinity, cpu_affinity));
#undef T

#define T struct oci_fast
PUBLIC_TABLE(oci_fast_table, STRS("args", args), STRS("env", env), STR("cwd", cwd),
	     STR("cpus", cpus), NUM("cpu", OPT_U32, cpu), ARRAY("rlimits", rlimits, rlimit),
	     OBJECT("scheduler", scheduler, scheduler),
	     OBJECT("ioPriority", io_priority, io_priority), STR("stdio", stdio));
#undef T

/* ---- root, mounts, hooks ---------------------------------------------------------- */

#define T struct oci_root
TABLE(root, STR("path", path), BOOL("readonly", readonly));
#undef T

#define T struct oci_id_map
TABLE(id_map, REQUIRED_NUM("containerID", U32, container_id), REQUIRED_NUM("hostID", U32, host_id),
      REQUIRED_NUM("size", U32, size));
#undef T

#define T struct oci_mount
TABLE(mount, REQUIRED_STR("destination", destination), STR("type", type), STR("source", source),
      STRS("options", options), ARRAY("uidMappings", uid_mappings, id_map),
      ARRAY("gidMappings", gid_mappings, id_map));
#undef T

#define T struct oci_hook
TABLE(hook, REQUIRED_STR("path", path), STRS("args", args), STRS("env", env),
      NUM("timeout", OPT_I64, timeout_s));
#undef T

#define T struct oci_spec
TABLE(hooks, ARRAY("prestart", hooks[OCI_HOOK_PRESTART].hooks, hook),
      ARRAY("createRuntime", hooks[OCI_HOOK_CREATE_RUNTIME].hooks, hook),
      ARRAY("createContainer", hooks[OCI_HOOK_CREATE_CONTAINER].hooks, hook),
      ARRAY("startContainer", hooks[OCI_HOOK_START_CONTAINER].hooks, hook),
      ARRAY("poststart", hooks[OCI_HOOK_POSTSTART].hooks, hook),
      ARRAY("poststop", hooks[OCI_HOOK_POSTSTOP].hooks, hook));
#undef T

/* ---- linux.resources -------------------------------------------------------------- */

static const struct oci_word rule_type_words[] = {
	{ "a", OCI_DEVICE_ANY },
	{ "c", OCI_DEVICE_CHAR },
	{ "b", OCI_DEVICE_BLOCK },
	{ NULL, 0 },
};

#define T struct oci_device_rule
TABLE(device_rule, BOOL("allow", allow), WORD("type", type, rule_type_words),
      RANGE("major", OPT_I64, major, -1, UINT32_MAX),
      RANGE("minor", OPT_I64, minor, -1, UINT32_MAX), STR("access", access));
#undef T

#define T struct oci_memory
TABLE(memory, RANGE("limit", OPT_I64, limit, -1, INT64_MAX),
      RANGE("reservation", OPT_I64, reservation, -1, INT64_MAX),
      RANGE("swap", OPT_I64, swap, -1, INT64_MAX), RANGE("kernel", OPT_I64, kernel, -1, INT64_MAX),
      RANGE("kernelTCP", OPT_I64, kernel_tcp, -1, INT64_MAX),
      RANGE("swappiness", OPT_U64, swappiness, 0, 100),
      OPT_BOOL("disableOOMKiller", disable_oom_killer), OPT_BOOL("useHierarchy", use_hierarchy),
      OPT_BOOL("checkBeforeUpdate", check_before_update));
#undef T

#define T struct oci_cpu
TABLE(cpu, NUM("shares", OPT_U64, shares), NUM("quota", OPT_I64, quota_us),
      NUM("burst", OPT_U64, burst_us), NUM("period", OPT_U64, period_us),
      NUM("realtimeRuntime", OPT_I64, realtime_runtime_us),
      NUM("realtimePeriod", OPT_U64, realtime_period_us), STR("cpus", cpus), STR("mems", mems),
      RANGE("idle", OPT_I64, idle, 0, 1));
#undef T

#define T struct oci_resources
TABLE(pids, RANGE("limit", OPT_I64, pids_limit, -1, INT64_MAX));
#undef T

#define T struct oci_weight_device
TABLE(weight_device, REQUIRED_NUM("major", I64, major), REQUIRED_NUM("minor", I64, minor),
      RANGE("weight", OPT_U32, weight, 0, 1000),
      RANGE("leafWeight", OPT_U32, leaf_weight, 0, 1000));
#undef T

#define T struct oci_throttle_device
TABLE(throttle, REQUIRED_NUM("major", I64, major), REQUIRED_NUM("minor", I64, minor),
      REQUIRED_NUM("rate", U64, rate));
#undef T

#define T struct oci_block_io
TABLE(block_io, RANGE("weight", OPT_U32, weight, 0, 1000),
      RANGE("leafWeight", OPT_U32, leaf_weight, 0, 1000),
      ARRAY("weightDevice", weight_devices, weight_device),
      ARRAY("throttleReadBpsDevice", throttle[OCI_THROTTLE_READ_BPS].devices, throttle),
      ARRAY("throttleWriteBpsDevice", throttle[OCI_THROTTLE_WRITE_BPS].devices, throttle),
      ARRAY("throttleReadIOPSDevice", throttle[OCI_THROTTLE_READ_IOPS].devices, throttle),
      ARRAY("throttleWriteIOPSDevice", throttle[OCI_THROTTLE_WRITE_IOPS].devices, throttle));
#undef T

#define T struct oci_hugepage_limit
TABLE(hugepage_limit, REQUIRED_STR("pageSize", page_size), REQUIRED_NUM("limit", U64, limit));
#undef T

#define T struct oci_if_priority
TABLE(if_priority, REQUIRED_STR("name", name), REQUIRED_NUM("priority", U32, priority));
#undef T

#define T struct oci_network
TABLE(network, NUM("classID", OPT_U32, class_id), ARRAY("priorities", priorities, if_priority));
#undef T

#define T struct oci_rdma
TABLE(rdma, NUM("hcaHandles", OPT_U32, hca_handles), NUM("hcaObjects", OPT_U32, hca_objects));
#undef T

#define T struct oci_resources
PUBLIC_TABLE(oci_resources_table, ARRAY("devices", devices, device_rule),
	     OBJECT("memory", memory, memory), OBJECT("cpu", cpu, cpu),
	     { .key = "pids", .type = OCI_ROW_INLINE, .table = &pids },
	     OBJECT("blockIO", block_io, block_io),
	     ARRAY("hugepageLimits", hugepage_limits, hugepage_limit),
	     OBJECT("network", network, network), MAP("rdma", rdma, rdma),
	     PAIRS("unified", unified));
#undef T

/* ---- linux ------------------------------------------------------------------------ */

const struct oci_word oci_ns_words[] = {
	{ "pid", OCI_NS_PID },	     { "network", OCI_NS_NETWORK }, { "mount", OCI_NS_MOUNT },
	{ "ipc", OCI_NS_IPC },	     { "uts", OCI_NS_UTS },	    { "user", OCI_NS_USER },
	{ "cgroup", OCI_NS_CGROUP }, { "time", OCI_NS_TIME },	    { NULL, 0 },
};

static const struct oci_word device_type_words[] = {
	{ "c", OCI_DEVICE_CHAR },
	{ "u", OCI_DEVICE_CHAR },
	{ "b", OCI_DEVICE_BLOCK },
	{ "p", OCI_DEVICE_FIFO },
	{ NULL, 0 },
};

#define T struct oci_namespace
TABLE(namespace, REQUIRED_WORD("type", type, oci_ns_words), STR("path", path));
#undef T

#define T struct oci_device
TABLE(device, REQUIRED_STR("path", path), REQUIRED_WORD("type", type, device_type_words),
      RANGE("major", I64, major, 0, UINT32_MAX), RANGE("minor", I64, minor, 0, UINT32_MAX),
      RANGE("fileMode", OPT_U32, file_mode, 0, 0177777), NUM("uid", OPT_U32, uid),
      NUM("gid", OPT_U32, gid));
#undef T

#define T struct oci_net_device
TABLE(net_device, STR("name", name));
#undef T

#define T struct oci_seccomp_arg
TABLE(seccomp_arg, ROW("index", OCI_ROW_U32, index, .max = 5, .required = true),
      REQUIRED_NUM("value", U64, value), NUM("valueTwo", U64, value_two), REQUIRED_STR("op", op));
#undef T

#define T struct oci_syscall_rule
TABLE(syscall_rule, ROW("names", OCI_ROW_STRS, names, .required = true),
      REQUIRED_STR("action", action), NUM("errnoRet", OPT_U32, errno_ret),
      ARRAY("args", args, seccomp_arg));
#undef T

#define T struct oci_seccomp
TABLE(seccomp, REQUIRED_STR("defaultAction", default_action),
      NUM("defaultErrnoRet", OPT_U32, default_errno_ret), STRS("architectures", architectures),
      STRS("flags", flags), STR("listenerPath", listener_path),
      STR("listenerMetadata", listener_metadata), ARRAY("syscalls", syscalls, syscall_rule));
#undef T

#define T struct oci_intel_rdt
TABLE(intel_rdt, STR("closID", clos_id), STRS("schemata", schemata),
      STR("l3CacheSchema", l3_cache_schema), STR("memBwSchema", mem_bw_schema),
      BOOL("enableCMT", enable_cmt), BOOL("enableMBM", enable_mbm),
      BOOL("enableMonitoring", enable_monitoring));
#undef T

#define T struct oci_personality
TABLE(personality, REQUIRED_STR("domain", domain), STRS("flags", flags));
#undef T

#define T struct oci_time_offset
TABLE(time_offset, NUM("secs", I64, secs), RANGE("nanosecs", U32, nanosecs, 0, 999999999));
#undef T

#define T struct oci_memory_policy
TABLE(memory_policy, STR("mode", mode), STR("nodes", nodes), STRS("flags", flags));
#undef T

#define T struct oci_linux
TABLE(linux_section, ARRAY("uidMappings", uid_mappings, id_map),
      ARRAY("gidMappings", gid_mappings, id_map), PAIRS("sysctl", sysctl),
      OBJECT("resources", resources, oci_resources_table), STR("cgroupsPath", cgroups_path),
      ARRAY("namespaces", namespaces, namespace), ARRAY("devices", devices, device),
      MAP("netDevices", net_devices, net_device), OBJECT("seccomp", seccomp, seccomp),
      STR("rootfsPropagation", rootfs_propagation), STRS("maskedPaths", masked_paths),
      STRS("readonlyPaths", readonly_paths), STR("mountLabel", mount_label),
      OBJECT("intelRdt", intel_rdt, intel_rdt), OBJECT("personality", personality, personality),
      MAP("timeOffsets", time_offsets, time_offset),
      OBJECT("memoryPolicy", memory_policy, memory_policy));
#undef T

/* ---- the whole -------------------------------------------------------------------- */

#define T struct oci_spec
PUBLIC_TABLE(oci_spec_table, STR("ociVersion", oci_version),
	     OBJECT("process", process, oci_process_table), OBJECT("root", root, root),
	     STR("hostname", hostname), STR("domainname", domainname),
	     ARRAY("mounts", mounts, mount),
	     { .key = "hooks", .type = OCI_ROW_INLINE, .table = &hooks },
	     LIST("annotations", PAIRS, annotations, .max = OCI_MAX_ANNOTATION),
	     OBJECT("linux", linux_, linux_section),
	     ROW("solaris", OCI_ROW_PRESENT, other_platform),
	     ROW("windows", OCI_ROW_PRESENT, other_platform),
	     ROW("vm", OCI_ROW_PRESENT, other_platform),
	     ROW("zos", OCI_ROW_PRESENT, other_platform),
	     ROW("freebsd", OCI_ROW_PRESENT, other_platform));
#undef T
