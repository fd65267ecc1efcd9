/* SPDX-License-Identifier: Apache-2.0 */
/* What takes milliseconds is done by children of the keeper, so that it always has time for a client. */
#include "warm/keeper.h"

#include "sys/syscalls.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* What a worker says of its create. */
struct made {
	pid_t pid; /* first process of the container */
	struct err err;
};

int keeper_id(const struct keeper *k, uint64_t number, char ret[CTR_ID_MAX + 1])
{
	int n = snprintf(ret, CTR_ID_MAX + 1, "%s.%d.%llu", k->name, getpid(),
			 (unsigned long long)number);

	return n > 0 && n <= CTR_ID_MAX ? 0 : -ENAMETOOLONG;
}

/* Return: in the child 0, which dies with the keeper; else its pid or a negative code. */
static pid_t fork_worker(const struct keeper *k, struct err *e)
{
	pid_t keeper = getpid(), pid = fork();
	sigset_t none;

	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid > 0)
		return pid;
	sigemptyset(&none);
	close(k->leash[1]);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper ||
	    sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		_exit(1);
	return 0;
}

static int create(const struct keeper *k, const char *id, pid_t keeper, struct made *ret)
{
	struct ctr_create_options o = k->o->create;
	AUTO_REPORT struct ctr_report rep = { 0 };
	AUTO_CTR struct ctr c = CTR_INIT;
	int status, r;

	o.id = id;
	o.keeper = keeper;
	o.leash_fd = k->leash[0];
	r = ctr_create(&o, &status, &rep, &ret->err);
	if (r == 0)
		r = ctr_open(o.root, id, false, &c, &ret->err);
	ret->pid = c.pid;
	return r;
}

int keeper_make(struct keeper *k, struct member *m, struct err *e)
{
	char id[CTR_ID_MAX + 1];
	struct made made = { 0 };
	int result[2];
	pid_t pid, keeper = getpid();

	if (keeper_id(k, m->number, id) < 0)
		return err_set(e, ENAMETOOLONG, "warm \"%s\": name too long", k->name);
	if (pipe2(result, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	pid = fork_worker(k, e);
	if (pid == 0) {
		int r = create(k, id, keeper, &made);

		_exit(sys_write_all(result[1], &made, sizeof(made)) < 0 || r < 0);
	}
	close(result[1]);
	if (pid < 0) {
		close(result[0]);
		return pid;
	}
	m->worker = pid;
	m->result = result[0];
	return 0;
}

int keeper_made(struct keeper *k, struct member *m, struct err *e)
{
	AUTO_FD int fd = TAKE_FD(m->result);
	struct made made = { 0 };

	m->worker = 0;
	if (read(fd, &made, sizeof(made)) != (ssize_t)sizeof(made))
		return err_set(e, ECHILD, "warm \"%s\": the create was killed", k->name);
	if (made.err.code < 0) {
		*e = made.err;
		return e->code;
	}
	/* It may have ended since, and may have been reaped already. */
	if (made.pid <= 0 ||
	    waitid(P_PID, (id_t)made.pid, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) < 0)
		return err_set(e, ECHILD, "warm \"%s\": a container ended while it waited",
			       k->name);
	m->pid = made.pid;
	return 0;
}

int keeper_remove(struct keeper *k, struct member *m, struct err *e)
{
	char id[CTR_ID_MAX + 1];
	pid_t pid;

	if (keeper_id(k, m->number, id) < 0)
		return err_set(e, ENAMETOOLONG, "warm \"%s\": name too long", k->name);
	pid = fork_worker(k, e);
	if (pid == 0)
		_exit(ctr_delete(k->o->create.root, id, true, NULL, NULL) < 0);
	if (pid < 0)
		return pid;
	m->worker = pid;
	return 0;
}
