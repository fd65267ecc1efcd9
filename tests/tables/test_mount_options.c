/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"
#include "mech/mount/mount_options.h"
#include "plan/step.h"

#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define RDONLY MOUNT_ATTR_RDONLY
#define NOSUID MOUNT_ATTR_NOSUID
#define NODEV MOUNT_ATTR_NODEV
#define NOEXEC MOUNT_ATTR_NOEXEC
#define NODIRATIME MOUNT_ATTR_NODIRATIME
#define NOSYMFOLLOW MOUNT_ATTR_NOSYMFOLLOW
#define NOATIME MOUNT_ATTR_NOATIME
#define STRICT MOUNT_ATTR_STRICTATIME
#define ATIME MOUNT_ATTR__ATIME

/* One row an option or a list of them: what changes, all the rest stays zero. */
static const struct {
	const char *options;  /* comma-separated */
	struct mnt_opts want; /* without data */
	const char *data;     /* comma-separated */
} rows[] = {
	{ "", { 0 }, "" },
	{ "async", { 0 }, "async" },
	{ "atime", { .attr_clr = ATIME }, "" },
	{ "bind", { .bind = true }, "" },
	{ "copy-symlink", { .flags = MOUNT_COPY_SYMLINK }, "" },
	{ "defaults", { 0 }, "" },
	{ "dest-nofollow", { .flags = MOUNT_DST_NOFOLLOW }, "" },
	{ "dev", { .attr_clr = NODEV }, "" },
	{ "diratime", { .attr_clr = NODIRATIME }, "" },
	{ "dirsync", { 0 }, "dirsync" },
	{ "exec", { .attr_clr = NOEXEC }, "" },
	{ "idmap", { .idmap = true }, "" },
	{ "iversion", { 0 }, "?i_version" },
	{ "lazytime", { 0 }, "lazytime" },
	{ "loud", { 0 }, "" },
	{ "mand", { 0 }, "mand" },
	{ "noatime", { .attr_set = NOATIME, .attr_clr = ATIME }, "" },
	{ "nodev", { .attr_set = NODEV }, "" },
	{ "nodiratime", { .attr_set = NODIRATIME }, "" },
	{ "noexec", { .attr_set = NOEXEC }, "" },
	{ "noiversion", { 0 }, "" },
	{ "nolazytime", { 0 }, "nolazytime" },
	{ "nomand", { 0 }, "nomand" },
	{ "norelatime", { .attr_clr = ATIME }, "" },
	{ "nostrictatime", { .attr_clr = ATIME }, "" },
	{ "nosuid", { .attr_set = NOSUID }, "" },
	{ "nosymfollow", { .attr_set = NOSYMFOLLOW }, "" },
	{ "private", { .propagation = MS_PRIVATE }, "" },
	{ "ratime", { .rattr_clr = ATIME }, "" },
	{ "rbind", { .bind = true, .flags = MOUNT_RECURSIVE }, "" },
	{ "rdev", { .rattr_clr = NODEV }, "" },
	{ "rdiratime", { .rattr_clr = NODIRATIME }, "" },
	{ "relatime", { .attr_clr = ATIME }, "" },
	{ "remount", { .remount = true }, "" },
	{ "rexec", { .rattr_clr = NOEXEC }, "" },
	{ "ridmap", { .idmap = true, .ridmap = true }, "" },
	{ "rnoatime", { .rattr_set = NOATIME, .rattr_clr = ATIME }, "" },
	{ "rnodev", { .rattr_set = NODEV }, "" },
	{ "rnodiratime", { .rattr_set = NODIRATIME }, "" },
	{ "rnoexec", { .rattr_set = NOEXEC }, "" },
	{ "rnorelatime", { .rattr_clr = ATIME }, "" },
	{ "rnostrictatime", { .rattr_clr = ATIME }, "" },
	{ "rnosuid", { .rattr_set = NOSUID }, "" },
	{ "rnosymfollow", { .rattr_set = NOSYMFOLLOW }, "" },
	{ "ro", { .attr_set = RDONLY }, "" },
	{ "rprivate", { .rpropagation = MS_PRIVATE }, "" },
	{ "rrelatime", { .rattr_clr = ATIME }, "" },
	{ "rro", { .rattr_set = RDONLY }, "" },
	{ "rrw", { .rattr_clr = RDONLY }, "" },
	{ "rshared", { .rpropagation = MS_SHARED }, "" },
	{ "rslave", { .rpropagation = MS_SLAVE }, "" },
	{ "rstrictatime", { .rattr_set = STRICT, .rattr_clr = ATIME }, "" },
	{ "rsuid", { .rattr_clr = NOSUID }, "" },
	{ "rsymfollow", { .rattr_clr = NOSYMFOLLOW }, "" },
	{ "runbindable", { .rpropagation = MS_UNBINDABLE }, "" },
	{ "rw", { .attr_clr = RDONLY }, "" },
	{ "shared", { .propagation = MS_SHARED }, "" },
	{ "silent", { 0 }, "" },
	{ "slave", { .propagation = MS_SLAVE }, "" },
	{ "src-nofollow", { .flags = MOUNT_SRC_NOFOLLOW }, "" },
	{ "strictatime", { .attr_set = STRICT, .attr_clr = ATIME }, "" },
	{ "suid", { .attr_clr = NOSUID }, "" },
	{ "symfollow", { .attr_clr = NOSYMFOLLOW }, "" },
	{ "sync", { 0 }, "sync" },
	{ "tmpcopyup", { .flags = MOUNT_TMPCOPYUP }, "" },
	{ "unbindable", { .propagation = MS_UNBINDABLE }, "" },

	/* The last one wins. */
	{ "ro,rw", { .attr_clr = RDONLY }, "" },
	{ "rw,ro", { .attr_set = RDONLY }, "" },
	{ "noatime,strictatime", { .attr_set = STRICT, .attr_clr = ATIME }, "" },
	{ "strictatime,nostrictatime", { .attr_clr = ATIME }, "" },
	{ "noatime,atime", { .attr_clr = ATIME }, "" },
	/* What is taken back is not what was chosen. */
	{ "noatime,norelatime", { .attr_set = NOATIME, .attr_clr = ATIME }, "" },
	{ "strictatime,atime", { .attr_set = STRICT, .attr_clr = ATIME }, "" },
	{ "rslave,private", { .rpropagation = MS_SLAVE, .propagation = MS_PRIVATE }, "" },
	{ "private,rslave", { .rpropagation = MS_SLAVE }, "" },
	/* For the file system, in order. */
	{ "size=64m,nosuid,mode=755,ROX", { .attr_set = NOSUID }, "size=64m,mode=755,ROX" },
	{ "acl", { 0 }, "acl" },
	{ "ro=1", { 0 }, "ro=1" },
};

static void parse(const char *text, struct mnt_opts *ret)
{
	static char copy[256], *list[32];
	struct oci_strings strings = { .list = list };
	struct err e = { 0 };
	char *save = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save))
		list[strings.count++] = p;
	assert_int_equal(mnt_opts_parse(&strings, ret, &e), 0);
}

static void join(char *const *list, char *ret, size_t size)
{
	size_t n = 0;

	ret[0] = '\0';
	for (size_t i = 0; list[i]; i++)
		n += (size_t)snprintf(ret + n, size - n, "%s%s", i ? "," : "", list[i]);
}

static void every_option_means_one_thing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_MNT_OPTS struct mnt_opts o = { 0 };
		const struct mnt_opts *w = &rows[i].want;
		char data[256];

		parse(rows[i].options, &o);
		join(o.data, data, sizeof(data));
		if (o.attr_set != w->attr_set || o.attr_clr != w->attr_clr ||
		    o.rattr_set != w->rattr_set || o.rattr_clr != w->rattr_clr ||
		    o.propagation != w->propagation || o.rpropagation != w->rpropagation ||
		    o.flags != w->flags || o.bind != w->bind || o.remount != w->remount ||
		    o.idmap != w->idmap || o.ridmap != w->ridmap || strcmp(data, rows[i].data) != 0)
			fail_msg("options \"%s\"", rows[i].options);
	}
}

static void every_name_has_a_row_here_and_they_are_sorted(void **state)
{
	const char *const *names = mnt_option_names();

	(void)state;
	for (size_t i = 0; names[i]; i++) {
		bool found = false;

		if (i > 0)
			assert_true(strcmp(names[i - 1], names[i]) < 0);
		for (size_t k = 0; k < ARRAY_LEN(rows); k++)
			found |= str_eq(names[i], rows[k].options);
		if (!found)
			fail_msg("option \"%s\" is not tested", names[i]);
	}
}

static void knows_the_words_of_propagation(void **state)
{
	(void)state;
	assert_int_equal(mnt_propagation("rslave"), MS_SLAVE | MS_REC);
	assert_int_equal(mnt_propagation("shared"), MS_SHARED);
	assert_int_equal(mnt_propagation("ro"), 0);
	assert_int_equal(mnt_propagation("what"), 0);
	assert_int_equal(mnt_propagation(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_means_one_thing),
		cmocka_unit_test(every_name_has_a_row_here_and_they_are_sorted),
		cmocka_unit_test(knows_the_words_of_propagation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
