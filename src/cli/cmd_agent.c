/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"
#include "sys/unixsock.h"

#include <limits.h>
#include <string.h>
#include <sys/socket.h>

enum { ANSWER_MAX = 16 << 20 };

struct agent_args {
	const char *policy_dir, *listen, *audit;
	uint32_t rate;
};

static int become(const struct agent_args *a, struct err *e)
{
	char *const audit = (char *)(uintptr_t)(a->audit ? a->audit : "");
	char name[] = "cay-broker", word[] = "agent", rate[16] = "";
	char *argv[] = { name,
			 word,
			 (char *)(uintptr_t)a->policy_dir,
			 (char *)(uintptr_t)a->listen,
			 audit,
			 a->rate ? rate : NULL,
			 NULL };

	(void)snprintf(rate, sizeof(rate), "%u", a->rate);
	return spawn_become_libexec(name, argv, e);
}

/* One word, one answer; its first byte says whether it went well. */
static int tell(struct cli *c, const struct agent_args *a, const char *word, struct err *e)
{
	AUTO_BUF struct buf answer = { 0 };
	AUTO_FD int fd = -EBADF;
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s.ctl", a->listen), r;

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(e, ENAMETOOLONG, "--listen \"%s\"", a->listen);
	fd = unix_connect(path, SOCK_STREAM);
	if (fd < 0)
		return err_sys(e, fd, "no agent answers at \"%s\"", path);
	r = sys_write_all(fd, word, strlen(word));
	if (r == 0)
		r = buf_read_fd(&answer, fd, ANSWER_MAX);
	if (r < 0)
		return err_sys(e, r, "the agent at \"%s\"", path);
	if (answer.len == 0)
		return err_set(e, EPIPE, "the agent at \"%s\" ended without an answer", path);
	if (answer.data[0] != '+')
		return err_set(e, EINVAL, "the agent: %s", answer.data + 1);
	return cli_print(c, answer.data + 1, answer.len - 1);
}

static int go(struct cli *c, const struct agent_args *a, const char *word, struct err *e)
{
	if (!word)
		return become(a, e);
	if (str_eq(word, "reload") || str_eq(word, "status") || str_eq(word, "metrics"))
		return tell(c, a, word, e);
	return err_set(e, EINVAL, "agent %s: must be reload, status or metrics", word);
}

int cmd_agent(struct cli *c, int argc, char **argv)
{
	struct agent_args a = { .policy_dir = "/etc/cay/policy.d",
				.listen = "/run/cay/agent.sock" };
	const struct opt opts[] = {
		{ "policy-dir", 0, OPT_STR, &a.policy_dir, "DIR",
		  "where NAME.policy and uid-N/NAME.policy lie (default: /etc/cay/policy.d)" },
		{ "listen", 0, OPT_STR, &a.listen, "SOCKET",
		  "linux.seccomp.listenerPath of containers (default: /run/cay/agent.sock)" },
		{ "audit", 0, OPT_STR, &a.audit, "FILE",
		  "append decisions to FILE (default: stderr)" },
		{ "rate", 0, OPT_U32, &a.rate, "N",
		  "calls a second and container, further ones wait (default: 5000)" },
		{ .type = OPT_END },
	};
	struct opt_args args;
	struct err e = { 0 };
	int r = cli_args(c, argc, argv, opts, 0, 1, &args);

	if (r >= 0)
		return r;
	r = go(c, &a, args.count ? args.list[0] : NULL, &e);
	return r < 0 ? cli_fail(c, &e, 1) : r;
}
