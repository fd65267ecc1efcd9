/* SPDX-License-Identifier: Apache-2.0 */
#include "container/container.h"

#include "base/parse.h"
#include "container/birth.h"
#include "container/exec_process.h"
#include "container/foreground.h"
#include "container/guard.h"
#include "container/inherit.h"
#include "container/life.h"
#include "container/store.h"
#include "container/terminal.h"
#include "launch/launch.h"
#include "oci/parse.h"
#include "oci/validate.h"
#include "sys/syscalls.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

/* Everything an exec holds on its way. */
struct join {
	const struct ctr_exec_options *o;
	struct arena arena;
	struct ctr c;
	struct oci_spec *spec;
	struct oci_process *process;
	char **cgroup_dirs;
	bool *cgroup_v2;
	char *cache;
	struct host_facts host;
	struct inherit inherit;
	struct launch_info info;
	struct plan plan;
	struct launch launch;
};

static void join_done(struct join *j)
{
	launch_done(&j->launch);
	plan_done(&j->plan);
	launch_info_done(&j->info);
	host_facts_done(&j->host);
	oci_spec_free(j->spec);
	ctr_done(&j->c);
	arena_done(&j->arena);
}
#define AUTO_JOIN AUTO(join_done)

static void join_init(struct join *j, const struct ctr_exec_options *o)
{
	*j = (struct join){
		.o = o,
		.c = CTR_INIT,
		.launch = { .pidfd = -EBADF, .console_fd = -EBADF, .sock = -EBADF },
	};
	plan_init(&j->plan);
}

static int open_container(struct join *j, struct err *e)
{
	enum ctr_status st;
	const char *no;
	int r;

	r = ctr_open(j->o->root, j->o->id, false, &j->c, e);
	if (r < 0)
		return r;
	st = ctr_status(&j->c);
	no = life_refusal(LIFE_EXEC, st);
	if (no && !(st == CTR_PAUSED && j->o->ignore_paused))
		return err_set(e, EINVAL, "%s", no);
	r = oci_spec_load(j->c.dir_fd, "config.json", &j->spec, e);
	if (r == 0 && j->c.watched)
		r = guard_join(j->spec, &j->c, e);
	return r < 0 ? err_wrap(e, "container %s", j->c.id) : 0;
}

static int make_process(struct join *j, struct err *e)
{
	int r;

	if (j->o->process_file)
		r = oci_process_load(AT_FDCWD, j->o->process_file, &j->arena, &j->process, e);
	else
		r = exec_process(j->o, j->spec->process, &j->arena, &j->process, e);
	if (r == 0)
		r = oci_process_validate(j->process, e);
	return r;
}

static int check_terminal(const struct join *j, struct err *e)
{
	bool tty = j->process->terminal;

	if (j->o->detach && tty && !j->o->console_socket)
		return err_set(e, EINVAL,
			       "cannot allocate tty if cay will detach without setting "
			       "console socket");
	if ((!j->o->detach || !tty) && j->o->console_socket)
		return err_set(e, EINVAL,
			       "cannot use console socket if cay will not detach or "
			       "allocate tty");
	return tty && !j->o->detach ? terminal_require(e) : 0;
}

/* In the container's user namespace; what can't be read is taken as allowed: the call will say. */
static bool setgroups_denied(const struct ctr *c)
{
	AUTO_FD int proc_fd = -EBADF;
	char path[32], text[16];

	if (!(c->namespaces & CLONE_NEWUSER))
		return false;
	proc_fd = sys_open_proc();
	(void)snprintf(path, sizeof(path), "%d/setgroups", c->pid);
	return proc_fd >= 0 && sys_read_at(proc_fd, path, text, sizeof(text)) > 0 &&
	       str_starts(text, "deny");
}

static int compile(struct join *j, struct err *e)
{
	struct launch_exec_options lo = {
		.id = j->c.id,
		.process = j->process,
		.lin = j->spec->linux_,
		.bundle = j->c.bundle,
		.annotations = j->c.annotations,
		.annotations_count = j->c.annotations_count,
		.cache_dir = j->cache,
		.init_pid = j->c.pid,
		.init_start_time = j->c.start_time,
		.namespaces = j->c.namespaces,
		.cgroup_dirs = j->cgroup_dirs,
		.cgroup_v2 = j->cgroup_v2,
		.unit = j->c.unit,
		.unit_user = j->c.unit_user,
		.console_socket = j->o->console_socket,
		.pidfd_socket = j->o->pidfd_socket,
		.no_new_keyring = j->c.no_new_keyring,
		.timing = j->o->timing || j->o->debug.tell,
		.setgroups_denied = setgroups_denied(&j->c),
		.keep_groups = j->spec->ext.keep_groups,
		.preserve_fds = j->inherit.preserve_fds,
		.extra_env = j->inherit.env,
	};

	return launch_compile_exec(&j->host, &lo, &j->plan, &j->info, e);
}

/* Mountinfo is read only for who asks for what it tells: it is long, and dear. */
static int look_at_host(struct join *j, struct err *e)
{
	bool mounts = j->o->cgroups || (j->spec->linux_ && j->spec->linux_->intel_rdt);
	size_t n = 0;
	int r = mounts ? host_facts_gather(&j->host, e) : host_facts_gather_own(&j->host, e);

	if (r == 0)
		r = exec_cgroups(&j->c, j->o->cgroups, &j->host.cgroups, &j->arena, &j->cgroup_dirs,
				 e);
	if (r < 0)
		return r;
	j->cgroup_v2 = arena_array(&j->arena, j->c.cgroup_count + 1, sizeof(*j->cgroup_v2));
	if (!j->cgroup_v2)
		return err_oom(e);
	for (; j->cgroup_dirs[n]; n++)
		j->cgroup_v2[n] = cg_is_v2(j->cgroup_dirs[n]);
	return 0;
}

static int prepare(struct join *j, struct err *e)
{
	int r;

	r = open_container(j, e);
	if (r == 0)
		r = make_process(j, e);
	if (r == 0)
		r = check_terminal(j, e);
	if (r == 0)
		r = inherit_fds(&j->inherit, j->o->preserve_fds, e);
	if (r == 0)
		r = look_at_host(j, e);
	if (r < 0)
		return r;
	j->cache = arena_printf(&j->arena, "%s/.cache", j->c.root);
	return j->cache ? compile(j, e) : err_oom(e);
}

static int go(struct join *j, struct ctr_report *rep, struct err *e)
{
	int r = 0;

	if (j->o->pid_file)
		r = pidfile_write(j->o->pid_file, j->launch.pid, e);
	terminal_prepare(j->launch.console_fd);
	if (r == 0)
		r = launch_release(&j->launch, e);
	if (j->o->timing)
		launch_print_prices(&j->launch, &rep->timing);
	birth_tell(&j->launch, true, &j->o->debug);
	rep->warning = j->info.warning;
	if (r < 0) {
		launch_abort(&j->launch);
		if (j->o->pid_file)
			(void)unlink(j->o->pid_file);
	}
	return r;
}

int ctr_exec(const struct ctr_exec_options *o, int *ret_exit, struct ctr_report *rep, struct err *e)
{
	AUTO_FOREGROUND struct foreground fg = FOREGROUND_INIT;
	struct notify none = NOTIFY_INIT;
	AUTO_JOIN struct join j;
	int r;

	join_init(&j, o);
	*ret_exit = 0;
	r = prepare(&j, e);
	if (r == 0)
		r = launch_begin(&j.plan, &j.launch, e);
	if (r < 0)
		return r;
	if (!o->detach) {
		r = foreground_begin(&fg, false, e);
		if (r < 0) {
			launch_abort(&j.launch);
			return r;
		}
	}
	r = go(&j, rep, e);
	if (r < 0 || o->detach)
		return r;
	return foreground_wait(&fg, j.launch.pid, j.launch.pidfd, j.launch.console_fd, &none,
			       ret_exit, e);
}
