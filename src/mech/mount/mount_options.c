/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/mount/mount_options.h"

#include "base/parse.h"
#include "plan/step.h"

#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

enum opt_kind {
	OPT_NOTHING,   /* accepted, has no effect: the kernel's default */
	OPT_SET,       /* attribute on */
	OPT_CLEAR,     /* attribute off */
	OPT_ATIME,     /* one value of the access-time field */
	OPT_NOT_ATIME, /* back to the default, unless another value was chosen */
	OPT_PROPAGATION,
	OPT_SB, /* for the super block, under its own name */
	OPT_IVERSION,
	OPT_FLAG, /* enum mount_flag */
	OPT_BIND,
	OPT_REMOUNT,
	OPT_IDMAP,
};

struct opt_row {
	const char *name;
	enum opt_kind kind;
	bool recursive;
	uint64_t value;
};

/* Sorted by name. Meanings: mount(8), mount_setattr(2), runtime-spec config.md "Mounts". */
static const struct opt_row rows[] = {
	{ "async", OPT_SB, false, 0 },
	{ "atime", OPT_NOT_ATIME, false, MOUNT_ATTR_NOATIME },
	{ "bind", OPT_BIND, false, 0 },
	{ "copy-symlink", OPT_FLAG, false, MOUNT_COPY_SYMLINK },
	{ "defaults", OPT_NOTHING, false, 0 },
	{ "dest-nofollow", OPT_FLAG, false, MOUNT_DST_NOFOLLOW },
	{ "dev", OPT_CLEAR, false, MOUNT_ATTR_NODEV },
	{ "diratime", OPT_CLEAR, false, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", OPT_SB, false, 0 },
	{ "exec", OPT_CLEAR, false, MOUNT_ATTR_NOEXEC },
	{ "idmap", OPT_IDMAP, false, 0 },
	{ "iversion", OPT_IVERSION, false, 0 },
	{ "lazytime", OPT_SB, false, 0 },
	{ "loud", OPT_NOTHING, false, 0 },
	{ "mand", OPT_SB, false, 0 },
	{ "noatime", OPT_ATIME, false, MOUNT_ATTR_NOATIME },
	{ "nodev", OPT_SET, false, MOUNT_ATTR_NODEV },
	{ "nodiratime", OPT_SET, false, MOUNT_ATTR_NODIRATIME },
	{ "noexec", OPT_SET, false, MOUNT_ATTR_NOEXEC },
	{ "noiversion", OPT_NOTHING, false, 0 },
	{ "nolazytime", OPT_SB, false, 0 },
	{ "nomand", OPT_SB, false, 0 },
	{ "norelatime", OPT_NOT_ATIME, false, MOUNT_ATTR_RELATIME },
	{ "nostrictatime", OPT_NOT_ATIME, false, MOUNT_ATTR_STRICTATIME },
	{ "nosuid", OPT_SET, false, MOUNT_ATTR_NOSUID },
	{ "nosymfollow", OPT_SET, false, MOUNT_ATTR_NOSYMFOLLOW },
	{ "private", OPT_PROPAGATION, false, MS_PRIVATE },
	{ "ratime", OPT_NOT_ATIME, true, MOUNT_ATTR_NOATIME },
	{ "rbind", OPT_BIND, true, 0 },
	{ "rdev", OPT_CLEAR, true, MOUNT_ATTR_NODEV },
	{ "rdiratime", OPT_CLEAR, true, MOUNT_ATTR_NODIRATIME },
	{ "relatime", OPT_ATIME, false, MOUNT_ATTR_RELATIME },
	{ "remount", OPT_REMOUNT, false, 0 },
	{ "rexec", OPT_CLEAR, true, MOUNT_ATTR_NOEXEC },
	{ "ridmap", OPT_IDMAP, true, 0 },
	{ "rnoatime", OPT_ATIME, true, MOUNT_ATTR_NOATIME },
	{ "rnodev", OPT_SET, true, MOUNT_ATTR_NODEV },
	{ "rnodiratime", OPT_SET, true, MOUNT_ATTR_NODIRATIME },
	{ "rnoexec", OPT_SET, true, MOUNT_ATTR_NOEXEC },
	{ "rnorelatime", OPT_NOT_ATIME, true, MOUNT_ATTR_RELATIME },
	{ "rnostrictatime", OPT_NOT_ATIME, true, MOUNT_ATTR_STRICTATIME },
	{ "rnosuid", OPT_SET, true, MOUNT_ATTR_NOSUID },
	{ "rnosymfollow", OPT_SET, true, MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro", OPT_SET, false, MOUNT_ATTR_RDONLY },
	{ "rprivate", OPT_PROPAGATION, true, MS_PRIVATE },
	{ "rrelatime", OPT_ATIME, true, MOUNT_ATTR_RELATIME },
	{ "rro", OPT_SET, true, MOUNT_ATTR_RDONLY },
	{ "rrw", OPT_CLEAR, true, MOUNT_ATTR_RDONLY },
	{ "rshared", OPT_PROPAGATION, true, MS_SHARED },
	{ "rslave", OPT_PROPAGATION, true, MS_SLAVE },
	{ "rstrictatime", OPT_ATIME, true, MOUNT_ATTR_STRICTATIME },
	{ "rsuid", OPT_CLEAR, true, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", OPT_CLEAR, true, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", OPT_PROPAGATION, true, MS_UNBINDABLE },
	{ "rw", OPT_CLEAR, false, MOUNT_ATTR_RDONLY },
	{ "shared", OPT_PROPAGATION, false, MS_SHARED },
	{ "silent", OPT_NOTHING, false, 0 },
	{ "slave", OPT_PROPAGATION, false, MS_SLAVE },
	{ "src-nofollow", OPT_FLAG, false, MOUNT_SRC_NOFOLLOW },
	{ "strictatime", OPT_ATIME, false, MOUNT_ATTR_STRICTATIME },
	{ "suid", OPT_CLEAR, false, MOUNT_ATTR_NOSUID },
	{ "symfollow", OPT_CLEAR, false, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", OPT_SB, false, 0 },
	{ "tmpcopyup", OPT_FLAG, false, MOUNT_TMPCOPYUP },
	{ "unbindable", OPT_PROPAGATION, false, MS_UNBINDABLE },
};

static int compare(const void *name, const void *row)
{
	return strcmp(name, ((const struct opt_row *)row)->name);
}

static const struct opt_row *find(const char *name)
{
	return bsearch(name, rows, ARRAY_LEN(rows), sizeof(rows[0]), compare);
}

const char *const *mnt_option_names(void)
{
	static const char *names[ARRAY_LEN(rows) + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		names[i] = rows[i].name;
	return names;
}

uint64_t mnt_propagation(const char *word)
{
	const struct opt_row *row = word ? find(word) : NULL;

	if (!row || row->kind != OPT_PROPAGATION)
		return 0;
	return row->value | (row->recursive ? (uint64_t)MS_REC : 0U);
}

/*
 * The access-time setting is a number within the attribute word: whoever sets it must
 * clear the whole field, and an empty field means relatime (mount_setattr(2)).
 */
static void apply_atime(const struct opt_row *row, uint64_t *set, uint64_t *clear)
{
	bool chosen = *clear & MOUNT_ATTR__ATIME;
	uint64_t now = *set & MOUNT_ATTR__ATIME;

	if (row->kind == OPT_NOT_ATIME && chosen && now != row->value)
		return;
	*clear |= MOUNT_ATTR__ATIME;
	*set &= ~(uint64_t)MOUNT_ATTR__ATIME;
	if (row->kind == OPT_ATIME)
		*set |= row->value;
}

static void apply_attr(const struct opt_row *row, struct mnt_opts *o)
{
	uint64_t *set = row->recursive ? &o->rattr_set : &o->attr_set;
	uint64_t *clear = row->recursive ? &o->rattr_clr : &o->attr_clr;

	if (row->kind == OPT_ATIME || row->kind == OPT_NOT_ATIME) {
		apply_atime(row, set, clear);
	} else if (row->kind == OPT_SET) {
		*set |= row->value;
		*clear &= ~row->value;
	} else {
		*set &= ~row->value;
		*clear |= row->value;
	}
}

static void apply_propagation(const struct opt_row *row, struct mnt_opts *o)
{
	if (row->recursive) {
		o->rpropagation = (uint32_t)row->value;
		o->propagation = 0;
	} else {
		o->propagation = (uint32_t)row->value;
	}
}

static void apply_bind(const struct opt_row *row, struct mnt_opts *o)
{
	o->bind = true;
	if (row->recursive)
		o->flags |= MOUNT_RECURSIVE;
}

static void add_data(struct mnt_opts *o, char *option)
{
	o->data[o->data_count++] = option;
}

static void apply_row(const struct opt_row *row, char *option, struct mnt_opts *o)
{
	/* mount(2) takes MS_I_VERSION for any file system, and most do without. */
	static char i_version[] = "?i_version"; /* MNT_WHERE_KNOWN */

	switch (row->kind) {
	case OPT_NOTHING:
		break;
	case OPT_SET:
	case OPT_CLEAR:
	case OPT_ATIME:
	case OPT_NOT_ATIME:
		apply_attr(row, o);
		break;
	case OPT_PROPAGATION:
		apply_propagation(row, o);
		break;
	case OPT_SB:
		add_data(o, option);
		break;
	case OPT_IVERSION:
		add_data(o, i_version);
		break;
	case OPT_FLAG:
		o->flags |= (uint32_t)row->value;
		break;
	case OPT_BIND:
		apply_bind(row, o);
		break;
	case OPT_REMOUNT:
		o->remount = true;
		break;
	case OPT_IDMAP:
		o->idmap = true;
		o->ridmap = row->recursive;
		break;
	}
}

/* crun's form of the two: the ids themselves stand behind it. */
static bool apply_idmap(const char *option, struct mnt_opts *o)
{
	bool recursive = option[0] == 'r';
	const char *ids = str_after(option + recursive, "idmap=");

	if (!ids)
		return false;
	o->idmap = true;
	o->ridmap = recursive;
	o->idmap_ids = ids;
	return true;
}

int mnt_opts_parse(const struct oci_strings *strings, struct mnt_opts *ret, struct err *e)
{
	struct mnt_opts o = { 0 };

	o.data = calloc(strings->count + 1, sizeof(*o.data));
	if (!o.data)
		return err_oom(e);
	for (size_t i = 0; i < strings->count; i++) {
		const struct opt_row *row = find(strings->list[i]);

		if (row)
			apply_row(row, strings->list[i], &o);
		else if (apply_idmap(strings->list[i], &o))
			continue;
		else if (strings->list[i][0] != '\0')
			add_data(&o, strings->list[i]);
	}
	*ret = o;
	return 0;
}

void mnt_opts_done(struct mnt_opts *o)
{
	free(o->data);
	o->data = NULL;
	o->data_count = 0;
}
