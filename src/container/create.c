/* SPDX-License-Identifier: Apache-2.0 */
#include "container/container.h"

#include "base/parse.h"
#include "container/foreground.h"
#include "container/inherit.h"
#include "container/life.h"
#include "container/store.h"
#include "container/terminal.h"
#include "launch/launch.h"
#include "mech/cgroup/cgroup.h"
#include "oci/parse.h"
#include "oci/validate.h"
#include "sys/host.h"
#include "sys/syscalls.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Everything a create holds on its way. */
struct birth {
	const struct ctr_create_options *o;
	struct arena arena;
	struct ctr c;
	struct buf config; /* text of config.json */
	struct oci_spec *spec;
	struct host_facts host;
	struct inherit inherit;
	struct launch_info info;
	struct plan plan;
	struct launch launch;
	char *bundle, *cache;
	int root_fd;
	bool begun; /* launch holds a process */
};

static void birth_done(struct birth *b)
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
#define AUTO_BIRTH AUTO(birth_done)

static void birth_init(struct birth *b, const struct ctr_create_options *o)
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

static int check_terminal(const struct birth *b, struct err *e)
{
	bool detach = !b->o->run || b->o->detach;
	bool tty = b->spec->process && b->spec->process->terminal;

	if (detach && tty && !b->o->console_socket)
		return err_set(e, EINVAL, "cannot allocate tty if cay will detach without setting "
					  "console socket");
	if ((!detach || !tty) && b->o->console_socket)
		return err_set(e, EINVAL, "cannot use console socket if cay will not detach or "
					  "allocate tty");
	return 0;
}

static int compile(struct birth *b, const char *state_dir, struct err *e)
{
	struct launch_options lo = {
		.id = b->o->id,
		.bundle = b->bundle,
		.state_dir = state_dir,
		.cache_dir = b->cache,
		.console_socket = b->o->console_socket,
		.pidfd_socket = b->o->pidfd_socket,
		.gate = !b->o->run,
		.no_pivot = b->o->no_pivot,
		.no_new_keyring = b->o->no_new_keyring,
		.timing = b->o->timing,
		.cgroup_optional = b->o->cgroup_optional,
		.cgroup_manager = b->o->cgroup_manager,
		.preserve_fds = b->inherit.preserve_fds,
		.extra_env = b->inherit.env,
	};
	int r;

	r = host_facts_gather(&b->host, e);
	if (r < 0)
		return r;
	return launch_compile(b->spec, &b->host, &lo, &b->plan, &b->info, e);
}

static char *time_now(struct arena *a)
{
	struct timespec ts;
	struct tm tm;
	char text[32];

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0 || !gmtime_r(&ts.tv_sec, &tm) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return NULL;
	return arena_printf(a, "%s.%09ldZ", text, ts.tv_nsec);
}

static void copy_annotations(struct birth *b)
{
	b->c.annotations = b->spec->annotations;
	b->c.annotations_count = b->spec->annotations_count;
}

/* The strings stay those of spec and info: struct ctr lives no longer than they do. */
static int fill_state(struct birth *b, struct err *e)
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
	c->unit = b->info.unit;
	c->unit_user = b->info.unit_user;
	c->creator = getpid();
	if (sys_start_time(c->creator, &c->creator_start, NULL) < 0)
		c->creator = 0;
	c->own_pid_ns = oci_namespace_is_new(b->spec, OCI_NS_PID);
	c->poststart = b->spec->hooks[OCI_HOOK_POSTSTART].hooks_count > 0;
	c->poststop = b->spec->hooks[OCI_HOOK_POSTSTOP].hooks_count > 0;
	c->no_new_keyring = b->o->no_new_keyring;
	copy_annotations(b);
	return 0;
}

static int prepare(struct birth *b, struct err *e)
{
	AUTO_FREE char *dir = NULL;
	int r;

	r = ctr_id_check(b->o->id, e);
	if (r == 0)
		r = load_config(b, e);
	if (r == 0)
		r = check_terminal(b, e);
	if (r == 0)
		r = inherit_fds(&b->inherit, b->o->preserve_fds, e);
	if (r == 0)
		r = store_open_root(b->o->root, true, &b->root_fd, e);
	if (r < 0)
		return r;
	b->cache = arena_printf(&b->arena, "%s/.cache", b->o->root);
	if (!b->cache || asprintf(&dir, "%s/%s", b->o->root, b->o->id) < 0) {
		dir = NULL;
		return err_oom(e);
	}
	if (mkdirat(b->root_fd, ".cache", 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make directory \"%s\"", b->cache);
	r = compile(b, dir, e);
	return r < 0 ? r : fill_state(b, e);
}

/*
 * The cgroups go into the state before they exist, so that they are found after a crash.
 * Somebody else's processes in there would then be taken for ours.
 */
static int check_cgroups(const struct birth *b, struct err *e)
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

/* From nothing to a directory with its files, at once. */
static int publish(struct birth *b, struct err *e)
{
	char name[32];
	int r;

	r = store_new(b->root_fd, name, &b->c.dir_fd, e);
	if (r < 0)
		return r;
	b->c.locked = true;
	r = store_put(b->c.dir_fd, "config.json", b->config.data, b->config.len, 0600, e);
	if (r < 0)
		(void)err_wrap(e, "state of container %s", b->o->id);
	if (r == 0)
		r = state_save(&b->c, e);
	if (r == 0)
		r = move_in(b, name, e);
	if (r < 0)
		(void)store_remove(b->root_fd, name, b->c.dir_fd, NULL);
	return r;
}

/* Where a cgroup may be lacking, the state names those that are there: exec must join them all. */
static void keep_made_cgroups(struct ctr *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->cgroup_count; i++)
		if (access(c->cgroup_dirs[i], F_OK) == 0)
			c->cgroup_dirs[n++] = c->cgroup_dirs[i];
	c->cgroup_count = n;
	if (c->cgroup_dirs)
		c->cgroup_dirs[n] = NULL;
}

static int launch(struct birth *b, struct err *e)
{
	struct err before;
	int r;

	r = check_cgroups(b, e);
	if (r == 0)
		r = launch_begin(&b->plan, &b->launch, e);
	if (r < 0) {
		/* It has undone its part; the cgroups may not even have been ours. */
		before = e ? *e : (struct err){ 0 };
		(void)life_hooks(&b->c, OCI_HOOK_POSTSTOP, NULL);
		(void)store_remove(b->root_fd, b->o->id, b->c.dir_fd, NULL);
		if (e)
			*e = before;
		return r;
	}
	b->begun = true;
	if (b->o->cgroup_optional)
		keep_made_cgroups(&b->c);
	b->c.pid = b->launch.pid;
	b->c.start_time = b->launch.start_time;
	b->c.created_done = true;
	if (b->o->pid_file)
		r = pidfile_write(b->o->pid_file, b->launch.pid, e);
	return r < 0 ? r : state_save(&b->c, e);
}

/* Take a container back that launch_begin made. @e keeps what went wrong first. */
static void take_back(struct birth *b)
{
	launch_abort(&b->launch);
	(void)life_clear(&b->c, b->root_fd, true, NULL, NULL);
	if (b->o->pid_file)
		(void)unlink(b->o->pid_file);
}

static int release(struct birth *b, struct ctr_report *rep, struct err *e)
{
	int r;

	terminal_resize(b->launch.console_fd);
	r = launch_release(&b->launch, e);
	if (b->o->timing)
		launch_print_prices(&b->launch, &rep->timing);
	if (r == 0 && b->o->run)
		r = life_hooks(&b->c, OCI_HOOK_POSTSTART, e);
	return r;
}

static int wait_exit(struct birth *b, struct foreground *f, int *ret_exit, struct ctr_report *rep,
		     struct err *e)
{
	const struct ctr_create_options *o = b->o;
	AUTO_FD int pidfd = TAKE_FD(b->launch.pidfd);
	AUTO_FD int console_fd = TAKE_FD(b->launch.console_fd);
	pid_t pid = b->launch.pid;
	int r;

	/* Unlocks, and gives the memory back: the wait may be long. */
	birth_done(b);
	birth_init(b, o);
	r = foreground_wait(f, pid, pidfd, console_fd, ret_exit, e);
	if (r < 0) {
		(void)ctr_delete(o->root, o->id, true, &rep->warning, NULL);
		return r;
	}
	/* Somebody else may have deleted it meanwhile: that is fine. */
	return o->keep ? 0 : ctr_delete(o->root, o->id, true, &rep->warning, e);
}

int ctr_create(const struct ctr_create_options *o, int *ret_exit, struct ctr_report *rep,
	       struct err *e)
{
	AUTO_FOREGROUND struct foreground fg = FOREGROUND_INIT;
	bool stay = o->run && !o->detach;
	AUTO_BIRTH struct birth b;
	int r;

	birth_init(&b, o);
	*ret_exit = 0;
	r = prepare(&b, e);
	if (r == 0)
		r = publish(&b, e);
	if (r < 0)
		return r;
	r = launch(&b, e);
	if (r == 0 && stay)
		r = foreground_begin(&fg, !o->no_subreaper, e);
	if (r == 0)
		r = release(&b, rep, e);
	if (r < 0) {
		if (b.begun)
			take_back(&b);
		return r;
	}
	return stay ? wait_exit(&b, &fg, ret_exit, rep, e) : 0;
}

int ctr_compile(const struct ctr_create_options *o, bool json, struct buf *out, struct err *e)
{
	AUTO_BIRTH struct birth b;
	int r;

	birth_init(&b, o);
	r = ctr_id_check(o->id, e);
	if (r == 0)
		r = load_config(&b, e);
	if (r == 0)
		r = compile(&b, NULL, e);
	if (r < 0)
		return r;
	if (json)
		plan_print_json(&b.plan, out);
	else
		plan_print(&b.plan, out);
	return out->failed ? err_oom(e) : 0;
}
