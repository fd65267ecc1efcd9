/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "broker/effect.h"

/* Between handle_mount.c, which decides, and those that make what is mounted. */
enum { MOUNT_OPTIONS_MAX = 64 };

struct wanted {
	const char *type, *source;
	unsigned long flags; /* MS_* */
	size_t count;
	const char *option[MOUNT_OPTIONS_MAX + 1]; /* "key" or "key=value" */
	const struct policy_fs *fs;		   /* NULL: not one that we mount */
	struct policy_mount_terms terms;
};

/** mount_same_key - do two options have the same name? */
bool mount_same_key(const char *a, const char *b);
bool mount_has_option(const struct wanted *w, const char *key);

/** mount_attributes - MS_* as MOUNT_ATTR_* */
uint64_t mount_attributes(unsigned long flags);

/** mount_configure - give a file system that is being made its options; Return: 0 or -errno */
int mount_configure(int fs, const struct wanted *w);

/** mount_make_own - with no right but those of the container's root; Return: detached, or -errno */
int mount_make_own(const struct wanted *w);
/** mount_make_bind - of an open file or directory; Return: detached, or -errno */
int mount_make_bind(int source, const struct wanted *w);

/** mount_tighten - give a mount further flags; Return: 0; -EPERM when it would lose one; -errno */
int mount_tighten(int mount, const struct wanted *w);

/* ---- handle_block.c: on a device ------------------------------------------------------------ */

/** block_names - where devices are called by name; Return: a sysfs of our own, or -errno */
int block_names(void);

/**
 * block_find - which device is it?
 * @names: see block_names
 * @node:  a device node, called whatever the container calls it
 * @ret:   its name on the host
 *
 * Return: 0; -ENOTBLK; -ENODEV; -errno.
 */
int block_find(int names, int node, dev_t *ret_dev, char *ret, size_t size);

/* What the one with our rights has to know. */
struct block_order {
	dev_t dev;
	struct policy_mount_terms terms;
};

/** block_serve - see struct keeper; its order is a struct wanted */
int block_serve(const struct keeper *k, int fd, const void *bytes, size_t len, int *ret_fd);
