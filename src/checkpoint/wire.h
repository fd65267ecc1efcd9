/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

#include <stdint.h>

/*
 * The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as much of it
 * as CRIU's messages need: numbers, strings, messages. A message is its fields behind each
 * other, so building one is appending. Against 40 KB for a library that does it from tables.
 */

/** wire_uint - append a number: uint32, uint64, bool, enum, and int32 that is not negative */
void wire_uint(struct buf *b, uint32_t field, uint64_t value);

/** wire_bytes - append a string, or a message inside this one */
void wire_bytes(struct buf *b, uint32_t field, const void *bytes, size_t n);

/** wire_str - append a string; NULL: nothing */
void wire_str(struct buf *b, uint32_t field, const char *s);

/* What is left of a message to read; borrowed. */
struct wire {
	const unsigned char *p, *end;
};

struct wire_field {
	uint32_t number;
	uint64_t value;	   /* of a number */
	const void *bytes; /* of a string or message, within the message read; NULL: a number */
	size_t len;
};

/**
 * wire_next - take the next field
 *
 * Return: 1; 0 at the end; -EBADMSG.
 */
int wire_next(struct wire *w, struct wire_field *ret);

/** wire_inside - read what a field holds as a message of its own; a number holds nothing */
struct wire wire_inside(const struct wire_field *f);
