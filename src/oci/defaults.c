/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/defaults.h"
#include "base/json.h"
#include "oci/spec.h"

enum { MAX_OPTIONS = 7 };

/* Which of the two templates a row belongs to. */
enum where { BOTH, ROOTFUL, ROOTLESS };

struct mount_row {
	enum where where;
	const char *destination, *type, *source;
	const char *options[MAX_OPTIONS];
};

static const struct mount_row mount_rows[] = {
	{ BOTH, "/proc", "proc", "proc", { NULL } },
	{ BOTH, "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ ROOTFUL,
	  "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	/* Group 5 has no mapping when one id is all there is. */
	{ ROOTLESS,
	  "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" } },
	{ BOTH,
	  "/dev/shm",
	  "tmpfs",
	  "shm",
	  { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ BOTH, "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ ROOTFUL, "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	/* sysfs can't be mounted by who doesn't own the network namespace. */
	{ ROOTLESS, "/sys", "none", "/sys", { "rbind", "nosuid", "noexec", "nodev", "ro" } },
	{ BOTH,
	  "/sys/fs/cgroup",
	  "cgroup",
	  "cgroup",
	  { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static const struct {
	enum where where;
	enum oci_ns_type type;
} ns_rows[] = {
	{ BOTH, OCI_NS_PID }, { ROOTFUL, OCI_NS_NETWORK }, { BOTH, OCI_NS_IPC },
	{ BOTH, OCI_NS_UTS }, { BOTH, OCI_NS_MOUNT },	   { ROOTLESS, OCI_NS_USER },
};

static const char *const env_words[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"TERM=xterm",
	NULL,
};
static const char *const args_words[] = { "sh", NULL };
static const char *const capability_words[] = { "CAP_AUDIT_WRITE", "CAP_KILL",
						"CAP_NET_BIND_SERVICE", NULL };
static const char *const masked_words[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/sys/firmware",
	"/proc/scsi",
	NULL,
};
static const char *const readonly_words[] = { "/proc/bus",	     "/proc/fs",
					      "/proc/irq",	     "/proc/sys",
					      "/proc/sysrq-trigger", NULL };

static bool applies(enum where where, bool rootless)
{
	return where == BOTH || (where == ROOTLESS) == rootless;
}

static void write_words(struct json_out *o, const char *key, const char *const *words)
{
	jo_open(o, key, '[');
	for (; *words; words++)
		jo_str(o, NULL, *words);
	jo_close(o, ']');
}

static void write_capabilities(struct json_out *o)
{
	jo_open(o, "capabilities", '{');
	for (unsigned int set = 0; set < OCI_CAPS_COUNT; set++)
		if (set != OCI_CAPS_INHERITABLE && set != OCI_CAPS_AMBIENT)
			write_words(o, oci_capset_name(set), capability_words);
	jo_close(o, '}');
}

static void write_process(struct json_out *o)
{
	jo_open(o, "process", '{');
	jo_bool(o, "terminal", true);
	jo_open(o, "user", '{');
	jo_uint(o, "uid", 0);
	jo_uint(o, "gid", 0);
	jo_close(o, '}');
	write_words(o, "args", args_words);
	write_words(o, "env", env_words);
	jo_str(o, "cwd", "/");
	write_capabilities(o);
	jo_open(o, "rlimits", '[');
	jo_open(o, NULL, '{');
	jo_str(o, "type", "RLIMIT_NOFILE");
	jo_uint(o, "hard", 1024);
	jo_uint(o, "soft", 1024);
	jo_close(o, '}');
	jo_close(o, ']');
	jo_bool(o, "noNewPrivileges", true);
	jo_close(o, '}');
}

static void write_mounts(struct json_out *o, bool rootless)
{
	jo_open(o, "mounts", '[');
	for (size_t i = 0; i < ARRAY_LEN(mount_rows); i++) {
		const struct mount_row *m = &mount_rows[i];

		if (!applies(m->where, rootless))
			continue;
		jo_open(o, NULL, '{');
		jo_str(o, "destination", m->destination);
		jo_str(o, "type", m->type);
		jo_str(o, "source", m->source);
		if (m->options[0])
			write_words(o, "options", m->options);
		jo_close(o, '}');
	}
	jo_close(o, ']');
}

static void write_id_map(struct json_out *o, const char *key, uint32_t host_id)
{
	jo_open(o, key, '[');
	jo_open(o, NULL, '{');
	jo_uint(o, "containerID", 0);
	jo_uint(o, "hostID", host_id);
	jo_uint(o, "size", 1);
	jo_close(o, '}');
	jo_close(o, ']');
}

static void write_resources(struct json_out *o)
{
	jo_open(o, "resources", '{');
	jo_open(o, "devices", '[');
	jo_open(o, NULL, '{');
	jo_bool(o, "allow", false);
	jo_str(o, "access", "rwm");
	jo_close(o, '}');
	jo_close(o, ']');
	jo_close(o, '}');
}

static void write_linux(struct json_out *o, bool rootless, uint32_t uid, uint32_t gid)
{
	jo_open(o, "linux", '{');
	if (rootless) {
		write_id_map(o, "uidMappings", uid);
		write_id_map(o, "gidMappings", gid);
	} else {
		write_resources(o);
	}
	jo_open(o, "namespaces", '[');
	for (size_t i = 0; i < ARRAY_LEN(ns_rows); i++) {
		if (!applies(ns_rows[i].where, rootless))
			continue;
		jo_open(o, NULL, '{');
		jo_str(o, "type", oci_ns_name(ns_rows[i].type));
		jo_close(o, '}');
	}
	jo_close(o, ']');
	write_words(o, "maskedPaths", masked_words);
	write_words(o, "readonlyPaths", readonly_words);
	jo_close(o, '}');
}

int oci_template_write(struct buf *out, bool rootless, uint32_t uid, uint32_t gid, struct err *e)
{
	struct json_out o = { .b = out, .pretty = true };

	jo_open(&o, NULL, '{');
	jo_str(&o, "ociVersion", OCI_VERSION);
	write_process(&o);
	jo_open(&o, "root", '{');
	jo_str(&o, "path", "rootfs");
	jo_bool(&o, "readonly", true);
	jo_close(&o, '}');
	jo_str(&o, "hostname", "cay");
	write_mounts(&o, rootless);
	write_linux(&o, rootless, uid, gid);
	jo_close(&o, '}');
	buf_str(out, "\n");
	return out->failed ? err_oom(e) : 0;
}
