/* SPDX-License-Identifier: Apache-2.0 */
#include "mount_fixture.h"

/* ---- Devices ---------------------------------------------------------------------------- */

static void makes_devices(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	struct stat st;

	OK(device(f, "/dev/null", 1, 3, false, &e));
	OK(device(f, "/dev/null", 1, 3, false, &e));
	assert_int_equal(stat(at(f->root, "dev/null"), &st), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_int_equal(device(f, "/dev/null", 1, 5, false, &e), -EEXIST);
	OK(device(f, "/dev/net/tun", 10, 200, false, &e));
}

static void binds_devices_checked_by_number(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	struct stat st;

	OK(device(f, "/dev/zero", 1, 5, true, &e));
	assert_int_equal(stat(at(f->root, "dev/zero"), &st), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 5));
	assert_int_equal(device(f, "/dev/full", 1, 5, true, &e), -ENODEV);
	assert_non_null(strstr(e.msg, "the host's is not 1:5"));
}

static void refuses_links_in_place_of_devices(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	make_dir(f->root, "dev");
	make_file(f->outside, "victim", "x");
	assert_int_equal(symlink(at(f->outside, "victim"), at(f->root, "dev/null")), 0);
	assert_int_equal(device(f, "/dev/null", 1, 3, false, &e), -EEXIST);
	assert_int_equal(device(f, "/dev/null", 1, 3, true, &e), -EEXIST);
	assert_int_equal(rename(at(f->root, "dev"), at(f->root, "gone")), 0);
	assert_int_equal(symlink(f->outside, at(f->root, "dev")), 0);
	assert_int_equal(device(f, "/dev/zero", 1, 5, false, &e), -ELOOP);
	assert_int_equal(entries(f->outside), 1);
}

static void replaces_links_of_the_image(void **state)
{
	struct step s = { .kind = STEP_SYMLINK, .phase = PHASE_INIT };
	struct fx *f = *state;
	struct err e = { 0 };
	AUTO_PLAN struct plan p;
	char text[32] = "";

	make_dir(f->root, "dev");
	make_file(f->root, "dev/ptmx", "");
	plan_init(&p);
	s.u.link.path = plan_str(&p, PHASE_INIT, "/dev/ptmx");
	s.u.link.target = plan_str(&p, PHASE_INIT, "pts/ptmx");
	plan_add(&p, &s);
	plan_add(&p, &s);
	OK(run(f, &p, &e));
	assert_true(readlink(at(f->root, "dev/ptmx"), text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "pts/ptmx");
}

/* ---- Masks --------------------------------------------------------------------------------- */

static void masks_files_and_directories(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };
	struct stat a, b, st;

	make_dir(f->root, "d1");
	make_dir(f->root, "d2");
	make_file(f->root, "d1/x", "x");
	make_file(f->root, "file", "secret");
	OK(device(f, "/dev/null", 1, 3, false, &e));
	OK(text_step(f, STEP_MASK, "/d1", &e));
	OK(text_step(f, STEP_MASK, "/d2", &e));
	OK(text_step(f, STEP_MASK, "/file", &e));
	OK(text_step(f, STEP_MASK, "/missing", &e));
	OK(text_step(f, STEP_MASK, "/file/below", &e));
	assert_int_equal(entries(at(f->root, "d1")), 0);
	assert_int_equal(mkdir(at(f->root, "d2/n"), 0755), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(stat(at(f->root, "d1"), &a), 0);
	assert_int_equal(stat(at(f->root, "d2"), &b), 0);
	assert_int_equal(a.st_dev, b.st_dev);
	assert_int_equal(stat(at(f->root, "file"), &st), 0);
	assert_int_equal(st.st_rdev, makedev(1, 3));
	assert_int_equal(chmod(at(f->root, "file"), 0), -1);
	assert_int_equal(errno, EROFS);
	OK(text_step(f, STEP_MASK, "/d1/../file", &e));
	make_file(f->root, "file3", "x");
	OK(text_step(f, STEP_MASK, "/file3", &e));
	assert_int_equal(open(at(f->root, "file3"), O_RDWR | O_CLOEXEC) >= 0, 1);
	assert_false(exists(f->root, "missing"));
}

static void refuses_a_false_null_device(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	make_dir(f->root, "dev");
	make_file(f->root, "file", "secret");
	assert_int_equal(symlink("/file2", at(f->root, "dev/null")), 0);
	make_file(f->root, "file2", "writable");
	assert_int_equal(text_step(f, STEP_MASK, "/file", &e), -ELOOP);
	assert_int_equal(unlink(at(f->root, "dev/null")), 0);
	OK(device(f, "/dev/null", 1, 5, false, &e));
	assert_int_equal(text_step(f, STEP_MASK, "/file", &e), -ENODEV);
}

static void makes_paths_read_only(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	make_dir(f->root, "d");
	OK(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/d", 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	       &e));
	make_dir(f->root, "d/sub");
	OK(text_step(f, STEP_READONLY, "/d/sub", &e));
	OK(text_step(f, STEP_READONLY, "/missing", &e));
	assert_true(mounted(f, "d/sub", " ro,nosuid,noexec,"));
	assert_int_equal(mkdir(at(f->root, "d/sub/x"), 0755), -1);
	assert_int_equal(mkdir(at(f->root, "d/x"), 0755), 0);
}

/* ---- Pivot ---------------------------------------------------------------------------------- */

/* In a child: what it sees at "/" after the change. Returns its exit status. */
static int pivot_in_child(struct fx *f, enum mnt_pivot how)
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (pid == 0) {
		AUTO_PLAN struct plan p;
		struct err e = { 0 };
		char cwd[PATH_MAX];

		if (unshare(CLONE_NEWNS) < 0)
			_exit(2);
		/* The child has copies of all mounts: its root is the one at the path. */
		f->in.root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		plan_init(&p);
		plan_add_num(&p, PHASE_INIT, STEP_PIVOT, how);
		if (run(f, &p, &e) < 0) {
			print_error("%s\n", e.msg);
			_exit(3);
		}
		if (access("/marker", F_OK) < 0 || access("/proc", F_OK) == 0)
			_exit(4);
		if (!getcwd(cwd, sizeof(cwd)) || !str_eq(cwd, "/"))
			_exit(5);
		if (how == MNT_PIVOT && umount2("/", MNT_DETACH) == 0 && access("/proc", F_OK) == 0)
			_exit(6);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void changes_over_to_the_root(void **state)
{
	struct fx *f = *state;

	make_file(f->root, "marker", "");
	assert_int_equal(pivot_in_child(f, MNT_PIVOT), 0);
	assert_int_equal(pivot_in_child(f, MNT_PIVOT_MOVE), 0);
	assert_int_equal(pivot_in_child(f, MNT_PIVOT_CHROOT), 0);
}

static void host_trees_are_opened_detached(void **state)
{
	struct step s = { .kind = STEP_OPEN_TREE, .phase = PHASE_HOST, .origin = 4 };
	struct fx *f = *state;
	AUTO_PLAN struct plan p;
	AUTO_FD int fd = -EBADF;
	int32_t slot = -1;
	struct plan_view v;
	struct err e = { 0 };
	struct stat st;

	make_file(f->outside, "file", "x");
	plan_init(&p);
	s.u.tree.slot = plan_slot(&p);
	s.u.tree.path = plan_str(&p, PHASE_HOST, f->outside);
	s.u.tree.uid_map = plan_str(&p, PHASE_HOST, "0 1000 10\n");
	s.u.tree.gid_map = plan_str(&p, PHASE_HOST, "0 2000 10\n");
	s.u.tree.propagation = MS_SLAVE;
	plan_add(&p, &s);
	s.u.tree.path = plan_str(&p, PHASE_HOST, "/no/such");
	plan_add(&p, &s);
	assert_int_equal(plan_view_half(&p.host, &slot, 1, &v, &e), 0);
	fd = mnt_host_apply(&v, &v.steps[0], &e);
	if (fd == -EINVAL) {
		print_message("needs id-mapped mounts of a tmpfs (Linux 6.3)\n");
		plan_done(&p);
		skip();
	}
	OK(fd);
	assert_int_equal(fstatat(fd, "file", &st, 0), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 2000);
	assert_int_equal(mnt_host_apply(&v, &v.steps[1], &e), -ENOENT);
	assert_non_null(strstr(e.msg, "mounts[4]: source \"/no/such\""));
}

static void add_text(struct plan *p, enum step_kind kind, const char *path)
{
	plan_add_str(p, PHASE_INIT, kind, path);
}

/* The islander's part of a rootful container with a user namespace: all trees come by slot. */
static void plan_island(struct plan *p, const struct fx *f, uint32_t root, uint32_t volume)
{
	struct step s = { .kind = STEP_ROOT, .phase = PHASE_INIT, .origin = MNT_ORIGIN_NONE };

	s.u.root.path = plan_str(p, PHASE_INIT, f->root);
	s.u.root.slot = root;
	plan_add(p, &s);
	s = step_of(p, STEP_MOUNT, "tmpfs", "tmpfs", "/dev");
	s.u.mount.attr_set = MOUNT_ATTR_NOSUID;
	plan_add(p, &s);
	s = step_of(p, STEP_BIND, NULL, NULL, "/v");
	s.u.mount.slot = volume;
	s.u.mount.flags = MOUNT_RECURSIVE;
	s.u.mount.attr_set = MOUNT_ATTR_RDONLY;
	plan_add(p, &s);
	s = (struct step){ .kind = STEP_DEVICE, .phase = PHASE_INIT };
	s.u.device.slot = SLOT_NONE;
	s.u.device.path = plan_str(p, PHASE_INIT, "/dev/null");
	s.u.device.mode = S_IFCHR | 0666;
	s.u.device.major = 1;
	s.u.device.minor = 3;
	s.u.device.bind = 1;
	plan_add(p, &s);
	plan_add_num(p, PHASE_INIT, STEP_PIVOT, MNT_PIVOT);
	add_text(p, STEP_READONLY, "/d1");
	add_text(p, STEP_MASK, "/d2");
	add_text(p, STEP_MASK, "/d3");
	add_text(p, STEP_MASK, "/file");
	add_text(p, STEP_MASK, "/file2");
}

static int island_in_child(struct fx *f, const int32_t *slots, uint32_t slot_count)
{
	AUTO_PLAN struct plan p;
	struct plan_view v;
	struct err e = { 0 };
	struct stat st;
	int r;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return 2;
	if (sys_write_at(AT_FDCWD, "/proc/self/setgroups", "deny") < 0 ||
	    sys_write_at(AT_FDCWD, "/proc/self/uid_map", "0 0 1") < 0 ||
	    sys_write_at(AT_FDCWD, "/proc/self/gid_map", "0 0 1") < 0)
		return 3;
	plan_init(&p);
	p.slots = slot_count;
	plan_island(&p, f, 0, 1);
	f->in = (struct island){ .root_fd = -EBADF, .mask_fd = -EBADF, .null_fd = -EBADF };
	r = plan_view_half(&p.island, slots, slot_count, &v, &e);
	f->in.plan = &v;
	for (uint32_t i = 0; r == 0 && i < v.nsteps; i++)
		r = mnt_apply(&f->in, &v.steps[i], &e);
	if (r < 0) {
		print_error("%s\n", e.msg);
		return 4;
	}
	if (access("/proc", F_OK) == 0 || mkdir("/v/x", 0755) == 0 || errno != EROFS)
		return 5;
	if (access("/v/sub/deep", F_OK) < 0 || mkdir("/d1/x", 0755) == 0 ||
	    access("/d2/x", F_OK) == 0)
		return 6;
	if (stat("/file2", &st) < 0 || st.st_rdev != makedev(1, 3))
		return 7;
	return 0;
}

static void builds_a_root_in_a_user_namespace_from_slots(void **state)
{
	struct fx *f = *state;
	int32_t slots[2];
	int status = -1;
	pid_t pid;

	make_dir(f->root, "d1");
	make_dir(f->root, "d2");
	make_dir(f->root, "d2/x");
	make_dir(f->root, "d3");
	make_file(f->root, "file", "x");
	make_file(f->root, "file2", "x");
	make_dir(f->outside, "sub");
	assert_int_equal(mount("t", at(f->outside, "sub"), "tmpfs", 0, ""), 0);
	make_dir(f->outside, "sub/deep");
	slots[0] = sys_open_tree(AT_FDCWD, f->root, OPEN_TREE_CLONE | AT_RECURSIVE);
	slots[1] = sys_open_tree(AT_FDCWD, f->outside, OPEN_TREE_CLONE | AT_RECURSIVE);
	assert_true(slots[0] >= 0 && slots[1] >= 0);
	pid = fork();
	if (pid == 0)
		_exit(island_in_child(f, slots, 2));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(slots[0]);
	close(slots[1]);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(makes_devices),
		TEST(binds_devices_checked_by_number),
		TEST(refuses_links_in_place_of_devices),
		TEST(replaces_links_of_the_image),
		TEST(masks_files_and_directories),
		TEST(refuses_a_false_null_device),
		TEST(makes_paths_read_only),
		TEST(changes_over_to_the_root),
		TEST(host_trees_are_opened_detached),
		TEST(builds_a_root_in_a_user_namespace_from_slots),
	};

	return run_as_root(tests, ARRAY_LEN(tests));
}
