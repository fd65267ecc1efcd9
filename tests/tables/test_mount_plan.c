/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"
#include "mech/mount/mount.h"
#include "mech/mount/mount_plan.h"
#include "oci/parse.h"

#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/*
 * Configurations in, steps out. A step is told in one line of text: host steps first.
 */
static const struct host_facts root_host = { .admin = true, .initial_userns = true };
static const struct host_facts plain_host = { .euid = 1000, .egid = 1000, .initial_userns = true };

/* What runc spec writes, without what has nothing to do with mounts. */
#define MOUNTS_DEFAULT                                                                             \
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"                       \
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","                       \
	"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"                  \
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":"     \
	"[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"      \
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":"         \
	"[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"                        \
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":"  \
	"[\"nosuid\",\"noexec\",\"nodev\"]},"
#define CGROUP                                                                                       \
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":" \
	"[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}"
#define SPEC(mounts, rest)                                                                               \
	"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"mounts\":[" mounts \
	"],\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"}" rest "}}"
#define NS(type) ",{\"type\":\"" type "\"}"

struct text {
	char s[16384];
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->s + t->n, sizeof(t->s) - t->n, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(t->s) - t->n);
	t->n += (size_t)n;
}

static const char *or_none(const char *s)
{
	return s ? s : "-";
}

static void say_hex(struct text *t, const char *name, uint64_t v)
{
	if (v)
		say(t, " %s=%#llx", name, (unsigned long long)v);
}

static void say_mount(struct text *t, const struct plan_view *v, const struct step *s)
{
	char *const *options = view_list(v, s->u.mount.options);

	say(t, " %s %s %s", or_none(view_str(v, s->u.mount.fstype)),
	    or_none(view_str(v, s->u.mount.source)), or_none(view_str(v, s->u.mount.target)));
	for (size_t i = 0; options && options[i]; i++)
		say(t, "%s%s", i ? "," : " ", options[i]);
	say_hex(t, "set", s->u.mount.attr_set);
	say_hex(t, "clr", s->u.mount.attr_clr);
	say_hex(t, "rset", s->u.mount.rattr_set);
	say_hex(t, "rclr", s->u.mount.rattr_clr);
	say_hex(t, "prop", s->u.mount.propagation);
	say_hex(t, "rprop", s->u.mount.rpropagation);
	say_hex(t, "flags", s->u.mount.flags);
	if (s->u.mount.slot != SLOT_NONE)
		say(t, " slot=%u", s->u.mount.slot);
}

static void say_step(struct text *t, const struct plan_view *v, const struct step *s)
{
	say(t, "%s", step_describe(s->kind)->name);
	switch (s->kind) {
	case STEP_OPEN_TREE:
		say(t, " %s slot=%u", view_str(v, s->u.tree.path), s->u.tree.slot);
		say_hex(t, "rec", s->u.tree.recursive);
		say_hex(t, "prop", s->u.tree.propagation);
		if (s->u.tree.uid_map.len)
			say(t, " uids=%.*s", (int)strcspn(view_str(v, s->u.tree.uid_map), "\n"),
			    view_str(v, s->u.tree.uid_map));
		break;
	case STEP_ROOT:
		say(t, " %s mode=%u prop=%#llx", view_str(v, s->u.root.path), s->u.root.no_pivot,
		    (unsigned long long)s->u.root.propagation);
		if (s->u.root.slot != SLOT_NONE)
			say(t, " slot=%u", s->u.root.slot);
		break;
	case STEP_MOUNT:
	case STEP_BIND:
	case STEP_REMOUNT:
		say_mount(t, v, s);
		break;
	case STEP_SYMLINK:
		say(t, " %s -> %s", view_str(v, s->u.link.path), view_str(v, s->u.link.target));
		break;
	case STEP_DEVICE:
		say(t, " %s %o %u:%u %u:%u bind=%u", view_str(v, s->u.device.path),
		    s->u.device.mode, s->u.device.major, s->u.device.minor, s->u.device.uid,
		    s->u.device.gid, s->u.device.bind);
		break;
	case STEP_PIVOT:
		say(t, " %d", (int)s->u.num.value);
		break;
	case STEP_MASK:
	case STEP_READONLY:
		say(t, " %s", view_str(v, s->u.str.text));
		break;
	default:
		fail_msg("unexpected step %u", s->kind);
	}
	say(t, "\n");
}

static void say_half(struct text *t, struct plan_half *half, uint32_t slots)
{
	static const int32_t none[16];
	struct plan_view v;
	struct err e = { 0 };

	assert_true(slots <= ARRAY_LEN(none));
	if (plan_view_half(half, none, slots, &v, &e) < 0)
		fail_msg("%s", e.msg);
	for (uint32_t i = 0; i < v.nsteps; i++)
		say_step(t, &v, &v.steps[i]);
}

typedef int plan_fn(const struct oci_spec *, const struct host_facts *, const struct mnt_options *,
		    struct plan *, struct err *);

static int plan_text(const char *json, plan_fn *fn, const struct host_facts *h,
		     const struct mnt_options *options, struct text *t, struct err *e)
{
	struct mnt_options o = { .bundle = "/b", .userns = SLOT_NONE };
	AUTO_SPEC struct oci_spec *spec = NULL;
	AUTO_PLAN struct plan p;
	int r;

	if (options)
		o = *options;
	*t = (struct text){ .n = 0 };
	plan_init(&p);
	if (oci_spec_parse(json, strlen(json), &spec, e) < 0)
		fail_msg("%s", e->msg);
	r = fn(spec, h, &o, &p, e);
	if (r < 0)
		return r;
	say_half(t, &p.host, p.slots);
	say_half(t, &p.island, p.slots);
	return 0;
}

static void expect(const char *json, plan_fn *fn, const struct host_facts *h,
		   const struct mnt_options *o, const char *want)
{
	static struct text t;
	struct err e = { 0 };

	if (plan_text(json, fn, h, o, &t, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(t.s, want);
}

static const struct cgroup_view unified = {
	.name = "", .source = "/sys/fs/cgroup/c", .options = "", .v2 = true
};

static void plans_the_default_bundle(void **state)
{
	const struct mnt_options o = {
		.bundle = "/b", .kcore = true, .cgroups = &unified, .cgroups_count = 1
	};

	(void)state;
	expect(SPEC(MOUNTS_DEFAULT
		    "{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":"
		    "[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}," CGROUP,
		    NS("cgroup") "],\"maskedPaths\":[\"/proc/kcore\"],\"readonlyPaths\":[\"/proc/sys\"]"),
	       mnt_plan, &root_host, &o,
	       "root /b/rootfs mode=0 prop=0\n"
	       "mount proc proc /proc flags=0x4\n"
	       "mount tmpfs tmpfs /dev mode=755,size=65536k set=0x22 clr=0x70 flags=0x4\n"
	       "mount devpts devpts /dev/pts newinstance,ptmxmode=0666,mode=0620,gid=5 set=0xa\n"
	       "mount tmpfs shm /dev/shm mode=1777,size=65536k set=0xe\n"
	       "mount mqueue mqueue /dev/mqueue set=0xe\n"
	       "mount sysfs sysfs /sys set=0xf flags=0x4\n"
	       "mount cgroup2 cgroup /sys/fs/cgroup set=0xf clr=0x70\n"
	       "device /dev/null 20666 1:3 0:0 bind=0\n"
	       "device /dev/zero 20666 1:5 0:0 bind=0\n"
	       "device /dev/full 20666 1:7 0:0 bind=0\n"
	       "device /dev/random 20666 1:8 0:0 bind=0\n"
	       "device /dev/urandom 20666 1:9 0:0 bind=0\n"
	       "device /dev/tty 20666 5:0 0:0 bind=0\n"
	       "symlink /dev/fd -> /proc/self/fd\n"
	       "symlink /dev/stdin -> /proc/self/fd/0\n"
	       "symlink /dev/stdout -> /proc/self/fd/1\n"
	       "symlink /dev/stderr -> /proc/self/fd/2\n"
	       "symlink /dev/ptmx -> pts/ptmx\n"
	       "symlink /dev/core -> /proc/kcore\n"
	       "pivot 1\n"
	       "remount - - / set=0x1\n"
	       "readonly /proc/sys\n"
	       "mask /proc/kcore\n");
}

static void plans_the_rootless_default_bundle(void **state)
{
	const struct mnt_options o = { .bundle = "/b", .cgroups = &unified, .cgroups_count = 1 };

	(void)state;
	expect(SPEC("{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
		    "{\"destination\":\"/sys\",\"type\":\"none\",\"source\":\"/sys\",\"options\":"
		    "[\"rbind\",\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}," CGROUP,
		    NS("user") "]"),
	       mnt_plan, &plain_host, &o,
	       "root /b/rootfs mode=0 prop=0\n"
	       "mount tmpfs tmpfs /dev flags=0x4\n"
	       "bind - /sys /sys set=0xf flags=0x5\n"
	       /* No cgroup namespace: an empty directory, and if there is a cgroup, it read-only. */
	       "mount tmpfs tmpfs /sys/fs/cgroup mode=755 set=0xf clr=0x70\n"
	       "bind - /sys/fs/cgroup/c /sys/fs/cgroup set=0xf clr=0x70 rset=0x1 flags=0x41\n"
	       "device /dev/null 20666 1:3 0:0 bind=1\n"
	       "device /dev/zero 20666 1:5 0:0 bind=1\n"
	       "device /dev/full 20666 1:7 0:0 bind=1\n"
	       "device /dev/random 20666 1:8 0:0 bind=1\n"
	       "device /dev/urandom 20666 1:9 0:0 bind=1\n"
	       "device /dev/tty 20666 5:0 0:0 bind=1\n"
	       "symlink /dev/fd -> /proc/self/fd\n"
	       "symlink /dev/stdin -> /proc/self/fd/0\n"
	       "symlink /dev/stdout -> /proc/self/fd/1\n"
	       "symlink /dev/stderr -> /proc/self/fd/2\n"
	       "symlink /dev/ptmx -> pts/ptmx\n"
	       "pivot 1\n"
	       "remount - - / set=0x1\n");
}

static void plans_hybrid_cgroups(void **state)
{
	static const struct cgroup_view views[] = {
		{ .name = "cpu,cpuacct",
		  .source = "/c/cpu,cpuacct/x",
		  .options = "cpu,cpuacct",
		  .symlink = "cpu,cpuacct" },
		{ .name = "systemd", .source = "/c/systemd/x", .options = "name=systemd" },
		{ .name = "unified", .source = "/c/unified/x", .options = "", .v2 = true },
	};
	const struct mnt_options o = { .bundle = "/b", .cgroups = views, .cgroups_count = 3 };

	(void)state;
	expect(SPEC(CGROUP, NS("cgroup") "]"), mnt_plan_mounts, &root_host, &o,
	       "mount tmpfs tmpfs /sys/fs/cgroup mode=755 set=0xe clr=0x70\n"
	       "mount cgroup cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct cpu,cpuacct set=0xf clr=0x70\n"
	       "symlink /sys/fs/cgroup/cpu -> cpu,cpuacct\n"
	       "symlink /sys/fs/cgroup/cpuacct -> cpu,cpuacct\n"
	       "mount cgroup systemd /sys/fs/cgroup/systemd none,name=systemd set=0xf clr=0x70\n"
	       "mount cgroup2 unified /sys/fs/cgroup/unified set=0xf clr=0x70\n"
	       "remount - - /sys/fs/cgroup set=0x1\n");
	expect(SPEC(CGROUP, "]"), mnt_plan_mounts, &root_host, &o,
	       "mount tmpfs tmpfs /sys/fs/cgroup mode=755 set=0xe clr=0x70\n"
	       "bind - /c/cpu,cpuacct/x /sys/fs/cgroup/cpu,cpuacct set=0xf clr=0x70 flags=0x1\n"
	       "symlink /sys/fs/cgroup/cpu -> cpu,cpuacct\n"
	       "symlink /sys/fs/cgroup/cpuacct -> cpu,cpuacct\n"
	       "bind - /c/systemd/x /sys/fs/cgroup/systemd set=0xf clr=0x70 flags=0x1\n"
	       "bind - /c/unified/x /sys/fs/cgroup/unified set=0xf clr=0x70 flags=0x1\n"
	       "remount - - /sys/fs/cgroup set=0x1\n");
}

static void rootless_cgroups_are_read_only_without_a_namespace(void **state)
{
	const struct mnt_options o = { .bundle = "/b", .cgroups = &unified, .cgroups_count = 1 };

	(void)state;
	expect(SPEC("{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\"}", NS("user") "]"),
	       mnt_plan_mounts, &plain_host, &o,
	       "mount tmpfs tmpfs /sys/fs/cgroup mode=755 set=0xf\n"
	       "bind - /sys/fs/cgroup/c /sys/fs/cgroup rset=0x1 flags=0x41\n");
	expect(SPEC("{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\"}",
		    NS("user") NS("cgroup") "]"),
	       mnt_plan_mounts, &plain_host, &o, "mount cgroup2 cgroup /sys/fs/cgroup\n");
}

static void the_planner_opens_bind_sources_if_it_may(void **state)
{
	const char *json = SPEC(
		"{\"destination\":\"data\",\"source\":\"vol\",\"options\":[\"rbind\",\"ro\",\"rprivate\"]},"
		"{\"destination\":\"/f/../g/\",\"type\":\"bind\",\"source\":\"/f\",\"options\":[\"idmap\"]},"
		"{\"destination\":\"/h\",\"source\":\"/h\",\"options\":[\"bind\"],"
		"\"uidMappings\":[{\"containerID\":0,\"hostID\":7,\"size\":1}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":7,\"size\":1}]}",
		NS("user") "],\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}],"
			   "\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}]");
	static struct text t;
	struct err e = { 0 };

	(void)state;
	expect(json, mnt_plan_mounts, &root_host, NULL,
	       "open-tree /b/vol slot=0 rec=0x1 prop=0x80000\n"
	       "open-tree /f slot=1 prop=0x80000 uids=0 1000 10\n"
	       "open-tree /h slot=2 prop=0x80000 uids=0 7 1\n"
	       "bind - /b/vol /data set=0x1 rprop=0x40000 flags=0x1 slot=0\n"
	       "bind - /f /g slot=1\n"
	       "bind - /h /h slot=2\n");
	assert_int_equal(plan_text(json, mnt_plan_mounts, &plain_host, NULL, &t, &e), -EPERM);
	assert_string_equal(e.msg, "mounts[1]: id-mapped mounts need root on the host");
}

static void propagation_of_the_root_is_also_that_of_the_binds(void **state)
{
#define ONE_BIND "{\"destination\":\"/v\",\"source\":\"/v\",\"options\":[\"bind\",\"shared\"]}"
	(void)state;
	expect(SPEC(ONE_BIND, "],\"rootfsPropagation\":\"rshared\""), mnt_plan_mounts, &root_host,
	       NULL, "open-tree /v slot=0\nbind - /v /v prop=0x100000 slot=0\n");
	expect(SPEC(ONE_BIND, "],\"rootfsPropagation\":\"private\""), mnt_plan_mounts, &root_host,
	       NULL, "open-tree /v slot=0 prop=0x40000\nbind - /v /v prop=0x100000 slot=0\n");
	expect(SPEC("", "],\"rootfsPropagation\":\"shared\""), mnt_plan_late, &root_host, NULL,
	       "remount - - / prop=0x100000\nremount - - / set=0x1\n");
	expect(SPEC("", "],\"rootfsPropagation\":\"rslave\""), mnt_plan_root, &root_host, NULL,
	       "root /b/rootfs mode=0 prop=0x84000\n");
	expect(SPEC("", NS("user") "]"), mnt_plan_root, &root_host, NULL,
	       "open-tree /b/rootfs slot=0 rec=0x1 prop=0x80000\n"
	       "root /b/rootfs mode=0 prop=0 slot=0\n");
#undef ONE_BIND
}

static void read_only_waits_where_things_are_still_put(void **state)
{
	const char *json = SPEC(
		"{\"destination\":\"/dev/\",\"type\":\"tmpfs\",\"options\":[\"ro\"]},"
		"{\"destination\":\"/run\",\"type\":\"tmpfs\",\"options\":[\"ro\",\"tmpcopyup\"]},"
		"{\"destination\":\"/img\",\"type\":\"ext4\",\"source\":\"/dev/sda\",\"options\":[\"ro\"]}",
		"]");

	(void)state;
	expect(json, mnt_plan_mounts, &root_host, NULL,
	       "mount tmpfs - /dev flags=0x4\n"
	       "mount tmpfs - /run flags=0x2\n"
	       "mount ext4 /dev/sda /img ro set=0x1\n");
	expect(json, mnt_plan_late, &root_host, NULL,
	       "remount - - /dev set=0x1\nremount - - /run set=0x1\nremount - - / set=0x1\n");
}

static void devices_of_the_configuration_replace_the_defaults(void **state)
{
	(void)state;
	expect(SPEC("",
		    "],\"devices\":[{\"path\":\"/dev//null\",\"type\":\"c\",\"major\":1,\"minor\":3,"
		    "\"fileMode\":432,\"uid\":5,\"gid\":6},"
		    "{\"path\":\"/dev/pipe\",\"type\":\"p\"}]"),
	       mnt_plan_devices, &root_host, NULL,
	       "device /dev/zero 20666 1:5 0:0 bind=0\n"
	       "device /dev/full 20666 1:7 0:0 bind=0\n"
	       "device /dev/random 20666 1:8 0:0 bind=0\n"
	       "device /dev/urandom 20666 1:9 0:0 bind=0\n"
	       "device /dev/tty 20666 5:0 0:0 bind=0\n"
	       "device /dev/null 20660 1:3 5:6 bind=0\n"
	       "device /dev/pipe 10666 0:0 0:0 bind=0\n"
	       "symlink /dev/fd -> /proc/self/fd\n"
	       "symlink /dev/stdin -> /proc/self/fd/0\n"
	       "symlink /dev/stdout -> /proc/self/fd/1\n"
	       "symlink /dev/stderr -> /proc/self/fd/2\n"
	       "symlink /dev/ptmx -> pts/ptmx\n");
	expect(SPEC("{\"destination\":\"/dev\",\"source\":\"/dev\",\"options\":[\"rbind\"]}", "]"),
	       mnt_plan_devices, &root_host, NULL, "");
}

static void nodes_that_the_host_root_could_change_are_bound_read_only(void **state)
{
	static const struct {
		const char *host_id, *want;
	} rows[] = { { "0", "0:0 bind=2\n" }, { "100000", "0:0 bind=1\n" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct text t;
		struct err e = { 0 };
		char json[512];

		(void)snprintf(json, sizeof(json),
			       SPEC("", NS("user") "],\"uidMappings\":[{\"containerID\":0,"
						   "\"hostID\":%s,\"size\":10}]"),
			       rows[i].host_id);
		assert_int_equal(plan_text(json, mnt_plan_devices, &root_host, NULL, &t, &e), 0);
		assert_non_null(strstr(t.s, rows[i].want));
	}
}

static void label_is_given_as_the_annotation_says(void **state)
{
#define LABELLED(top)                                                                              \
	"{\"ociVersion\":\"1.0.2\"," top "\"root\":{\"path\":\"rootfs\"},\"mounts\":["             \
	"{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"t\"},"                            \
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}],\"linux\":{"           \
	"\"mountLabel\":\"u:r:t:s0\",\"namespaces\":[{\"type\":\"mount\"}]}}"

	(void)state;
	expect(LABELLED(""), mnt_plan_mounts, &root_host, NULL,
	       "mount tmpfs t /t context=u:r:t:s0\n"
	       "mount proc proc /proc flags=0x4\n");
	expect(LABELLED("\"annotations\":{\"run.oci.mount_context_type\":\"fscontext\"},"),
	       mnt_plan_mounts, &root_host, NULL,
	       "mount tmpfs t /t fscontext=u:r:t:s0\n"
	       "mount proc proc /proc flags=0x4\n");
}

/* Binds keep the label of what they show; proc, sysfs and mqueue take none as an option. */
static void a_mount_label_is_an_option_of_each_new_file_system(void **state)
{
	const char *json = SPEC(
		"{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"size=1k\"]},"
		"{\"destination\":\"/p\",\"type\":\"devpts\"},"
		"{\"destination\":\"/q\",\"type\":\"mqueue\"},"
		"{\"destination\":\"/proc\",\"type\":\"proc\"},"
		"{\"destination\":\"/sys\",\"type\":\"sysfs\"},"
		"{\"destination\":\"/b\",\"source\":\"/b\",\"options\":[\"bind\"]},"
		"{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"remount\",\"size=2k\"]}",
		"],\"mountLabel\":\"a:b:c:s0:c1,c2\"");

	(void)state;
	expect(json, mnt_plan_mounts, &root_host, NULL,
	       "open-tree /b slot=0 prop=0x80000\n"
	       "mount tmpfs - /t size=1k,context=a:b:c:s0:c1,c2\n"
	       "mount devpts - /p context=a:b:c:s0:c1,c2\n"
	       "mount mqueue - /q\n"
	       "mount proc - /proc flags=0x4\n"
	       "mount sysfs - /sys flags=0x4\n"
	       "bind - /b /b slot=0\n"
	       "remount - - /t size=2k flags=0x8\n");
}

static void refuses_what_can_not_be(void **state)
{
	static const struct {
		const char *json, *message;
	} rows[] = {
		{ SPEC("{\"destination\":\"/proc\",\"type\":\"tmpfs\"}", "]"),
		  "mounts[0]: destination \"/proc\": only procfs may be mounted there" },
		{ SPEC("{\"destination\":\"/x/..\",\"type\":\"tmpfs\"}", "]"),
		  "mounts[0]: destination \"/\": the root itself can't be covered" },
		{ SPEC("{\"destination\":\"/x\"}", "]"),
		  "mounts[0]: type: missing, and no option \"bind\" or \"rbind\"" },
		{ SPEC("{\"destination\":\"/x\",\"options\":[\"bind\"]}", "]"),
		  "mounts[0]: source: missing, a bind mount needs one" },
		{ SPEC("{\"destination\":\"/x\",\"type\":\"proc\",\"options\":[\"tmpcopyup\"]}",
		       "]"),
		  "mounts[0]: option \"tmpcopyup\": only for tmpfs, not \"proc\"" },
		{ SPEC("{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"idmap\"]}", "]"),
		  "mounts[0]: id-mapping: only bind mounts can be id-mapped" },
		{ SPEC("{\"destination\":\"/x\",\"source\":\"/x\",\"options\":[\"bind\",\"idmap\"]}",
		       "]"),
		  "mounts[0]: option \"idmap\": needs uidMappings here or in linux, or a user namespace to join" },
		{ SPEC("", "],\"rootfsPropagation\":\"sideways\""),
		  "linux.rootfsPropagation \"sideways\": unknown" },
		{ SPEC("", "],\"maskedPaths\":[\"proc\"]"),
		  "linux.maskedPaths[0] \"proc\": must be absolute" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct text t;
		struct err e = { 0 };

		assert_int_equal(plan_text(rows[i].json, mnt_plan, &root_host, NULL, &t, &e),
				 -EINVAL);
		assert_string_equal(e.msg, rows[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_the_default_bundle),
		cmocka_unit_test(plans_the_rootless_default_bundle),
		cmocka_unit_test(plans_hybrid_cgroups),
		cmocka_unit_test(rootless_cgroups_are_read_only_without_a_namespace),
		cmocka_unit_test(the_planner_opens_bind_sources_if_it_may),
		cmocka_unit_test(propagation_of_the_root_is_also_that_of_the_binds),
		cmocka_unit_test(read_only_waits_where_things_are_still_put),
		cmocka_unit_test(devices_of_the_configuration_replace_the_defaults),
		cmocka_unit_test(nodes_that_the_host_root_could_change_are_bound_read_only),
		cmocka_unit_test(label_is_given_as_the_annotation_says),
		cmocka_unit_test(a_mount_label_is_an_option_of_each_new_file_system),
		cmocka_unit_test(refuses_what_can_not_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
