/* SPDX-License-Identifier: Apache-2.0 */
#include "container/birth.h"

#include "base/utc.h"
#include "container/guard.h"
#include "container/life.h"
#include "container/notify.h"
#include "container/store.h"
#include "container/terminal.h"
#include "mech/cgroup/cgroup.h"
#include "oci/parse.h"
#include "oci/validate.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void birth_done(struct birth *b)
{
	launch_done(&b->launch);
	plan_done(&b->plan);
	launch_info_done(&b->info);
	host_facts_done(&b->host);
	oci_spec_free(b->spec);
	buf_done(&b->config);
	auto_close_fd(&b->root_fd);
	ctr_done(&b->c);
	arena_done(&b->arena);
}
void birth_init(struct birth *b, const struct ctr_create_options *o)
{
	*b = (struct birth){
		.o = o,
		.c = CTR_INIT,
		.launch = { .pidfd = -EBADF, .console_fd = -EBADF, .sock = -EBADF },
		.root_fd = -EBADF,
	};
	plan_init(&b->plan);
}

static int load_config(struct birth *b, struct err *e)
{
	AUTO_FREE char *path = realpath(b->o->bundle ? b->o->bundle : ".", NULL);
	const char *name = b->o->config ? b->o->config : "config.json";
	AUTO_FD int fd = -EBADF;
	int r;

	if (!path)
		return err_sys(e, errno, "bundle \"%s\"", b->o->bundle ? b->o->bundle : ".");
	b->bundle = arena_strdup(&b->arena, path);
	if (!b->bundle)
		return err_oom(e);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "bundle \"%s\"", path);
	r = store_get(fd, name, &b->config, e);
	if (r == -ENOENT)
		return err_set(e, r, "JSON specification file %s not found in \"%s\"", name, path);
	if (r == 0)
		r = oci_spec_parse(b->config.data ? b->config.data : "", b->config.len, &b->spec,
				   e);
	if (r == 0)
		r = oci_spec_validate(b->spec, e);
	return r < 0 ? err_wrap(e, "%s", name) : 0;
}

static int own_cgroup(struct birth *b, struct err *e)
{
	struct oci_linux *l = b->spec->linux_;
	const char *last;

	if (!b->o->keeper || !l || !l->cgroups_path || !*l->cgroups_path)
		return 0;
	last = strrchr(l->cgroups_path, ':');
	if (b->o->cgroup_manager == CG_SYSTEMD && last)
		l->cgroups_path = arena_printf(&b->spec->arena, "%.*s:%s",
					       (int)(last - l->cgroups_path), l->cgroups_path,
					       b->o->id);
	else
		l->cgroups_path = arena_printf(&b->spec->arena, "%s.%s", l->cgroups_path, b->o->id);
	return l->cgroups_path ? 0 : err_oom(e);
}

static int check_terminal(const struct birth *b, struct err *e)
{
	bool detach = !b->o->run || b->o->detach;
	bool tty = b->spec->process && b->spec->process->terminal;

	if (detach && tty && !b->o->console_socket)
		return err_set(e, EINVAL,
			       "cannot allocate tty if cay will detach without setting "
			       "console socket");
	if ((!detach || !tty) && b->o->console_socket)
		return err_set(e, EINVAL,
			       "cannot use console socket if cay will not detach or "
			       "allocate tty");
	return tty && !detach ? terminal_require(e) : 0;
}

int birth_config(struct birth *b, struct err *e)
{
	int r = ctr_id_check(b->o->id, e);

	return r < 0 ? r : load_config(b, e);
}

static int ask_notify(struct birth *b, struct err *e)
{
	char *dir, **env = b->inherit.env;

	if (!notify_asked(b->spec))
		return 0;
	dir = arena_printf(&b->arena, "%s/%s", b->o->root, b->o->id);
	if (!dir)
		return err_oom(e);
	while (*env)
		env++;
	*env = notify_env();
	b->notify = true;
	return notify_amend(b->spec, dir, e);
}

static int ask_policy(struct birth *b, struct err *e)
{
	const struct ctr_policy *p = b->o->policy;
	struct ctr *c = &b->c;
	int r;

	if (!p)
		return 0;
	r = guard_check(b->spec, e);
	if (r < 0)
		return r;
	c->listener = arena_printf(&b->arena, "%s/%s/" GUARD_SOCKET, b->o->root, b->o->id);
	c->watched = (char **)(uintptr_t)p->watched;
	c->refused = (char **)(uintptr_t)p->refused;
	return c->listener ? guard_amend(b->spec, c, e) : err_oom(e);
}

int birth_load(struct birth *b, struct err *e)
{
	int r = birth_config(b, e);

	if (r == 0)
		r = own_cgroup(b, e);
	if (r == 0)
		r = check_terminal(b, e);
	if (r == 0)
		r = inherit_fds(&b->inherit, b->o->preserve_fds, e);
	if (r == 0)
		r = ask_notify(b, e);
	if (r == 0)
		r = ask_policy(b, e);
	if (r == 0)
		r = store_open_root(b->o->root, true, &b->root_fd, e);
	return r < 0 ? r : host_facts_gather(&b->host, e);
}

static char *time_now(struct arena *a)
{
	char date[UTC_SIZE];
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0)
		return NULL;
	utc_print(date, ts.tv_sec);
	return arena_printf(a, "%s.%09ldZ", date, ts.tv_nsec);
}

static void copy_annotations(struct birth *b)
{
	b->c.annotations = b->spec->annotations;
	b->c.annotations_count = b->spec->annotations_count;
}

/* What CRIU will call it; a terminal is inside and needs no name. */
static void fill_stdio(struct birth *b)
{
	bool tty = b->spec->process && b->spec->process->terminal;

	for (int fd = 0; fd < 3 && !tty; fd++) {
		char path[32], text[PATH_MAX];
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, text, sizeof(text) - 1);
		if (n > 0)
			b->c.stdio[fd] = arena_strndup(&b->c.arena, text, (size_t)n);
	}
}

/* The strings stay those of spec and info: struct ctr lives no longer than they do. */
int birth_state(struct birth *b, struct err *e)
{
	struct ctr *c = &b->c;

	c->id = arena_strdup(&c->arena, b->o->id);
	c->root = arena_strdup(&c->arena, b->o->root);
	c->dir = arena_printf(&c->arena, "%s/%s", b->o->root, b->o->id);
	c->created = time_now(&c->arena);
	if (!c->id || !c->root || !c->dir || !c->created)
		return err_oom(e);
	c->bundle = b->bundle;
	c->rootfs = b->info.rootfs;
	c->oci_version = b->spec->oci_version;
	c->namespaces = b->info.namespaces;
	c->rdt_dirs = b->info.rdt_dirs;
	c->cgroup_dirs = b->info.cgroup_dirs;
	while (c->cgroup_dirs && c->cgroup_dirs[c->cgroup_count])
		c->cgroup_count++;
	if (b->spec->linux_ && b->spec->linux_->seccomp)
		c->listener = b->spec->linux_->seccomp->listener_path;
	c->unit = b->info.unit;
	c->unit_user = b->info.unit_user;
	c->creator = getpid();
	if (sys_start_time(c->creator, &c->creator_start, NULL) < 0)
		c->creator = 0;
	c->keeper = b->o->keeper;
	if (c->keeper && sys_start_time(c->keeper, &c->keeper_start, NULL) < 0)
		return err_set(e, ESRCH, "process %d, which keeps it, is gone", c->keeper);
	c->own_pid_ns = oci_namespace_is_new(b->spec, OCI_NS_PID);
	c->poststart = b->spec->hooks[OCI_HOOK_POSTSTART].hooks_count > 0;
	c->poststop = b->spec->hooks[OCI_HOOK_POSTSTOP].hooks_count > 0;
	c->no_new_keyring = b->o->no_new_keyring;
	copy_annotations(b);
	fill_stdio(b);
	return 0;
}

/*
 * The cgroups go into the state before they exist, so that they are found after a crash.
 * Somebody else's processes in there would then be taken for ours.
 */
int birth_check_cgroups(const struct birth *b, struct err *e)
{
	AUTO_FREE pid_t *pids = NULL;
	size_t n = 0;
	int r;

	if (b->c.cgroup_count == 0)
		return 0;
	r = cg_pids(b->c.cgroup_dirs, b->c.cgroup_count, &pids, &n, e);
	if (r == 0 && n > 0)
		r = err_set(e, EBUSY, "container's cgroup is not empty: %zu process(es) found", n);
	return r;
}

static int move_in(struct birth *b, const char *name, struct err *e)
{
	int r;

	for (int tries = 0;; tries++) {
		r = store_publish(b->root_fd, name, b->o->id, e);
		if (r != -EEXIST || tries > 3)
			break;
		r = life_sweep(b->o->root, b->root_fd, b->o->id, e);
		if (r < 0)
			break;
	}
	if (r == -EEXIST || r == -EBUSY)
		return err_set(e, EEXIST, "container with given ID already exists");
	return r;
}

static int write_files(struct birth *b, struct err *e)
{
	AUTO_BUF struct buf state = { 0 };
	int r = store_put_new(b->c.dir_fd, "config.json", b->config.data, b->config.len, 0600, e);

	if (r == 0)
		r = state_encode(&b->c, &state, e);
	if (r == 0)
		r = store_put_new(b->c.dir_fd, "state.json", state.data, state.len, 0600, e);
	if (r < 0)
		return err_wrap(e, "state of container %s", b->o->id);
	return b->notify ? notify_make_dir(b->c.dir_fd, e) : 0;
}

int birth_publish(struct birth *b, struct err *e)
{
	char name[32];
	int r;

	r = store_new(b->root_fd, name, &b->c.dir_fd, e);
	if (r < 0)
		return r;
	b->c.locked = true;
	r = write_files(b, e);
	if (r == 0)
		r = move_in(b, name, e);
	if (r < 0)
		(void)store_remove(b->root_fd, name, b->c.dir_fd, NULL);
	return r;
}

void birth_keep_cgroups(struct birth *b)
{
	struct ctr *c = &b->c;
	size_t n = 0;

	for (size_t i = 0; i < c->cgroup_count; i++)
		if (access(c->cgroup_dirs[i], F_OK) == 0)
			c->cgroup_dirs[n++] = c->cgroup_dirs[i];
	c->cgroup_count = n;
	if (c->cgroup_dirs)
		c->cgroup_dirs[n] = NULL;
}

void birth_tell(const struct launch *l, bool exec, const struct ctr_listener *to)
{
	AUTO_BUF struct buf lines = { 0 };

	if (!to->tell)
		return;
	launch_print_phases(l, exec, &lines);
	if (!lines.failed && lines.len > 0)
		to->tell(to->arg, lines.data);
}
