/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"
#include "plan/island.h"
#include "sys/host.h"

/*
 * linux.netDevices: interfaces of the host moved into the container's network namespace,
 * renamed on the way, their permanent global addresses given back to them there, and brought
 * up. The planner does it while the islander waits before the pivot, through rtnetlink
 * sockets; the one that speaks to the inside is opened there by a short-lived child, so the
 * planner never changes a namespace of its own.
 *
 * When the container goes, the kernel returns physical interfaces to the host and removes
 * virtual ones; when its launch fails, netdev_undo gives all of them back.
 */

/* What was moved so far, and the sockets it was moved with. */
struct netdev_moves;

/**
 * netdev_plan - one NET_DEVICE an interface, in PHASE_HOOKS before the hooks
 * @l: NULL: nothing
 *
 * Return: 0; -EINVAL for names and for a container without a network namespace; -EPERM for a
 * runtime without privilege.
 */
int netdev_plan(const struct oci_spec *s, const struct host_facts *h, struct plan *p,
		struct err *e);

/**
 * netdev_host_apply - move one interface
 * @moves: made at the first use, NULL before; netdev_free
 *
 * A step that fails has given back its own interface.
 * Return: 0; -ENODEV; the kernel's refusal, with its words.
 */
int netdev_host_apply(const struct island *in, const struct step *s, struct netdev_moves **moves,
		      struct err *e);

/**
 * netdev_undo - give everything back: name, host's namespace, addresses, up or down
 *
 * Works while the socket to the inside is there: it keeps that namespace alive by itself.
 */
void netdev_undo(struct netdev_moves *moves);

/** netdev_free - forget what was moved and close the sockets; NULL is fine */
void netdev_free(struct netdev_moves *moves);
