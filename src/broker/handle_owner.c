/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/*
 * chown and its like: an owner that the container can't have is written down, in the attribute in which
 * fuse-overlayfs and containers/storage look for it. The mode stands in there, too, so chmod and its
 * like are done here as well: by the child like the caller, and then written down where an owner is.
 */
enum { DEADLINE_MS = 5000, RECORD_MAX = 64 };

/* fuse-overlayfs(1), xattr_permissions=2; containers/storage, force_mask. */
static const char record_name[] = "user.containers.override_stat";

struct record {
	bool there;
	uint32_t uid, gid;
	mode_t mode;
};

/* What a call is about: a file of the caller's, by one of the five ways to name it. */
struct file_args {
	int dirfd, flags;
	const char *path; /* NULL: @dirfd is the file */
	uint32_t value[2];
};

static char file_name[PATH_MAX];
static const uint64_t override = 1ULL << CAP_DAC_OVERRIDE;

static struct file_args args_of(const struct call *c)
{
	const bool at = c->kind->shape[1] == ARG_PATH, by_fd = !at && c->kind->shape[0] == ARG_FD;
	const bool chmod = strstr(c->kind->name, "chmod");
	const unsigned int first = at ? 2 : 1, flags = first + (chmod ? 1 : 2);
	struct file_args f = { .dirfd = at || by_fd ? (int)c->arg[0].value : AT_FDCWD,
			       .path = by_fd ? NULL : c->arg[at].bytes };

	f.value[0] = (uint32_t)c->arg[first].value;
	f.value[1] = chmod ? 0 : (uint32_t)c->arg[first + 1].value;
	if (at && c->kind->shape[flags] == ARG_INT)
		f.flags = (int)c->arg[flags].value;
	if (str_eq(c->kind->name, "lchown"))
		f.flags = AT_SYMLINK_NOFOLLOW;
	if (f.path && !*f.path && (f.flags & AT_EMPTY_PATH)) {
		f.path = f.dirfd == AT_FDCWD ? "." : NULL;
	}
	return f;
}

/* Its own descriptor is taken before we are like the caller, a name is resolved behind that. */
static int take_file(struct target *t, struct helper *h, const struct call *c,
		     const struct file_args *f)
{
	const bool path_is_file = f->flags & AT_EMPTY_PATH;
	int fd, flags;

	if (f->flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	if (f->path)
		return 0;
	fd = target_fd(t, h, c, f->dirfd);
	if (fd < 0)
		return fd;
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && (!(flags & O_PATH) || path_is_file))
		return fd;
	close(fd);
	return -EBADF;
}

static int open_file(struct target *t, struct helper *h, struct call *c, const struct file_args *f,
		     int *fd)
{
	int r = target_open(t, h, c, NEED_USER | NEED_MNT);

	if (r == 0)
		*fd = r = take_file(t, h, c, f);
	if (r >= 0)
		r = target_become(t, NEED_USER | NEED_MNT, override);
	/* Kept for the record: names are found with the caller's own rights. */
	if (r == 0)
		r = target_raise_caps(t->caps, t->caps | override);
	if (r == 0 && f->path)
		*fd = r = place_open(t, f->dirfd, f->path,
				     f->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0);
	return r < 0 ? r : 0;
}

/* ---- the record ---------------------------------------------------------------------------------- */

/* Our working directory is that of our own links from here on: "N" is the file behind descriptor N. */
static int stand_at_links(const struct helper *h, int fd, char name[16])
{
	AUTO_FD int links = openat(h->proc, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (links < 0 || fchdir(links) < 0)
		return -errno;
	(void)snprintf(name, 16, "%d", fd);
	return 0;
}

/* "UID:GID:MODE", the mode in octal. What makes no sense is as good as nothing. */
static void read_record(const char *name, struct record *ret)
{
	char text[RECORD_MAX + 1], *gid, *mode;
	const ssize_t n = getxattr(name, record_name, text, RECORD_MAX);
	struct record rec = { .there = true };

	*ret = (struct record){ 0 };
	if (n <= 0)
		return;
	text[n] = '\0';
	gid = strchr(text, ':');
	if (!gid)
		return;
	*gid++ = '\0';
	mode = strchr(gid, ':');
	if (!mode)
		return;
	*mode++ = '\0';
	if (parse_u32(text, &rec.uid) == 0 && parse_u32(gid, &rec.gid) == 0)
		*ret = rec;
}

/*
 * A file that is being unpacked may be closed to everybody for that long; an owner could still change
 * its owner, so ours writes the record.
 */
static int write_record(const struct target *t, const char *name, const struct stat *s,
			const struct record *rec)
{
	char text[RECORD_MAX];
	const int n =
		snprintf(text, sizeof(text), "%u:%u:0%o", rec->uid, rec->gid, rec->mode & 07777);

	int r = s->st_uid == geteuid() ? target_raise_caps(t->caps | override, t->caps | override)
				       : 0;

	if (r == 0 && setxattr(name, record_name, text, (size_t)n, 0) < 0)
		r = -errno;
	return r;
}

/* Links, pipes, sockets and devices can have no such attribute (xattr(7)). */
static bool has_record(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode);
}

/* ---- chown --------------------------------------------------------------------------------------- */

static int record_owner(const struct helper *h, const struct target *t, int fd, uint32_t uid,
			uint32_t gid)
{
	struct record rec;
	struct stat s;
	char name[16];
	int r = stand_at_links(h, fd, name);

	if (r < 0)
		return r;
	if (fstat(fd, &s) < 0)
		return -errno;
	if (!has_record(s.st_mode))
		return 0;
	read_record(name, &rec);
	/* As it really is: then there is nothing to write down. */
	if (!rec.there && (uid == UINT32_MAX || uid == s.st_uid) &&
	    (gid == UINT32_MAX || gid == s.st_gid))
		return 0;
	if (!rec.there) {
		r = berth_spend(h, fd, sizeof(record_name) + RECORD_MAX);
		if (r < 0)
			return r;
		rec = (struct record){ .uid = s.st_uid, .gid = s.st_gid };
	}
	rec.uid = uid == UINT32_MAX ? rec.uid : uid;
	rec.gid = gid == UINT32_MAX ? rec.gid : gid;
	rec.mode = s.st_mode;
	return write_record(t, name, &s, &rec);
}

static void act_chown(struct helper *h, struct call *c, struct outcome *o)
{
	const struct file_args f = args_of(c);
	const struct policy_ask ask = {
		.kind = POLICY_CHOWN,
		.u.file = { .path = file_name, .uid = f.value[0], .gid = f.value[1] }
	};
	AUTO_TARGET struct target t = TARGET_INIT;
	AUTO_FD int fd = -EBADF;
	int r = open_file(&t, h, c, &f, &fd);

	if (r == 0)
		r = place_name(h->proc, fd, file_name, sizeof(file_name));
	/* As for the kernel: others than root give nothing away. */
	if (r == 0 && geteuid() != 0)
		r = -EPERM;
	if (r == 0)
		r = effect_ruling(h, c, &ask, true, o);
	if (r == 0)
		r = call_alive(h, c) ? record_owner(h, &t, fd, f.value[0], f.value[1]) : -ESRCH;
	o->error = -r;
}

void handle_chown(struct helper *h, struct call *c)
{
	effect_fork(h, c, BERTH_CALLER, DEADLINE_MS, act_chown);
}

/* ---- chmod --------------------------------------------------------------------------------------- */

static int change_mode(const struct helper *h, const struct target *t, int fd, mode_t mode)
{
	struct record rec;
	struct stat s;
	char name[16];
	int r = stand_at_links(h, fd, name);

	if (r < 0)
		return r;
	if (fstat(fd, &s) < 0)
		return -errno;
	if (S_ISLNK(s.st_mode))
		return -EOPNOTSUPP;
	if (fchmodat(AT_FDCWD, name, mode & 07777, 0) < 0)
		return -errno;
	if (!has_record(s.st_mode) || fstat(fd, &s) < 0)
		return 0;
	read_record(name, &rec);
	rec.mode = s.st_mode;
	return rec.there ? write_record(t, name, &s, &rec) : 0;
}

static void act_chmod(struct helper *h, struct call *c, struct outcome *o)
{
	const struct file_args f = args_of(c);
	AUTO_TARGET struct target t = TARGET_INIT;
	AUTO_FD int fd = -EBADF;
	int r = effect_ruling_by_name(h, c, o);

	if (r == 0)
		r = open_file(&t, h, c, &f, &fd);
	/* Nothing is decided by the name; a file may have lost it, or never had one. */
	if (r == 0)
		o->words = place_name(h->proc, fd, file_name, sizeof(file_name)) < 0 ? f.path
										     : file_name;
	if (r == 0)
		r = call_alive(h, c) ? change_mode(h, &t, fd, f.value[0]) : -ESRCH;
	o->error = -r;
}

void handle_chmod(struct helper *h, struct call *c)
{
	effect_fork(h, c, BERTH_CALLER, DEADLINE_MS, act_chmod);
}
