/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cred/cred.h"

#include "mech/cred/home.h"
#include "sys/syscalls.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { PATH_BYTES = 4096, CAP_WORDS = 2, HOME_PREFIX = 5 };

/* A directory joined or inherited from outside has no path inside: getcwd then says so. */
static int check_inside(const char *path, struct err *e)
{
	char cwd[PATH_BYTES];

	if (syscall(SYS_getcwd, cwd, sizeof(cwd)) < 0)
		return err_sys(e, errno, "process.cwd \"%s\": getcwd", path);
	if (cwd[0] != '/')
		return err_set(e, EPERM, "process.cwd \"%s\": lies outside the container's root",
			       path);
	return 0;
}

static int make_dirs(const char *path, struct err *e)
{
	char part[PATH_BYTES];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return err_set(e, ENAMETOOLONG, "process.cwd: longer than %zu bytes", sizeof(part));
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "process.cwd \"%s\": mkdir %s", path, part);
	}
	return 0;
}

/* Runs behind the pivot: an absolute path can't leave the root. */
static int apply_workdir(struct island *in, const struct step *s, struct err *e)
{
	const char *path = view_str(in->plan, s->u.workdir.path);
	int r = 0;

	if (!path)
		return err_set(e, EINVAL, "process.cwd: missing");
	if (chdir(path) == 0)
		return check_inside(path, e);
	if (errno == ENOENT && s->u.workdir.make)
		r = make_dirs(path, e);
	if (r < 0)
		return r;
	if (chdir(path) < 0)
		return err_sys(e, errno, "chdir to cwd (\"%s\") set in config.json failed", path);
	return check_inside(path, e);
}

/* ---- finding the program ---------------------------------------------------------- */

/* May the current fsuid run this file? */
static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int run_program(const char *path, char *const *argv, char *const *envp)
{
	execve(path, argv, envp);
	return -errno;
}

/* What LOOKUP and EXEC are about: the step's own words, where it has none those of creation. */
struct words {
	char *const *argv, *const *envp;
	const char *path;
	uint32_t uid, gid, entries;
	bool overrides, home;
};

static struct words take_words(const struct plan_view *v, const struct step *s)
{
	return (struct words){ .argv = view_list(v, s->u.exec.argv),
			       .envp = view_list(v, s->u.exec.envp),
			       .path = view_str(v, s->u.exec.path),
			       .uid = s->u.exec.uid,
			       .gid = s->u.exec.gid,
			       .entries = s->u.exec.envp.len,
			       .overrides = s->u.exec.overrides,
			       .home = s->u.exec.home };
}

static struct words find_words(const struct island *in, const struct step *s)
{
	struct words w = take_words(in->plan, s), first;

	if (!in->first_exec)
		return w;
	first = take_words(in->first_plan, in->first_exec);
	w.uid = first.uid;
	w.gid = first.gid;
	w.overrides = first.overrides;
	if (!w.argv)
		w.argv = first.argv;
	if (!w.path)
		w.path = first.path;
	if (!w.envp && s->kind == STEP_EXEC) {
		w.envp = first.envp;
		w.entries = first.entries;
		w.home = first.home;
	}
	return w;
}

/*
 * execvp's search, for the look-up and for the real thing.
 * Return: 0 from a look-up that found it; -ENOENT when no directory has it; the first
 * other refusal (usually -EACCES) when one has it but can't be run.
 */
static int search(const struct words *w, bool run, char *found)
{
	const char *name = w->argv[0], *dir = w->path;
	int worst = -ENOENT;

	if (strchr(name, '/')) {
		(void)snprintf(found, PATH_BYTES, "%s", name);
		return run ? run_program(name, w->argv, w->envp) : check_program(name);
	}
	while (dir && *name) {
		size_t n = strcspn(dir, ":");
		int r = -ENOENT;

		if (n + strlen(name) + 2 <= PATH_BYTES) {
			memcpy(found, dir, n);
			found[n] = '/';
			memcpy(found + n + (n ? 1 : 0), name, strlen(name) + 1);
			r = run ? run_program(found, w->argv, w->envp) : check_program(found);
		}
		if (r == 0)
			return 0;
		if (r != -ENOENT && r != -ENOTDIR && worst == -ENOENT)
			worst = r;
		dir = dir[n] ? dir + n + 1 : NULL;
	}
	return worst;
}

/* The words engines look for. */
static int not_runnable(const char *name, int r, struct err *e)
{
	if (r == -ENOENT && !strchr(name, '/'))
		return err_set(e, r, "exec: \"%.128s\": executable file not found in $PATH", name);
	if (r == -ENOENT)
		return err_sys(e, r, "exec: \"%.128s\": stat %.128s", name, name);
	/* execve would say so, and runc did; newer engines look for the other half, too. */
	if (r == -EISDIR)
		return err_sys(e, -EACCES, "exec: \"%.128s\": is a directory", name);
	return err_sys(e, r, "exec: \"%.256s\"", name);
}

static int apply_lookup(struct island *in, const struct step *s, struct err *e)
{
	struct words w = find_words(in, s);
	char found[PATH_BYTES];
	int gid, uid, r;

	/* Look with the program's own rights; setfsuid drops the file capabilities, too. */
	gid = setfsgid(w.gid);
	uid = setfsuid(w.overrides ? 0 : w.uid);
	r = search(&w, false, found);
	(void)setfsuid((uid_t)uid);
	(void)setfsgid((gid_t)gid);
	if (w.home) {
		memcpy(in->home, "HOME=", HOME_PREFIX);
		home_find(in->root_fd, w.uid, in->home + HOME_PREFIX);
	}
	return r < 0 ? not_runnable(w.argv[0], r, e) : 0;
}

/* The list is in our private copy of the plan. */
void cred_put_home(const struct island *in, bool home, char *const *list, uint32_t count)
{
	if (home && count > 0)
		((char **)(uintptr_t)list)[count - 1] = (char *)in->home;
}

/* What the look-up let pass: most often the interpreter of a script is missing. */
static int apply_exec(struct island *in, const struct step *s, struct err *e)
{
	struct words w = find_words(in, s);
	char found[PATH_BYTES];

	cred_put_home(in, w.home, w.envp, w.entries);
	return err_sys(e, search(&w, true, found), "exec %.256s", w.argv[0]);
}

static int apply_oom_score(struct island *in, const struct step *s, struct err *e)
{
	AUTO_FD int fd = sys_proc_open(in->proc_fd, "self/oom_score_adj", O_WRONLY);
	char value[24];
	int r;

	(void)snprintf(value, sizeof(value), "%lld", (long long)s->u.num.value);
	r = fd < 0 ? fd : sys_write_all(fd, value, strlen(value));
	return r < 0 ? err_sys(e, r, "process.oomScoreAdj: write %s", value) : 0;
}

/* ---- identity --------------------------------------------------------------------- */

static int apply_groups(struct island *in, const struct step *s, struct err *e)
{
	size_t n = s->u.groups.gids.len / sizeof(uint32_t);

	if (syscall(SYS_setgroups, n, view_blob(in->plan, s->u.groups.gids)) < 0 &&
	    !(errno == EPERM && s->u.groups.may_deny))
		return err_sys(e, errno, "process.user.additionalGids: setgroups");
	return 0;
}

static int apply_user(const struct step *s, struct err *e)
{
	uid_t uid = s->u.user.uid;
	gid_t gid = s->u.user.gid;

	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		return err_sys(e, errno, "prctl PR_SET_KEEPCAPS");
	if (syscall(SYS_setresgid, gid, gid, gid) < 0)
		return err_sys(e, errno, "process.user.gid %u: setgid", gid);
	if (syscall(SYS_setresuid, uid, uid, uid) < 0)
		return err_sys(e, errno, "process.user.uid %u: setuid", uid);
	if (prctl(PR_SET_KEEPCAPS, 0) < 0)
		return err_sys(e, errno, "prctl PR_SET_KEEPCAPS");
	(void)umask(s->u.user.umask);
	return 0;
}

static int apply_bounding(const struct step *s, struct err *e)
{
	for (unsigned int c = 0; c < 64; c++) {
		if (s->u.caps.bounding >> c & 1 || prctl(PR_CAPBSET_DROP, c) == 0)
			continue;
		if (errno == EINVAL)
			return 0; /* past the last one the kernel knows */
		if (prctl(PR_CAPBSET_READ, c) != 0)
			return err_sys(e, errno, "drop capability %u from the bounding set", c);
	}
	return 0;
}

static int apply_caps(const struct step *s, struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[CAP_WORDS], have[CAP_WORDS];
	uint64_t eff, per, inh = s->u.caps.inheritable;

	/* What isn't held can't be asked for: a user namespace may hold less. */
	if (syscall(SYS_capget, &head, have) < 0)
		return err_sys(e, errno, "read capabilities");
	per = s->u.caps.permitted & (have[0].permitted | (uint64_t)have[1].permitted << 32);
	eff = s->u.caps.effective & per;
	for (unsigned int i = 0; i < CAP_WORDS; i++) {
		data[i].effective = (uint32_t)(eff >> (32 * i));
		data[i].permitted = (uint32_t)(per >> (32 * i));
		data[i].inheritable = (uint32_t)(inh >> (32 * i));
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(e, errno, "process.capabilities: capset");
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned int c = 0; c < 64; c++) {
		if (!(s->u.caps.ambient & per & inh & 1ULL << c))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
			return err_sys(e, errno, "process.capabilities.ambient: raise %u", c);
	}
	return 0;
}

int cred_apply(struct island *in, const struct step *s, struct err *e)
{
	switch (s->kind) {
	case STEP_OOM_SCORE:
		return apply_oom_score(in, s, e);
	case STEP_WORKDIR:
		return apply_workdir(in, s, e);
	case STEP_LOOKUP:
		return apply_lookup(in, s, e);
	case STEP_GROUPS:
		return apply_groups(in, s, e);
	case STEP_BOUNDING:
		return apply_bounding(s, e);
	case STEP_USER:
		return apply_user(s, e);
	case STEP_CAPS:
		return apply_caps(s, e);
	case STEP_NO_NEW_PRIVS:
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return err_sys(e, errno, "process.noNewPrivileges");
		return 0;
	case STEP_EXEC:
		return apply_exec(in, s, e);
	}
	return err_set(e, EINVAL, "step %u is not for credentials", s->kind);
}
