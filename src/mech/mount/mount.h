/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "plan/island.h"

/*
 * The apply half of the mount mechanism: one step in, effect out. Allocates nothing.
 *
 * A target is resolved once, by fd, inside the root, and the mount is moved onto that
 * fd; no path is used twice. What the mount shows is built detached, attributes and
 * all, so it is never visible half-made.
 */

/* Value of STEP_PIVOT. */
enum mnt_pivot {
	MNT_PIVOT_CHROOT = 0, /* no mount namespace of our own */
	MNT_PIVOT = 1,
	MNT_PIVOT_MOVE = 2, /* --no-pivot: the root is moved over "/", then chroot */
	MNT_PIVOT_DETACH =
		3, /* a copy of the root and its mounts that is in no namespace takes its place */
};

/* Value of step.u.root.no_pivot. */
enum mnt_root_mode {
	MNT_ROOT_PIVOT,
	MNT_ROOT_NO_PIVOT,
	MNT_ROOT_ONLY_OPEN, /* nothing is mounted, the root is only found: at the path or in the slot */
};

/* A file-system option that begins with this is left out where the file system lacks it. */
#define MNT_WHERE_KNOWN '?'

/* step.origin of a step that comes from no entry of mounts[]. */
#define MNT_ORIGIN_NONE 0xffffffffU

/**
 * mnt_apply - ROOT, MOUNT, BIND, REMOUNT, SYMLINK, DEVICE, MASK, READONLY, PIVOT
 * @in: root_fd, null_fd and mask_fd are set here and stay the islander's
 * @e:  names mounts[i] where there is one; says so when the kernel is too old
 *
 * ROOT sets the umask to 022. A MASK of a file needs the container's /dev/null, which is
 * verified by type and number, and gets it read-only.
 * Context: islander, single-threaded, inside the new mount namespace.
 * Return: 0; a negative errno of the refused operation; -EXDEV for a target on procfs.
 */
int mnt_apply(struct island *in, const struct step *s, struct err *e);

/**
 * mnt_host_apply - STEP_OPEN_TREE: a detached clone of a host tree, idmapped if asked; STEP_OPEN_IDMAP
 * @v: the planner's half
 *
 * Context: planner, privileged, single-threaded (an idmap takes one short-lived child).
 * Return: fd, caller closes; or a negative errno.
 */
int mnt_host_apply(const struct plan_view *v, const struct step *s, struct err *e);

/**
 * mnt_host_idmap - a BIND step with MOUNT_IDMAP_ASK: id-map what the islander brought
 * @userns: has the maps
 * @source: for messages
 * @tree:   a detached mount; the kernel refuses any other
 *
 * Context: planner, privileged. Return: 0 or a negative errno.
 */
int mnt_host_idmap(const struct step *s, int userns, const char *source, int tree, struct err *e);

/**
 * mnt_host_node - STEP_OPEN_NODE: a device node, the host's or made for the purpose
 *
 * What is made lies in the directory of the step for as long as that lives.
 * Context: planner, privileged, single-threaded.
 * Return: fd, caller closes; or a negative errno.
 */
int mnt_host_node(const struct plan_view *v, const struct step *s, struct err *e);
