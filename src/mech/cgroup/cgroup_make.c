/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Making a cgroup level by level, and taking it back. */

enum { MAKE_TRIES = 4 };

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

/* What the islander comes in by: see add_entry. Takes @fd, the last level. */
static int take_entry(const struct step *s, int *fd, const char *path, int *ret_fd, struct err *e)
{
	if (s->u.cgroup.slot == SLOT_NONE)
		return 0;
	*ret_fd = s->u.cgroup.v2 ? TAKE_FD(*fd)
				 : openat(*fd, "tasks", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, errno, "cgroup: open %s/tasks", path) : 0;
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

/*
 * Nothing that enters a frozen cgroup ever answers. An ancestor may be the frozen one: what is
 * made below it begins frozen, too.
 */
static int check_thawed(int fd, const char *path, bool v2, struct err *e)
{
	char text[256];
	int r = sys_read_at(fd, v2 ? "cgroup.events" : "freezer.state", text, sizeof(text));

	if (r > 0 && (v2 ? strstr(text, "frozen 1") != NULL : !str_starts(text, "THAWED")))
		return err_set(e, EBUSY, "container's cgroup unexpectedly frozen: %s", path);
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
		if (*w->rest)
			continue;
		r = check_thawed(w->fd, path, s->u.cgroup.v2, e);
		/* A place of systemd's may hold the islander already. */
		if (r == 0 && !made && s->phase != PHASE_PLACE)
			r = check_empty(w->fd, path, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_mount(const struct plan_view *v, const struct step *s, struct walk *w,
		      struct err *e)
{
	const char *mount = view_str(v, s->u.cgroup.file), *dir = view_str(v, s->u.cgroup.dir);
	const char *rest = dir && mount ? str_after(dir, mount) : NULL;

	if (!rest || rest[0] != '/' || !rest[1])
		return err_set(e, EINVAL, "cgroup: %s is not below %s", dir ? dir : "",
			       mount ? mount : "");
	w->rest = rest + 1;
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
	struct walk w = { .rest = "", .fd = -EBADF };
	int r = open_mount(v, s, &w, e);

	if (r == 0)
		r = make_levels(s, view_str(v, s->u.cgroup.dir), view_str(v, s->u.cgroup.value), &w,
				e);
	if (r == 0)
		r = take_entry(s, &w.fd, view_str(v, s->u.cgroup.dir), ret_fd, e);
	auto_close_fd(&w.fd);
	if (r == 0)
		*ret_made = w.made;
	else if (w.made > 0) /* undo counts from the far end, which was not reached */
		cg_undo(v, s, w.made + count_levels(w.rest));
	return r;
}

int cg_make(const struct plan_view *v, const struct step *s, uint32_t *ret_made, int *ret_fd,
	    struct err *e)
{
	int r = -ENOENT;

	/* ENOENT: somebody else's undo took a common ancestor away between two levels. */
	for (int i = 0; i < MAKE_TRIES && r == -ENOENT; i++)
		r = make_once(v, s, ret_made, ret_fd, e);
	return r;
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
