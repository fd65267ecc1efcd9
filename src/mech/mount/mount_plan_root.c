/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_plan_internal.h"

#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static int check_propagation(const struct oci_spec *spec, const struct mnt_options *o,
			     struct err *e)
{
	const char *word = spec->linux_ ? spec->linux_->rootfs_propagation : NULL;
	uint64_t p = mnt_propagation(word);

	if (!word || !*word)
		return 0;
	if (!p)
		return err_set(e, EINVAL, "linux.rootfsPropagation \"%s\": unknown", word);
	if (o->no_pivot && (p & MS_PRIVATE))
		return err_set(e, EINVAL,
			       "linux.rootfsPropagation \"%s\": not safe with --no-pivot", word);
	return 0;
}

static int root_path(const struct oci_spec *spec, const struct mnt_options *o, char *ret,
		     size_t size, struct err *e)
{
	const char *path = spec->root ? spec->root->path : NULL;
	int n;

	if (!path || !*path)
		return err_set(e, EINVAL, "root.path: missing");
	n = snprintf(ret, size, "%s%s%s", path[0] == '/' ? "" : o->bundle,
		     path[0] == '/' ? "" : "/", path);
	if (n < 0 || (size_t)n >= size)
		return err_set(e, ENAMETOOLONG, "root.path: too long");
	/* It is opened without following a link in the end, which a slash behind would allow. */
	while (n > 1 && (ret[n - 1] == '/' || (ret[n - 1] == '.' && ret[n - 2] == '/')))
		ret[--n] = '\0';
	return 0;
}

static uint32_t open_root(const struct oci_spec *spec, struct plan *p, const char *path)
{
	struct step s = { .kind = STEP_OPEN_TREE, .phase = PHASE_HOST, .origin = MNT_ORIGIN_NONE };
	uint32_t base = mnt_base_propagation(spec);

	s.u.tree.path = plan_str(p, PHASE_HOST, path);
	s.u.tree.slot = plan_slot(p);
	s.u.tree.userns = SLOT_NONE;
	s.u.tree.recursive = 1;
	s.u.tree.nofollow = 1;
	s.u.tree.propagation = base == MS_SHARED ? 0 : base;
	plan_add(p, &s);
	return s.u.tree.slot;
}

static int check_no_mount_ns(const struct oci_spec *spec, struct err *e)
{
	const struct oci_linux *l = spec->linux_;

	if (spec->root->readonly)
		return err_set(e, EINVAL, "root.readonly: needs a mount namespace");
	if (l && (l->masked_paths.count || l->readonly_paths.count))
		return err_set(e, EINVAL,
			       "linux.maskedPaths, linux.readonlyPaths: need a mount "
			       "namespace");
	return 0;
}

int mnt_plan_root(const struct oci_spec *spec, const struct host_facts *h,
		  const struct mnt_options *o, struct plan *p, struct err *e)
{
	struct step s = { .kind = STEP_ROOT, .phase = PHASE_INIT, .origin = MNT_ORIGIN_NONE };
	char path[PATH_MAX];
	int r = root_path(spec, o, path, sizeof(path), e);

	if (r == 0)
		r = check_propagation(spec, o, e);
	if (r < 0)
		return r;
	s.u.root.path = plan_str(p, PHASE_INIT, path);
	s.u.root.slot = SLOT_NONE;
	s.u.root.no_pivot = o->no_pivot ? MNT_ROOT_NO_PIVOT : MNT_ROOT_PIVOT;
	if (!mnt_has_ns(spec, OCI_NS_MOUNT) && spec->linux_ && spec->linux_->rootfs_propagation &&
	    *spec->linux_->rootfs_propagation)
		return err_set(e, EINVAL, "linux.rootfsPropagation: needs a mount namespace");
	if (!oci_can_mount(spec)) {
		s.u.root.no_pivot = MNT_ROOT_ONLY_OPEN;
		r = check_no_mount_ns(spec, e);
	} else {
		s.u.root.propagation =
			mnt_propagation(spec->linux_ ? spec->linux_->rootfs_propagation : NULL);
		if (mnt_has_ns(spec, OCI_NS_USER) && mnt_planner_opens(h))
			s.u.root.slot = open_root(spec, p, path);
	}
	plan_add(p, &s);
	return r;
}

void mnt_plan_pivot(const struct oci_spec *spec, const struct host_facts *h,
		    const struct mnt_options *o, struct plan *p)
{
	enum mnt_pivot how = o->no_pivot ? MNT_PIVOT_MOVE : MNT_PIVOT;
	bool move = o->no_pivot && oci_can_mount(spec);

	/* The last mounted lies on top. */
	for (size_t i = h->kernel_mounts_count; move && i-- > 0;)
		plan_add_str(p, PHASE_INIT, STEP_HIDE, h->kernel_mounts[i]);

	plan_add_num(p, PHASE_INIT, STEP_PIVOT, oci_can_mount(spec) ? how : MNT_PIVOT_CHROOT);
}

/* ---- Late ------------------------------------------------------------------------ */

static void add_remount(struct plan *p, uint32_t origin, const char *target, uint64_t set,
			uint64_t propagation)
{
	struct step s = { .kind = STEP_REMOUNT, .phase = PHASE_INIT, .origin = origin };

	s.u.mount.target = plan_str(p, PHASE_INIT, target);
	s.u.mount.attr_set = set;
	s.u.mount.slot = SLOT_NONE;
	if (propagation & MS_REC)
		s.u.mount.rpropagation = (uint32_t)(propagation & ~(uint64_t)MS_REC);
	else
		s.u.mount.propagation = (uint32_t)propagation;
	plan_add(p, &s);
}

static int late_readonly(const struct oci_spec *spec, struct plan *p, struct err *e)
{
	char target[PATH_MAX];

	for (size_t i = 0; i < spec->mounts_count; i++) {
		const struct oci_mount *m = &spec->mounts[i];
		AUTO_MNT_OPTS struct mnt_opts o = { 0 };
		int r = mnt_opts_parse(&m->options, &o, e);

		if (r < 0)
			return r;
		/* mnt_plan_mounts has refused the path if it is too long. */
		if (mnt_clean_path(m->destination, target, sizeof(target)) == 0 &&
		    mnt_delays_readonly(m, &o, target))
			add_remount(p, (uint32_t)i, target, MOUNT_ATTR_RDONLY, 0);
	}
	return 0;
}

static int add_paths(struct plan *p, enum step_kind kind, const struct oci_strings *paths,
		     const char *field, struct err *e)
{
	for (size_t i = 0; i < paths->count; i++) {
		struct step s = { .kind = (uint16_t)kind,
				  .phase = PHASE_INIT,
				  .origin = (uint32_t)i };

		if (paths->list[i][0] != '/')
			return err_set(e, EINVAL, "linux.%s[%zu] \"%s\": must be absolute", field,
				       i, paths->list[i]);
		s.u.str.text = plan_str(p, PHASE_INIT, paths->list[i]);
		plan_add(p, &s);
	}
	return 0;
}

int mnt_plan_late(const struct oci_spec *spec, const struct host_facts *h,
		  const struct mnt_options *o, struct plan *p, struct err *e)
{
	const struct oci_linux *l = spec->linux_;
	uint64_t propagation = mnt_propagation(l ? l->rootfs_propagation : NULL);
	int r;

	(void)h;
	(void)o;
	if (!oci_can_mount(spec))
		return 0;
	/* It is private already, and what was cloned below it was treated when it was cloned. */
	if (propagation && !(propagation & MS_PRIVATE))
		add_remount(p, MNT_ORIGIN_NONE, "/", 0, propagation);
	r = late_readonly(spec, p, e);
	if (r < 0)
		return r;
	if (spec->root && spec->root->readonly)
		add_remount(p, MNT_ORIGIN_NONE, "/", MOUNT_ATTR_RDONLY, 0);
	if (l)
		r = add_paths(p, STEP_READONLY, &l->readonly_paths, "readonlyPaths", e);
	if (r == 0 && l)
		r = add_paths(p, STEP_MASK, &l->masked_paths, "maskedPaths", e);
	return r;
}

int mnt_plan(const struct oci_spec *spec, const struct host_facts *h, const struct mnt_options *o,
	     struct plan *p, struct err *e)
{
	int r = mnt_plan_root(spec, h, o, p, e);

	if (r == 0)
		r = mnt_plan_mounts(spec, h, o, p, e);
	if (r == 0)
		r = mnt_plan_devices(spec, h, o, p, e);
	if (r == 0)
		mnt_plan_pivot(spec, h, o, p);
	if (r == 0)
		r = mnt_plan_late(spec, h, o, p, e);
	return r == 0 && plan_failed(p) ? err_oom(e) : r;
}
