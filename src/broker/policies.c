/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"

#include "base/parse.h"
#include "policy/policy_text.h"
#include "sys/syscalls.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

/*
 * DIR/NAME.policy is for everybody who reaches the agent's socket, DIR/uid-N/NAME.policy for user N
 * alone. Whoever could write one could give himself any right, so all of it has to be ours.
 */
static const char suffix[] = ".policy";

bool policy_name_ok(const char *name)
{
	const size_t n = strlen(name);

	if (n == 0 || n > AGENT_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
	       n;
}

static int check_ours(int fd, const char *what, struct err *e)
{
	struct stat s;

	if (fstat(fd, &s) < 0)
		return err_sys(e, errno, "%s", what);
	if (s.st_uid != geteuid())
		return err_set(e, EPERM, "%s: belongs to user %u, must belong to user %u", what,
			       s.st_uid, geteuid());
	if (s.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, EPERM, "%s: may be written by others, must not (chmod go-w)",
			       what);
	return 0;
}

static int add(struct policy_set *set, uid_t uid, const char *name, struct policy *p, struct err *e)
{
	struct policy_file *list;

	if (set->count == AGENT_POLICIES)
		return err_set(e, E2BIG, "more than %d policies", AGENT_POLICIES);
	list = reallocarray(set->files, set->count + 1, sizeof(*list));
	if (!list)
		return err_oom(e);
	set->files = list;
	list += set->count++;
	*list = (struct policy_file){ .uid = uid, .policy = p };
	(void)snprintf(list->name, sizeof(list->name), "%s", name);
	return 0;
}

static int load_file(int dir, const char *name, uid_t uid, struct policy_set *set, struct err *e)
{
	const size_t len = strlen(name) - strlen(suffix);
	AUTO_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	AUTO_POLICY struct policy *p = NULL;
	AUTO_BUF struct buf text = { 0 };
	char plain[AGENT_NAME_MAX + 1] = "";
	int r;

	if (len > AGENT_NAME_MAX)
		return err_set(e, ENAMETOOLONG, "\"%s\": a name has at most %d bytes", name,
			       AGENT_NAME_MAX);
	(void)snprintf(plain, sizeof(plain), "%.*s", (int)len, name);
	if (!policy_name_ok(plain))
		return err_set(e, EINVAL,
			       "\"%s\": a name is of letters, digits, \"_\", \".\", \"-\"", name);
	if (fd < 0)
		return err_sys(e, errno, "\"%s\"", name);
	r = check_ours(fd, name, e);
	if (r < 0)
		return r;
	r = buf_read_fd(&text, fd, POLICY_MAX_BYTES);
	if (r < 0)
		return err_sys(e, r, "\"%s\"", name);
	r = policy_parse(text.data ? text.data : "", text.len, name, &p, e);
	if (r == 0)
		r = policy_check_carried(p, name, e);
	if (r == 0)
		r = add(set, uid, plain, p, e);
	if (r == 0)
		p = NULL;
	return r;
}

static int load_dir(int dir, uid_t uid, struct policy_set *set, struct err *e);

static int load_user(int dir, const char *name, struct policy_set *set, struct err *e)
{
	AUTO_FD int sub = -EBADF;
	uint32_t uid;

	if (parse_u32(str_after(name, "uid-"), &uid) < 0 || uid == UINT32_MAX)
		return err_set(e, EINVAL, "\"%s\": must be uid- and a number", name);
	sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (sub < 0)
		return err_sys(e, errno, "\"%s\"", name);
	return load_dir(TAKE_FD(sub), uid, set, e) < 0 ? err_wrap(e, "%s", name) : 0;
}

static bool ends_so(const char *name)
{
	const size_t n = strlen(name), m = strlen(suffix);

	return n > m && str_eq(name + n - m, suffix);
}

/* Takes over @dir. */
static int load_dir(int dir, uid_t uid, struct policy_set *set, struct err *e)
{
	AUTO_DIR DIR *d = NULL;
	const struct dirent *entry;
	int r = check_ours(dir, uid == UINT32_MAX ? "the policy directory" : "this directory", e);

	if (r < 0) {
		close(dir);
		return r;
	}
	d = fdopendir(dir);
	if (!d) {
		close(dir);
		return err_oom(e);
	}
	while (r == 0 && (entry = readdir(d))) {
		if (ends_so(entry->d_name))
			r = load_file(dirfd(d), entry->d_name, uid, set, e);
		else if (uid == UINT32_MAX && str_starts(entry->d_name, "uid-"))
			r = load_user(dirfd(d), entry->d_name, set, e);
	}
	return r;
}

int policies_load(const char *dir, struct policy_set *ret, struct err *e)
{
	struct policy_set set = { 0 };
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return err_sys(e, errno, "policy directory \"%s\"", dir);
	r = load_dir(fd, UINT32_MAX, &set, e);
	if (r < 0) {
		policies_done(&set);
		return err_wrap(e, "%s", dir);
	}
	*ret = set;
	return 0;
}

void policies_done(struct policy_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		policy_free(s->files[i].policy);
	free(s->files);
	*s = (struct policy_set){ 0 };
}

const struct policy *policies_find(const struct policy_set *s, uid_t uid, const char *name)
{
	const struct policy *common = NULL;

	for (size_t i = 0; i < s->count; i++) {
		if (!str_eq(s->files[i].name, name))
			continue;
		if (s->files[i].uid == uid)
			return s->files[i].policy;
		if (s->files[i].uid == UINT32_MAX)
			common = s->files[i].policy;
	}
	return common;
}
