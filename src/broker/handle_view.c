/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include "base/parse.h"
#include "broker/view.h"
#include "sys/syscalls.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/*
 * sysinfo(2), and opens of files of /proc that tell how large the machine is. No right is lent and none
 * taken: what is no view goes on to the kernel, whose own check it is that counts. So a name that
 * changes while we look at it gains nothing but the view, or the lack of it.
 */
enum {
	DEADLINE_MS = 2000,
	HOST_TEXT_MAX = 1 << 20,
	MAPS_MAX = 16 << 20,
	FRESH_NS = 1000000000, /* so long a text is good */
};

static const char *const files[VIEW_COUNT] = {
	[VIEW_MEMINFO] = "meminfo", [VIEW_CPUINFO] = "cpuinfo", [VIEW_STAT] = "stat",
	[VIEW_UPTIME] = "uptime",   [VIEW_SWAPS] = "swaps",
};

/* ---- which file is it? --------------------------------------------------------------------------- */

struct open_args {
	int dirfd;
	const char *path;
	uint64_t flags;
};

static bool args_of(const struct call *c, struct open_args *ret)
{
	const bool at = c->kind->shape[1] == ARG_PATH;
	const struct call_arg *flags = &c->arg[at ? 2 : 1];
	struct open_how how = { 0 };

	*ret = (struct open_args){ .dirfd = at ? (int)c->arg[0].value : AT_FDCWD,
				   .path = c->arg[at].bytes,
				   .flags = (uint32_t)flags->value };
	if (c->kind->shape[2] != ARG_HOW)
		return ret->path;
	if (flags->len != sizeof(how))
		return false;
	memcpy(&how, flags->bytes, sizeof(how));
	ret->flags = how.flags;
	return ret->path && how.resolve == 0 && how.mode == 0;
}

/* To read, and nothing else. */
static bool is_reading(uint64_t flags)
{
	const uint64_t harmless = O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_NOATIME |
				  O_SYNC | O_LARGEFILE | 0100000; /* O_LARGEFILE of the kernel */

	return (flags & O_ACCMODE) == O_RDONLY && !(flags & ~harmless);
}

/* Return: fd or -errno. */
static int open_start(const struct helper *h, const struct call *c, const struct open_args *o)
{
	AUTO_FD int pidfd = -EBADF;
	char name[48];
	int fd = -1;

	(void)snprintf(name, sizeof(name), "%d/%s", c->tid, o->path[0] == '/' ? "root" : "cwd");
	if (o->path[0] != '/' && o->dirfd != AT_FDCWD) {
		/* Threads other than the first have no pidfd; their directory of links will do, if we may. */
		pidfd = sys_pidfd_open(c->tid);
		fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, o->dirfd, 0);
		(void)snprintf(name, sizeof(name), "%d/fd/%d", c->tid, o->dirfd);
	}
	if (fd < 0)
		fd = openat(h->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * As the thread would find it. A name that is relative and leaves its directory again is not looked
 * for: where it ends is the kernel's to say.
 */
static int open_name(const struct helper *h, const struct call *c, const struct open_args *o)
{
	const uint64_t within = o->path[0] == '/' ? RESOLVE_IN_ROOT : RESOLVE_BENEATH;
	const uint64_t follow = o->flags & O_NOFOLLOW;
	AUTO_FD int start = open_start(h, c, o);

	if (start < 0)
		return start;
	if (!call_alive(h, c))
		return -ESRCH;
	return sys_openat2(start, o->path, O_PATH | follow, RESOLVE_NO_MAGICLINKS | within);
}

/* A file of a procfs has one inode number in all of them. Return: VIEW_COUNT: none of ours. */
static enum policy_view view_of(const struct helper *h, int fd)
{
	struct statfs fs;
	struct stat it, its;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC || fstat(fd, &it) < 0 ||
	    !S_ISREG(it.st_mode))
		return VIEW_COUNT;
	for (int v = 0; v < VIEW_COUNT; v++)
		if (files[v] && fstatat(h->proc, files[v], &its, AT_SYMLINK_NOFOLLOW) == 0 &&
		    its.st_ino == it.st_ino)
			return (enum policy_view)v;
	return VIEW_COUNT;
}

/* ---- showing it ---------------------------------------------------------------------------------- */

static struct shown {
	uint64_t until_ns;
	int fd; /* sealed; its position: how much of it is not charged to the container */
} shown[VIEW_COUNT];

static int reopen(const struct helper *h, int fd)
{
	char link[32];

	(void)snprintf(link, sizeof(link), "self/fd/%d", fd);
	fd = openat(h->proc, link, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int seal(const struct helper *h, const struct buf *text, const char *name)
{
	AUTO_FD int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), ret = -EBADF;
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int r;

	if (fd < 0 || fchmod(fd, 0444) < 0)
		return -errno;
	r = sys_write_all(fd, text->data, text->len);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, seals) < 0)
		r = -errno;
	if (r < 0)
		return r;
	ret = reopen(h, fd);
	if (ret >= 0 && !berth_charged() && lseek(ret, (off_t)text->len, SEEK_SET) < 0)
		return -errno;
	return TAKE_FD(ret);
}

/* What is given away lies in memory for as long as the container keeps it open. */
static int make_text(const struct helper *h, const void *ctx)
{
	const enum policy_view view = *(const enum policy_view *)ctx;
	AUTO_BUF struct buf host = { 0 }, text = { 0 };
	AUTO_FD int file = openat(h->proc, files[view], O_RDONLY | O_CLOEXEC);
	static struct view_facts f;
	int r = file < 0 ? -errno : buf_read_fd(&host, file, HOST_TEXT_MAX);

	if (r == 0)
		r = view_read(h->proc, h->cgroups, h->home.pid, h->home.start, &f);
	if (r < 0)
		return r;
	if (!view_text(view, &f, host.data ? host.data : "", &text))
		return -ENODATA;
	r = text.failed ? -ENOMEM : berth_spend(h, -EBADF, text.len);
	return r < 0 ? r : seal(h, &text, files[view]);
}

/* fcntl(2): a lease to write is given while nobody else has it open. Then it is gone with us. */
static void let_go(const struct helper *h, struct shown *s)
{
	const off_t spent = s->until_ns ? lseek(s->fd, 0, SEEK_CUR) : 0;

	if (spent > 0 && fcntl(s->fd, F_SETLEASE, F_WRLCK) == 0)
		berth_refund(h, (size_t)spent);
	if (s->until_ns)
		close(s->fd);
	*s = (struct shown){ 0 };
}

void handle_open_done(const struct helper *h)
{
	for (int v = 0; v < VIEW_COUNT; v++)
		let_go(h, &shown[v]);
}

/* Read-only, with a position of its own. Return: fd or -errno. */
static int show(const struct helper *h, const struct call *c, enum policy_view view)
{
	struct shown *s = &shown[view];
	const uint64_t now = sys_now_ns();
	int fd;

	if (now >= s->until_ns) {
		let_go(h, s);
		fd = effect_make(h, c, make_text, &view);
		if (fd < 0)
			return fd;
		*s = (struct shown){ .until_ns = now + FRESH_NS, .fd = fd };
	}
	return reopen(h, s->fd);
}

/* ---- answering ----------------------------------------------------------------------------------- */

/* What no line shows, and what is as the host has it, is the kernel's. */
static bool may_see(struct helper *h, const struct call *c, enum policy_view view,
		    struct outcome *o)
{
	const struct policy_ask ask = { .kind = POLICY_VIEW, .u.view = view };

	return h->home.known && effect_ruling(h, c, &ask, true, o) == 0;
}

static bool is_denied(const struct helper *h, const struct call *c, struct outcome *o)
{
	const bool denied = effect_ruling_by_name(h, c, o) < 0;

	if (!denied)
		*o = (struct outcome)OUTCOME_INIT;
	return denied;
}

void handle_open(struct helper *h, struct call *c)
{
	struct outcome o = OUTCOME_INIT;
	AUTO_FD int named = -EBADF, fd = -EBADF;
	struct open_args args;
	enum policy_view view = VIEW_COUNT;

	if (is_denied(h, c, &o)) {
		outcome_answer(h, c, &o);
		return;
	}
	if (args_of(c, &args) && is_reading(args.flags))
		named = open_name(h, c, &args);
	if (named >= 0)
		view = view_of(h, named);
	if (view != VIEW_COUNT && may_see(h, c, view, &o))
		fd = show(h, c, view);
	if (fd < 0) {
		outcome_let_pass(h, c);
		return;
	}
	o.fd = fd;
	o.cloexec = args.flags & O_CLOEXEC;
	outcome_answer(h, c, &o);
}

/* Hexadecimal at *@at, which is left behind it. */
static uint64_t hex(const char **at)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t n = 0;

	for (const char *d; **at && (d = strchr(digits, **at)); ++*at)
		n = n * 16 + (uint64_t)(d - digits);
	return n;
}

/* proc_pid_maps(5): could the thread write there itself? */
static bool is_writable(const char *maps, uint64_t from, uint64_t len)
{
	for (const char *at = maps; *at && len > 0; at += strcspn(at, "\n"), at += *at == '\n') {
		const uint64_t low = hex(&at);
		uint64_t high;

		at += *at == '-';
		high = hex(&at);
		if (from >= high)
			continue;
		if (from < low || !str_starts(at, " rw"))
			return false;
		len = len > high - from ? len - (high - from) : 0;
		from = high;
	}
	return len == 0;
}

/*
 * Files of this very process, whatever its number means later, and of the memory that it has while it waits:
 * another of its threads may execute a program that is none of its own. That of its memory would write to what
 * the thread itself may only read, so it is asked before.
 */
static int write_guest(const struct helper *h, const struct call *c, const struct target *t,
		       const void *bytes, size_t len)
{
	const uint64_t to = c->arg[0].value;
	AUTO_FD int mem = openat(t->proc, "mem", O_WRONLY | O_CLOEXEC);
	AUTO_FD int maps = openat(t->proc, "maps", O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf text = { 0 };
	int r;

	if (!call_alive(h, c))
		return -ESRCH;
	if (mem < 0 || maps < 0)
		return -EPERM;
	r = buf_read_fd(&text, maps, MAPS_MAX);
	if (r < 0)
		return r;
	if (!text.data || !is_writable(text.data, to, len))
		return -EFAULT;
	return pwrite(mem, bytes, len, (off_t)to) == (ssize_t)len ? 0 : -EFAULT;
}

/* A child like the caller, since the memory is its own to write to; the list of its maps may be long. */
static void act_sysinfo(struct helper *h, struct call *c, struct outcome *o)
{
	AUTO_TARGET struct target t = TARGET_INIT;
	struct sysinfo s = { 0 };
	struct view_facts f;
	int r = may_see(h, c, VIEW_SYSINFO, o) && sysinfo(&s) == 0 ? 0 : -EPERM;

	if (r == 0)
		r = view_read(h->proc, h->cgroups, h->home.pid, h->home.start, &f);
	if (r == 0)
		r = target_open(&t, h, c, NEED_USER);
	if (r == 0)
		r = target_become(&t, NEED_USER, 1ULL << CAP_SYS_PTRACE);
	if (r == 0)
		view_sysinfo(&f, &s);
	if (r == 0)
		r = write_guest(h, c, &t, &s, sizeof(s));
	/* What can't be shown is as if it had not been asked for. */
	o->continued = r < 0 && r != -EFAULT && r != -ESRCH;
	o->error = o->continued ? 0 : -r;
}

void handle_sysinfo(struct helper *h, struct call *c)
{
	struct outcome o = OUTCOME_INIT;

	if (is_denied(h, c, &o))
		outcome_answer(h, c, &o);
	else if (!may_see(h, c, VIEW_SYSINFO, &o))
		outcome_let_pass(h, c);
	else
		effect_fork(h, c, BERTH_CALLER, DEADLINE_MS, act_sysinfo);
}
