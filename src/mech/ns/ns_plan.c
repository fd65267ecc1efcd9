/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/ns/ns.h"

#include "oci/sysctl.h"

#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

static const uint64_t flags_by_type[OCI_NS_COUNT] = {
	[OCI_NS_PID] = CLONE_NEWPID,	   [OCI_NS_NETWORK] = CLONE_NEWNET,
	[OCI_NS_MOUNT] = CLONE_NEWNS,	   [OCI_NS_IPC] = CLONE_NEWIPC,
	[OCI_NS_UTS] = CLONE_NEWUTS,	   [OCI_NS_USER] = CLONE_NEWUSER,
	[OCI_NS_CGROUP] = CLONE_NEWCGROUP, [OCI_NS_TIME] = CLONE_NEWTIME,
};

uint64_t ns_flag(enum oci_ns_type type)
{
	return type < OCI_NS_COUNT ? flags_by_type[type] : 0;
}

/* The two sets: what is made anew, what is joined by path. */
struct ns_sets {
	uint64_t fresh, joined;
	uint32_t slot[OCI_NS_COUNT];
};

static void sort_namespaces(const struct oci_spec *s, struct ns_sets *ret)
{
	*ret = (struct ns_sets){ 0 };
	for (unsigned int t = 0; t < OCI_NS_COUNT; t++) {
		const struct oci_namespace *n = oci_namespace(s, (enum oci_ns_type)t);

		if (!n)
			continue;
		if (n->path && *n->path)
			ret->joined |= flags_by_type[t];
		else
			ret->fresh |= flags_by_type[t];
	}
}

uint64_t ns_flags(const struct oci_spec *s)
{
	struct ns_sets sets;

	sort_namespaces(s, &sets);
	return sets.fresh | sets.joined;
}

static void plan_opens(const struct oci_spec *s, struct ns_sets *sets, struct plan *p)
{
	for (unsigned int t = 0; t < OCI_NS_COUNT; t++) {
		if (!(sets->joined & flags_by_type[t]))
			continue;
		sets->slot[t] = plan_slot(p);
		plan_add(p, &(struct step){
				    .kind = STEP_OPEN_NS,
				    .phase = PHASE_HOST,
				    .u.ns = { .path = plan_str(
						      p, PHASE_HOST,
						      oci_namespace(s, (enum oci_ns_type)t)->path),
					      .type = (uint32_t)flags_by_type[t],
					      .slot = sets->slot[t] } });
	}
}

static void plan_joins(const struct ns_sets *sets, uint64_t which, struct plan *p)
{
	for (unsigned int t = 0; t < OCI_NS_COUNT; t++) {
		if (!(sets->joined & which & flags_by_type[t]))
			continue;
		plan_add(p, &(struct step){ .kind = STEP_SETNS,
					    .phase = PHASE_INIT,
					    .u.setns = { .slot = sets->slot[t],
							 .flags = (uint32_t)flags_by_type[t] } });
	}
}

/* user_namespaces(7): one line a map, "inside outside length". */
static struct ref map_text(struct plan *p, const struct oci_id_map *m, size_t n)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%u %u %u\n", m[i].container_id, m[i].host_id, m[i].size);
	return plan_str(p, PHASE_MAP, b.data ? b.data : "");
}

/* No maps at all: root inside is whoever we are, and nobody else exists. */
static struct ref id_map(struct plan *p, const struct oci_id_map *m, size_t n, uint32_t self)
{
	struct oci_id_map own = { .container_id = 0, .host_id = self, .size = 1 };

	return n ? map_text(p, m, n) : map_text(p, &own, 1);
}

static bool maps_only_self(const struct oci_id_map *m, size_t n, uint32_t self)
{
	return n == 0 || (n == 1 && m[0].size == 1 && m[0].host_id == self);
}

bool ns_maps_only_self(const struct oci_spec *s, const struct host_facts *h)
{
	const struct oci_linux *l = s->linux_;

	return maps_only_self(l->uid_mappings, l->uid_mappings_count, h->euid) &&
	       maps_only_self(l->gid_mappings, l->gid_mappings_count, h->egid);
}

static void plan_maps(const struct oci_spec *s, const struct host_facts *h, struct plan *p)
{
	const struct oci_linux *l = s->linux_;
	bool own = ns_maps_only_self(s, h);

	plan_add(p, &(struct step){ .kind = STEP_MAP_IDS,
				    .phase = PHASE_MAP,
				    .u.idmap = {
					    .uid_map = id_map(p, l->uid_mappings,
							      l->uid_mappings_count, h->euid),
					    .gid_map = id_map(p, l->gid_mappings,
							      l->gid_mappings_count, h->egid),
					    .helpers = !h->admin && !own,
					    .deny_setgroups = !h->admin && own,
				    } });
}

static struct ref time_text(const struct oci_spec *s, struct plan *p)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < s->linux_->time_offsets_count; i++) {
		const struct oci_time_offset *o = &s->linux_->time_offsets[i];

		buf_printf(&b, "%s %lld %u\n", o->clock, (long long)o->secs, o->nanosecs);
	}
	return plan_str(p, PHASE_INIT, b.data ? b.data : "");
}

static void plan_unshare(struct plan *p, uint64_t flags)
{
	if (flags)
		plan_add_num(p, PHASE_INIT, STEP_UNSHARE, (int64_t)flags);
}

/* All new namespaces in one clone; what is joined belongs to our own user namespace. */
static void plan_fast(const struct ns_sets *sets, bool new_user, struct plan *p)
{
	if (new_user) {
		plan_add_num(p, PHASE_INIT, STEP_SYNC, PHASE_MAP);
		plan_add_none(p, PHASE_INIT, STEP_BECOME_ROOT);
	}
	plan_add_none(p, PHASE_INIT, STEP_PRIVATE);
	plan_joins(sets, ~(uint64_t)CLONE_NEWCGROUP, p);
}

/*
 * The time namespace belongs to the user namespace that we are in by then. Its offsets can only be set
 * before anybody lives in it, and only before we change our ids: the file belongs to whoever we are,
 * but to the host's root once a change of ids has made us a process that can't be dumped.
 */
static void plan_time(const struct oci_spec *s, const struct ns_sets *sets, struct plan *p)
{
	plan_unshare(p, sets->fresh & CLONE_NEWTIME);
	if (s->linux_->time_offsets_count && (sets->fresh & CLONE_NEWTIME))
		plan_add(p, &(struct step){ .kind = STEP_TIME_OFFSETS,
					    .phase = PHASE_INIT,
					    .u.str.text = time_text(s, p) });
}

/*
 * The islander is born among us and moves step by step: a joined user namespace must be
 * entered before the others are made, so that it owns them; joined ones belong to us, or to a
 * namespace below ours, so they must be entered while we still have the right: first. Who has none
 * among us gets it from the joined user namespace, which then comes first.
 */
static void plan_slow(const struct oci_spec *s, const struct ns_sets *sets, bool admin,
		      struct plan *p)
{
	const uint64_t others = ~(uint64_t)(CLONE_NEWUSER | CLONE_NEWCGROUP);
	uint64_t late = sets->fresh & ~(uint64_t)(CLONE_NEWUSER | CLONE_NEWTIME | CLONE_NEWCGROUP);

	if (sets->fresh & CLONE_NEWUSER) {
		plan_joins(sets, others, p);
		plan_unshare(p, CLONE_NEWUSER);
		plan_time(s, sets, p);
		plan_add_num(p, PHASE_INIT, STEP_SYNC, PHASE_MAP);
		plan_add_none(p, PHASE_INIT, STEP_BECOME_ROOT);
		plan_add_none(p, PHASE_INIT, STEP_PRIVATE);
	} else {
		plan_add_none(p, PHASE_INIT, STEP_PRIVATE);
		if (admin)
			plan_joins(sets, others, p);
		plan_joins(sets, CLONE_NEWUSER, p);
		plan_time(s, sets, p);
		if (sets->joined & CLONE_NEWUSER)
			plan_add_none(p, PHASE_INIT, STEP_BECOME_ROOT);
		if (!admin)
			plan_joins(sets, others, p);
	}
	plan_unshare(p, late);
	if ((sets->fresh | sets->joined) & (CLONE_NEWPID | CLONE_NEWTIME))
		plan_add_none(p, PHASE_INIT, STEP_FORK);
}

int ns_plan(const struct oci_spec *s, const struct host_facts *h, uint32_t cgroup_slot,
	    struct plan *p, uint32_t *ret_user, struct err *e)
{
	struct ns_sets sets;
	bool new_user, slow;

	sort_namespaces(s, &sets);
	/* For the mounts to be made in; ns_plan_home leads back. */
	if (!oci_namespace(s, OCI_NS_MOUNT) && oci_can_mount(s))
		sets.fresh |= CLONE_NEWNS;
	new_user = sets.fresh & CLONE_NEWUSER;
	if (!h->admin && !((sets.fresh | sets.joined) & CLONE_NEWUSER))
		return err_set(e, EPERM,
			       "linux.namespaces: rootless containers need a user namespace");
	slow = (sets.fresh & CLONE_NEWTIME) ||
	       (sets.joined & (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWTIME)) ||
	       (new_user && (sets.joined & ~(uint64_t)CLONE_NEWCGROUP));
	plan_opens(s, &sets, p);
	*ret_user = sets.joined & CLONE_NEWUSER ? sets.slot[OCI_NS_USER] : SLOT_NONE;
	/* The cgroup namespace is rooted where its maker stands: made last, after joining. */
	plan_add(p,
		 &(struct step){
			 .kind = STEP_CLONE,
			 .phase = PHASE_CLONE,
			 .u.clone = { .flags = slow ? 0 : sets.fresh & ~(uint64_t)CLONE_NEWCGROUP,
				      .cgroup_slot = cgroup_slot } });
	if (new_user)
		plan_maps(s, h, p);
	if (slow)
		plan_slow(s, &sets, h->admin, p);
	else
		plan_fast(&sets, new_user, p);
	plan_joins(&sets, CLONE_NEWCGROUP, p);
	plan_unshare(p, sets.fresh & CLONE_NEWCGROUP);
	if (sets.fresh & CLONE_NEWNET)
		plan_add_none(p, PHASE_INIT, STEP_LOOPBACK);
	return 0;
}

void ns_plan_home(struct plan *p)
{
	uint32_t slot = plan_slot(p);

	plan_add(p, &(struct step){ .kind = STEP_OPEN_NS,
				    .phase = PHASE_HOST,
				    .u.ns = { .path = plan_str(p, PHASE_HOST, "/proc/self/ns/mnt"),
					      .type = CLONE_NEWNS,
					      .slot = slot } });
	plan_add(p, &(struct step){ .kind = STEP_SETNS,
				    .phase = PHASE_INIT,
				    .u.setns = { slot, CLONE_NEWNS } });
}

void ns_plan_names(const struct oci_spec *s, struct plan *p)
{
	if (s->hostname)
		plan_add_str(p, PHASE_INIT, STEP_HOSTNAME, s->hostname);
	if (s->domainname)
		plan_add_str(p, PHASE_INIT, STEP_DOMAINNAME, s->domainname);
	for (size_t i = 0; s->linux_ && i < s->linux_->sysctl_count; i++) {
		const struct oci_pair *kv = &s->linux_->sysctl[i];
		char path[OCI_SYSCTL_MAX];

		/* Validated before: this only spells the path. */
		if (oci_sysctl_path(kv->key, path) < 0)
			continue;
		plan_add(p, &(struct step){ .kind = STEP_SYSCTL,
					    .phase = PHASE_INIT,
					    .origin = (uint32_t)i,
					    .u.pair = { plan_strf(p, PHASE_INIT, "sys/%s", path),
							plan_str(p, PHASE_INIT, kv->value) } });
	}
}
