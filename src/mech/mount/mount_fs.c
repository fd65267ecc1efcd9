/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FS_VALUE_MAX = 255 }; /* fsconfig(2) takes strings of 256 bytes with their NUL */

/*
 * The kernel says in words what it dislikes: lines "e text" read from the context
 * (Documentation/filesystems/mount_api.rst). Its words are better than an errno's.
 */
static int fs_fail(int fs, int code, const char *what, struct err *e)
{
	char log[256];
	ssize_t n;

	while ((n = read(fs, log, sizeof(log) - 1)) > 2) {
		log[n] = '\0';
		log[strcspn(log, "\n")] = '\0';
		if (log[0] == 'e' && log[1] == ' ')
			return err_set(e, code, "%s: %s", what, log + 2);
	}
	return err_sys(e, code, "%s", what);
}

int mnt_fs_command(int fs, unsigned int command, const char *what, struct err *e)
{
	int r = sys_fsconfig(fs, command, NULL, NULL, 0);

	return r < 0 ? fs_fail(fs, r, what, e) : 0;
}

static int set_string(int fs, const char *key, const char *value, struct err *e)
{
	int r = sys_fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);

	return r < 0 ? fs_fail(fs, r, key, e) : 0;
}

/*
 * A list of lower layers is often longer than fsconfig takes; overlayfs takes them one by
 * one since Linux 6.7. A backslash keeps a colon from ending a layer.
 */
static int set_layers(int fs, const char *value, struct err *e)
{
	char layer[FS_VALUE_MAX + 1];
	size_t n = 0;
	int r;

	for (const char *p = value;; p++) {
		if (*p == '\0' || *p == ':') {
			layer[n] = '\0';
			r = set_string(fs, "lowerdir+", layer, e);
			if (r < 0 || *p == '\0')
				return r;
			n = 0;
			continue;
		}
		if (*p == '\\' && p[1] != '\0')
			p++;
		if (n == FS_VALUE_MAX)
			return err_set(e, ENAMETOOLONG, "lowerdir: a layer is over 255 bytes");
		layer[n++] = *p;
	}
}

static int set_option(int fs, const char *option, struct err *e)
{
	bool where_known = option[0] == MNT_WHERE_KNOWN;
	const char *eq = strchr(option, '=');
	char key[64];
	size_t n;
	int r;

	option += where_known;
	n = eq ? (size_t)(eq - option) : strlen(option);
	if (n == 0 || n >= sizeof(key))
		return err_set(e, EINVAL, "option \"%.80s\": not a file-system option", option);
	memcpy(key, option, n);
	key[n] = '\0';
	if (!eq) {
		r = sys_fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
		if (r == -EINVAL && where_known)
			return 0;
		return r < 0 ? fs_fail(fs, r, key, e) : 0;
	}
	if (strlen(eq + 1) <= FS_VALUE_MAX)
		return set_string(fs, key, eq + 1, e);
	if (str_eq(key, "lowerdir"))
		return set_layers(fs, eq + 1, e);
	return err_set(e, E2BIG, "option \"%s\": value over 255 bytes", key);
}

int mnt_fs_options(int fs, char *const *options, struct err *e)
{
	for (size_t i = 0; options && options[i]; i++) {
		int r = set_option(fs, options[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* A tmpfs looks like the directory it covers, unless its options say otherwise later. */
static int keep_mode(int fs, int covered, struct err *e)
{
	char text[8];
	struct stat st;

	if (fstat(covered, &st) < 0)
		return err_sys(e, errno, "stat target");
	(void)snprintf(text, sizeof(text), "%04o", st.st_mode & 07777U);
	return set_string(fs, "mode", text, e);
}

/* Older kernels take "lowerdir+" for a word they don't know, and say so only here. */
static bool has_long_value(char *const *options)
{
	for (size_t i = 0; options && options[i]; i++) {
		const char *eq = strchr(options[i], '=');

		if (eq && strlen(eq + 1) > FS_VALUE_MAX)
			return true;
	}
	return false;
}

int mnt_fs_make(struct island *in, const struct step *s, int covered, int *ret_fd, struct err *e)
{
	const char *type = view_str(in->plan, s->u.mount.fstype);
	const char *source = view_str(in->plan, s->u.mount.source);
	unsigned int attr = (unsigned int)s->u.mount.attr_set;
	AUTO_FD int fs = sys_fsopen(type);
	int r = 0, fd;

	if (fs == -ENODEV)
		return err_set(e, ENODEV, "file system type \"%s\" is not in this kernel", type);
	if (fs < 0)
		return err_sys(e, fs, "open file system type \"%s\"", type);
	if (source)
		r = set_string(fs, "source", source, e);
	if (r == 0 && covered >= 0 && str_eq(type, "tmpfs"))
		r = keep_mode(fs, covered, e);
	if (r == 0)
		r = mnt_fs_options(fs, view_list(in->plan, s->u.mount.options), e);
	if (r == 0)
		r = mnt_fs_command(fs, FSCONFIG_CMD_CREATE, type, e);
	if (r == -EINVAL && has_long_value(view_list(in->plan, s->u.mount.options)))
		return err_wrap(e, "a list of layers over 255 bytes needs Linux 6.7");
	if (r < 0)
		return r;
	/* In a user namespace procfs and sysfs must be born as read-only as the host's are. */
	if (s->u.mount.flags & MOUNT_TMPCOPYUP)
		attr &= ~(unsigned int)MOUNT_ATTR_RDONLY;
	fd = sys_fsmount(fs, attr);
	if (fd < 0)
		return fs_fail(fs, fd, type, e);
	*ret_fd = fd;
	return 0;
}
