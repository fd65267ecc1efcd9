/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/wire.h"

#include <string.h>

/* The low three bits of a field's tag. */
enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LEN = 2, WIRE_32 = 5 };

static void add_varint(struct buf *b, uint64_t v)
{
	unsigned char bytes[10];
	size_t n = 0;

	do {
		bytes[n] = (unsigned char)(v & 0x7f);
		v >>= 7;
		if (v)
			bytes[n] |= 0x80;
		n++;
	} while (v);
	buf_add(b, bytes, n);
}

void wire_uint(struct buf *b, uint32_t field, uint64_t value)
{
	add_varint(b, (uint64_t)field << 3 | WIRE_VARINT);
	add_varint(b, value);
}

void wire_bytes(struct buf *b, uint32_t field, const void *bytes, size_t n)
{
	add_varint(b, (uint64_t)field << 3 | WIRE_LEN);
	add_varint(b, n);
	if (n > 0)
		buf_add(b, bytes, n);
}

void wire_str(struct buf *b, uint32_t field, const char *s)
{
	if (s)
		wire_bytes(b, field, s, strlen(s));
}

static int take_varint(struct wire *w, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		unsigned char c;

		if (w->p == w->end)
			return -EBADMSG;
		c = *w->p++;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret = v;
			return 0;
		}
	}
	return -EBADMSG;
}

static int take_bytes(struct wire *w, uint64_t n, struct wire_field *f)
{
	if (n > (uint64_t)(w->end - w->p))
		return -EBADMSG;
	f->bytes = w->p;
	f->len = (size_t)n;
	w->p += n;
	return 1;
}

int wire_next(struct wire *w, struct wire_field *ret)
{
	struct wire_field f = { 0 };
	uint64_t tag, n;
	int r;

	if (w->p == w->end)
		return 0;
	r = take_varint(w, &tag);
	if (r < 0)
		return r;
	if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return -EBADMSG;
	f.number = (uint32_t)(tag >> 3);
	switch (tag & 7) {
	case WIRE_VARINT:
		r = take_varint(w, &f.value);
		r = r < 0 ? r : 1;
		break;
	case WIRE_LEN:
		r = take_varint(w, &n);
		r = r < 0 ? r : take_bytes(w, n, &f);
		break;
	case WIRE_32:
	case WIRE_64:
		/* No field that is looked at has this form: bytes to be passed over. */
		r = take_bytes(w, (tag & 7) == WIRE_64 ? 8 : 4, &f);
		break;
	default:
		r = -EBADMSG;
	}
	if (r > 0)
		*ret = f;
	return r;
}

struct wire wire_inside(const struct wire_field *f)
{
	const unsigned char *p = f->bytes;

	return (struct wire){ .p = p, .end = p ? p + f->len : NULL };
}
