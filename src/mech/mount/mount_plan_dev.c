/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_plan_internal.h"

#include <sys/stat.h>

/* runtime-spec, config-linux.md, "Default Devices". */
static const struct {
	const char *path;
	uint32_t major, minor;
} defaults[] = {
	{ "/dev/null", 1, 3 },	 { "/dev/zero", 1, 5 },	   { "/dev/full", 1, 7 },
	{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};

static const struct {
	const char *path, *target;
} links[] = {
	{ "/dev/fd", "/proc/self/fd" },	      { "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
	{ "/dev/ptmx", "pts/ptmx" },
};

enum { DEFAULT_MODE = 0666 };

/*
 * No device can be made in a user namespace, so the host's are bound. Where the namespace
 * has the host's root in it, that root could change their modes: not through a read-only mount.
 */
static uint32_t bind_mode(const struct oci_spec *spec, const struct host_facts *h)
{
	const struct oci_linux *l = spec->linux_;

	if (!mnt_in_userns(spec, h))
		return 0;
	if (h->euid == 0 && (!l || l->uid_mappings_count == 0))
		return 2;
	for (size_t i = 0; h->euid == 0 && i < l->uid_mappings_count; i++)
		if (l->uid_mappings[i].host_id == 0)
			return 2;
	return 1;
}

static void add_link(struct plan *p, const char *path, const char *target)
{
	struct step s = { .kind = STEP_SYMLINK, .phase = PHASE_INIT, .origin = MNT_ORIGIN_NONE };

	s.u.link.path = plan_str(p, PHASE_INIT, path);
	s.u.link.target = plan_str(p, PHASE_INIT, target);
	plan_add(p, &s);
}

/* Does mounts[] bring a /dev of its own from the host? */
static int dev_is_bound(const struct oci_spec *spec, bool *ret, struct err *e)
{
	char target[PATH_MAX];

	*ret = false;
	for (size_t i = 0; i < spec->mounts_count; i++) {
		const struct oci_mount *m = &spec->mounts[i];
		AUTO_MNT_OPTS struct mnt_opts o = { 0 };
		int r;

		if (mnt_clean_path(m->destination, target, sizeof(target)) < 0 ||
		    !str_eq(target, "/dev"))
			continue;
		r = mnt_opts_parse(&m->options, &o, e);
		if (r < 0)
			return r;
		if (mnt_is_bind(m, &o) && !o.remount)
			*ret = true;
	}
	return 0;
}

static bool is_listed(const struct oci_spec *spec, const char *path)
{
	const struct oci_linux *l = spec->linux_;
	char clean[PATH_MAX];

	for (size_t i = 0; l && i < l->devices_count; i++)
		if (l->devices[i].path &&
		    mnt_clean_path(l->devices[i].path, clean, sizeof(clean)) == 0 &&
		    str_eq(clean, path))
			return true;
	return false;
}

static void add_defaults(const struct oci_spec *spec, struct plan *p, uint32_t bind)
{
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		struct step s = { .kind = STEP_DEVICE,
				  .phase = PHASE_INIT,
				  .origin = MNT_ORIGIN_NONE };

		if (is_listed(spec, defaults[i].path))
			continue;
		s.u.device.path = plan_str(p, PHASE_INIT, defaults[i].path);
		s.u.device.mode = S_IFCHR | DEFAULT_MODE;
		s.u.device.major = defaults[i].major;
		s.u.device.minor = defaults[i].minor;
		s.u.device.bind = bind;
		s.u.device.slot = SLOT_NONE;
		plan_add(p, &s);
	}
}

static int device_type(const struct oci_device *d, uint32_t *ret, struct err *e)
{
	switch (d->type) {
	case OCI_DEVICE_CHAR:
		*ret = S_IFCHR;
		return 0;
	case OCI_DEVICE_BLOCK:
		*ret = S_IFBLK;
		return 0;
	case OCI_DEVICE_FIFO:
		*ret = S_IFIFO;
		return 0;
	case OCI_DEVICE_ANY:
		break;
	}
	return err_set(e, EINVAL, "type: must be c, u, b or p");
}

static bool host_id(const struct oci_id_map *maps, size_t n, uint32_t id, uint32_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (id >= maps[i].container_id && id - maps[i].container_id < maps[i].size) {
			*ret = maps[i].host_id + (id - maps[i].container_id);
			return true;
		}
	return false;
}

/*
 * The host may have no node by that name. A planner with the right to makes one then, which the
 * islander could not; whose it is can be said only where the ids are mapped here.
 */
static void open_node(const struct oci_spec *spec, const struct host_facts *h,
		      const struct mnt_options *o, const char *path, struct plan *p,
		      struct step *device)
{
	struct step s = { .kind = STEP_OPEN_NODE, .phase = PHASE_HOST, .origin = device->origin };
	const struct oci_linux *l = spec->linux_;

	device->u.device.slot = SLOT_NONE;
	if (!device->u.device.bind || (device->u.device.mode & S_IFMT) == S_IFIFO ||
	    !mnt_planner_opens(h) ||
	    !host_id(l->uid_mappings, l->uid_mappings_count, device->u.device.uid, &s.u.node.uid) ||
	    !host_id(l->gid_mappings, l->gid_mappings_count, device->u.device.gid, &s.u.node.gid))
		return;
	s.u.node.path = plan_str(p, PHASE_HOST, path);
	s.u.node.dir = plan_str(p, PHASE_HOST, o->state_dir);
	s.u.node.mode = device->u.device.mode;
	s.u.node.major = device->u.device.major;
	s.u.node.minor = device->u.device.minor;
	s.u.node.slot = device->u.device.slot = plan_slot(p);
	plan_add(p, &s);
}

static int add_device(const struct oci_spec *spec, uint32_t index, const struct host_facts *h,
		      const struct mnt_options *o, struct plan *p, struct err *e)
{
	const struct oci_device *d = &spec->linux_->devices[index];
	struct step s = { .kind = STEP_DEVICE, .phase = PHASE_INIT, .origin = index };
	char path[PATH_MAX];
	uint32_t type = 0;
	int r = device_type(d, &type, e);

	if (r < 0)
		return r;
	if (!d->path || mnt_clean_path(d->path, path, sizeof(path)) < 0 || str_eq(path, "/"))
		return err_set(e, EINVAL, "path: missing or not a path");
	if (type != S_IFIFO &&
	    (d->major < 0 || d->major > 0xfff || d->minor < 0 || d->minor > 0xfffff))
		return err_set(e, EINVAL, "major, minor: %lld:%lld is no device number",
			       (long long)d->major, (long long)d->minor);
	s.u.device.path = plan_str(p, PHASE_INIT, path);
	s.u.device.mode = type | (d->file_mode.set ? d->file_mode.v & 07777 : DEFAULT_MODE);
	if (type != S_IFIFO) {
		s.u.device.major = (uint32_t)d->major;
		s.u.device.minor = (uint32_t)d->minor;
	}
	s.u.device.uid = d->uid.set ? d->uid.v : 0;
	s.u.device.gid = d->gid.set ? d->gid.v : 0;
	s.u.device.bind = bind_mode(spec, h);
	open_node(spec, h, o, path, p, &s);
	plan_add(p, &s);
	return 0;
}

int mnt_plan_devices(const struct oci_spec *spec, const struct host_facts *h,
		     const struct mnt_options *o, struct plan *p, struct err *e)
{
	const struct oci_linux *l = spec->linux_;
	uint32_t bind = bind_mode(spec, h);
	bool bound;
	int r = dev_is_bound(spec, &bound, e);

	if (r < 0 || bound || !oci_can_mount(spec))
		return r;
	add_defaults(spec, p, bind);
	for (size_t i = 0; l && i < l->devices_count; i++) {
		r = add_device(spec, (uint32_t)i, h, o, p, e);
		if (r < 0)
			return err_wrap(e, "linux.devices[%zu]", i);
	}
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		add_link(p, links[i].path, links[i].target);
	if (o->kcore)
		add_link(p, "/dev/core", "/proc/kcore");
	return 0;
}
