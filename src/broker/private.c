/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"

#include "broker/broker.h"
#include "broker/confine.h"
#include "broker/target.h"
#include "policy/policy_text.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

/*
 * An agent for one container, of the user who made it: one policy, for good, and no right of the host's.
 * What it does for the container it does as root of the container's user namespace, which its maker may be.
 */
static int read_policy(struct agent *a, struct err *e)
{
	AUTO_POLICY struct policy *p = NULL;
	AUTO_BUF struct buf text = { 0 };
	struct policy_file *f;
	int r = buf_read_fd(&text, BROKER_POLICY_FD, POLICY_MAX_BYTES);

	if (r < 0)
		return err_sys(e, r, "the policy");
	r = policy_parse(text.data ? text.data : "", text.len, "policy", &p, e);
	if (r == 0)
		r = policy_check_private(p, "policy", e);
	if (r < 0)
		return r;
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_oom(e);
	*f = (struct policy_file){ .uid = UINT32_MAX, .name = "default", .policy = p };
	a->policies = (struct policy_set){ .files = f, .count = 1 };
	p = NULL;
	return 0;
}

/* Whoever waits reads to the end, so nothing else may hold the other end open. */
static void say(const char *text)
{
	(void)sys_write_all(BROKER_READY_FD, text, strlen(text));
	(void)close(BROKER_READY_FD);
}

/* Before its program runs, which may be anywhere when it is looked at later. */
static int look_at_first(struct agent *a, pid_t first, struct err *e)
{
	const int r = home_read(a->proc, first, &a->home);

	return r < 0 ? err_sys(e, r, "process %d", first) : 0;
}

/* The log is begun anew by its name, and we don't stay where that means something. */
static int full_path(const char **path, struct err *e)
{
	static char full[PATH_MAX];
	char here[PATH_MAX];
	int n;

	if (!*path || **path == '/')
		return 0;
	if (!getcwd(here, sizeof(here)))
		return err_sys(e, errno, "working directory");
	n = snprintf(full, sizeof(full), "%s/%s", here, *path);
	if (n < 0 || (size_t)n >= sizeof(full))
		return err_set(e, ENAMETOOLONG, "audit log \"%.200s\"", *path);
	*path = full;
	return 0;
}

static int open_all(struct agent *a, pid_t first, const char *log, struct err *e)
{
	int r = read_policy(a, e);

	if (r == 0)
		r = sys_close_range(BROKER_POLICY_FD, BROKER_POLICY_FD, 0);
	if (r == 0)
		r = sys_close_range(BROKER_FIRST_FD, BROKER_READY_FD, CLOSE_RANGE_CLOEXEC);
	if (r == 0)
		r = agent_open_kernel(a, e);
	if (r == 0)
		r = look_at_first(a, first, e);
	if (r == 0)
		r = full_path(&log, e);
	if (r == 0)
		r = audit_open(&a->audit, log, e);
	umask(0077);
	if (r == 0)
		a->listen = r = agent_listen(a->listen_path, 0600, e);
	/* It would keep a file system busy for as long as the container lives. */
	if (r >= 0)
		r = chdir("/") < 0 ? err_sys(e, errno, "/") : 0;
	return r < 0 ? r : confine(e);
}

int broker_private(const char *listen, pid_t first, const char *log, struct err *e)
{
	static struct agent a;
	char pid[16];
	int r;

	agent_init(&a, 0);
	a.listen_path = listen;
	a.confined = true;
	a.first = BROKER_FIRST_FD;
	r = open_all(&a, first, log, e);
	if (r < 0) {
		say(e->msg);
		return r;
	}
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	say(pid);
	r = agent_loop(&a, e);
	pool_done(&a);
	return r;
}
