/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { MAKE_TRIES = 4, JOIN_TRIES = 6, JOIN_WAIT_MS = 10 };

void cg_sleep_ms(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static bool is_cgroup_fs(int fd)
{
	struct statfs s;

	return fstatfs(fd, &s) == 0 &&
	       (s.f_type == CGROUP_SUPER_MAGIC || s.f_type == CGROUP2_SUPER_MAGIC);
}

int cg_open_dir(const char *path)
{
	int fd = sys_openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY,
			     RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	if (fd >= 0 && !is_cgroup_fs(fd)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/* ---- MAKE ------------------------------------------------------------------------------ */

/*
 * A cpuset without cpus or memory nodes takes no process, and v1 starts every new one empty:
 * fill from the parent, level by level.
 */
static int inherit_cpuset(int parent, int dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char text[4096];
	int r;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		r = sys_read_at(dir, files[i], text, sizeof(text));
		if (r < 0)
			return r;
		if (text[0] != '\n' && text[0] != '\0')
			continue;
		r = sys_read_at(parent, files[i], text, sizeof(text));
		if (r < 0)
			return r;
		text[strcspn(text, "\n")] = '\0';
		if (text[0])
			r = sys_write_at(dir, files[i], text);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Hand controllers down to the children of @dir. One that can't be is no error here: whoever
 * needs it finds its file missing and is told so.
 */
static void enable_controllers(int dir, const char *names)
{
	char all[1024], one[64];
	size_t len = 0;

	if (!names || !names[0])
		return;
	for (const char *p = names; *p && len + 2 < sizeof(all); p++) {
		if (p == names || p[-1] == ' ')
			all[len++] = '+';
		all[len++] = *p;
	}
	all[len] = '\0';
	if (sys_write_at(dir, "cgroup.subtree_control", all) == 0)
		return;
	while (*names) {
		int n = (int)strcspn(names, " ");

		(void)snprintf(one, sizeof(one), "+%.*s", n, names);
		(void)sys_write_at(dir, "cgroup.subtree_control", one);
		names += n + (names[n] == ' ');
	}
}

static int make_level(int parent, const char *name, const struct step *s, const char *value,
		      bool *ret_made, int *ret_fd)
{
	AUTO_FD int fd = -EBADF;
	bool made;
	int r;

	if (s->u.cgroup.v2)
		enable_controllers(parent, value);
	made = mkdirat(parent, name, 0755) == 0;
	if (!made && errno != EEXIST)
		return -errno;
	*ret_made = made;
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!s->u.cgroup.v2 && value) {
		r = inherit_cpuset(parent, fd);
		if (r < 0)
			return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* The last level must be ours alone: limits on it would hit whoever is in there already. */
static int check_empty(int fd, const char *path, struct err *e)
{
	char text[64];
	int r = sys_read_at(fd, "cgroup.procs", text, sizeof(text));

	if (r > 0 || r == -E2BIG)
		return err_set(e, EBUSY, "cgroup: %s already holds processes", path);
	return 0;
}

struct walk {
	const char *rest; /* of the path, below the mount */
	uint32_t made;
	int fd;
};

static int make_levels(const struct step *s, const char *path, const char *value, struct walk *w,
		       struct err *e)
{
	while (*w->rest) {
		char name[NAME_MAX + 1];
		size_t n = strcspn(w->rest, "/");
		AUTO_FD int parent = w->fd;
		bool made = false;
		int r;

		w->fd = -EBADF;
		if (n == 0 || n > NAME_MAX)
			return err_set(e, EINVAL, "cgroup: bad path %s", path);
		memcpy(name, w->rest, n);
		name[n] = '\0';
		w->rest += n + (w->rest[n] == '/');
		r = make_level(parent, name, s, value, &made, &w->fd);
		/* From the first new directory on all are new. */
		w->made += made || w->made > 0;
		if (r < 0)
			return err_sys(e, r, "cgroup: make %s", path);
		if (!*w->rest && !made)
			return check_empty(w->fd, path, e);
	}
	return 0;
}

static int open_mount(const struct plan_view *v, const struct step *s, struct walk *w, struct err *e)
{
	const char *mount = view_str(v, s->u.cgroup.file), *dir = view_str(v, s->u.cgroup.dir);

	w->rest = dir && mount ? str_after(dir, mount) : NULL;
	if (!w->rest || w->rest[0] != '/' || !w->rest[1])
		return err_set(e, EINVAL, "cgroup: %s is not below %s", dir ? dir : "",
			       mount ? mount : "");
	w->rest++;
	w->fd = cg_open_dir(mount);
	if (w->fd < 0)
		return err_sys(e, w->fd, "cgroup: open %s", mount);
	return 0;
}

static uint32_t count_levels(const char *rest)
{
	uint32_t n = 0;

	for (; *rest; rest += strcspn(rest, "/"), rest += *rest == '/')
		n++;
	return n;
}

static int make_once(const struct plan_view *v, const struct step *s, uint32_t *ret_made,
		     int *ret_fd, struct err *e)
{
	struct walk w = { .fd = -EBADF };
	int r = open_mount(v, s, &w, e);

	if (r == 0)
		r = make_levels(s, view_str(v, s->u.cgroup.dir), view_str(v, s->u.cgroup.value), &w,
				e);
	if (r < 0) {
		/* Undo counts from the far end, which was not reached. */
		if (w.made > 0)
			cg_undo(v, s, w.made + count_levels(w.rest));
		auto_close_fd(&w.fd);
		return r;
	}
	*ret_made = w.made;
	*ret_fd = w.fd;
	return 0;
}

static int apply_make(const struct plan_view *v, const struct step *s, uint32_t *ret_made,
		      int *ret_fd, struct err *e)
{
	AUTO_FD int fd = -EBADF;
	int r = -ENOENT;

	/* ENOENT: somebody else's undo took a common ancestor away between two levels. */
	for (int i = 0; i < MAKE_TRIES && r == -ENOENT; i++)
		r = make_once(v, s, ret_made, &fd, e);
	if (r < 0)
		return r;
	if (s->u.cgroup.slot != SLOT_NONE)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

void cg_undo(const struct plan_view *v, const struct step *s, uint32_t made)
{
	const char *mount = view_str(v, s->u.cgroup.file), *dir = view_str(v, s->u.cgroup.dir);
	char path[PATH_MAX];
	size_t keep;

	if (!mount || !dir || strlen(dir) >= sizeof(path) || !str_starts(dir, mount))
		return;
	keep = strlen(mount);
	memcpy(path, dir, strlen(dir) + 1);
	for (; made > 0 && strlen(path) > keep; made--) {
		char *slash = strrchr(path, '/');

		for (unsigned int ms = 1; rmdir(path) < 0 && errno == EBUSY && ms <= 64; ms *= 2)
			cg_sleep_ms(ms);
		if (access(path, F_OK) == 0)
			return;
		*slash = '\0';
	}
}

/* ---- SET ------------------------------------------------------------------------------- */

/* The @n-th of the parts of @s that '|' divides; NULL past the end. */
static const char *part(const char *s, size_t n, size_t *ret_len)
{
	while (n-- > 0) {
		s = strchr(s, '|');
		if (!s)
			return NULL;
		s++;
	}
	*ret_len = strcspn(s, "|");
	return s;
}

static int open_control(const char *dir, const char *file, size_t file_len)
{
	char path[PATH_MAX];
	int fd, n = snprintf(path, sizeof(path), "%s/%.*s", dir, (int)file_len, file);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = sys_openat2(AT_FDCWD, path, O_WRONLY, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd >= 0 && !is_cgroup_fs(fd)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/* Control files take one value a write(2). */
static int write_lines(int fd, const char *text, size_t len, const char *where, struct err *e)
{
	const char *end = text + len;

	do {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((eol ? eol : end) - text);
		ssize_t w = write(fd, text, n);

		if (w < 0 || (size_t)w != n)
			return err_sys(e, w < 0 ? errno : EIO, "cgroup: write \"%.*s\" to %s",
				       (int)(n < 128 ? n : 128), text, where);
		text = eol ? eol + 1 : end;
	} while (text < end);
	return 0;
}

static int explain_open(int r, const struct step *s, const char *dir, const char *file,
			const char *value, struct err *e)
{
	if (r == -ENOENT && s->u.cgroup.v2)
		return err_set(e, ENOENT,
			       "cgroup: write \"%.128s\" to %s/%s: no such file: its controller is "
			       "not enabled in %s/cgroup.controllers",
			       value, dir, file, dir);
	return err_sys(e, r, "cgroup: write \"%.128s\" to %s/%s", value, dir, file);
}

static int apply_set(const struct plan_view *v, const struct step *s, struct err *e)
{
	const char *dir = view_str(v, s->u.cgroup.dir), *file = view_str(v, s->u.cgroup.file);
	const char *value = view_str(v, s->u.cgroup.value), *f, *text = NULL;
	char where[PATH_MAX];
	size_t f_len = 0, len = 0;
	AUTO_FD int fd = -ENOENT;
	bool many;

	if (!dir || !file || !value)
		return err_set(e, EINVAL, "cgroup: incomplete step");
	many = strchr(file, '|') != NULL;
	for (size_t i = 0; fd == -ENOENT && (f = part(file, i, &f_len)); i++) {
		text = many ? part(value, i, &len) : value;
		if (!many)
			len = strlen(value);
		if (!text)
			return err_set(e, EINVAL, "cgroup: %s: no value for %s", dir, f);
		fd = open_control(dir, f, f_len);
		(void)snprintf(where, sizeof(where), "%s/%.*s", dir, (int)f_len, f);
	}
	if (fd < 0)
		return explain_open(fd, s, dir, file, value, e);
	return write_lines(fd, text, len, where, e);
}

/* ---- DEVICES --------------------------------------------------------------------------- */

static int sys_bpf_call(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static int apply_devices(const struct plan_view *v, const struct step *s, struct err *e)
{
	const char *dir = view_str(v, s->u.cgroup.dir);
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE };
	union bpf_attr attach = { .attach_type = BPF_CGROUP_DEVICE };
	AUTO_FD int prog = -EBADF;
	AUTO_FD int fd = -EBADF;
	int r;

	if (!dir)
		return err_set(e, EINVAL, "cgroup: incomplete step");
	fd = cg_open_dir(dir);
	if (fd < 0)
		return err_sys(e, fd, "cgroup: open %s", dir);
	load.insns = (uint64_t)(uintptr_t)view_blob(v, s->u.cgroup.value);
	load.insn_cnt = s->u.cgroup.value.len / (uint32_t)sizeof(struct bpf_insn);
	load.license = (uint64_t)(uintptr_t)"Apache-2.0";
	prog = sys_bpf_call(BPF_PROG_LOAD, &load);
	if (prog < 0)
		return err_sys(e, prog, "cgroup: load the device program of %s", dir);
	attach.target_fd = (uint32_t)fd;
	attach.attach_bpf_fd = (uint32_t)prog;
	/* Container runtimes above us may have programs of their own there: all must agree. */
	attach.attach_flags = BPF_F_ALLOW_MULTI;
	r = sys_bpf_call(BPF_PROG_ATTACH, &attach);
	if (r < 0)
		return err_sys(e, r, "cgroup: attach the device program to %s", dir);
	return 0;
}

/* ---- JOIN ------------------------------------------------------------------------------ */

static int join(const char *dir, pid_t pid, struct err *e)
{
	char text[16];
	int r = -EINVAL;

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	/* EINVAL: v1 does not take a task that is still being born. */
	for (int i = 0; i < JOIN_TRIES && r == -EINVAL; i++) {
		AUTO_FD int fd = open_control(dir, "cgroup.procs", strlen("cgroup.procs"));

		if (i > 0)
			cg_sleep_ms(JOIN_WAIT_MS);
		r = fd < 0 ? fd : sys_write_all(fd, text, strlen(text));
		if (fd < 0)
			break;
	}
	if (r < 0)
		return err_sys(e, r, "cgroup: move process %d to %s", (int)pid, dir);
	return 0;
}

int cg_join(char *const *dirs, size_t count, pid_t pid, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = join(dirs[i], pid, e);
	return r;
}

static int apply_join(const struct island *is, const struct step *s, struct err *e)
{
	const char *dir = view_str(is->plan, s->u.cgroup.dir);

	if (!dir || is->pid <= 0)
		return err_set(e, EINVAL, "cgroup: incomplete step");
	return join(dir, is->pid, e);
}

static bool may_go_on(const struct step *s, int r)
{
	switch ((enum cg_need)s->u.cgroup.optional) {
	case CG_MUST:
		return false;
	case CG_MAY_FAIL:
		return r != -ENOMEM;
	case CG_MAY_LACK:
		return r == -ENOENT;
	}
	return false;
}

int cg_apply(const struct island *is, const struct step *s, uint32_t *ret_made, int *ret_fd,
	     struct err *e)
{
	int r;

	*ret_made = 0;
	*ret_fd = -EBADF;
	if (s->kind == STEP_CGROUP_MAKE)
		r = apply_make(is->plan, s, ret_made, ret_fd, e);
	else if (s->kind == STEP_CGROUP_SET)
		r = apply_set(is->plan, s, e);
	else if (s->kind == STEP_CGROUP_DEVICES)
		r = apply_devices(is->plan, s, e);
	else if (s->kind == STEP_CGROUP_JOIN)
		r = apply_join(is, s, e);
	else
		r = err_set(e, EINVAL, "cgroup: unknown step %u", s->kind);
	return r < 0 && may_go_on(s, r) ? 1 : r;
}
