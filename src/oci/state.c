/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/state.h"

static void write_head(struct json_out *o, const struct oci_state *s)
{
	jo_open(o, NULL, '{');
	jo_str(o, "ociVersion", OCI_VERSION);
	jo_str(o, "id", s->id);
}

static void write_tail(struct json_out *o, const struct oci_state *s)
{
	jo_str(o, "status", s->status);
	jo_str(o, "bundle", s->bundle);
	if (s->rootfs)
		jo_str(o, "rootfs", s->rootfs);
	if (s->created)
		jo_str(o, "created", s->created);
	if (s->annotations_count) {
		jo_open(o, "annotations", '{');
		for (size_t i = 0; i < s->annotations_count; i++)
			jo_str(o, s->annotations[i].key, s->annotations[i].value);
		jo_close(o, '}');
	}
	if (s->owner)
		jo_str(o, "owner", s->owner);
	jo_close(o, '}');
}

void oci_state_write(struct json_out *o, const struct oci_state *s)
{
	write_head(o, s);
	if (s->pid > 0)
		jo_int(o, "pid", s->pid);
	write_tail(o, s);
}

int oci_state_split(const struct oci_state *s, struct buf *head, struct buf *tail, struct err *e)
{
	struct json_out o = { .b = head };

	write_head(&o, s);
	jo_raw(&o, "pid", "");
	o.b = tail;
	write_tail(&o, s);
	return head->failed || tail->failed ? err_oom(e) : 0;
}
