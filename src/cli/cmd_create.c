/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "policy/calls.h"
#include "policy/policy_text.h"
#include "sys/syscalls.h"

#include <fcntl.h>
#include <string.h>

/* --policy: all of it is known to be good before anything is made. */
struct held {
	const char *file;
	struct buf text;
	struct policy_calls calls;
	struct ctr_policy policy;
};

static void held_done(struct held *h)
{
	policy_calls_done(&h->calls);
	buf_done(&h->text);
}
#define AUTO_HELD AUTO(held_done)

/* What nobody writes down is not logged. */
static int check_log(const struct policy *p, const struct held *h, struct err *e)
{
	const struct policy_line *lines;
	size_t n = policy_lines(p, &lines);

	for (size_t i = 0; i < n && !h->policy.log; i++)
		if (lines[i].verb == POLICY_LOG)
			return err_set(e, EINVAL, "%.200s:%u: \"%.80s\": needs a --policy-log FILE",
				       h->file, lines[i].number, lines[i].text);
	return 0;
}

static int read_policy(struct held *h, struct err *e)
{
	AUTO_FD int fd = open(h->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	AUTO_POLICY struct policy *p = NULL;
	int r;

	if (fd < 0)
		return err_sys(e, errno, "--policy \"%s\"", h->file);
	r = buf_read_fd(&h->text, fd, POLICY_MAX_BYTES);
	if (r == -E2BIG)
		return err_set(e, r, "--policy \"%s\": over %d bytes", h->file, POLICY_MAX_BYTES);
	if (r < 0)
		return err_sys(e, r, "--policy \"%s\"", h->file);
	buf_str(&h->text, "");
	if (h->text.failed)
		return err_oom(e);
	r = policy_parse(h->text.data, h->text.len, h->file, &p, e);
	if (r == 0)
		r = policy_check_private(p, h->file, e);
	if (r == 0)
		r = check_log(p, h, e);
	if (r == 0)
		r = policy_calls(p, h->policy.log != NULL, &h->calls, e);
	if (r < 0)
		return r;
	h->policy.text = h->text.data;
	h->policy.len = h->text.len;
	h->policy.watched = h->calls.watched;
	h->policy.refused = h->calls.refused;
	return 0;
}

static int take_policy(struct held *h, struct ctr_create_options *o, struct err *e)
{
	if (!h->file)
		return h->policy.log ? err_set(e, EINVAL, "--policy-log: needs a --policy") : 0;
	o->policy = &h->policy;
	return read_policy(h, e);
}

/* create, and run, which goes on where create stops. */
static int make(struct cli *c, int argc, char **argv, struct ctr_create_options *o)
{
	AUTO_HELD struct held held = { 0 };
	const char *level = NULL;
	const struct opt common[] = {
		{ "bundle", 'b', OPT_STR, &o->bundle, "DIR", "the bundle (default: \".\")" },
		{ "console-socket", 0, OPT_STR, &o->console_socket, "SOCKET",
		  "who gets the outer end of the terminal" },
		{ "config", 'f', OPT_STR, &o->config, "FILE", "in place of config.json" },
		{ "pidfd-socket", 0, OPT_STR, &o->pidfd_socket, "SOCKET",
		  "who gets the pidfd of the first process" },
		{ "pid-file", 0, OPT_STR, &o->pid_file, "FILE", "write the process id there" },
		{ "no-pivot", 0, OPT_FLAG, &o->no_pivot, OPT_SHOWN,
		  "no pivot_root, for a root on a ramdisk" },
		{ "no-new-keyring", 0, OPT_FLAG, &o->no_new_keyring, OPT_SHOWN,
		  "keep the caller's session keyring" },
		/* A create adopts nobody anyway. */
		{ "no-subreaper", 0, OPT_FLAG, &o->no_subreaper, o->run ? OPT_SHOWN : NULL,
		  "don't adopt the container's orphans" },
		{ "policy", 0, OPT_STR, &held.file, "FILE", "hold the container to this policy" },
		{ "policy-log", 0, OPT_STR, &held.policy.log, "FILE",
		  "append what is decided by it" },
		{ "preserve-fds", 0, OPT_U32, &o->preserve_fds, "N", "pass N fds from 3 on" },
		{ "log-level", 0, OPT_STR, &level, NULL, "" },
		{ "timing", 0, OPT_FLAG, &o->timing, OPT_SHOWN, "price each step, on stderr" },
	};
	const struct opt run_only[] = {
		{ "detach", 'd', OPT_FLAG, &o->detach, OPT_SHOWN, "don't wait for the end" },
		{ "keep", 0, OPT_FLAG, &o->keep, OPT_SHOWN, "don't delete it after its end" },
	};
	struct opt opts[ARRAY_LEN(common) + ARRAY_LEN(run_only) + 1] = { 0 };
	AUTO_REPORT struct ctr_report rep = { 0 };
	struct err e = { 0 };
	int r, status = 0;

	memcpy(opts, common, sizeof(common));
	if (o->run)
		memcpy(opts + ARRAY_LEN(common), run_only, sizeof(run_only));
	r = cli_id(c, argc, argv, opts, &o->id);
	if (r >= 0)
		return r;
	r = log_set_level(&c->log, level, &e);
	o->debug = cli_debug(c);
	if (r == 0)
		r = take_policy(&held, o, &e);
	if (r == 0)
		r = ctr_create(o, &status, &rep, &e);
	o->policy = NULL;
	cli_report(c, &rep);
	return r < 0 ? cli_fail_program(c, &e, argv[0], 1) : status;
}

int cmd_create(struct cli *c, int argc, char **argv)
{
	struct ctr_create_options o = { .root = c->root,
					.cgroup_optional = c->rootless,
					.cgroup_manager = c->cgroup_manager };

	return make(c, argc, argv, &o);
}

int cmd_run(struct cli *c, int argc, char **argv)
{
	struct ctr_create_options o = { .root = c->root,
					.cgroup_optional = c->rootless,
					.cgroup_manager = c->cgroup_manager,
					.run = true };

	return make(c, argc, argv, &o);
}
