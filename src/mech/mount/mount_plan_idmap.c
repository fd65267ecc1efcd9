/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_plan_internal.h"

#include <string.h>

/*
 * Whose ids a mount shows: those of mounts[].uidMappings, of the container or the namespace it joins, or the ones that
 * crun's form of the option gives: "idmap=uids=0-1000-10#10-2000-5;gids=@0-1-10".
 */

static void add_range(struct buf *b, uint32_t inner, uint32_t outer, uint32_t size)
{
	buf_printf(b, "%u %u %u\n", inner, outer, size);
}

static struct ref map_text(struct plan *p, const struct oci_id_map *maps, size_t n)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < n; i++)
		add_range(&b, maps[i].container_id, maps[i].host_id, maps[i].size);
	if (b.failed)
		p->host.pool.failed = true;
	return plan_str(p, PHASE_HOST, b.failed ? NULL : b.data);
}

bool mnt_wants_idmap(const struct mnt_job *j)
{
	return j->opts.idmap || j->m->uid_mappings_count || j->m->gid_mappings_count;
}

/* ---- The form of crun ------------------------------------------------------------------ */

/* A number up to @end or the next '-', which is skipped. */
static int take_number(const char **at, const char *end, uint32_t *ret)
{
	const char *stop = memchr(*at, '-', (size_t)(end - *at));
	char text[16];
	size_t n;

	stop = stop ? stop : end;
	n = (size_t)(stop - *at);
	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, *at, n);
	text[n] = '\0';
	*at = stop < end ? stop + 1 : end;
	return parse_u32(text, ret);
}

static bool overlaps(const struct oci_id_map *m, uint64_t first, uint64_t end)
{
	return first < (uint64_t)m->container_id + m->size && m->container_id < end;
}

/*
 * "@": the outer id is one of the container's. The range may run out of its mapping, to ids that
 * the container has not, but not into another one, which has other ids behind it.
 */
static int make_absolute(const struct oci_id_map *maps, size_t n, uint32_t size, uint32_t *outer)
{
	uint32_t from = *outer;
	size_t at = 0;

	while (at < n && !overlaps(&maps[at], from, (uint64_t)from + 1))
		at++;
	if (at == n)
		return -ERANGE;
	for (size_t i = 0; i < n; i++)
		if (i != at && overlaps(&maps[i], from, (uint64_t)from + size))
			return -ERANGE;
	*outer = maps[at].host_id + (from - maps[at].container_id);
	return 0;
}

static int take_range(const char *at, const char *end, const struct oci_id_map *maps, size_t n,
		      struct buf *out, struct err *e)
{
	int len = (int)(end - at > 64 ? 64 : end - at);
	const char *whole = at;
	bool relative = at < end && *at == '@';
	uint32_t v[3];

	at += relative || (at < end && *at == '+'); /* crun reads a sign there */
	for (int i = 0; i < 3; i++)
		if (take_number(&at, end, &v[i]) < 0)
			return err_set(e, EINVAL,
				       "option \"idmap\": \"%.*s\" is not FILE-HOST-SIZE", len,
				       whole);
	if (at != end || v[2] == 0)
		return err_set(e, EINVAL, "option \"idmap\": \"%.*s\" is not FILE-HOST-SIZE", len,
			       whole);
	if (relative && make_absolute(maps, n, v[2], &v[1]) < 0)
		return err_set(e, EINVAL,
			       "option \"idmap\": \"%.*s\" does not lie in one mapping of the "
			       "container's user namespace",
			       len, whole);
	add_range(out, v[0], v[1], v[2]);
	return 0;
}

static int take_ranges(const char *text, size_t len, const struct oci_id_map *maps, size_t n,
		       struct buf *out, struct err *e)
{
	const char *end = text + len;
	int r = 0;

	if (out->len)
		return err_set(e, EINVAL, "option \"idmap\": uids or gids given twice");
	for (const char *at = text; r == 0;) {
		const char *stop = memchr(at, '#', (size_t)(end - at));

		r = take_range(at, stop ? stop : end, maps, n, out, e);
		if (!stop)
			break;
		at = stop + 1;
	}
	return r;
}

/* "uids=…;gids=…" into two texts for the kernel. */
static int take_custom(const struct mnt_job *j, struct buf *uids, struct buf *gids, struct err *e)
{
	static const struct oci_linux none;
	const struct oci_linux *l = j->spec->linux_ ? j->spec->linux_ : &none;
	int r = 0;

	for (const char *at = j->opts.idmap_ids; r == 0 && *at;) {
		size_t n = strcspn(at, ";");
		const char *rest;

		if ((rest = str_after(at, "uids=")))
			r = take_ranges(rest, n - 5, l->uid_mappings, l->uid_mappings_count, uids,
					e);
		else if ((rest = str_after(at, "gids=")))
			r = take_ranges(rest, n - 5, l->gid_mappings, l->gid_mappings_count, gids,
					e);
		else
			r = err_set(e, EINVAL,
				    "option \"idmap\": \"%.64s\" is not uids= or gids=", at);
		at += n + (at[n] == ';');
	}
	if (r < 0)
		return r;
	if (uids->failed || gids->failed)
		return err_oom(e);
	if (!uids->len != !gids->len || !uids->len)
		return err_set(e, EINVAL, "option \"idmap\": give both uids= and gids=");
	return 0;
}

/* ---- Both ------------------------------------------------------------------------------ */

void mnt_idmap_fill(const struct mnt_job *j, struct step *s)
{
	const struct oci_linux *l = j->spec->linux_;

	if (!mnt_wants_idmap(j))
		return;
	s->u.tree.idmap_recursive = j->opts.ridmap;
	if (j->opts.idmap_ids) {
		AUTO_BUF struct buf uids = { 0 };
		AUTO_BUF struct buf gids = { 0 };

		/* It was checked: what can be wrong now is that there is no memory. */
		if (take_custom(j, &uids, &gids, NULL) < 0) {
			j->p->host.pool.failed = true;
			return;
		}
		s->u.tree.uid_map = plan_str(j->p, PHASE_HOST, uids.data);
		s->u.tree.gid_map = plan_str(j->p, PHASE_HOST, gids.data);
	} else if (j->m->uid_mappings_count) {
		s->u.tree.uid_map = map_text(j->p, j->m->uid_mappings, j->m->uid_mappings_count);
		s->u.tree.gid_map = map_text(j->p, j->m->gid_mappings, j->m->gid_mappings_count);
	} else if (!l->uid_mappings_count) {
		s->u.tree.userns = j->o->userns;
	} else {
		s->u.tree.uid_map = map_text(j->p, l->uid_mappings, l->uid_mappings_count);
		s->u.tree.gid_map = map_text(j->p, l->gid_mappings, l->gid_mappings_count);
	}
}

uint32_t mnt_add_idmap(const struct mnt_job *j)
{
	struct step s = { .kind = STEP_OPEN_IDMAP, .phase = PHASE_HOST, .origin = j->index };

	s.u.tree.userns = SLOT_NONE;
	mnt_idmap_fill(j, &s);
	if (s.u.tree.userns != SLOT_NONE)
		return s.u.tree.userns;
	s.u.tree.slot = plan_slot(j->p);
	plan_add(j->p, &s);
	return s.u.tree.slot;
}

/* Are there maps that the option could mean: the container's, or of the namespace it joins? */
static bool has_maps(const struct mnt_job *j)
{
	const struct oci_linux *l = j->spec->linux_;

	if (!l || (!l->uid_mappings_count && !l->gid_mappings_count))
		return j->o->userns != SLOT_NONE;
	return l->uid_mappings_count && l->gid_mappings_count;
}

int mnt_idmap_check(const struct mnt_job *j, struct err *e)
{
	AUTO_BUF struct buf uids = { 0 };
	AUTO_BUF struct buf gids = { 0 };

	if (!mnt_wants_idmap(j))
		return 0;
	if (!mnt_is_bind(j->m, &j->opts))
		return err_set(e, EINVAL, "id-mapping: only bind mounts can be id-mapped");
	if (!j->m->uid_mappings_count != !j->m->gid_mappings_count)
		return err_set(e, EINVAL, "uidMappings and gidMappings: give both or neither");
	if (j->opts.idmap_ids && j->m->uid_mappings_count)
		return err_set(e, EINVAL, "option \"idmap\": uidMappings say something else");
	if (!j->opts.idmap_ids && !j->m->uid_mappings_count && !has_maps(j))
		return err_set(e, EINVAL,
			       "option \"idmap\": needs uidMappings here or in linux, or a user "
			       "namespace to join");
	if (!mnt_planner_opens(j->h))
		return err_set(e, EPERM, "id-mapped mounts need root on the host");
	return j->opts.idmap_ids ? take_custom(j, &uids, &gids, e) : 0;
}
