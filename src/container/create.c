/* SPDX-License-Identifier: Apache-2.0 */
#include "container/birth.h"

#include "container/foreground.h"
#include "container/guard.h"
#include "container/life.h"
#include "container/store.h"
#include "container/terminal.h"
#include "sys/syscalls.h"

#include <stdio.h>

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
		.leash_fd = b->o->leash_fd,
		.no_pivot = b->o->no_pivot,
		.no_new_keyring = b->o->no_new_keyring,
		.timing = b->o->timing || b->o->debug.tell,
		.cgroup_optional = b->o->cgroup_optional,
		.cgroup_manager = b->o->cgroup_manager,
		.preserve_fds = b->inherit.preserve_fds,
		.extra_env = b->inherit.env,
	};

	return launch_compile(b->spec, &b->host, &lo, &b->plan, &b->info, e);
}

static int prepare(struct birth *b, struct err *e)
{
	AUTO_FREE char *dir = NULL;
	int r;

	r = birth_load(b, e);
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
	return r < 0 ? r : birth_state(b, e);
}

static int launch(struct birth *b, struct notify *n, struct err *warning, struct err *e)
{
	struct err before;
	int r;

	r = birth_check_cgroups(b, e);
	if (r == 0 && b->notify && b->o->run)
		r = notify_open(n, b->c.dir, warning, e);
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
		birth_keep_cgroups(b);
	b->c.pid = b->launch.pid;
	b->c.start_time = b->launch.start_time;
	b->c.created_done = true;
	if (b->o->policy)
		r = guard_start(&b->c, b->o->policy, b->launch.pidfd, e);
	if (r == 0 && b->o->pid_file)
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

	terminal_prepare(b->launch.console_fd);
	r = launch_release(&b->launch, e);
	if (b->o->timing)
		launch_print_prices(&b->launch, &rep->timing);
	birth_tell(&b->launch, false, &b->o->debug);
	if (b->info.warning.code)
		rep->warning = b->info.warning;
	if (r == 0 && b->o->run)
		r = life_hooks(&b->c, OCI_HOOK_POSTSTART, e);
	return r;
}

/* Unlocks, and gives the memory back: a wait may be long. */
static void let_go(struct birth *b)
{
	const struct ctr_create_options *o = b->o;

	birth_done(b);
	birth_init(b, o);
}

static void wait_ready(struct birth *b, struct notify *n)
{
	AUTO_FD int pidfd = TAKE_FD(b->launch.pidfd);
	pid_t pid = b->launch.pid;

	let_go(b);
	notify_wait(n, pid, pidfd);
}

static int wait_exit(struct birth *b, struct foreground *f, struct notify *n, int *ret_exit,
		     struct ctr_report *rep, struct err *e)
{
	const struct ctr_create_options *o = b->o;
	AUTO_FD int pidfd = TAKE_FD(b->launch.pidfd);
	AUTO_FD int console_fd = TAKE_FD(b->launch.console_fd);
	pid_t pid = b->launch.pid;
	int r;

	let_go(b);
	r = foreground_wait(f, pid, pidfd, console_fd, n, ret_exit, e);
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
	AUTO_NOTIFY struct notify n = NOTIFY_INIT;
	bool stay = o->run && !o->detach;
	AUTO_BIRTH struct birth b;
	int r;

	birth_init(&b, o);
	*ret_exit = 0;
	r = prepare(&b, e);
	if (r == 0)
		r = birth_publish(&b, e);
	if (r < 0)
		return r;
	r = launch(&b, &n, &rep->warning, e);
	if (r == 0 && stay)
		r = foreground_begin(&fg, !o->no_subreaper, e);
	if (r == 0)
		r = release(&b, rep, e);
	if (r < 0) {
		if (b.begun)
			take_back(&b);
		return r;
	}
	if (stay)
		return wait_exit(&b, &fg, &n, ret_exit, rep, e);
	wait_ready(&b, &n);
	return 0;
}

int ctr_compile(const struct ctr_create_options *o, bool json, struct buf *out, struct err *e)
{
	AUTO_BIRTH struct birth b;
	int r;

	birth_init(&b, o);
	r = birth_config(&b, e);
	if (r == 0)
		r = host_facts_gather(&b.host, e);
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
