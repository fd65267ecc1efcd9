/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The newest version of opencontainers/runtime-spec that is understood, and what is written. */
#define OCI_VERSION "1.3.0"
#define OCI_VERSION_MIN "1.0.0"

/*
 * config.json of runtime-spec 1.3 as plain structs. Everything a struct points at
 * lives in the arena of the document it came from and is read-only for its users.
 *
 * Conventions: an absent string or object is NULL (an empty string is kept as ""); an
 * optional scalar is a struct opt_*; an array `x` has its length in `x_count`.
 */
struct opt_bool {
	bool set, v;
};
struct opt_u32 {
	bool set;
	uint32_t v;
};
struct opt_i64 {
	bool set;
	int64_t v;
};
struct opt_u64 {
	bool set;
	uint64_t v;
};

struct oci_strings {
	char **list; /* ends with NULL; NULL: absent */
	size_t count;
};

struct oci_pair {
	char *key, *value; /* never NULL */
};

/* ---- process ---------------------------------------------------------------------- */

enum oci_capset {
	OCI_CAPS_BOUNDING,
	OCI_CAPS_EFFECTIVE,
	OCI_CAPS_INHERITABLE,
	OCI_CAPS_PERMITTED,
	OCI_CAPS_AMBIENT,
	OCI_CAPS_COUNT
};

struct oci_capabilities {
	struct oci_strings set[OCI_CAPS_COUNT]; /* names as written: "CAP_KILL" */
};

struct oci_box {
	uint32_t height, width;
};

struct oci_user {
	uint32_t uid, gid;
	struct opt_u32 umask;
	uint32_t *additional_gids;
	size_t additional_gids_count;
	char *username; /* of other platforms */
};

struct oci_rlimit {
	int resource;	     /* RLIMIT_*; see oci_rlimit_name */
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

struct oci_scheduler {
	char *policy; /* "SCHED_FIFO" */
	int32_t nice, priority;
	struct oci_strings flags; /* "SCHED_FLAG_RESET_ON_FORK" */
	uint64_t runtime_ns, deadline_ns, period_ns;
};

struct oci_io_priority {
	char *io_class; /* "IOPRIO_CLASS_BE" */
	int32_t priority;
};

struct oci_cpu_affinity {
	char *initial, *final; /* CPU lists: "0-3,7" */
};

struct oci_process {
	bool terminal;
	struct oci_box *console_size;
	struct oci_user user;
	struct oci_strings args, env;
	char *cwd;
	struct oci_capabilities *capabilities; /* NULL: not given */
	struct oci_rlimit *rlimits;
	size_t rlimits_count;
	bool no_new_privileges;
	char *apparmor_profile;
	char *selinux_label;
	struct opt_i64 oom_score_adj;
	struct oci_scheduler *scheduler;
	struct oci_io_priority *io_priority;
	struct oci_cpu_affinity *exec_cpu_affinity;
};

/* What a start may still say of the program. What is not given stays as it was created. */
struct oci_fast {
	struct oci_strings args, env;
	char *cwd;
	char *cpus;	    /* list: "0-3,7" */
	struct opt_u32 cpu; /* the same for one CPU, as SL's files have it */
	struct oci_rlimit *rlimits;
	size_t rlimits_count;
	struct oci_scheduler *scheduler;
	struct oci_io_priority *io_priority;
	char *stdio; /* "inherit": the files of the start, else those of the create */
};

/* ---- mounts, hooks ---------------------------------------------------------------- */

struct oci_root {
	char *path;
	bool readonly;
};

struct oci_id_map {
	uint32_t container_id, host_id, size;
};

struct oci_mount {
	char *destination; /* absolute: the parser puts "/" in front of a relative one */
	char *type, *source;
	struct oci_strings options;
	struct oci_id_map *uid_mappings, *gid_mappings;
	size_t uid_mappings_count, gid_mappings_count;
};

enum oci_hook_kind {
	OCI_HOOK_PRESTART,
	OCI_HOOK_CREATE_RUNTIME,
	OCI_HOOK_CREATE_CONTAINER,
	OCI_HOOK_START_CONTAINER,
	OCI_HOOK_POSTSTART,
	OCI_HOOK_POSTSTOP,
	OCI_HOOK_COUNT
};

struct oci_hook {
	char *path;
	struct oci_strings args; /* absent: the path alone is argv */
	struct oci_strings env;
	struct opt_i64 timeout_s; /* unset: none */
};

struct oci_hook_list {
	struct oci_hook *hooks;
	size_t hooks_count;
};

/* ---- linux.resources -------------------------------------------------------------- */

enum oci_device_type {
	OCI_DEVICE_ANY,	 /* "a", or absent in a cgroup rule; not valid in linux.devices */
	OCI_DEVICE_CHAR, /* "c" and "u" */
	OCI_DEVICE_BLOCK,
	OCI_DEVICE_FIFO, /* linux.devices only */
};

struct oci_device_rule {
	bool allow;
	enum oci_device_type type;
	struct opt_i64 major, minor; /* unset or -1: all */
	char *access;		     /* of "rwm"; NULL: all three */
};

struct oci_memory {
	struct opt_i64 limit, reservation, swap, kernel, kernel_tcp; /* bytes; -1: unlimited */
	struct opt_u64 swappiness;				     /* 0 to 100 */
	struct opt_bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct oci_cpu {
	struct opt_u64 shares, burst_us, period_us, realtime_period_us;
	struct opt_i64 quota_us, realtime_runtime_us;
	struct opt_i64 idle;
	char *cpus, *mems;
};

struct oci_weight_device {
	int64_t major, minor;
	struct opt_u32 weight, leaf_weight; /* 10 to 1000 */
};

struct oci_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};

enum oci_throttle {
	OCI_THROTTLE_READ_BPS,
	OCI_THROTTLE_WRITE_BPS,
	OCI_THROTTLE_READ_IOPS,
	OCI_THROTTLE_WRITE_IOPS,
	OCI_THROTTLE_COUNT
};

struct oci_throttle_list {
	struct oci_throttle_device *devices;
	size_t devices_count;
};

struct oci_block_io {
	struct opt_u32 weight, leaf_weight;
	struct oci_weight_device *weight_devices;
	size_t weight_devices_count;
	struct oci_throttle_list throttle[OCI_THROTTLE_COUNT];
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t limit;
};

struct oci_if_priority {
	char *name;
	uint32_t priority;
};

struct oci_network {
	struct opt_u32 class_id;
	struct oci_if_priority *priorities;
	size_t priorities_count;
};

struct oci_rdma {
	char *device;
	struct opt_u32 hca_handles, hca_objects;
};

struct oci_resources {
	struct oci_device_rule *devices;
	size_t devices_count;
	struct oci_memory *memory;
	struct oci_cpu *cpu;
	struct opt_i64 pids_limit;
	struct oci_block_io *block_io;
	struct oci_hugepage_limit *hugepage_limits;
	size_t hugepage_limits_count;
	struct oci_network *network;
	struct oci_rdma *rdma;
	size_t rdma_count;
	struct oci_pair *unified; /* cgroup v2 file → value */
	size_t unified_count;
};

/* ---- linux ------------------------------------------------------------------------ */

enum oci_ns_type {
	OCI_NS_PID,
	OCI_NS_NETWORK,
	OCI_NS_MOUNT,
	OCI_NS_IPC,
	OCI_NS_UTS,
	OCI_NS_USER,
	OCI_NS_CGROUP,
	OCI_NS_TIME,
	OCI_NS_COUNT
};

struct oci_namespace {
	enum oci_ns_type type;
	char *path; /* NULL or "": a new one */
};

struct oci_device {
	char *path;
	enum oci_device_type type;
	int64_t major, minor;
	struct opt_u32 file_mode; /* file type bits may be set too: mask with 07777 */
	struct opt_u32 uid, gid;
};

struct oci_net_device {
	char *host_name; /* the key */
	char *name;	 /* inside; NULL: unchanged */
};

struct oci_seccomp_arg {
	uint32_t index; /* 0 to 5 */
	uint64_t value, value_two;
	char *op; /* "SCMP_CMP_EQ" */
};

struct oci_syscall_rule {
	struct oci_strings names;
	char *action;
	struct opt_u32 errno_ret;
	struct oci_seccomp_arg *args;
	size_t args_count;
};

struct oci_seccomp {
	char *default_action; /* "SCMP_ACT_ERRNO" */
	struct opt_u32 default_errno_ret;
	struct oci_strings architectures; /* "SCMP_ARCH_X86_64" */
	struct oci_strings flags;	  /* "SECCOMP_FILTER_FLAG_LOG" */
	char *listener_path, *listener_metadata;
	char *bpf_data;	   /* run.oci.seccomp_bpf_data: the filter itself, in base64 */
	bool fail_unknown; /* run.oci.seccomp_fail_unknown_syscall */
	/* Of a policy: where the rest lets these pass they go to the listener, or get EPERM. */
	struct oci_strings watched, refused;
	struct oci_syscall_rule *syscalls;
	size_t syscalls_count;
};

struct oci_intel_rdt {
	char *clos_id, *l3_cache_schema, *mem_bw_schema;
	struct oci_strings schemata;
	bool enable_cmt, enable_mbm, enable_monitoring;
};

struct oci_personality {
	char *domain; /* "LINUX", "LINUX32" */
	struct oci_strings flags;
};

struct oci_time_offset {
	char *clock; /* "monotonic", "boottime" */
	int64_t secs;
	uint32_t nanosecs;
};

struct oci_memory_policy {
	char *mode;		  /* "MPOL_BIND" */
	char *nodes;		  /* "0-3" */
	struct oci_strings flags; /* "MPOL_F_STATIC_NODES" */
};

struct oci_linux {
	/* Both or neither. Neither, with a new user namespace: the caller's own ids are meant. */
	struct oci_id_map *uid_mappings, *gid_mappings;
	size_t uid_mappings_count, gid_mappings_count;
	struct oci_pair *sysctl;
	size_t sysctl_count;
	struct oci_resources *resources;
	char *cgroups_path;
	struct oci_namespace *namespaces;
	size_t namespaces_count;
	struct oci_device *devices;
	size_t devices_count;
	struct oci_net_device *net_devices;
	size_t net_devices_count;
	struct oci_seccomp *seccomp;
	char *rootfs_propagation; /* "shared", "rslave"… */
	struct oci_strings masked_paths, readonly_paths;
	char *mount_label;
	struct oci_intel_rdt *intel_rdt;
	struct oci_personality *personality;
	struct oci_time_offset *time_offsets;
	size_t time_offsets_count;
	struct oci_memory_policy *memory_policy;
};

/* Of the annotations run.oci.*; see oci/extension.h. NULL, false: not given. */
struct oci_extensions {
	bool keep_groups; /* the program keeps the caller's additional groups */
	bool seccomp_strict;
	char *hooks_stdout, *hooks_stderr; /* files that what hooks say is appended to */
	char *mount_context;		   /* "fscontext"…: what mountLabel is given as */
	char *pidfd_receiver;		   /* socket that gets the first process's pidfd */
	char *seccomp_receiver, *seccomp_bpf_data;
};

struct oci_spec {
	struct arena arena; /* owns all that follows, and nothing else points into it */
	char *oci_version;
	struct oci_process *process;
	struct oci_root *root;
	char *hostname, *domainname;
	struct oci_mount *mounts;
	size_t mounts_count;
	struct oci_hook_list hooks[OCI_HOOK_COUNT];
	struct oci_pair *annotations;
	size_t annotations_count;
	struct oci_extensions ext;
	struct oci_linux *linux_;   /* NULL: absent; `linux` is a macro in GNU C */
	const char *other_platform; /* "windows"… when such a section is there */
};

/** oci_hook_name - "prestart"…; the key in config.json */
const char *oci_hook_name(enum oci_hook_kind kind);

/** oci_ns_name - "pid", "network"…; the word in config.json */
const char *oci_ns_name(enum oci_ns_type type);

/** oci_capset_name - "bounding"…; the key in config.json */
const char *oci_capset_name(enum oci_capset set);

/** oci_throttle_name - "throttleReadBpsDevice"…; the key in config.json */
const char *oci_throttle_name(enum oci_throttle t);

/** oci_rlimit_name - "RLIMIT_NOFILE"…; "RLIMIT_?" for an unknown @resource */
const char *oci_rlimit_name(int resource);

/**
 * oci_namespace - the entry of one type in linux.namespaces
 *
 * Return: borrowed; NULL: the container stays in the runtime's own namespace.
 */
const struct oci_namespace *oci_namespace(const struct oci_spec *s, enum oci_ns_type type);

/**
 * oci_can_mount - can the container have mounts of its own?
 *
 * In a mount namespace of its own, or, where it is to be in ours, in a tree that is in no namespace; that takes rights
 * here, which nobody has who is in a user namespace by then.
 */
bool oci_can_mount(const struct oci_spec *s);

/** oci_namespace_is_new - the container gets a namespace of @type of its own, not a joined one */
bool oci_namespace_is_new(const struct oci_spec *s, enum oci_ns_type type);

/** oci_annotation - value of annotation @key; NULL when absent */
const char *oci_annotation(const struct oci_spec *s, const char *key);
