/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/checkpoint_private.h"

#include "base/parse.h"
#include "checkpoint/wire.h"
#include "container/birth.h"
#include "container/foreground.h"
#include "container/life.h"
#include "container/store.h"
#include "container/terminal.h"
#include "sys/channel.h"
#include "sys/syscalls.h"
#include "sys/unixsock.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char log_name[] = "restore.log";

enum { CRIU_KEEPS_NO_NEW_PRIVS = 31900 };

/* Everything a restore holds on its way. */
struct restore {
	const struct cr_restore_options *o;
	struct birth b;
	struct cr_dirs dirs;
	struct cr_joined joined;
	struct criu criu;
	struct buf opts;
	struct err weaker; /* a warning */
	int version;	   /* of criu */
	int pidfd, console_fd;
};

static void restore_done(struct restore *r)
{
	criu_end(&r->criu);
	auto_close_fd(&r->pidfd);
	auto_close_fd(&r->console_fd);
	cr_joined_done(&r->joined);
	cr_dirs_done(&r->dirs);
	buf_done(&r->opts);
	birth_done(&r->b);
}
#define AUTO_RESTORE AUTO(restore_done)

static struct launch_options launch_options(const struct restore *x)
{
	return (struct launch_options){ .id = x->b.o->id,
					.bundle = x->b.bundle,
					.cgroup_optional = x->b.o->cgroup_optional,
					.cgroup_manager = x->b.o->cgroup_manager };
}

/* ---- What CRIU tells on its way ---------------------------------------------------------- */

static int run_hooks(struct restore *x, pid_t pid, struct err *e)
{
	static const enum oci_hook_kind kinds[] = { OCI_HOOK_PRESTART, OCI_HOOK_CREATE_RUNTIME };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(kinds); i++)
		r = launch_run_hooks(x->b.spec, kinds[i], x->b.c.id, x->b.bundle, "creating", pid,
				     e);
	return r;
}

/* A new network is empty: what create leaves in it is there again. Nobody else is in our process. */
static int loopback_up(const struct restore *x, pid_t pid, struct err *e)
{
	const struct oci_namespace *net = oci_namespace(x->b.spec, OCI_NS_NETWORK);
	AUTO_FD int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	AUTO_FD int theirs = sys_pidfd_open(pid);
	AUTO_FD int sock = -EBADF;
	int r;

	if (!net || (net->path && *net->path))
		return 0;
	if (own < 0 || theirs < 0 || setns(theirs, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "network namespace of process %d", pid);
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (setns(own, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "back to our network namespace");
	r = sock < 0 ? -EMFILE : sys_loopback_up(sock);
	return r < 0 ? err_sys(e, r, "bring up the loopback interface") : 0;
}

static int give_terminal(struct restore *x, int fd, struct err *e)
{
	AUTO_FD int master = fd, sock = -EBADF;
	const char *path = x->b.o->console_socket;
	int r;

	if (master < 0)
		return err_set(e, EBADMSG, "criu: no terminal came with its notification");
	if (!path) {
		if (x->console_fd < 0)
			x->console_fd = TAKE_FD(master);
		return 0;
	}
	sock = unix_connect(path, SOCK_STREAM);
	r = sock < 0 ? sock : chan_send_fd(sock, "orphan-pts-master", master);
	return r < 0 ? err_sys(e, r, "console socket \"%s\"", path) : 0;
}

/* CRIU puts what it restores into a time namespace of its own, so that its clocks go on. */
static void note_time_namespace(struct ctr *c)
{
	struct stat own, its;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/time", c->pid);
	if (stat("/proc/self/ns/time", &own) == 0 && stat(path, &its) == 0 &&
	    own.st_ino != its.st_ino)
		c->namespaces |= CLONE_NEWTIME;
}

/* What the images can't hold, so that the process now has more rights than it had. */
static void note_weaker(struct restore *x)
{
	const struct oci_process *p = x->b.spec->process;

	if (p && p->no_new_privileges && x->version < CRIU_KEEPS_NO_NEW_PRIVS)
		(void)err_set(
			&x->weaker, EOPNOTSUPP,
			"CRIU version %d does not restore process.noNewPrivileges (31900 does): "
			"programs inside may gain privileges",
			x->version);
}

/* All is in place and still stopped: from now on it is a container like any other. */
static int adopt(struct restore *x, pid_t pid, struct err *e)
{
	struct ctr *c = &x->b.c;
	int r;

	if (pid <= 0)
		return err_set(e, EBADMSG, "criu: told no process id");
	x->pidfd = sys_pidfd_open(pid);
	r = x->pidfd < 0 ? x->pidfd : sys_start_time(pid, &c->start_time, NULL);
	if (r < 0)
		return err_sys(e, r, "restored process %d", pid);
	c->pid = pid;
	c->created_done = true;
	note_time_namespace(c);
	if (x->b.o->cgroup_optional)
		birth_keep_cgroups(&x->b);
	r = state_save(c, e);
	if (r == 0 && x->b.o->pid_file)
		r = pidfile_write(x->b.o->pid_file, pid, e);
	if (r == 0) {
		terminal_prepare(x->console_fd);
		note_weaker(x);
	}
	return r;
}

static int on_notify(const struct criu_reply *n, int fd, void *arg, struct err *e)
{
	struct restore *x = arg;

	if (str_eq(n->script, "orphan-pts-master"))
		return give_terminal(x, fd, e);
	auto_close_fd(&fd);
	if (str_eq(n->script, "setup-namespaces")) {
		int r = loopback_up(x, n->pid, e);

		return r < 0 ? r : run_hooks(x, n->pid, e);
	}
	if (str_eq(n->script, "post-restore"))
		return adopt(x, n->pid, e);
	return 0;
}

/* ---- The steps --------------------------------------------------------------------------- */

/*
 * criu opens some images from inside a new user namespace, whose root is nobody here: the directory
 * lets its group in, and nobody else. Where that can't be, criu will say what it missed.
 */
static void let_root_inside_read(const struct restore *x)
{
	const struct oci_namespace *user = oci_namespace(x->b.spec, OCI_NS_USER);
	const struct oci_linux *l = x->b.spec->linux_;
	struct stat st;

	if (!user || (user->path && *user->path) || fstat(x->dirs.images, &st) < 0 ||
	    (st.st_mode & S_IXOTH))
		return;
	for (size_t i = 0; i < l->gid_mappings_count; i++) {
		const struct oci_id_map *m = &l->gid_mappings[i];

		if (m->container_id == 0 && m->size &&
		    fchown(x->dirs.images, (uid_t)-1, m->host_id) == 0)
			(void)fchmod(x->dirs.images, (st.st_mode & 07777) | S_IXGRP);
	}
}

static int load(struct restore *x, struct err *e)
{
	struct launch_options lo;
	int r = birth_load(&x->b, e);

	if (r == 0)
		r = cr_dirs_open(&x->o->both, false, &x->dirs, e);
	if (r == 0)
		r = criu_version(x->o->both.criu, e);
	if (r >= 0) {
		x->version = r;
		r = cr_need_version(x->b.spec, r, e);
	}
	if (r < 0)
		return r;
	let_root_inside_read(x);
	lo = launch_options(x);
	r = launch_compile_restore(x->b.spec, &x->b.host, &lo, &x->b.plan, &x->b.info, e);
	return r < 0 ? r : birth_state(&x->b, e);
}

static bool is_strict(const struct restore *x)
{
	const char *mode = x->o->both.manage_cgroups_mode;

	return mode && str_eq(mode, "strict");
}

static int fill(struct restore *x, struct err *e)
{
	const struct cr_restore_options *o = x->o;
	struct cr_options both = o->both;
	struct launch_options lo = launch_options(x);
	struct buf *b = &x->opts;
	int r;

	/* To criu "strict" is "full" in cgroups that must be new: check_strict sees to that, for we make them. */
	if (is_strict(x))
		both.manage_cgroups_mode = "full";
	r = cr_common(&both, x->b.spec, &x->dirs, log_name, b, e);

	if (r == 0)
		r = cr_stdio_restore(x->dirs.images, b, e);
	if (r == 0)
		r = cr_outside_restore(x->b.spec, &x->b.host, &lo, b, &x->joined, e);
	if (r < 0)
		return r;
	wire_uint(b, CRIU_EVASIVE_DEVICES, true);
	wire_uint(b, CRIU_RST_SIBLING, true);
	wire_str(b, CRIU_LSM_PROFILE, o->lsm_profile);
	wire_str(b, CRIU_LSM_MOUNT_CONTEXT, o->lsm_mount_context);
	return 0;
}

static int check_strict(const struct restore *x, struct err *e)
{
	char *const *dir = x->b.c.cgroup_dirs;

	for (; is_strict(x) && dir && *dir; dir++)
		if (access(*dir, F_OK) == 0)
			return err_set(
				e, EEXIST,
				"--manage-cgroups-mode strict: cgroup \"%s\" is there already",
				*dir);
	return 0;
}

/* Until the cgroups are known to be empty, nothing in there is ours to kill. */
static int publish(struct restore *x, struct err *e)
{
	int r = birth_publish(&x->b, e);

	if (r < 0)
		return r;
	r = check_strict(x, e);
	if (r == 0)
		r = birth_check_cgroups(&x->b, e);
	if (r < 0)
		(void)store_remove(x->b.root_fd, x->b.o->id, x->b.c.dir_fd, NULL);
	return r;
}

/* The root as create leaves it; the islander that does it is gone when this returns. */
static int prepare_root(struct restore *x, struct err *e)
{
	struct launch_options lo = launch_options(x);
	AUTO_LAUNCH struct launch l = {
		.pidfd = -EBADF, .console_fd = -EBADF, .sock = -EBADF, .proc_fd = -EBADF
	};
	AUTO_PLAN struct plan p;
	mode_t before;
	int r;

	plan_init(&p);
	r = launch_compile_root(x->b.spec, &x->b.host, &lo, &p, e);
	if (r < 0)
		return r;
	before = umask(022);
	r = launch_begin(&p, &l, e);
	(void)umask(before);
	if (r < 0)
		return r;
	r = launch_release(&l, e);
	if (r < 0)
		launch_abort(&l);
	while (r == 0 && waitpid(l.pid, NULL, 0) < 0 && errno == EINTR)
		;
	launch_done(&l);
	return r;
}

/* criu waits for its request meanwhile, so it is what the cgroups are built round. */
static int surround(struct restore *x, struct err *e)
{
	const struct criu_start s = { .program = x->o->both.criu,
				      .pass = x->joined.fd,
				      .root = x->b.info.rootfs,
				      .root_at = x->b.c.dir,
				      .dirs = { { x->dirs.images, x->dirs.images_path },
						{ x->dirs.work, x->dirs.work_path } },
				      .own_stdio = true };
	AUTO_FREE char *root = NULL;
	int r = criu_begin(&s, &x->criu, e);

	if (r == 0)
		r = launch_place(&x->b.plan, x->criu.pid, e);
	if (r == 0)
		r = prepare_root(x, e);
	if (r == 0)
		r = cr_cgroup_roots(x->criu.pid, &x->opts, e);
	if (r < 0)
		return r;
	if (asprintf(&root, "%s/root", x->b.c.dir) < 0) {
		root = NULL;
		return err_oom(e);
	}
	wire_str(&x->opts, CRIU_ROOT, root);
	return 0;
}

static int ask(struct restore *x, struct err *e)
{
	struct criu_reply reply = { .type = CRIU_RESTORE };
	int r = criu_ask(&x->criu, CRIU_RESTORE, &x->opts, on_notify, x, &reply, e);

	if (r == -EPIPE || (r == 0 && !reply.success))
		return criu_failed(&x->criu, &reply, x->dirs.log_dir, log_name, e);
	if (r == 0 && x->pidfd < 0)
		r = adopt(x, reply.pid, e);
	if (r == 0)
		criu_end(&x->criu);
	return r;
}

/* @e keeps what went wrong first. */
static void take_back(struct restore *x)
{
	if (x->pidfd >= 0) {
		(void)sys_pidfd_send_signal(x->pidfd, SIGKILL);
		while (waitpid(x->b.c.pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	criu_end(&x->criu);
	/* What criu made and killed again are children of ours. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	(void)life_clear(&x->b.c, x->b.root_fd, true, NULL, NULL);
	if (x->pidfd >= 0 && x->b.o->pid_file)
		(void)unlink(x->b.o->pid_file);
}

static int wait_exit(struct restore *x, struct foreground *f, int *ret_exit, struct ctr_report *rep,
		     struct err *e)
{
	const struct ctr_create_options *o = x->b.o;
	AUTO_FD int pidfd = TAKE_FD(x->pidfd);
	AUTO_FD int console_fd = TAKE_FD(x->console_fd);
	struct notify none = NOTIFY_INIT;
	pid_t pid = x->b.c.pid;
	int r;

	/* Unlocks: the wait may be long. */
	birth_done(&x->b);
	birth_init(&x->b, o);
	r = foreground_wait(f, pid, pidfd, console_fd, &none, ret_exit, e);
	if (r < 0) {
		(void)ctr_delete(o->root, o->id, true, &rep->warning, NULL);
		return r;
	}
	return ctr_delete(o->root, o->id, true, &rep->warning, e);
}

int cr_restore(const struct cr_restore_options *o, int *ret_exit, struct ctr_report *rep,
	       struct err *e)
{
	AUTO_FOREGROUND struct foreground fg = FOREGROUND_INIT;
	AUTO_RESTORE struct restore x = { .o = o,
					  .dirs = CR_DIRS_INIT,
					  .joined = CR_JOINED_INIT,
					  .criu = CRIU_INIT,
					  .pidfd = -EBADF,
					  .console_fd = -EBADF };
	bool stay = !o->birth.detach;
	int r;

	*ret_exit = 0;
	birth_init(&x.b, &o->birth);
	r = load(&x, e);
	if (r == 0)
		r = fill(&x, e);
	if (r == 0)
		r = publish(&x, e);
	if (r < 0)
		return r;
	r = surround(&x, e);
	if (r == 0 && stay)
		r = foreground_begin(&fg, !o->birth.no_subreaper, e);
	if (r == 0)
		r = ask(&x, e);
	if (r < 0) {
		take_back(&x);
		return r;
	}
	rep->warning = x.weaker;
	return stay ? wait_exit(&x, &fg, ret_exit, rep, e) : 0;
}
