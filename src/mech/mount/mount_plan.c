/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_plan_internal.h"

#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

int mnt_clean_path(const char *path, char *ret, size_t size)
{
	size_t len = 0;

	while (*path) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len > 0 && ret[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			if (len + n + 2 > size)
				return -ENAMETOOLONG;
			ret[len++] = '/';
			memcpy(ret + len, path, n);
			len += n;
		}
		path += n;
	}
	if (len == 0)
		ret[len++] = '/';
	ret[len] = '\0';
	return 0;
}

bool mnt_has_ns(const struct oci_spec *spec, enum oci_ns_type type)
{
	return oci_namespace(spec, type) != NULL;
}

bool mnt_in_userns(const struct oci_spec *spec, const struct host_facts *h)
{
	return !h->initial_userns || mnt_has_ns(spec, OCI_NS_USER);
}

bool mnt_planner_opens(const struct host_facts *h)
{
	return h->admin && h->initial_userns;
}

uint32_t mnt_base_propagation(const struct oci_spec *spec)
{
	uint64_t p = mnt_propagation(spec->linux_ ? spec->linux_->rootfs_propagation : NULL);

	p &= ~(uint64_t)MS_REC;
	return p == MS_SHARED || p == MS_PRIVATE ? (uint32_t)p : MS_SLAVE;
}

bool mnt_is_bind(const struct oci_mount *m, const struct mnt_opts *o)
{
	return o->bind || str_eq(m->type, "bind");
}

/* Things are still put into these, so they turn read-only last. */
bool mnt_delays_readonly(const struct oci_mount *m, const struct mnt_opts *o, const char *target)
{
	if (!(o->attr_set & MOUNT_ATTR_RDONLY) || o->remount)
		return false;
	return str_eq(target, "/dev") || (!mnt_is_bind(m, o) && str_eq(m->type, "tmpfs"));
}

struct step mnt_job_step(const struct mnt_job *j, enum step_kind kind, const char *target)
{
	struct step s = { .kind = (uint16_t)kind, .phase = PHASE_INIT, .origin = j->index };

	s.u.mount.target = plan_str(j->p, PHASE_INIT, target);
	s.u.mount.attr_set = j->opts.attr_set;
	s.u.mount.attr_clr = j->opts.attr_clr;
	s.u.mount.rattr_set = j->opts.rattr_set;
	s.u.mount.rattr_clr = j->opts.rattr_clr;
	s.u.mount.propagation = j->opts.propagation;
	s.u.mount.rpropagation = j->opts.rpropagation;
	s.u.mount.flags = j->opts.flags;
	s.u.mount.slot = SLOT_NONE;
	/* These three may never be links: too much is decided by what lies there. */
	if (str_eq(target, "/proc") || str_eq(target, "/sys") || str_eq(target, "/dev"))
		s.u.mount.flags |= MOUNT_NO_SYMLINKS;
	if (kind != STEP_REMOUNT && mnt_delays_readonly(j->m, &j->opts, target))
		s.u.mount.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	return s;
}

uint32_t mnt_add_tree(const struct mnt_job *j, const char *path)
{
	struct step s = { .kind = STEP_OPEN_TREE, .phase = PHASE_HOST, .origin = j->index };
	uint32_t base = mnt_base_propagation(j->spec);

	s.u.tree.path = plan_str(j->p, PHASE_HOST, path);
	s.u.tree.slot = plan_slot(j->p);
	s.u.tree.userns = SLOT_NONE;
	s.u.tree.recursive = !!(j->opts.flags & MOUNT_RECURSIVE);
	s.u.tree.nofollow = !!(j->opts.flags & (MOUNT_SRC_NOFOLLOW | MOUNT_COPY_SYMLINK));
	/* The clone is a peer of the host's mount; as a child of a shared "/" it stays one. */
	s.u.tree.propagation = base == MS_SHARED ? 0 : base;
	mnt_idmap_fill(j, &s);
	plan_add(j->p, &s);
	return s.u.tree.slot;
}

static int source_path(const struct mnt_job *j, char *ret, size_t size, struct err *e)
{
	const char *source = j->m->source;
	int n;

	if (!source || !*source)
		return err_set(e, EINVAL, "source: missing, a bind mount needs one");
	n = snprintf(ret, size, "%s%s%s", source[0] == '/' ? "" : j->o->bundle,
		     source[0] == '/' ? "" : "/", source);
	return n < 0 || (size_t)n >= size ? err_set(e, ENAMETOOLONG, "source: too long") : 0;
}

/* Is @path @dir or below it? Both clean. */
static bool is_within(const char *path, const char *dir)
{
	const char *rest = str_after(path, dir);

	return rest && (*rest == '/' || *rest == '\0');
}

/* What the container calls a place that is given by its path on the host; else as it is. */
static int clean_inside(const struct mnt_job *j, const char *path, char *ret, size_t size)
{
	int r = mnt_clean_path(path, ret, size);
	size_t n = strlen(j->root);

	if (r == 0 && n > 1 && is_within(ret, j->root) && ret[n] == '/')
		memmove(ret, ret + n, strlen(ret + n) + 1);
	return r;
}

/* Does an earlier entry put something at, above or below @path? */
static __attribute__((noinline)) bool is_made_inside(const struct mnt_job *j, const char *path)
{
	char target[PATH_MAX];

	for (size_t i = 0; i < j->index; i++) {
		const char *to = j->spec->mounts[i].destination;

		if (to && clean_inside(j, to, target, sizeof(target)) == 0 &&
		    (is_within(target, path) || is_within(path, target)))
			return true;
	}
	return false;
}

/*
 * In a user namespace the islander has no right to map ids, so it brings the mount to the planner. What it brings
 * can't be told from something else: only where nobody but it can be there to speak in its place.
 */
static int idmap_inside(struct mnt_job *j, struct step *s, struct err *e)
{
	bool ask = mnt_in_userns(j->spec, j->h);

	if (ask && (j->o->inhabited || !oci_namespace_is_new(j->spec, OCI_NS_USER)))
		return err_set(e, EOPNOTSUPP,
			       "id-mapping: not of mounts of the container, in a user namespace "
			       "that others are in already");
	s->u.mount.slot = mnt_add_idmap(j);
	s->u.mount.flags |= (ask ? MOUNT_IDMAP_ASK : 0U) |
			    (j->opts.ridmap ? MOUNT_IDMAP_BELOW : 0U);
	return 0;
}

static __attribute__((noinline)) int plan_bind(struct mnt_job *j, struct err *e)
{
	char source[PATH_MAX], inside[PATH_MAX];
	struct step s;
	int r = source_path(j, source, sizeof(source), e);

	if (r < 0)
		return r;
	s = mnt_job_step(j, STEP_BIND, j->target);
	/* A source in the root that other mounts are part of is there only once they are made. */
	if (is_within(source, j->root) && clean_inside(j, source, inside, sizeof(inside)) == 0 &&
	    is_made_inside(j, inside)) {
		s.u.mount.source = plan_str(j->p, PHASE_INIT, inside);
		s.u.mount.flags |= MOUNT_SRC_IN_ROOT;
		r = mnt_wants_idmap(j) ? idmap_inside(j, &s, e) : 0;
		if (r == 0)
			plan_add(j->p, &s);
		return r;
	}
	s.u.mount.source = plan_str(j->p, PHASE_INIT, source);
	if (mnt_planner_opens(j->h))
		s.u.mount.slot = mnt_add_tree(j, source);
	plan_add(j->p, &s);
	return 0;
}

/* Their super block is made by the mount, or shared with others: "ro" is the mount's alone. */
static bool is_pseudo(const char *type)
{
	static const char *const types[] = {
		"binfmt_misc", "bpf",	   "cgroup",   "cgroup2", "configfs",	"debugfs",
		"devpts",      "devtmpfs", "efivarfs", "fusectl", "hugetlbfs",	"mqueue",
		"nsfs",	       "proc",	   "pstore",   "ramfs",	  "securityfs", "selinuxfs",
		"sysfs",       "tmpfs",	   "tracefs",
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq(type, types[i]))
			return true;
	return false;
}

/* File-system options, with "ro" where the super block is to have it and the SELinux label. */
static struct ref data_list(struct mnt_job *j, bool ro)
{
	struct mnt_opts *o = &j->opts;
	const char *label = j->spec->linux_ ? j->spec->linux_->mount_label : NULL;
	const char *how = j->spec->ext.mount_context;
	bool labelled = label && *label && !str_eq(j->m->type, "proc") &&
			!str_eq(j->m->type, "sysfs") && !str_eq(j->m->type, "mqueue") &&
			!o->remount;
	struct ref none = { 0, 0 }, list = none;
	struct buf b = { 0 };
	char **all, ro_word[] = "ro";
	size_t n = o->data_count;

	if (n + ro + labelled == 0)
		return none;
	all = calloc(n + 2, sizeof(*all));
	if (labelled)
		buf_printf(&b, "%s=%s", how ? how : "context", label);
	if (!all || b.failed) {
		j->p->island.pool.failed = true;
	} else {
		memcpy(all, o->data, n * sizeof(*all));
		if (ro)
			all[n++] = ro_word;
		if (labelled)
			all[n++] = b.data;
		list = plan_list_n(j->p, PHASE_INIT, all, n);
	}
	free(all);
	buf_done(&b);
	return list;
}

static int plan_remount(struct mnt_job *j)
{
	struct step s = mnt_job_step(j, STEP_REMOUNT, j->target);

	/* "ro" and "rw" alone stay with the mount: the super block may be the host's. */
	if (!j->opts.bind && j->opts.data_count) {
		s.u.mount.flags |= MOUNT_REMOUNT_SB;
		s.u.mount.options = data_list(j, false);
	}
	plan_add(j->p, &s);
	return 0;
}

static int plan_new(struct mnt_job *j, struct err *e)
{
	const char *type = j->m->type;
	bool ro = (j->opts.attr_set & MOUNT_ATTR_RDONLY) && !is_pseudo(type);
	struct step s;

	if (!type || !*type)
		return err_set(e, EINVAL, "type: missing, and no option \"bind\" or \"rbind\"");
	if ((j->opts.flags & MOUNT_TMPCOPYUP) && !str_eq(type, "tmpfs"))
		return err_set(e, EINVAL, "option \"tmpcopyup\": only for tmpfs, not \"%s\"", type);
	s = mnt_job_step(j, STEP_MOUNT, j->target);
	s.u.mount.fstype = plan_str(j->p, PHASE_INIT, type);
	s.u.mount.source = plan_str(j->p, PHASE_INIT, j->m->source);
	s.u.mount.options = data_list(j, ro);
	if (str_eq(type, "proc") || str_eq(type, "sysfs"))
		s.u.mount.flags |= MOUNT_NO_SYMLINKS;
	plan_add(j->p, &s);
	return 0;
}

static int check_target(const struct mnt_job *j, struct err *e)
{
	/* What is in no namespace has no peers, and is left out of copies where it must not be bound. */
	if (!mnt_has_ns(j->spec, OCI_NS_MOUNT) &&
	    ((j->opts.propagation | j->opts.rpropagation) & ~(uint64_t)(MS_PRIVATE | MS_REC)))
		return err_set(e, EINVAL,
			       "options: shared, slave and unbindable need a mount namespace");
	if (j->opts.remount)
		return 0;
	if (str_eq(j->target, "/"))
		return err_set(e, EINVAL, "destination \"/\": the root itself can't be covered");
	if (str_eq(j->target, "/proc") && !mnt_is_bind(j->m, &j->opts) &&
	    !str_eq(j->m->type, "proc"))
		return err_set(e, EINVAL,
			       "destination \"/proc\": only procfs may be mounted there");
	return 0;
}

static int plan_job(struct mnt_job *j, struct err *e)
{
	int r;

	if (!j->m->destination || !*j->m->destination)
		return err_set(e, EINVAL, "destination: missing");
	r = clean_inside(j, j->m->destination, j->target, sizeof(j->target));
	if (r < 0)
		return err_set(e, r, "destination: too long");
	r = check_target(j, e);
	if (r == 0)
		r = mnt_idmap_check(j, e);
	if (r < 0)
		return r;
	if (j->opts.remount)
		return plan_remount(j);
	if (mnt_is_bind(j->m, &j->opts))
		return plan_bind(j, e);
	if (str_eq(j->m->type, "cgroup") || str_eq(j->m->type, "cgroup2"))
		return mnt_plan_cgroup(j, e);
	return plan_new(j, e);
}

static __attribute__((noinline)) int find_root(const struct oci_spec *spec,
					       const struct mnt_options *o, char *ret, size_t size)
{
	const char *path = spec->root && spec->root->path ? spec->root->path : "";
	char text[PATH_MAX];
	int n = snprintf(text, sizeof(text), "%s/%s", *path == '/' ? "" : o->bundle, path);

	return n < 0 || (size_t)n >= sizeof(text) ? -ENAMETOOLONG : mnt_clean_path(text, ret, size);
}

int mnt_plan_mounts(const struct oci_spec *spec, const struct host_facts *h,
		    const struct mnt_options *o, struct plan *p, struct err *e)
{
	char root[PATH_MAX];

	if (find_root(spec, o, root, sizeof(root)) < 0)
		return err_set(e, ENAMETOOLONG, "root.path: too long");
	for (size_t i = 0; i < spec->mounts_count; i++) {
		struct mnt_job j = { .spec = spec,
				     .h = h,
				     .o = o,
				     .p = p,
				     .m = &spec->mounts[i],
				     .index = (uint32_t)i,
				     .root = root };
		int r = mnt_opts_parse(&j.m->options, &j.opts, e);

		if (r == 0) {
			r = plan_job(&j, e);
			mnt_opts_done(&j.opts);
		}
		if (r < 0)
			return err_wrap(e, "mounts[%zu]", i);
	}
	return plan_failed(p) ? err_oom(e) : 0;
}
