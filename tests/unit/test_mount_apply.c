/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"
#include "mech/mount/mount.h"
#include "sys/syscalls.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

/*
 * As root, in a mount namespace of its own: a tmpfs at base, the container's root in
 * base/root, and beside it base/outside, which nothing may ever touch.
 */
struct fx {
	char base[64], root[80], outside[80];
	struct island in;
};

static int run(struct fx *f, struct plan *p, struct err *e)
{
	int32_t slots[4] = { -1, -1, -1, -1 };
	struct plan_view v;
	int r = plan_view_half(&p->island, slots, p->slots, &v, e);

	f->in.plan = &v;
	for (uint32_t i = 0; r == 0 && i < v.nsteps; i++)
		r = mnt_apply(&f->in, &v.steps[i], e);
	f->in.plan = NULL;
	return r;
}

static struct step step_of(struct plan *p, enum step_kind kind, const char *fstype,
			   const char *source, const char *target)
{
	struct step s = { .kind = (uint16_t)kind, .phase = PHASE_INIT };

	s.u.mount.fstype = plan_str(p, PHASE_INIT, fstype);
	s.u.mount.source = plan_str(p, PHASE_INIT, source);
	s.u.mount.target = plan_str(p, PHASE_INIT, target);
	s.u.mount.slot = SLOT_NONE;
	return s;
}

/* Run one mount-shaped step. */
static int one(struct fx *f, enum step_kind kind, const char *fstype, const char *source,
	       const char *target, uint32_t flags, uint64_t set, struct err *e)
{
	AUTO_PLAN struct plan p;
	struct step s;

	plan_init(&p);
	s = step_of(&p, kind, fstype, source, target);
	s.u.mount.flags = flags;
	s.u.mount.attr_set = set;
	plan_add(&p, &s);
	return run(f, &p, e);
}

static int text_step(struct fx *f, enum step_kind kind, const char *path, struct err *e)
{
	AUTO_PLAN struct plan p;

	plan_init(&p);
	plan_add_str(&p, PHASE_INIT, kind, path);
	return run(f, &p, e);
}

static int device(struct fx *f, const char *path, unsigned int major, unsigned int minor, bool bind,
		  struct err *e)
{
	struct step s = { .kind = STEP_DEVICE, .phase = PHASE_INIT };
	AUTO_PLAN struct plan p;

	plan_init(&p);
	s.u.device.path = plan_str(&p, PHASE_INIT, path);
	s.u.device.mode = S_IFCHR | 0666;
	s.u.device.major = major;
	s.u.device.minor = minor;
	s.u.device.bind = bind;
	plan_add(&p, &s);
	return run(f, &p, e);
}

static const char *at(const char *dir, const char *path)
{
	static char text[4][PATH_MAX];
	static unsigned int next;
	char *ret = text[next++ % 4];

	(void)snprintf(ret, PATH_MAX, "%s/%s", dir, path);
	return ret;
}

static void make_dir(const char *dir, const char *path)
{
	assert_int_equal(mkdir(at(dir, path), 0755), 0);
}

static void make_file(const char *dir, const char *path, const char *text)
{
	AUTO_FD int fd = open(at(dir, path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static bool exists(const char *dir, const char *path)
{
	struct stat st;

	return lstat(at(dir, path), &st) == 0;
}

static size_t entries(const char *path)
{
	AUTO_DIR DIR *d = opendir(path);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	return n - 2;
}

/* A line of mountinfo for the topmost mount at a host path; false: none. */
static bool mountinfo(const char *path, char *ret, size_t size)
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	char line[4096], want[PATH_MAX + 2];
	bool found = false;

	(void)snprintf(want, sizeof(want), " %s ", path);
	while (in && fgets(line, sizeof(line), in)) {
		if (strstr(line, want)) {
			(void)snprintf(ret, size, "%s", line);
			found = true;
		}
	}
	if (in)
		(void)fclose(in);
	return found;
}

static bool mounted(const struct fx *f, const char *path, const char *text)
{
	char line[4096];

	return mountinfo(at(f->root, path), line, sizeof(line)) && strstr(line, text);
}

static int set_up_shared(void **state, unsigned long propagation, uint64_t root_propagation)
{
	struct fx *f = calloc(1, sizeof(*f));
	struct step s = { .kind = STEP_ROOT, .phase = PHASE_INIT };
	struct err e = { 0 };
	AUTO_PLAN struct plan p;

	assert_non_null(f);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	(void)snprintf(f->base, sizeof(f->base), "/tmp/cay-mount-XXXXXX");
	assert_non_null(mkdtemp(f->base));
	assert_int_equal(mount("tmpfs", f->base, "tmpfs", 0, NULL), 0);
	assert_int_equal(mount(NULL, f->base, NULL, propagation, NULL), 0);
	(void)snprintf(f->root, sizeof(f->root), "%s/root", f->base);
	(void)snprintf(f->outside, sizeof(f->outside), "%s/outside", f->base);
	make_dir(f->base, "root");
	make_dir(f->base, "outside");
	f->in = (struct island){ .root_fd = -EBADF, .mask_fd = -EBADF, .null_fd = -EBADF };
	plan_init(&p);
	s.u.root.path = plan_str(&p, PHASE_INIT, f->root);
	s.u.root.slot = SLOT_NONE;
	s.u.root.propagation = root_propagation;
	plan_add(&p, &s);
	if (run(f, &p, &e) < 0)
		fail_msg("%s", e.msg);
	*state = f;
	return 0;
}

static int set_up(void **state)
{
	return set_up_shared(state, MS_PRIVATE, 0);
}

static int tear_down(void **state)
{
	struct fx *f = *state;
	int left;

	auto_close_fd(&f->in.root_fd);
	auto_close_fd(&f->in.mask_fd);
	auto_close_fd(&f->in.null_fd);
	left = umount2(f->base, MNT_DETACH);
	assert_int_equal(left, 0);
	assert_int_equal(rmdir(f->base), 0);
	free(f);
	return 0;
}

#define OK(call)                                                                                   \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s", e.msg);                                                     \
	} while (0)

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
	assert_int_equal(one(f, STEP_MOUNT, "proc", "proc", "/proc", MOUNT_NO_SYMLINKS, 0, &e), -ELOOP);
	assert_non_null(strstr(e.msg, "symlink: refused"));
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
	assert_int_equal(one(f, STEP_BIND, NULL, at(f->outside, "file"), "/proc/version", 0, 0, &e), -EXDEV);
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
	OK(one(f, STEP_BIND, NULL, at(f->outside, "hosts"), "/etc/hosts", 0, MOUNT_ATTR_RDONLY, &e));
	assert_int_equal(sys_read_at(AT_FDCWD, at(f->root, "etc/hosts"), text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(access(at(f->root, "etc/hosts"), W_OK), -1);
	assert_int_equal(errno, EROFS);
	make_dir(f->root, "dir");
	assert_int_equal(one(f, STEP_BIND, NULL, at(f->outside, "hosts"), "/dir", 0, 0, &e), -ENOTDIR);
}

static void read_only_binds_keep_what_the_source_forbids(void **state)
{
	struct fx *f = *state;
	struct err e = { 0 };

	make_dir(f->outside, "v");
	assert_int_equal(mount("t", at(f->outside, "v"), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOATIME, ""), 0);
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
	OK(one(f, STEP_BIND, NULL, at(f->outside, "v"), "/ro", MOUNT_RECURSIVE, MOUNT_ATTR_RDONLY, &e));
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
	assert_non_null(strstr(e.msg, "source \"/no/such\": No such file"));
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
		char name[40];

		(void)snprintf(name, sizeof(name), "lower-with-a-long-name-%d", i);
		make_dir(f->outside, name);
		make_file(at(f->outside, name), name, "x");
		n += (size_t)snprintf(option + n, sizeof(option) - n, "%s%s/%s", i ? ":" : "",
				      f->outside, name);
	}
	assert_true(n > 300);
	if (fs_with(f, "overlay", "/o", option, 0, 0, &e) == -ENODEV) {
		print_message("skipped: no overlayfs in this kernel\n");
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
	assert_int_equal(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/deep", MOUNT_TMPCOPYUP, 0, &e), -ELOOP);
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
	assert_int_equal(one(f, STEP_REMOUNT, NULL, NULL, "/plain", 0, MOUNT_ATTR_RDONLY, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "no mount at this target"));
	OK(one(f, STEP_REMOUNT, NULL, NULL, "/", 0, MOUNT_ATTR_RDONLY, &e));
	assert_int_equal(mkdir(at(f->root, "new"), 0755), -1);
	assert_int_equal(errno, EROFS);
}

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
	OK(one(f, STEP_MOUNT, "tmpfs", "tmpfs", "/d", 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &e));
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
	if (access("/v/sub/deep", F_OK) < 0 || mkdir("/d1/x", 0755) == 0 || access("/d2/x", F_OK) == 0)
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

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
		cmocka_unit_test_setup_teardown(host_mounts_become_slaves, set_up_host_shared, tear_down),
		cmocka_unit_test_setup_teardown(rshared_reaches_the_host_when_the_root_is_shared,
						set_up_all_shared, tear_down),
		TEST(passes_options_and_attributes),
		TEST(says_what_the_kernel_says),
		TEST(mounts_long_overlays),
		TEST(copies_up_into_a_tmpfs),
		TEST(bounds_the_depth_of_a_copy),
		TEST(remounts_what_is_a_mount),
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

	if (geteuid() != 0) {
		(void)fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
