/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

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
#include <sched.h>
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

static inline int run(struct fx *f, struct plan *p, struct err *e)
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

static inline struct step step_of(struct plan *p, enum step_kind kind, const char *fstype,
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
static inline int one(struct fx *f, enum step_kind kind, const char *fstype, const char *source,
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

static inline int text_step(struct fx *f, enum step_kind kind, const char *path, struct err *e)
{
	AUTO_PLAN struct plan p;

	plan_init(&p);
	plan_add_str(&p, PHASE_INIT, kind, path);
	return run(f, &p, e);
}

static inline int device(struct fx *f, const char *path, unsigned int major, unsigned int minor,
			 bool bind, struct err *e)
{
	struct step s = { .kind = STEP_DEVICE, .phase = PHASE_INIT };
	AUTO_PLAN struct plan p;

	plan_init(&p);
	s.u.device.slot = SLOT_NONE;
	s.u.device.path = plan_str(&p, PHASE_INIT, path);
	s.u.device.mode = S_IFCHR | 0666;
	s.u.device.major = major;
	s.u.device.minor = minor;
	s.u.device.bind = bind;
	plan_add(&p, &s);
	return run(f, &p, e);
}

static inline const char *at(const char *dir, const char *path)
{
	static char text[4][PATH_MAX];
	static unsigned int next;
	char *ret = text[next++ % 4];

	(void)snprintf(ret, PATH_MAX, "%s/%s", dir, path);
	return ret;
}

static inline void make_dir(const char *dir, const char *path)
{
	assert_int_equal(mkdir(at(dir, path), 0755), 0);
}

static inline void make_file(const char *dir, const char *path, const char *text)
{
	AUTO_FD int fd = open(at(dir, path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static inline bool exists(const char *dir, const char *path)
{
	struct stat st;

	return lstat(at(dir, path), &st) == 0;
}

static inline size_t entries(const char *path)
{
	AUTO_DIR DIR *d = opendir(path);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	return n - 2;
}

/* A line of mountinfo for the topmost mount at a host path; false: none. */
static inline bool mountinfo(const char *path, char *ret, size_t size)
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	static char line[4096], want[PATH_MAX + 2];
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

static inline bool mounted(const struct fx *f, const char *path, const char *text)
{
	char line[4096];

	return mountinfo(at(f->root, path), line, sizeof(line)) && strstr(line, text);
}

static inline int set_up_shared(void **state, unsigned long propagation, uint64_t root_propagation)
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

static inline int set_up(void **state)
{
	return set_up_shared(state, MS_PRIVATE, 0);
}

static inline int tear_down(void **state)
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

/* 77 tells the test runner: skipped. */
#define run_as_root(tests, n)                                                                      \
	(geteuid() != 0 ? (fputs("skipped: needs root\n", stderr), 77)                             \
			: _cmocka_run_group_tests("mount", tests, n, NULL, NULL))
