/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

/* Block I/O: blkio of v1, io of v2. */

struct throttle_name {
	const char *v1, *v2;
};

static const struct throttle_name throttle_names[OCI_THROTTLE_COUNT] = {
	[OCI_THROTTLE_READ_BPS] = { "blkio.throttle.read_bps_device", "rbps" },
	[OCI_THROTTLE_WRITE_BPS] = { "blkio.throttle.write_bps_device", "wbps" },
	[OCI_THROTTLE_READ_IOPS] = { "blkio.throttle.read_iops_device", "riops" },
	[OCI_THROTTLE_WRITE_IOPS] = { "blkio.throttle.write_iops_device", "wiops" },
};

/* [10, 1000] → [1, 10000], as crun and runc convert where only io.weight exists. */
static uint32_t io_weight(uint32_t weight)
{
	return weight < 10 ? 1 : (uint32_t)(1 + (uint64_t)(weight - 10) * 9999 / 990);
}

static void set_weight(struct cg_build *b, const struct cg_place *at, uint32_t weight)
{
	char text[64];

	if (at->h->v2) {
		(void)snprintf(text, sizeof(text), "%u|%u", weight, io_weight(weight));
		cg_set(b, at, CG_MUST, "io.bfq.weight|io.weight", text);
	} else {
		(void)snprintf(text, sizeof(text), "%u|%u", weight, weight);
		cg_set(b, at, CG_MUST, "blkio.weight|blkio.bfq.weight", text);
	}
}

static void add_line(struct buf *lines, const struct oci_weight_device *d, uint32_t weight)
{
	buf_printf(lines, "%s%lld:%lld %u", lines->len ? "\n" : "", (long long)d->major,
		   (long long)d->minor, weight);
}

/* One SET with a line a device; both spellings of the file. */
static int set_device_weights(struct cg_build *b, const struct cg_place *at,
			      const struct oci_block_io *io, bool leaf, struct err *e)
{
	AUTO_BUF struct buf first = { 0 };
	AUTO_BUF struct buf second = { 0 };
	const char *file = at->h->v2 ? "io.bfq.weight|io.weight"
			   : leaf    ? "blkio.leaf_weight_device|blkio.bfq.leaf_weight_device"
				     : "blkio.weight_device|blkio.bfq.weight_device";

	for (size_t i = 0; i < io->weight_devices_count; i++) {
		const struct oci_weight_device *d = &io->weight_devices[i];
		struct opt_u32 w = leaf ? d->leaf_weight : d->weight;

		if (!w.set || w.v == 0)
			continue;
		add_line(&first, d, w.v);
		add_line(&second, d, at->h->v2 ? io_weight(w.v) : w.v);
	}
	if (first.len == 0 && !first.failed)
		return 0;
	buf_str(&first, "|");
	buf_add(&first, second.data, second.len);
	if (first.failed || second.failed)
		return err_oom(e);
	cg_set(b, at, CG_MUST, file, first.data);
	return 0;
}

static int set_throttles(struct cg_build *b, const struct cg_place *at,
			 const struct oci_block_io *io, struct err *e)
{
	for (size_t t = 0; t < OCI_THROTTLE_COUNT; t++) {
		const struct oci_throttle_list *list = &io->throttle[t];
		AUTO_BUF struct buf lines = { 0 };

		if (list->devices_count == 0)
			continue;
		for (size_t i = 0; i < list->devices_count; i++) {
			const struct oci_throttle_device *d = &list->devices[i];

			buf_printf(&lines, "%s%lld:%lld ", i ? "\n" : "", (long long)d->major,
				   (long long)d->minor);
			if (at->h->v2)
				buf_printf(&lines, "%s=", throttle_names[t].v2);
			/* Zero lifts a limit; v2 spells that differently. */
			if (at->h->v2 && d->rate == 0)
				buf_str(&lines, "max");
			else
				buf_printf(&lines, "%llu", (unsigned long long)d->rate);
		}
		if (lines.failed)
			return err_oom(e);
		cg_set(b, at, CG_MUST, at->h->v2 ? "io.max" : throttle_names[t].v1, lines.data);
	}
	return 0;
}

static bool has_leaf(const struct oci_block_io *io)
{
	for (size_t i = 0; i < io->weight_devices_count; i++)
		if (io->weight_devices[i].leaf_weight.set && io->weight_devices[i].leaf_weight.v)
			return true;
	return io->leaf_weight.set && io->leaf_weight.v;
}

static bool asks(const struct oci_block_io *io)
{
	for (size_t t = 0; t < OCI_THROTTLE_COUNT; t++)
		if (io->throttle[t].devices_count > 0)
			return true;
	return (io->weight.set && io->weight.v) || io->weight_devices_count > 0 || has_leaf(io);
}

int cg_plan_block_io(struct cg_build *b, const struct oci_block_io *io, struct err *e)
{
	struct cg_place *at;
	int r;

	if (!asks(io))
		return 0;
	at = cg_controller(b, "blkio");
	if (at)
		at->asked = true;
	else if ((r = cg_need(b, "io", "blockIO", &at, e)) < 0)
		return r;
	if (at->h->v2 && has_leaf(io))
		return err_set(e, EOPNOTSUPP,
			       "linux.resources.blockIO.leafWeight: cgroup v2 has no such limit");
	if (io->weight.set && io->weight.v)
		set_weight(b, at, io->weight.v);
	if (io->leaf_weight.set && io->leaf_weight.v)
		cg_set_uint(b, at, "blkio.leaf_weight", io->leaf_weight.v);
	r = set_device_weights(b, at, io, false, e);
	if (r == 0 && !at->h->v2)
		r = set_device_weights(b, at, io, true, e);
	if (r == 0)
		r = set_throttles(b, at, io, e);
	return r;
}
