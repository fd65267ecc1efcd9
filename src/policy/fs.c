/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include "base/parse.h"

#include <string.h>

/*
 * File systems that the broker mounts. Of those on a device it takes these options alone: what can
 * stop the machine (errors=panic), names a second device (journal_path, logdev) or trusts what it
 * should not is not among them. Documentation/filesystems/, by name.
 */
static const char *const of_ext[] = {
	"errors=continue", "errors=remount-ro", "acl",	  "noacl",
	"user_xattr",	   "nouser_xattr",	"noload", "norecovery",
	"discard",	   "nodiscard",		NULL
};
static const char *const of_xfs[] = { "norecovery", "nouuid",	 "noquota",
				      "discard",    "nodiscard", NULL };
static const char *const of_btrfs[] = { "subvol=", "subvolid=", "compress=",	 "acl",
					"noacl",   "nodiscard", "nospace_cache", NULL };
static const char *const of_erofs[] = { "acl", "noacl", "user_xattr", "nouser_xattr", NULL };
static const char *const of_squashfs[] = { "errors=continue", NULL };

/* The superblock of ext4, which may be anybody's, can say "panic" as well. */
static const char on_error[] = "errors=remount-ro";

static const struct policy_fs all[] = {
	{ "bind", POLICY_FS_BIND, NULL, NULL },
	{ "tmpfs", POLICY_FS_OWN, NULL, NULL },
	{ "proc", POLICY_FS_OWN, NULL, NULL },
	{ "overlay", POLICY_FS_OWN, NULL, NULL },
	{ "ext2", POLICY_FS_BLOCK, on_error, of_ext },
	{ "ext3", POLICY_FS_BLOCK, on_error, of_ext },
	{ "ext4", POLICY_FS_BLOCK, on_error, of_ext },
	{ "xfs", POLICY_FS_BLOCK, NULL, of_xfs },
	{ "btrfs", POLICY_FS_BLOCK, NULL, of_btrfs },
	{ "erofs", POLICY_FS_BLOCK, "ro", of_erofs },
	{ "squashfs", POLICY_FS_BLOCK, "ro", of_squashfs },
};

const struct policy_fs *policy_fs_find(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (str_eq(type, all[i].name))
			return &all[i];
	return NULL;
}

const struct policy_fs *policy_fs_at(unsigned int index)
{
	return index < ARRAY_LEN(all) ? &all[index] : NULL;
}

unsigned int policy_fs_index(const struct policy_fs *fs)
{
	return (unsigned int)(fs - all);
}

bool policy_fs_takes(const struct policy_fs *fs, const char *option)
{
	for (const char *const *o = fs->options; o && *o; o++) {
		const size_t n = strlen(*o);
		const bool any = (*o)[n - 1] == '=';

		if (any ? strncmp(*o, option, n) == 0 && option[n] : str_eq(*o, option))
			return true;
	}
	return fs->way != POLICY_FS_BLOCK;
}
