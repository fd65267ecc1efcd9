/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/target.h"

#include "broker/cgroup.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <linux/nsfs.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { STATUS_MAX = 8 << 10 };

bool call_alive(const struct helper *h, const struct call *c)
{
	uint64_t id = c->id;

	return ioctl(h->notify, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* ---- who ------------------------------------------------------------------------------------ */

/* proc_pid_status(5). Return: the text behind "name:" at the beginning of a line, or NULL. */
static const char *field(const char *status, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			return line + n + 1;
	}
	return NULL;
}

/* Numbers up to the end of the line. Return: how many; -E2BIG; -EBADMSG. */
static int numbers(const char *text, unsigned int base, uint64_t *ret, size_t max)
{
	size_t n = 0;

	if (!text)
		return -EBADMSG;
	for (;;) {
		uint64_t v = 0;
		const char *from;

		text += strspn(text, " \t");
		if (*text == '\n' || *text == '\0')
			return (int)n;
		for (from = text; *text && !strchr(" \t\n", *text); text++) {
			const char *digits = "0123456789abcdef", *d = strchr(digits, *text);

			if (!d || (unsigned int)(d - digits) >= base || text - from > 16)
				return -EBADMSG;
			v = v * base + (unsigned int)(d - digits);
		}
		if (n == max)
			return -E2BIG;
		ret[n++] = v;
	}
}

static int read_who(struct target *t)
{
	uint64_t v[TARGET_GROUPS];
	char status[STATUS_MAX];
	int r = sys_read_at(t->proc, "status", status, sizeof(status));

	if (r < 0)
		return r;
	if (numbers(field(status, "Tgid"), 10, v, 1) != 1)
		return -EBADMSG;
	t->tgid = (pid_t)v[0];
	if (numbers(field(status, "Uid"), 10, v, 4) != 4)
		return -EBADMSG;
	for (unsigned int i = 0; i < 3; i++)
		t->uid[i] = (uid_t)v[i];
	t->fsuid = (uid_t)v[3];
	if (numbers(field(status, "Gid"), 10, v, 4) != 4)
		return -EBADMSG;
	for (unsigned int i = 0; i < 3; i++)
		t->gid[i] = (gid_t)v[i];
	t->fsgid = (gid_t)v[3];
	if (numbers(field(status, "CapEff"), 16, &t->caps, 1) != 1)
		return -EBADMSG;
	if (numbers(field(status, "Umask"), 8, v, 1) != 1)
		return -EBADMSG;
	t->umask = (mode_t)v[0];
	r = numbers(field(status, "Groups"), 10, v, TARGET_GROUPS);
	if (r < 0)
		return r;
	t->groups_count = (size_t)r;
	for (size_t i = 0; i < t->groups_count; i++)
		t->groups[i] = (gid_t)v[i];
	return 0;
}

/* user_namespaces(7): "inside outside count", the outside as we number it. */
static bool maps(const struct target *t, const char *file, uint32_t inside, uint32_t outside)
{
	char text[STATUS_MAX], *line = text;
	uint64_t v[3];
	int r = sys_read_at(t->proc, file, text, sizeof(text));

	while (r > 0 && line && *line && numbers(line, 10, v, 3) == 3) {
		if (inside >= v[0] && inside - v[0] < v[2] && v[1] + (inside - v[0]) == outside)
			return true;
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return false;
}

/* From the number outside to that inside. Return: false: it is not mapped. */
static bool inside_of(const struct target *t, const char *file, uint32_t *id)
{
	char text[STATUS_MAX], *line = text;
	uint64_t v[3];
	int r = sys_read_at(t->proc, file, text, sizeof(text));

	while (r > 0 && line && *line && numbers(line, 10, v, 3) == 3) {
		if (*id >= v[1] && *id - v[1] < v[2]) {
			*id = (uint32_t)(v[0] + (*id - v[1]));
			return true;
		}
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return false;
}

bool target_is_root(const struct target *t)
{
	return maps(t, "uid_map", 0, t->uid[1]);
}

/* ---- where ---------------------------------------------------------------------------------- */

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/*
 * A listener can be brought by anybody, for a process that is in no container at all. Only what
 * its bringer could have made is served: a user namespace that he owns and that is not ours.
 */
static int check_userns(const struct helper *h, int userns)
{
	uid_t owner = 0;

	if (same_file(userns, h->userns))
		return -EPERM;
	if (ioctl(userns, NS_GET_OWNER_UID, &owner) < 0)
		return -errno;
	return owner == h->owner ? 0 : -EPERM;
}

static bool is_namespace(int fd, const uint64_t id[2])
{
	struct stat s;

	return fstat(fd, &s) == 0 && s.st_dev == id[0] && s.st_ino == id[1];
}

/* A user namespace within the container's is its owner's, too, but a name there is anybody's. */
static int open_userns(struct target *t, const struct helper *h)
{
	t->userns = openat(t->proc, "ns/user", O_RDONLY | O_CLOEXEC);
	if (t->userns < 0)
		return -errno;
	if (!h->home.known || !is_namespace(t->userns, h->home.user))
		return -EPERM;
	return check_userns(h, t->userns);
}

int home_read(int proc, pid_t pid, struct home *ret)
{
	AUTO_FD int pidfd = sys_pidfd_open(pid), dir = -EBADF;
	struct stat user, mnt;
	uint64_t start;
	char name[16];
	int r;

	if (pidfd < 0)
		return pidfd;
	(void)snprintf(name, sizeof(name), "%d", pid);
	dir = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -ESRCH;
	if (fstatat(dir, "ns/user", &user, 0) < 0 || fstatat(dir, "ns/mnt", &mnt, 0) < 0)
		return -errno;
	r = sys_start_time(pid, &start, NULL);
	if (r < 0)
		return r;
	/* It is alive: then the number meant this process all the time. */
	r = sys_pidfd_send_signal(pidfd, 0);
	if (r < 0)
		return r;
	*ret = (struct home){ .known = true,
			      .pid = pid,
			      .start = start,
			      .user = { user.st_dev, user.st_ino },
			      .mnt = { mnt.st_dev, mnt.st_ino } };
	cgroup_home(dir, ret->cgroup);
	return 0;
}

/*
 * Of the user namespace itself, not of one above, which may be the host's. Engines share a network
 * between containers, so it may also belong to another user namespace of the same owner.
 */
static int open_owned(const struct target *t, const struct helper *h, const char *name, int *ret)
{
	AUTO_FD int owner = -EBADF;

	*ret = openat(t->proc, name, O_RDONLY | O_CLOEXEC);
	if (*ret < 0)
		return -errno;
	owner = ioctl(*ret, NS_GET_USERNS);
	if (owner < 0)
		return -errno;
	if (same_file(owner, t->userns))
		return 0;
	return str_eq(name, "ns/net") ? check_userns(h, owner) : -EPERM;
}

static int open_place(struct target *t)
{
	t->root = openat(t->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->root < 0)
		return -errno;
	t->cwd = openat(t->proc, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return t->cwd < 0 ? -errno : 0;
}

int target_open(struct target *t, const struct helper *h, const struct call *c, unsigned int need)
{
	char name[16];
	int r;

	t->confined = h->confined;
	(void)snprintf(name, sizeof(name), "%d", c->tid);
	t->proc = openat(h->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->proc < 0)
		return -ESRCH;
	r = read_who(t);
	if (r == 0 && need)
		r = open_userns(t, h);
	if (r == 0 && (need & NEED_MNT))
		r = open_owned(t, h, "ns/mnt", &t->mntns);
	if (r == 0 && (need & NEED_MNT) && !is_namespace(t->mntns, h->home.mnt))
		r = -EPERM;
	if (r == 0 && (need & NEED_MNT))
		r = open_place(t);
	if (r == 0 && (need & NEED_NET))
		r = open_owned(t, h, "ns/net", &t->netns);
	if (r == 0 && (need & NEED_PID))
		r = open_owned(t, h, "ns/pid", &t->pidns);
	/* It waits still: then the number meant this thread all the time. */
	if (!call_alive(h, c))
		return -ESRCH;
	return r;
}

void target_done(struct target *t)
{
	auto_close_fd(&t->proc);
	auto_close_fd(&t->userns);
	auto_close_fd(&t->mntns);
	auto_close_fd(&t->netns);
	auto_close_fd(&t->pidns);
	auto_close_fd(&t->root);
	auto_close_fd(&t->cwd);
}

/*
 * A pidfd is of a process; threads may have descriptors of their own. PIDFD_THREAD is of Linux
 * 6.9, kcmp works with every kernel.
 */
int target_fd(const struct target *t, const struct helper *h, const struct call *c, int fd)
{
	AUTO_FD int pidfd = sys_pidfd_open(t->tgid);
	int r;

	if (pidfd < 0)
		return pidfd;
	if (t->tgid != c->tid && syscall(SYS_kcmp, t->tgid, c->tid, KCMP_FILES, 0, 0) != 0)
		return -EPERM;
	if (!call_alive(h, c))
		return -ESRCH;
	r = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	return r < 0 ? -errno : r;
}

/* ---- becoming like it ------------------------------------------------------------------------ */

int target_raise_caps(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)effective, .permitted = (uint32_t)permitted },
		{ .effective = (uint32_t)(effective >> 32),
		  .permitted = (uint32_t)(permitted >> 32) },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Who it is, as its user namespace numbers it. Return: 0; -EPERM: it has an id that is not mapped. */
static int number_inside(struct target *t)
{
	bool ok = true;

	for (int i = 0; i < 3; i++)
		ok = ok && inside_of(t, "uid_map", &t->uid[i]) &&
		     inside_of(t, "gid_map", &t->gid[i]);
	ok = ok && inside_of(t, "uid_map", &t->fsuid) && inside_of(t, "gid_map", &t->fsgid);
	for (size_t i = 0; ok && i < t->groups_count; i++)
		ok = inside_of(t, "gid_map", &t->groups[i]);
	return ok ? 0 : -EPERM;
}

/* Where a user namespace denies setgroups, its groups are those of whoever made it: ours. */
static bool has_our_groups(const struct target *t)
{
	gid_t ours[TARGET_GROUPS];
	const int n = getgroups(TARGET_GROUPS, ours);

	return n >= 0 && (size_t)n == t->groups_count &&
	       memcmp(ours, t->groups, t->groups_count * sizeof(*ours)) == 0;
}

static int take_ids(const struct target *t, bool keep_groups)
{
	/* Changing ids shall cost no capability: what is left of them is decided at the end. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS, 0, 0, 0) < 0)
		return -errno;
	if ((!keep_groups && setgroups(t->groups_count, t->groups) < 0) ||
	    setresgid(t->gid[0], t->gid[1], t->gid[2]) < 0 ||
	    setresuid(t->uid[0], t->uid[1], t->uid[2]) < 0)
		return -errno;
	/* These have no way to say that they failed. */
	setfsgid(t->fsgid);
	setfsuid(t->fsuid);
	if ((gid_t)setfsgid((gid_t)-1) != t->fsgid || (uid_t)setfsuid((uid_t)-1) != t->fsuid)
		return -EPERM;
	return 0;
}

static int join(int fd, int kind)
{
	return fd >= 0 && setns(fd, kind) < 0 ? -errno : 0;
}

static bool is_our_root(int fd)
{
	const unsigned int want = STATX_INO | STATX_MNT_ID;
	struct statx a = { 0 }, b = { 0 };

	return statx(fd, "", AT_EMPTY_PATH, want, &a) == 0 &&
	       statx(AT_FDCWD, "/", 0, want, &b) == 0 && (a.stx_mask & want) == want &&
	       (b.stx_mask & want) == want && a.stx_ino == b.stx_ino &&
	       a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor &&
	       a.stx_mnt_id == b.stx_mnt_id;
}

/*
 * Whoever joins a mount namespace stands in the root of it: a thread with another root says names
 * that the policy does not mean. A directory outside of the root would make ".." mean something
 * else for us than a name says.
 */
static int stand_there(const struct target *t)
{
	char path[PATH_MAX];

	if (!is_our_root(t->root))
		return -EPERM;
	if (fchdir(t->root) < 0 || chroot(".") < 0 || fchdir(t->cwd) < 0)
		return -errno;
	if (syscall(SYS_getcwd, path, sizeof(path)) < 0)
		return errno == ENOENT || errno == ENAMETOOLONG ? 0 : -errno;
	return path[0] == '/' ? 0 : -EPERM;
}

static int join_places(const struct target *t, unsigned int need)
{
	int r = need & NEED_MNT ? join(t->mntns, CLONE_NEWNS) : 0;

	if (r == 0 && (need & NEED_NET))
		r = join(t->netns, CLONE_NEWNET);
	if (r == 0 && (need & NEED_PID))
		r = join(t->pidns, CLONE_NEWPID);
	return r;
}

/* With the host's rights: from outside to inside. */
static int enter(const struct target *t, unsigned int need)
{
	int r = take_ids(t, false);

	if (r == 0)
		r = join_places(t, need);
	if (r == 0 && (need & NEED_USER))
		r = join(t->userns, CLONE_NEWUSER);
	return r;
}

/* Without any: first become root of the user namespace, and all else as that. */
static int enter_confined(const struct target *t, unsigned int need)
{
	const bool keep_groups = has_our_groups(t);
	struct target inside = *t;
	int r = need & NEED_USER ? 0 : -EPERM;

	/* They need not be mapped, then. */
	if (keep_groups)
		inside.groups_count = 0;
	if (r == 0)
		r = number_inside(&inside);
	if (r == 0)
		r = join(t->userns, CLONE_NEWUSER);
	if (r == 0)
		r = join_places(t, need);
	return r < 0 ? r : take_ids(&inside, keep_groups);
}

int target_become(const struct target *t, unsigned int need, uint64_t extra)
{
	int r = t->confined ? enter_confined(t, need) : enter(t, need);

	if (r == 0 && (need & NEED_MNT))
		r = stand_there(t);
	if (r == 0)
		/* Its own capabilities mean something in its own user namespace only. */
		r = target_raise_caps((need & NEED_USER ? t->caps : 0) | extra,
				      (need & NEED_USER ? t->caps : 0) | extra);
	if (r < 0)
		return r;
	umask(t->umask);
	/* Nobody inside may look into us, nor may we outlive whoever watches us. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return 0;
}
