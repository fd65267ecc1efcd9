/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "mech/cred/cred.h"
#include "mech/mount/mount_options.h"
#include "mech/sched/sched.h"
#include "mech/seccomp/seccomp.h"
#include "oci/features.h"
#include "sys/host.h"
#include "sys/spawn.h"

#include <seccomp.h>

enum { MAX_NOTES = 3 };

/* Engines look for runc's and crun's names of it. CRIU itself is looked for when it is needed. */
static void add_checkpoint(struct oci_features *f, struct oci_pair notes[MAX_NOTES])
{
	static char runc[] = "org.opencontainers.runc.checkpoint.enabled";
	static char crun[] = "run.oci.crun.checkpoint.enabled", yes[] = "true";

	notes[f->annotations_count++] = (struct oci_pair){ .key = runc, .value = yes };
	notes[f->annotations_count++] = (struct oci_pair){ .key = crun, .value = yes };
}

/* Values of these say which systemd properties a unit gets, which file CRIU reads. */
static const char *const unsafe_annotations[] = { "org.systemd.property.", "org.criu.config",
						  "run.oci.", NULL };

static int fill(struct cli *c, const struct host_facts *h, struct oci_features *f,
		struct oci_pair notes[MAX_NOTES], struct err *e)
{
	const struct scmp_version *v = seccomp_version();
	char **caps = cred_names(&c->arena, h->cap_last);

	if (!caps)
		return err_oom(e);
	*f = (struct oci_features){
		.mount_options = mnt_option_names(),
		.capabilities = (const char *const *)caps,
		.cgroup_v1 = true,
		.cgroup_v2 = true,
		.cgroup_systemd = spawn_has_libexec("cay-systemd"),
		.cgroup_systemd_user = spawn_has_libexec("cay-systemd"),
		.seccomp = true,
		.seccomp_actions = sec_action_names,
		.seccomp_operators = sec_operator_names,
		.seccomp_archs = sec_arch_names,
		.seccomp_known_flags = sec_flag_names,
		.seccomp_supported_flags = sec_flag_names_usable,
		.idmap_mounts = true,
		.apparmor = true,
		.selinux = true,
		.cgroup_rdma = true,
		.intel_rdt = true,
		.intel_rdt_schemata = true,
		.intel_rdt_monitoring = true,
		.memory_policy_modes = sched_mempolicy_modes,
		.memory_policy_flags = sched_mempolicy_flags,
		.net_devices = true,
		.annotations = notes,
		.unsafe_annotations = unsafe_annotations,
	};
	if (v) {
		notes[0].key = arena_strdup(&c->arena, "io.github.seccomp.libseccomp.version");
		notes[0].value = arena_printf(&c->arena, "%u.%u.%u", v->major, v->minor, v->micro);
		if (!notes[0].key || !notes[0].value)
			return err_oom(e);
		f->annotations_count = 1;
	}
	add_checkpoint(f, notes);
	return 0;
}

int cmd_features(struct cli *c, int argc, char **argv)
{
	const struct opt opts[] = { { .type = OPT_END } };
	AUTO_HOST struct host_facts h = { 0 };
	AUTO_BUF struct buf out = { 0 };
	struct json_out json = { .b = &out, .pretty = true };
	struct oci_features f;
	struct oci_pair notes[MAX_NOTES];
	struct opt_args args;
	struct err e = { 0 };
	int r;

	r = cli_args(c, argc, argv, opts, 0, 0, &args);
	if (r >= 0)
		return r;
	r = host_facts_gather(&h, &e);
	if (r == 0)
		r = fill(c, &h, &f, notes, &e);
	if (r < 0)
		return cli_fail(c, &e, 1);
	oci_features_write(&json, &f);
	buf_str(&out, "\n");
	return cli_print_buf(c, &out);
}
