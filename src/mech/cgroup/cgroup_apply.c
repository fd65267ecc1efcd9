/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

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

bool cg_is_v2(const char *dir)
{
	struct statfs s;

	return statfs(dir, &s) == 0 && s.f_type == CGROUP2_SUPER_MAGIC;
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
			       "cgroup: invalid configuration: write \"%.128s\" to %s/%s: no such "
			       "file: its controller is "
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

/* Best effort, as with runc: what can't be read can't be too much. */
static int apply_check(const struct plan_view *v, const struct step *s, struct err *e)
{
	const char *dir = view_str(v, s->u.cgroup.dir), *file = view_str(v, s->u.cgroup.file);
	const char *value = view_str(v, s->u.cgroup.value);
	AUTO_FD int fd = dir && file && value ? cg_open_dir(dir) : -EINVAL;
	uint64_t used, limit;
	char text[32];

	if (fd < 0 || sys_read_at(fd, file, text, sizeof(text)) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (parse_u64(text, &used) < 0 || parse_u64(value, &limit) < 0 || limit > used)
		return 0;
	return err_set(e, EBUSY,
		       "linux.resources.memory: rejecting memory limit %s <= usage %s "
		       "(checkBeforeUpdate)",
		       value, text);
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
	load.license = (uint64_t)(uintptr_t) "Apache-2.0";
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

/* ---- OPEN ------------------------------------------------------------------------------ */

static int apply_open(const struct plan_view *v, const struct step *s, int *ret_fd, struct err *e)
{
	const char *dir = view_str(v, s->u.cgroup.dir);
	int fd;

	if (!dir)
		return err_set(e, EINVAL, "cgroup: incomplete step");
	fd = s->u.cgroup.v2 ? cg_open_dir(dir) : open_control(dir, "tasks", strlen("tasks"));
	if (fd < 0)
		return err_sys(e, fd, "cgroup: open %s", dir);
	*ret_fd = fd;
	return 0;
}

int cg_move(const struct plan_view *v, const struct step *s, pid_t pid, struct err *e)
{
	const char *dir = view_str(v, s->u.cgroup.dir);
	AUTO_FD int fd = -EBADF;
	char text[16];
	int r;

	if (!dir)
		return err_set(e, EINVAL, "cgroup: incomplete step");
	(void)snprintf(text, sizeof(text), "%d", pid);
	fd = cg_open_dir(dir);
	r = fd < 0 ? fd : sys_write_at(fd, "cgroup.procs", text);
	if (r < 0 && s->u.cgroup.optional == CG_MUST)
		return err_sys(e, r, "cgroup: move process %d into %s", pid, dir);
	return 0;
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
	case CG_TRY:
		return r == -EINVAL;
	}
	return false;
}

int cg_apply(const struct plan_view *v, const struct step *s, uint32_t *ret_made, int *ret_fd,
	     struct err *e)
{
	int r;

	*ret_made = 0;
	*ret_fd = -EBADF;
	if (s->kind == STEP_CGROUP_MAKE)
		r = cg_make(v, s, ret_made, ret_fd, e);
	else if (s->kind == STEP_CGROUP_SET)
		r = apply_set(v, s, e);
	else if (s->kind == STEP_CGROUP_DEVICES)
		r = apply_devices(v, s, e);
	else if (s->kind == STEP_CGROUP_CHECK)
		r = apply_check(v, s, e);
	else if (s->kind == STEP_CGROUP_OPEN)
		r = apply_open(v, s, ret_fd, e);
	else
		r = err_set(e, EINVAL, "cgroup: unknown step %u", s->kind);
	return r < 0 && may_go_on(s, r) ? 1 : r;
}
