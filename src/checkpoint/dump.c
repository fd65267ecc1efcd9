/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/checkpoint_private.h"

#include "base/parse.h"
#include "checkpoint/wire.h"
#include "container/life.h"
#include "container/notify.h"
#include "container/store.h"
#include "oci/parse.h"
#include "sys/syscalls.h"

#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char log_name[] = "dump.log";

/* Everything a checkpoint holds on its way. */
struct dump {
	const struct cr_checkpoint_options *o;
	struct ctr c;
	struct oci_spec *spec;
	struct cr_dirs dirs;
	struct buf opts;
	int root_fd, status_fd, version;
};

static void dump_done(struct dump *d)
{
	auto_close_fd(&d->root_fd);
	buf_done(&d->opts);
	cr_dirs_done(&d->dirs);
	oci_spec_free(d->spec);
	ctr_done(&d->c);
}
#define AUTO_DUMP AUTO(dump_done)

static int page_server(const char *text, struct buf *opts, struct err *e)
{
	const char *colon = strrchr(text, ':');
	AUTO_BUF struct buf m = { 0 };
	size_t n = colon ? (size_t)(colon - text) : 0;
	uint32_t port;

	if (n == 0 || !colon[1])
		return err_set(e, EINVAL, "Use --page-server ADDRESS:PORT to specify page server");
	if (parse_u32(colon + 1, &port) < 0 || port == 0 || port > 65535)
		return err_set(e, EINVAL, "--page-server \"%s\": Invalid port number", text);
	/* An IPv6 address stands in brackets. */
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	wire_bytes(&m, 1, text, n);
	wire_uint(&m, 2, port);
	if (m.failed)
		return err_oom(e);
	wire_bytes(opts, CRIU_PAGE_SERVER, m.data, m.len);
	return 0;
}

static int parent_images(const struct dump *d, struct buf *opts, struct err *e)
{
	const char *path = d->o->parent_path;
	struct stat st;

	if (!path || !*path)
		return 0;
	if (*path == '/')
		return err_set(e, EINVAL, "--parent-path must be relative");
	if (fstatat(d->dirs.images, path, &st, 0) < 0)
		return err_sys(e, errno, "invalid --parent-path \"%s\"", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(e, ENOTDIR, "invalid --parent-path \"%s\"", path);
	wire_str(opts, CRIU_PARENT_IMG, path);
	wire_uint(opts, CRIU_TRACK_MEM, true);
	return 0;
}

static int status_fd(struct dump *d, struct err *e)
{
	const char *text = d->o->status_fd;
	uint32_t fd;
	int flags;

	if (!text || str_eq(text, "-1"))
		return 0;
	if (parse_u32(text, &fd) < 0 || fd > INT32_MAX)
		return err_set(e, EINVAL, "invalid --status-fd argument \"%s\"", text);
	flags = fcntl((int)fd, F_GETFL);
	if (flags < 0)
		return err_sys(e, errno, "invalid --status-fd argument %u", fd);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return err_set(e, EINVAL, "invalid --status-fd argument %u: not writable", fd);
	d->status_fd = (int)fd;
	/* Newer ones say so by a notification, and the fd stays ours. */
	if (d->version < 31500)
		wire_uint(&d->opts, CRIU_STATUS_FD, fd);
	return 0;
}

/* CRIU stops the processes by the freezer where there is one, else by ptrace, one by one. */
static void freezer(const struct dump *d, struct buf *opts)
{
	static const char *const files[] = { "freezer.state", "cgroup.freeze" };

	for (size_t f = 0; f < ARRAY_LEN(files); f++)
		for (size_t i = 0; i < d->c.cgroup_count; i++) {
			AUTO_FREE char *path = NULL;

			if (f == 1 && d->version < 31400)
				return;
			if (asprintf(&path, "%s/%s", d->c.cgroup_dirs[i], files[f]) < 0) {
				path = NULL;
				return;
			}
			if (access(path, F_OK) == 0) {
				wire_str(opts, CRIU_FREEZE_CGROUP, d->c.cgroup_dirs[i]);
				return;
			}
		}
}

static int fill(struct dump *d, struct err *e)
{
	const struct cr_checkpoint_options *o = d->o;
	struct buf *b = &d->opts;
	int r = cr_common(&o->both, d->spec, &d->dirs, log_name, b, e);

	if (r == 0)
		r = parent_images(d, b, e);
	if (r == 0 && o->page_server && *o->page_server)
		r = page_server(o->page_server, b, e);
	if (r == 0 && o->both.lazy_pages)
		r = status_fd(d, e);
	if (r < 0)
		return r;
	wire_uint(b, CRIU_PID, (uint64_t)d->c.pid);
	wire_str(b, CRIU_ROOT, d->c.rootfs);
	wire_uint(b, CRIU_LEAVE_RUNNING, o->leave_running);
	wire_uint(b, CRIU_TCP_SKIP_IN_FLIGHT, o->tcp_skip_in_flight);
	wire_uint(b, CRIU_LINK_REMAP, o->link_remap);
	freezer(d, b);
	if (o->pre_dump)
		return 0;
	r = cr_outside_dump(&d->c, d->spec, b, e);
	return r < 0 ? r : cr_stdio_dump(&d->c, d->dirs.images, b, e);
}

static int on_notify(const struct criu_reply *n, int fd, void *arg, struct err *e)
{
	struct dump *d = arg;

	auto_close_fd(&fd);
	/* That nobody is interested any more is no reason to stop. */
	if (str_eq(n->script, "status-ready") && d->status_fd >= 0) {
		(void)!write(d->status_fd, "", 1);
		close(TAKE_FD(d->status_fd));
	}
	(void)e;
	return 0;
}

static int ask(struct dump *d, struct err *e)
{
	const struct cr_checkpoint_options *o = d->o;
	const struct criu_start s = { .program = o->both.criu };
	AUTO_CRIU struct criu c = CRIU_INIT;
	struct criu_reply reply = { .type = o->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP };
	int r = criu_begin(&s, &c, e);

	if (r == 0)
		r = criu_ask(&c, o->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP, &d->opts, on_notify, d,
			     &reply, e);
	if (r < 0)
		return r == -EPIPE ? criu_failed(&c, &reply, d->dirs.log_dir, log_name, e) : r;
	return reply.success ? 0 : criu_failed(&c, &reply, d->dirs.log_dir, log_name, e);
}

static int open_running(struct dump *d, struct err *e)
{
	const struct cr_options *o = &d->o->both;
	const char *no;
	int r = ctr_open(o->root, o->id, true, &d->c, e);

	if (r == 0)
		r = store_open_root(o->root, false, &d->root_fd, e);
	if (r < 0)
		return r;
	no = life_refusal(LIFE_CHECKPOINT, ctr_status(&d->c));
	if (no)
		return err_set(e, EINVAL, "%s", no);
	/* CRIU has no listener to give it, and an exec would bring what nobody holds. */
	if (d->c.watched)
		return err_set(e, EOPNOTSUPP,
			       "container %s is held to a policy, and what is restored of it "
			       "would be held to none",
			       o->id);
	/* What it stands in is in no list that CRIU could read. */
	if (!(d->c.namespaces & CLONE_NEWNS))
		return err_set(e, EOPNOTSUPP, "container %s has no mount namespace of its own",
			       o->id);
	r = oci_spec_load(d->c.dir_fd, "config.json", &d->spec, e);
	if (r == 0 && notify_has_dir(d->c.dir))
		r = notify_amend(d->spec, d->c.dir, e);
	return r < 0 ? err_wrap(e, "container %s", o->id) : 0;
}

static int check_criu(struct dump *d, struct err *e)
{
	const char *program = d->o->both.criu;
	int r = criu_version(program, e);

	d->version = r;
	if (r >= 0)
		r = cr_need_version(d->spec, r, e);
	if (r == 0 && d->o->pre_dump)
		r = criu_need(program, CRIU_MEM_TRACK, e);
	if (r == 0 && d->o->both.lazy_pages)
		r = criu_need(program, CRIU_LAZY, e);
	return r;
}

int cr_checkpoint(const struct cr_checkpoint_options *o, struct err *warning, struct err *e)
{
	AUTO_DUMP struct dump d = {
		.o = o, .c = CTR_INIT, .dirs = CR_DIRS_INIT, .root_fd = -EBADF, .status_fd = -EBADF
	};
	int r = open_running(&d, e);

	if (r == 0)
		r = cr_dirs_open(&o->both, true, &d.dirs, e);
	if (r == 0)
		r = check_criu(&d, e);
	if (r == 0)
		r = fill(&d, e);
	if (r == 0)
		r = ask(&d, e);
	if (r < 0 || o->leave_running || o->pre_dump)
		return r;
	return life_clear(&d.c, d.root_fd, true, warning, e);
}
