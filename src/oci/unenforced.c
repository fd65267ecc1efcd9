/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/validate.h"

/*
 * The fields that are parsed, but that no mechanism carries out yet. A field that gets
 * its mechanism loses its row here; nothing else has to change.
 */
static bool given(const char *s)
{
	return s && *s;
}

/* ---- process ---------------------------------------------------------------------- */

static bool apparmor_profile(const struct oci_process *p)
{
	return given(p->apparmor_profile);
}

static bool selinux_label(const struct oci_process *p)
{
	return given(p->selinux_label);
}

static bool scheduler(const struct oci_process *p)
{
	return p->scheduler;
}

static bool io_priority(const struct oci_process *p)
{
	return p->io_priority;
}

static bool exec_cpu_affinity(const struct oci_process *p)
{
	return p->exec_cpu_affinity;
}

static const struct {
	const char *path;
	bool (*is_given)(const struct oci_process *p);
} process_rows[] = {
	{ "process.apparmorProfile", apparmor_profile },
	{ "process.selinuxLabel", selinux_label },
	{ "process.scheduler", scheduler },
	{ "process.ioPriority", io_priority },
	{ "process.execCPUAffinity", exec_cpu_affinity },
};

/* ---- resources -------------------------------------------------------------------- */

static bool rdma(const struct oci_resources *r)
{
	return r->rdma_count;
}

static bool cpu_burst(const struct oci_resources *r)
{
	return r->cpu && r->cpu->burst_us.v;
}

static bool cpu_idle(const struct oci_resources *r)
{
	return r->cpu && r->cpu->idle.v;
}

static bool check_before_update(const struct oci_resources *r)
{
	return r->memory && r->memory->check_before_update.v;
}

static const struct {
	const char *path;
	bool (*is_given)(const struct oci_resources *r);
} resources_rows[] = {
	{ "linux.resources.rdma", rdma },
	{ "linux.resources.cpu.burst", cpu_burst },
	{ "linux.resources.cpu.idle", cpu_idle },
	{ "linux.resources.memory.checkBeforeUpdate", check_before_update },
};

/* ---- linux ------------------------------------------------------------------------ */

static bool net_devices(const struct oci_linux *l)
{
	return l->net_devices_count;
}

static bool listener_path(const struct oci_linux *l)
{
	return l->seccomp && given(l->seccomp->listener_path);
}

static bool mount_label(const struct oci_linux *l)
{
	return given(l->mount_label);
}

static bool intel_rdt(const struct oci_linux *l)
{
	return l->intel_rdt;
}

static bool personality(const struct oci_linux *l)
{
	return l->personality;
}

static bool memory_policy(const struct oci_linux *l)
{
	return l->memory_policy;
}

static const struct {
	const char *path;
	bool (*is_given)(const struct oci_linux *l);
} linux_rows[] = {
	{ "linux.netDevices", net_devices },  { "linux.seccomp.listenerPath", listener_path },
	{ "linux.mountLabel", mount_label },  { "linux.intelRdt", intel_rdt },
	{ "linux.personality", personality }, { "linux.memoryPolicy", memory_policy },
};

/* ---- the questions ---------------------------------------------------------------- */

static int refuse(const char *path, struct err *e)
{
	return err_set(e, EOPNOTSUPP, "%s: not supported by this version of cay", path);
}

int oci_process_unenforced(const struct oci_process *p, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(process_rows); i++)
		if (process_rows[i].is_given(p))
			return refuse(process_rows[i].path, e);
	return 0;
}

int oci_resources_unenforced(const struct oci_resources *r, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(resources_rows); i++)
		if (resources_rows[i].is_given(r))
			return refuse(resources_rows[i].path, e);
	return 0;
}

int oci_spec_unenforced(const struct oci_spec *s, struct err *e)
{
	int r = s->process ? oci_process_unenforced(s->process, e) : 0;

	if (r < 0 || !s->linux_)
		return r;
	if (s->linux_->resources) {
		r = oci_resources_unenforced(s->linux_->resources, e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(linux_rows); i++)
		if (linux_rows[i].is_given(s->linux_))
			return refuse(linux_rows[i].path, e);
	return 0;
}
