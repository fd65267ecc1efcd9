/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/json.h"
#include "oci/spec.h"

#include <sys/types.h>

/* A container's state as runtime.md has it; all borrowed. */
struct oci_state {
	const char *id;
	const char *status; /* "creating", "created", "running", "stopped"; "paused" */
	const char *bundle; /* absolute path */
	pid_t pid;	    /* on the host; 0: none, left out */
	const struct oci_pair *annotations;
	size_t annotations_count;
	/* What runc's `state` and `list` tell beyond the specification; NULL: left out. */
	const char *rootfs, *created, *owner;
};

/** oci_state_write - the state as one JSON value; @o->b says whether memory sufficed */
void oci_state_write(struct json_out *o, const struct oci_state *s);

/**
 * oci_state_split - the state in two texts, with the pid to be put between them
 * @s:    @s->pid is not looked at
 * @head: appended: everything up to the number
 * @tail: appended: everything behind it
 *
 * For hooks: who runs one learns the pid late and may have no JSON writer.
 * Return: 0; -ENOMEM.
 */
int oci_state_split(const struct oci_state *s, struct buf *head, struct buf *tail, struct err *e);
