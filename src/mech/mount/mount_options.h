/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The option strings of mounts[].options, sorted by what they act on. Pure.
 */
struct mnt_opts {
	uint64_t attr_set, attr_clr;	    /* MOUNT_ATTR_*: the mount itself */
	uint64_t rattr_set, rattr_clr;	    /* the mount and all below it */
	uint32_t propagation, rpropagation; /* MS_SHARED…; 0: not given */
	uint32_t flags;			    /* enum mount_flag */
	bool bind, remount;
	bool idmap, ridmap;
	const char *idmap_ids; /* "uids=…;gids=…" behind "idmap="; NULL: not given */
	char **data; /* super-block and file-system options, NULL-terminated; strings borrowed */
	size_t data_count;
};

/**
 * mnt_opts_parse - sort the options of one mount
 * @strings: borrowed, and must outlive @ret
 * @ret:     set only on success; mnt_opts_done
 *
 * Later options win over earlier ones. What no table knows is for the file system.
 * Super-block options ("sync", "lazytime"…) go to @data, except "ro" and "rw", whose
 * effect on the super block is the caller's decision.
 * Return: 0; -ENOMEM.
 */
int mnt_opts_parse(const struct oci_strings *strings, struct mnt_opts *ret, struct err *e);
void mnt_opts_done(struct mnt_opts *o);
#define AUTO_MNT_OPTS AUTO(mnt_opts_done)

/**
 * mnt_option_names - every option string that means the same on all file systems
 *
 * Return: NULL-terminated, sorted, static: for the features document.
 */
const char *const *mnt_option_names(void);

/** mnt_propagation - MS_* (and MS_REC) of "rslave" and its like; 0 for another word or NULL */
uint64_t mnt_propagation(const char *word);
