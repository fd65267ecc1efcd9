/* SPDX-License-Identifier: Apache-2.0 */
#include "warm/warm.h"

#include "container/foreground.h"
#include "container/store.h"
#include "sys/channel.h"
#include "sys/syscalls.h"
#include "sys/unixsock.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>

static int connect_keeper(const char *root, const char *name, struct err *e)
{
	AUTO_FREE char *path = NULL;
	int r = ctr_id_check(name, e), fd;

	if (r < 0)
		return r;
	if (asprintf(&path, "%s/.warm/%s", root, name) < 0) {
		path = NULL;
		return err_oom(e);
	}
	fd = unix_connect(path, SOCK_SEQPACKET);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return err_set(e, ENOENT, "nobody keeps containers warm by the name of \"%s\"",
			       name);
	return fd < 0 ? err_sys(e, fd, "connect to \"%s\"", path) : fd;
}

/* One question, one answer. */
static int ask(int sock, enum msg_kind question, enum msg_kind want, struct msg *answer,
	       struct err *e)
{
	int r = chan_send(sock, &(struct msg){ .kind = question }, -1);

	if (r == 0)
		r = chan_recv(sock, answer, NULL);
	if (r < 0)
		return err_sys(e, r, "speak with the keeper");
	if (r == 0)
		return err_set(e, ECONNRESET, "the keeper is gone");
	if (answer->kind == MSG_ERROR) {
		return err_set(e, answer->err.code, "%s", answer->err.msg);
	}
	return answer->kind == want ? 0 : err_set(e, EBADMSG, "unexpected answer of the keeper");
}

static int wait_exit(const struct foreground *f, int sock, int pidfd, int *ret_exit, struct err *e)
{
	struct pollfd p[] = { { .fd = sock, .events = POLLIN },
			      { .fd = f->signal_fd, .events = POLLIN } };
	struct msg m = { .kind = MSG_NONE };
	int r;

	do {
		r = poll(p, ARRAY_LEN(p), -1);
		if (r < 0 && errno != EINTR)
			return err_sys(e, errno, "poll");
		if (r > 0 && p[1].revents)
			foreground_signals(f, -EBADF, pidfd);
	} while (r <= 0 || !p[0].revents);
	r = chan_recv(sock, &m, NULL);
	if (r <= 0 || m.kind != MSG_EXIT)
		return err_set(e, ECONNRESET, "the keeper is gone, and with it the exit status");
	*ret_exit = m.value;
	return 0;
}

static int hold(const char *root, const char *id, int *ret_pidfd, struct err *e)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	int r = ctr_open(root, id, false, &c, e);

	if (r < 0)
		return r;
	*ret_pidfd = sys_pidfd_open(c.pid);
	return *ret_pidfd < 0 ? err_sys(e, *ret_pidfd, "container %s", id) : 0;
}

static int run_here(const char *root, const char *id, int sock, const struct oci_fast *f,
		    int *ret_exit, struct err *e)
{
	static char inherit[] = "inherit";
	AUTO_FOREGROUND struct foreground fg = FOREGROUND_INIT;
	struct oci_fast mine = f ? *f : (struct oci_fast){ 0 };
	AUTO_FD int pidfd = -EBADF;
	int r = hold(root, id, &pidfd, e);

	mine.stdio = inherit;
	if (r == 0)
		r = foreground_begin(&fg, false, e);
	if (r == 0)
		r = ctr_start(root, id, &mine, NULL, e);
	return r < 0 ? r : wait_exit(&fg, sock, pidfd, ret_exit, e);
}

int warm_take(const char *root, const char *name, const struct oci_fast *f, bool detach,
	      struct arena *a, char **ret_id, int *ret_exit, struct err *e)
{
	AUTO_FD int sock = connect_keeper(root, name, e);
	struct msg m = { .kind = MSG_NONE };
	int r = sock < 0 ? sock : ask(sock, MSG_TAKE, MSG_GRANT, &m, e);

	if (r < 0)
		return r;
	*ret_exit = 0;
	*ret_id = arena_strdup(a, m.err.msg);
	if (!*ret_id)
		return err_oom(e);
	if (!detach)
		return run_here(root, *ret_id, sock, f, ret_exit, e);
	r = ctr_start(root, *ret_id, f, NULL, e);
	if (r == 0 && (r = chan_send(sock, &(struct msg){ .kind = MSG_DETACH }, -1)) < 0)
		(void)err_sys(e, r, "speak with the keeper");
	return r;
}

/* The socket of a keeper that was killed; under the lock, nobody is about to listen there. */
static void remove_stale(DIR *d, const char *root, const char *name)
{
	AUTO_FD int sock = -EBADF;

	if (ctr_id_check(name, NULL) < 0 || flock(dirfd(d), LOCK_EX) < 0)
		return;
	sock = connect_keeper(root, name, NULL);
	if (sock == -ENOENT)
		(void)unlinkat(dirfd(d), name, 0);
	(void)flock(dirfd(d), LOCK_UN);
}

static int collect(const char *root, DIR *d, struct arena *a, struct buf *out, struct err *e)
{
	const struct dirent *ent;

	while ((ent = readdir(d))) {
		AUTO_FD int sock = connect_keeper(root, ent->d_name, NULL);
		struct warm_pool one = { .name = arena_strdup(a, ent->d_name) };
		struct msg m = { .kind = MSG_NONE };

		if (sock == -ENOENT)
			remove_stale(d, root, ent->d_name);
		if (sock < 0 || ask(sock, MSG_COUNT, MSG_COUNT, &m, NULL) < 0)
			continue;
		one.ready = (uint32_t)m.value;
		one.want = (uint32_t)m.number;
		if (!one.name || !buf_add(out, &one, sizeof(one)))
			return err_oom(e);
	}
	return 0;
}

int warm_list(const char *root, struct arena *a, struct warm_pool **ret, size_t *ret_count,
	      struct err *e)
{
	AUTO_FREE char *path = NULL;
	AUTO_BUF struct buf out = { 0 };
	AUTO_DIR DIR *d = NULL;
	int r = 0;

	if (asprintf(&path, "%s/.warm", root) < 0) {
		path = NULL;
		return err_oom(e);
	}
	d = opendir(path);
	if (!d && errno != ENOENT)
		return err_sys(e, errno, "list \"%s\"", path);
	if (d)
		r = collect(root, d, a, &out, e);
	if (r < 0)
		return r;
	*ret_count = out.len / sizeof(**ret);
	*ret = arena_array(a, *ret_count + 1, sizeof(**ret));
	if (!*ret)
		return err_oom(e);
	if (*ret_count)
		memcpy(*ret, out.data, out.len);
	return 0;
}

int warm_down(const char *root, const char *name, struct err *e)
{
	AUTO_FD int sock = connect_keeper(root, name, e);
	struct msg m = { .kind = MSG_NONE };

	return sock < 0 ? sock : ask(sock, MSG_DOWN, MSG_DOWN, &m, e);
}
