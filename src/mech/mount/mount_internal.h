/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/parse.h"
#include "mech/mount/mount.h"
#include "sys/syscalls.h"

/* Shared by the files of the apply half. All take @e last and return 0 or a negative code. */

enum mnt_target {
	TARGET_DIR = 1 << 0,	     /* make a directory when it is missing */
	TARGET_FILE = 1 << 1,	     /* make an empty file when it is missing */
	TARGET_NO_SYMLINKS = 1 << 2, /* a symlink anywhere on the way is an error */
	TARGET_NOFOLLOW = 1 << 3,    /* a symlink at the end is the target itself */
};

/**
 * mnt_target_open - resolve a path inside the root, once
 * @flags:    enum mnt_target; with neither DIR nor FILE a missing path is -ENOENT
 * @ret_fd:   set only on success: O_PATH, caller closes
 * @ret_made: may be NULL; was the last component made here?
 *
 * Missing directories get mode 0755. Symlinks, dangling ones too, are followed as if
 * @root_fd were "/"; what is made is made below directories held by fd.
 * Return: 0 or -errno; does not set a message: callers know what the path is for.
 */
int mnt_target_open(int root_fd, const char *path, unsigned int flags, int *ret_fd, bool *ret_made);

/**
 * mnt_parent_open - the directory of @path, made when missing, and its last component
 * @ret_leaf: points into @path
 *
 * No symlink is followed on the way to anything below /dev.
 * Return: as mnt_target_open; -EINVAL when @path has no last component.
 */
int mnt_parent_open(int root_fd, const char *path, int *ret_fd, const char **ret_leaf);

/** mnt_attach - move a detached mount onto an open target; Return: 0 or -errno */
int mnt_attach(int tree_fd, int target_fd);

/** mnt_clone - detached clone of the tree at @fd; @flags: 0 or AT_RECURSIVE; Return: fd or -errno */
int mnt_clone(int fd, unsigned int flags);

/** mnt_attr - mount_setattr on an open mount; nothing to do is no call; Return: 0 or -errno */
int mnt_attr(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);

int mnt_apply_root(struct island *in, const struct step *s, struct err *e);
int mnt_apply_pivot(struct island *in, const struct step *s, struct err *e);
int mnt_apply_mount(struct island *in, const struct step *s, struct err *e);
int mnt_apply_bind(struct island *in, const struct step *s, struct err *e);
int mnt_apply_remount(struct island *in, const struct step *s, struct err *e);
int mnt_apply_unmount(struct island *in, const struct step *s, struct err *e);
int mnt_apply_hide(struct island *in, const struct step *s, struct err *e);
int mnt_apply_symlink(struct island *in, const struct step *s, struct err *e);
int mnt_apply_device(struct island *in, const struct step *s, struct err *e);
int mnt_apply_mask(struct island *in, const struct step *s, struct err *e);
int mnt_apply_readonly(struct island *in, const struct step *s, struct err *e);

/**
 * mnt_fs_make - a new file system of a MOUNT step as a detached mount with its plain attributes
 * @covered: the existing directory that it will cover: a tmpfs takes its mode; -EBADF: none
 * @ret_fd:  set only on success; caller closes
 *
 * With MOUNT_TMPCOPYUP it is still writable.
 */
int mnt_fs_make(struct island *in, const struct step *s, int covered, int *ret_fd, struct err *e);

/** mnt_fs_options - give key and key=value strings to a file-system context; NULL: none */
int mnt_fs_options(int fs, char *const *options, struct err *e);

/** mnt_fs_command - FSCONFIG_CMD_*; @what: begins the message, the kernel's own text follows */
int mnt_fs_command(int fs, unsigned int command, const char *what, struct err *e);

/**
 * mnt_copy_tree - copy what lies below @from (O_PATH directory) into the directory @to
 *
 * Directories, regular files, symlinks; modes and owners. Other kinds are left out.
 * Does not cross into other mounts. At most 64 levels deep.
 */
int mnt_copy_tree(int from, int to, struct err *e);

/**
 * mnt_is_device - is @fd the device node of this type and number?
 * @type: S_IFCHR or S_IFBLK
 */
bool mnt_is_device(int fd, mode_t type, unsigned int major, unsigned int minor);
