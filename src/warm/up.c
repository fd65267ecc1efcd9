/* SPDX-License-Identifier: Apache-2.0 */
#include "warm/warm.h"

#include "container/store.h"
#include "sys/syscalls.h"
#include "sys/unixsock.h"
#include "warm/keeper.h"

#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

static int check_name(const char *name, struct err *e)
{
	if (strlen(name) > WARM_NAME_MAX)
		return err_set(e, EINVAL, "name \"%.80s\": longer than %d bytes", name,
			       WARM_NAME_MAX);
	return ctr_id_check(name, e);
}

/* The lock is on the directory and goes with the fd: who looks and binds is alone with it. */
static int listen_as(struct keeper *k, const char *dir, struct err *e)
{
	AUTO_FD int fd = -EBADF, old = -EBADF;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make directory \"%s\"", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(e, errno, "lock directory \"%s\"", dir);
	old = unix_connect(k->socket, SOCK_SEQPACKET);
	if (old >= 0)
		return err_set(e, EEXIST, "warm \"%s\" is up already", k->name);
	(void)unlink(k->socket);
	k->listen_fd = unix_listen(k->socket, SOCK_SEQPACKET);
	if (k->listen_fd < 0)
		return err_sys(e, k->listen_fd, "listen on \"%s\"", k->socket);
	return 0;
}

static int be_keeper(struct keeper *k, struct err *e)
{
	int r = keeper_run(k, e);

	if (k->listen_fd >= 0)
		(void)unlink(k->socket);
	auto_close_fd(&k->listen_fd);
	return r;
}

/* In the child: nothing of the caller's is held. */
static _Noreturn void live_behind(struct keeper *k)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err e = { 0 };

	(void)setsid();
	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			_exit(1);
	if (be_keeper(k, &e) < 0 && k->ready_fd >= 0)
		(void)sys_write_all(k->ready_fd, &e, sizeof(e));
	_exit(e.code < 0);
}

static int start_keeper(struct keeper *k, struct err *e)
{
	AUTO_FD int ready = -EBADF;
	struct err said = { 0 };
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	ready = pair[0];
	k->ready_fd = pair[1];
	pid = fork();
	if (pid == 0)
		live_behind(k);
	close(TAKE_FD(k->ready_fd));
	auto_close_fd(&k->listen_fd);
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (read(ready, &said, sizeof(said)) != (ssize_t)sizeof(said)) {
		(void)waitpid(pid, NULL, 0);
		return err_set(e, ECHILD, "warm \"%s\": the keeper ended", k->name);
	}
	if (said.code < 0)
		*e = said;
	return said.code;
}

static const char *default_name(const char *bundle, struct arena *a)
{
	AUTO_FREE char *path = realpath(bundle ? bundle : ".", NULL);

	return path ? arena_strdup(a, strrchr(path, '/') + 1) : NULL;
}

int warm_up(const struct warm_options *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD int root_fd = -EBADF;
	struct keeper k = { .o = o, .listen_fd = -EBADF, .signal_fd = -EBADF, .ready_fd = -EBADF };
	const char *dir;
	int r;

	if (o->count < 1 || o->count > WARM_MAX)
		return err_set(e, EINVAL, "number of containers %u: must be from 1 to %d", o->count,
			       WARM_MAX);
	k.name = o->name ? o->name : default_name(o->create.bundle, &a);
	if (!k.name)
		return err_sys(e, errno, "bundle \"%s\"",
			       o->create.bundle ? o->create.bundle : ".");
	dir = arena_printf(&a, "%s/.warm", o->create.root);
	k.socket = arena_printf(&a, "%s/.warm/%s", o->create.root, k.name);
	if (!dir || !k.socket)
		return err_oom(e);
	r = check_name(k.name, e);
	if (r == 0)
		r = store_open_root(o->create.root, true, &root_fd, e);
	if (r == 0)
		r = listen_as(&k, dir, e);
	if (r < 0)
		return r;
	return o->foreground ? be_keeper(&k, e) : start_keeper(&k, e);
}
