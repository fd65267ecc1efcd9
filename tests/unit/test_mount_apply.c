/* SPDX-License-Identifier: Apache-2.0 */
#include "mount_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- Targets ----------------------------------------------------------------------- */

static void makes_missing_targets(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	struct stat st;

	OK(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/a/b/c", 0, 0, &e));
	assert_true(mounted(f, "a/b/c", " - tmpfs "));
	assert_int_equal(stat(at(f->root, "a/b"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void follows_links_only_inside_the_root(void **state)
{
	static const struct {
		const char *link, *text, *target, *lands;
	} rows[] = {
		{ "abs", "/in", "/abs", "in" },
		{ "up", "../../../../../../in2", "/up/x", "in2/x" },
		{ "dangling", "/not/yet/there", "/dangling", "not/yet/there" },
		{ "relative", "d/../made", "/relative", "made" },
		{ "chain", "abs2", "/chain", "in3" },
	};
	struct fx *f = *state;
	struct err e = { 0 };

	make_dir(f->root, "in");
	make_dir(f->root, "in2");
	make_dir(f->root, "d");
	assert_int_equal(symlink("/in3", at(f->root, "abs2")), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(symlink(rows[i].text, at(f->root, rows[i].link)), 0);
		OK(one(f, STEP_MOUNT, "tmpfs", "tmpfs", rows[i].target, 0, 0, &e));
		assert_true(mounted(f, rows[i].lands, " - tmpfs "));
	}
	assert_false(exists("/", "in3"));
	assert_false(exists("/", "not"));
}

static void refuses_links_that_go_round(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	assert_int_equal(symlink("b", at(f->root, "a")), 0);
	assert_int_equal(symlink("a/x", at(f->root, "b")), 0);
	assert_int_equal(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/a/y", 0, 0, &e), -ELOOP);
	assert_non_null(strstr(e.msg, "mounts[0]: mount on \"/a/y\""));
}

static void refuses_proc_as_a_symlink(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	make_dir(f->root, "elsewhere");
	assert_int_equal(symlink("/elsewhere", at(f->root, "proc")), 0);
	assert_int_equal(one(f, STEP_MOUNT, "proc", "proc", "/proc", MOUNT_NO_SYMLINKS, 0, &e),
			 -ELOOP);
	assert_non_null(strstr(e.msg, "must be mounted on ordinary directory"));
}

static void refuses_mounts_inside_procfs(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	OK(one(f, STEP_MOUNT, "proc", "proc", "/proc", MOUNT_NO_SYMLINKS, 0, &e));
	make_file(f->outside, "file", "x");
	assert_int_equal(symlink("/proc/sys", at(f->root, "sneaky")), 0);
	assert_int_equal(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/sneaky", 0, 0, &e), -EXDEV);
	assert_int_equal(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/proc", 0, 0, &e), -EXDEV);
	assert_int_equal(one(f, STEP_BIND, NULL, f->outside, "/proc", 0, 0, &e), -EXDEV);
	assert_int_equal(one(f, STEP_BIND, NULL, at(f->outside, "file"), "/proc/version", 0, 0, &e),
			 -EXDEV);
	OK(one(f, STEP_BIND, NULL, at(f->outside, "file"), "/proc/uptime", 0, 0, &e));
	assert_true(mounted(f, "proc/uptime", "/outside/file"));
}

static atomic_bool stop_racing;

/* Swaps root/race/d, a directory, with root/race/l, a link to the outside. */
static void *swap_for_ever(void *arg)
{
	const struct fx *f = arg;
	char a[PATH_MAX], b[PATH_MAX];

	(void)snprintf(a, sizeof(a), "%s/race/d", f->root);
	(void)snprintf(b, sizeof(b), "%s/race/l", f->root);
	while (!atomic_load(&stop_racing))
		(void)renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
	return NULL;
}

static void nothing_lands_outside_in_a_rename_race(void **state)
{
	struct fx *f = *state;
	char target[64], line[4096];
	size_t done = 0;
	pthread_t racer;

	make_dir(f->root, "race");
	make_dir(f->root, "race/d");
	make_dir(f->root, "race/fallback");
	assert_int_equal(symlink(f->outside, at(f->root, "race/l")), 0);
	atomic_store(&stop_racing, false);
	assert_int_equal(pthread_create(&racer, NULL, swap_for_ever, f), 0);
	for (int i = 0; i < 1500; i++) {
		struct err e = { 0 };
		bool file = i & 1;

		(void)snprintf(target, sizeof(target), "/race/d/%s%d/x", i % 3 ? "n" : "m", i);
		done += one(f, file ? STEP_BIND : STEP_MOUNT, "tmpfs", "/dev/null", target, 0, 0,
			    &e) == 0;
	}
	atomic_store(&stop_racing, true);
	pthread_join(racer, NULL);
	assert_true(done > 0);
	assert_int_equal(entries(f->outside), 0);
	assert_false(mountinfo(f->outside, line, sizeof(line)));
}

/* ---- Binds -------------------------------------------------------------------------- */

static void binds_a_file_on_a_file(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	char text[8];

	make_file(f->outside, "hosts", "hello");
	OK(one(f, STEP_BIND, NULL, at(f->outside, "hosts"), "/etc/hosts", 0, MOUNT_ATTR_RDONLY,
	       &e));
	assert_int_equal(sys_read_at(AT_FDCWD, at(f->root, "etc/hosts"), text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(access(at(f->root, "etc/hosts"), W_OK), -1);
	assert_int_equal(errno, EROFS);
	make_dir(f->root, "dir");
	assert_int_equal(one(f, STEP_BIND, NULL, at(f->outside, "hosts"), "/dir", 0, 0, &e),
			 -ENOTDIR);
}

static void read_only_binds_keep_what_the_source_forbids(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	make_dir(f->outside, "v");
	assert_int_equal(
		mount("t", at(f->outside, "v"), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOATIME, ""), 0);
	OK(one(f, STEP_BIND, NULL, at(f->outside, "v"), "/v", 0, MOUNT_ATTR_RDONLY, &e));
	assert_true(mounted(f, "v", "ro,nosuid,nodev,noatime"));
}

static void ro_is_the_top_and_rro_is_all(void **state)
{
	struct fx *f = *state;
	AUTO_PLAN struct plan p;
	struct err e = { 0 };
	struct step s;

	make_dir(f->outside, "v");
	assert_int_equal(mount("t", at(f->outside, "v"), "tmpfs", 0, ""), 0);
	make_dir(f->outside, "v/sub");
	assert_int_equal(mount("t", at(f->outside, "v/sub"), "tmpfs", 0, ""), 0);
	OK(one(f, STEP_BIND, NULL, at(f->outside, "v"), "/ro", MOUNT_RECURSIVE, MOUNT_ATTR_RDONLY,
	       &e));
	assert_true(mounted(f, "ro", " ro,"));
	assert_true(mounted(f, "ro/sub", " rw,"));
	plan_init(&p);
	s = step_of(&p, STEP_BIND, NULL, at(f->outside, "v"), "/rro");
	s.u.mount.flags = MOUNT_RECURSIVE;
	s.u.mount.rattr_set = MOUNT_ATTR_RDONLY;
	plan_add(&p, &s);
	OK(run(f, &p, &e));
	assert_true(mounted(f, "rro", " ro,"));
	assert_true(mounted(f, "rro/sub", " ro,"));
	OK(one(f, STEP_BIND, NULL, at(f->outside, "v"), "/flat", 0, 0, &e));
	assert_false(mounted(f, "flat/sub", "tmpfs"));
}

static void a_missing_source_is_named(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	assert_int_equal(one(f, STEP_BIND, NULL, "/no/such", "/x", 0, 0, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "source \"/no/such\": no such file"));
	OK(one(f, STEP_BIND, NULL, "/no/such", "/x", MOUNT_OPTIONAL, 0, &e));
	assert_false(exists(f->root, "x"));
}

static void copies_a_symlink_when_asked(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	char text[64] = "";

	assert_int_equal(symlink("/anywhere", at(f->outside, "l")), 0);
	OK(one(f, STEP_BIND, NULL, at(f->outside, "l"), "/l", MOUNT_COPY_SYMLINK, 0, &e));
	assert_true(readlink(at(f->root, "l"), text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "/anywhere");
	OK(one(f, STEP_BIND, NULL, at(f->outside, "l"), "/l", MOUNT_COPY_SYMLINK, 0, &e));
}

/* ---- Propagation --------------------------------------------------------------------- */

static int set_up_host_shared(void **state)
{
	return set_up_shared(state, MS_SHARED, 0);
}

static int set_up_all_shared(void **state)
{
	return set_up_shared(state, MS_SHARED, MS_SHARED | MS_REC);
}

static void bind_with(struct fx *f, const char *target, uint32_t propagation, uint32_t rpropagation)
{
	struct err e = { 0 };
	AUTO_PLAN struct plan p;
	struct step s;

	plan_init(&p);
	s = step_of(&p, STEP_BIND, NULL, f->outside, target);
	s.u.mount.flags = MOUNT_RECURSIVE;
	s.u.mount.propagation = propagation;
	s.u.mount.rpropagation = rpropagation;
	plan_add(&p, &s);
	OK(run(f, &p, &e));
}

static void host_mounts_become_slaves(void **state)
{
	struct fx *f = *state;

	/* The namespace of this test was the only peer, so slaves of nobody are private. */
	bind_with(f, "/default", 0, 0);
	assert_false(mounted(f, "default", "shared:"));
	bind_with(f, "/shared", MS_SHARED, 0);
	assert_true(mounted(f, "shared", "shared:"));
	bind_with(f, "/private", MS_PRIVATE, MS_SHARED);
	assert_false(mounted(f, "private", "shared:"));
	bind_with(f, "/unbindable", 0, MS_UNBINDABLE);
	assert_true(mounted(f, "unbindable", "unbindable"));
}

static void rshared_reaches_the_host_when_the_root_is_shared(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	char line[4096];

	/* base turns private because the root is attached on it; a mount beside it stays shared. */
	make_dir(f->outside, "v");
	assert_int_equal(mount("t", at(f->outside, "v"), "tmpfs", 0, ""), 0);
	assert_int_equal(mount(NULL, at(f->outside, "v"), NULL, MS_SHARED, NULL), 0);
	make_dir(f->outside, "v/sub");
	OK(one(f, STEP_BIND, NULL, at(f->outside, "v"), "/v", MOUNT_RECURSIVE, 0, &e));
	assert_true(mounted(f, "v", "shared:"));
	assert_int_equal(mount("t", at(f->root, "v/sub"), "tmpfs", 0, ""), 0);
	assert_true(mountinfo(at(f->outside, "v/sub"), line, sizeof(line)));
	assert_true(mountinfo(f->base, line, sizeof(line)));
	assert_null(strstr(line, "shared:"));
}

/* ---- New file systems ------------------------------------------------------------------ */

static int fs_with(struct fx *f, const char *fstype, const char *target, const char *option,
		   uint32_t flags, uint64_t set, struct err *e)
{
	char text[512], *list[] = { text };
	AUTO_PLAN struct plan p;
	struct step s;

	(void)snprintf(text, sizeof(text), "%s", option);
	plan_init(&p);
	s = step_of(&p, STEP_MOUNT, fstype, fstype, target);
	s.u.mount.options = plan_list_n(&p, PHASE_INIT, list, 1);
	s.u.mount.flags = flags;
	s.u.mount.attr_set = set;
	plan_add(&p, &s);
	return run(f, &p, e);
}

static void passes_options_and_attributes(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	struct stat st;

	OK(fs_with(f, "tmpfs", "/t", "size=65536k", 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, &e));
	assert_true(mounted(f, "t", "rw,nosuid,nodev,relatime"));
	assert_true(mounted(f, "t", "size=65536k"));
	OK(fs_with(f, "tmpfs", "/m", "mode=0711", 0, 0, &e));
	assert_int_equal(stat(at(f->root, "m"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(mkdir(at(f->root, "kept"), 0700), 0);
	OK(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/kept", 0, 0, &e));
	assert_int_equal(stat(at(f->root, "kept"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void says_what_the_kernel_says(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	assert_int_equal(fs_with(f, "tmpfs", "/t", "nonsense=1", 0, 0, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "nonsense: tmpfs: Unknown parameter 'nonsense'"));
	assert_int_equal(one(f, STEP_MOUNT, "nofs", NULL, "/t", 0, 0, &e), -ENODEV);
	assert_non_null(strstr(e.msg, "file system type \"nofs\" is not in this kernel"));
	assert_int_equal(fs_with(f, "tmpfs", "/t", "=x", 0, 0, &e), -EINVAL);
}

static void mounts_long_overlays(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	char option[512];
	size_t n = (size_t)snprintf(option, sizeof(option), "lowerdir=");

	for (int i = 0; i < 9; i++) {
		char name[40], file[80];

		(void)snprintf(name, sizeof(name), "lower-with-a-long-name-%d", i);
		(void)snprintf(file, sizeof(file), "%s/file-%d", name, i);
		make_dir(f->outside, name);
		make_file(f->outside, file, "x");
		n += (size_t)snprintf(option + n, sizeof(option) - n, "%s%s/%s", i ? ":" : "",
				      f->outside, name);
	}
	assert_true(n > 300);
	if (fs_with(f, "overlay", "/o", option, 0, 0, &e) == -ENODEV) {
		print_message("skipped: no overlayfs in this kernel\n");
		skip();
	}
	if (strstr(e.msg, "needs Linux 6.7")) {
		print_message("needs an overlayfs of Linux 6.7\n");
		skip();
	}
	assert_string_equal(e.msg, "");
	assert_int_equal(entries(at(f->root, "o")), 9);
}

static void copies_up_into_a_tmpfs(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	char text[64] = "";
	struct stat st;

	make_dir(f->root, "d");
	make_dir(f->root, "d/sub");
	make_file(f->root, "d/sub/file", "content");
	assert_int_equal(chown(at(f->root, "d/sub/file"), 7, 8), 0);
	assert_int_equal(chmod(at(f->root, "d/sub/file"), 04750), 0);
	assert_int_equal(chmod(at(f->root, "d/sub"), 01700), 0);
	assert_int_equal(symlink(f->outside, at(f->root, "d/link")), 0);
	assert_int_equal(mkfifo(at(f->root, "d/fifo"), 0600), 0);
	make_file(f->outside, "secret", "s");
	OK(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/d", MOUNT_TMPCOPYUP, MOUNT_ATTR_RDONLY, &e));
	assert_true(mounted(f, "d", " ro,"));
	assert_int_equal(stat(at(f->root, "d/sub/file"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 04750);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
	assert_int_equal(sys_read_at(AT_FDCWD, at(f->root, "d/sub/file"), text, sizeof(text)), 7);
	assert_string_equal(text, "content");
	assert_int_equal(stat(at(f->root, "d/sub"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 01700);
	assert_int_equal(lstat(at(f->root, "d/link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(entries(at(f->root, "d")), 2);
}

static void bounds_the_depth_of_a_copy(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	char path[512] = "deep";

	make_dir(f->root, path);
	for (int i = 0; i < 70; i++) {
		strncat(path, "/d", sizeof(path) - strlen(path) - 1);
		make_dir(f->root, path);
	}
	assert_int_equal(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/deep", MOUNT_TMPCOPYUP, 0, &e),
			 -ELOOP);
	assert_false(mounted(f, "deep", "tmpfs"));
}

static void remounts_what_is_a_mount(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	OK(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/t", 0, MOUNT_ATTR_NOSUID, &e));
	OK(one(f, STEP_REMOUNT, NULL, NULL, "/t", 0, MOUNT_ATTR_RDONLY, &e));
	assert_true(mounted(f, "t", " ro,nosuid,"));
	make_dir(f->root, "plain");
	assert_int_equal(one(f, STEP_REMOUNT, NULL, NULL, "/plain", 0, MOUNT_ATTR_RDONLY, &e),
			 -EINVAL);
	assert_non_null(strstr(e.msg, "no mount at this target"));
	OK(one(f, STEP_REMOUNT, NULL, NULL, "/", 0, MOUNT_ATTR_RDONLY, &e));
	assert_int_equal(mkdir(at(f->root, "new"), 0755), -1);
	assert_int_equal(errno, EROFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(makes_missing_targets),
		TEST(follows_links_only_inside_the_root),
		TEST(refuses_links_that_go_round),
		TEST(refuses_proc_as_a_symlink),
		TEST(refuses_mounts_inside_procfs),
		TEST(nothing_lands_outside_in_a_rename_race),
		TEST(binds_a_file_on_a_file),
		TEST(read_only_binds_keep_what_the_source_forbids),
		TEST(ro_is_the_top_and_rro_is_all),
		TEST(a_missing_source_is_named),
		TEST(copies_a_symlink_when_asked),
		cmocka_unit_test_setup_teardown(host_mounts_become_slaves, set_up_host_shared,
						tear_down),
		cmocka_unit_test_setup_teardown(rshared_reaches_the_host_when_the_root_is_shared,
						set_up_all_shared, tear_down),
		TEST(passes_options_and_attributes),
		TEST(says_what_the_kernel_says),
		TEST(mounts_long_overlays),
		TEST(copies_up_into_a_tmpfs),
		TEST(bounds_the_depth_of_a_copy),
		TEST(remounts_what_is_a_mount),
	};

	return run_as_root(tests, ARRAY_LEN(tests));
}
