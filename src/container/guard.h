/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "container/container.h"

/*
 * A broker of the container's own: a process of the user who runs cay, without any right, that answers
 * what the container's filter sends it under a policy (docs/access-control.md). It ends with the
 * container's last process.
 */
#define GUARD_SOCKET "broker"

/**
 * guard_check - can a container be held to a policy?
 *
 * What the broker does for it, it does as root of the container's user namespace; and a container
 * that sees the processes of its user could end it.
 * Return: 0; -EINVAL.
 */
int guard_check(const struct oci_spec *s, struct err *e);

/**
 * guard_amend - the container's calls go to @c->listener, over what its own filter says
 * @s: takes over @c's lists, which must live as long
 *
 * Return: 0; -ENOMEM.
 */
int guard_amend(struct oci_spec *s, const struct ctr *c, struct err *e);

/** guard_join - guard_amend for one more process; Return: 0; -ECONNREFUSED: the broker is gone */
int guard_join(struct oci_spec *s, const struct ctr *c, struct err *e);

/**
 * guard_start - start the broker, which listens at @c->listener when this returns
 * @c:     @c->broker and its start time are set on success
 * @pidfd: of the container's first process; borrowed
 *
 * Return: 0; a negative code: then there is none.
 */
int guard_start(struct ctr *c, const struct ctr_policy *p, int pidfd, struct err *e);

/** guard_end - wait until the broker is gone, if there is one; behind its time it is killed */
void guard_end(const struct ctr *c);
