/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/mount_private.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000
#endif

enum { INODE_BYTES = 4096 }; /* of a tmpfs with a cap: one inode for so many bytes of it */

bool mount_same_key(const char *a, const char *b)
{
	const size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

uint64_t mount_attributes(unsigned long flags)
{
	static const struct {
		unsigned long flag;
		uint64_t attr;
	} rows[] = {
		{ MS_RDONLY, MOUNT_ATTR_RDONLY },
		{ MS_NOSUID, MOUNT_ATTR_NOSUID },
		{ MS_NODEV, MOUNT_ATTR_NODEV },
		{ MS_NOEXEC, MOUNT_ATTR_NOEXEC },
		{ MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
		{ MS_NOATIME, MOUNT_ATTR_NOATIME },
		{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	};
	uint64_t attr = flags & MS_STRICTATIME ? MOUNT_ATTR_STRICTATIME : 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (flags & rows[i].flag)
			attr |= rows[i].attr;
	/* Values of one field: noatime wins, as in mount(2). */
	return flags & MS_NOATIME ? attr & ~(uint64_t)MOUNT_ATTR_STRICTATIME : attr;
}

int mount_configure(int fs, const struct wanted *w)
{
	char key[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->count; i++) {
		const char *value = strchr(w->option[i], '=');
		const size_t n = strcspn(w->option[i], "=");

		if (n == 0 || n >= sizeof(key))
			return -EINVAL;
		memcpy(key, w->option[i], n);
		key[n] = '\0';
		r = value ? sys_fsconfig(fs, FSCONFIG_SET_STRING, key, value + 1, 0)
			  : sys_fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	}
	return r;
}

bool mount_has_option(const struct wanted *w, const char *key)
{
	for (size_t i = 0; i < w->count; i++)
		if (mount_same_key(w->option[i], key))
			return true;
	return false;
}

/* Memory of the host, so it has an end: bytes, and inodes, which are not counted in the bytes. */
static int cap_tmpfs(int fs, const struct wanted *w)
{
	char text[24];
	int r = 0;

	if (!w->terms.size_bytes)
		return 0;
	/* The other ways to give it a size. */
	if (mount_has_option(w, "nr_blocks") || (mount_has_option(w, "huge")))
		return -EPERM;
	if (!mount_has_option(w, "size")) {
		(void)snprintf(text, sizeof(text), "%" PRIu64, w->terms.size_bytes);
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "size", text, 0);
	}
	if (r < 0 || mount_has_option(w, "nr_inodes"))
		return r;
	(void)snprintf(text, sizeof(text), "%" PRIu64, w->terms.size_bytes / INODE_BYTES + 64);
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", text, 0);
}

int mount_make_own(const struct wanted *w)
{
	AUTO_FD int fs = sys_fsopen(w->type);
	int r;

	if (fs < 0)
		return fs;
	r = w->source && *w->source ? sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", w->source, 0)
				    : 0;
	if (r == 0)
		r = mount_configure(fs, w);
	if (r == 0 && str_eq(w->type, "tmpfs"))
		r = cap_tmpfs(fs, w);
	if (r == 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return r;
	return sys_fsmount(fs, (unsigned int)mount_attributes(w->flags | w->terms.flags));
}

/* What mount_setattr(2) has to do so that a mount has these flags beside its own. */
static struct mount_attr change(unsigned long flags)
{
	const unsigned long atime = MS_NOATIME | MS_STRICTATIME | MS_RELATIME;

	return (struct mount_attr){ .attr_set = mount_attributes(flags),
				    .attr_clr = flags & atime ? MOUNT_ATTR__ATIME : 0 };
}

int mount_make_bind(int source, const struct wanted *w)
{
	const unsigned int all = w->flags & MS_REC ? AT_RECURSIVE : 0;
	/* What else is asked for the kernel ignores, too. */
	const struct mount_attr attr = change((w->flags & DECIDE_SAFETY) | w->terms.flags);
	int fd = sys_open_tree(source, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | all), r;

	if (fd < 0 || !(attr.attr_set | attr.attr_clr))
		return fd;
	r = sys_mount_setattr(fd, "", AT_EMPTY_PATH | all, &attr);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* ST_* of statvfs(3) are the flags of the mount and of its file system together. */
static unsigned long flags_of(unsigned long st)
{
	return (st & ST_RDONLY ? MS_RDONLY : 0) | (st & ST_NOSUID ? MS_NOSUID : 0) |
	       (st & ST_NODEV ? MS_NODEV : 0) | (st & ST_NOEXEC ? MS_NOEXEC : 0) |
	       (st & ST_NOSYMFOLLOW ? MS_NOSYMFOLLOW : 0);
}

/* Flags are only ever added, so no remount loosens what a line gave. */
int mount_tighten(int mount, const struct wanted *w)
{
	const struct mount_attr attr = change(w->flags | w->terms.flags);
	struct statfs s;

	if (fstatfs(mount, &s) < 0)
		return -errno;
	if (!decide_tightens(w->flags, flags_of((unsigned long)s.f_flags), w->terms.flags))
		return -EPERM;
	return sys_mount_setattr(mount, "", AT_EMPTY_PATH, &attr);
}
