/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

enum { NEED_MAJOR = 5, NEED_MINOR = 12 };

/* The number at the start of *@text; *@text moves behind it and one separator. */
static bool leading_number(const char **text, uint64_t *ret)
{
	char digits[24];
	size_t n = strspn(*text, "0123456789");

	if (n >= sizeof(digits))
		return false;
	memcpy(digits, *text, n);
	digits[n] = '\0';
	*text += n + ((*text)[n] != '\0');
	return parse_u64(digits, ret) == 0;
}

static void check_version(struct doctor *d)
{
	uint64_t major = 0, minor = 0;
	struct utsname u;
	const char *at = u.release;
	bool ok;

	if (uname(&u) < 0 || !leading_number(&at, &major) || !leading_number(&at, &minor))
		(void)snprintf(u.release, sizeof(u.release), "unknown");
	ok = major > NEED_MAJOR || (major == NEED_MAJOR && minor >= NEED_MINOR);
	doctor_note(d, "kernel", ok ? HEALTH_OK : HEALTH_MISSING, "install Linux 5.12 or later",
		    "Linux %s", u.release);
}

static void note_call(struct doctor *d, const char *name, bool ok, const char *what)
{
	doctor_note(d, name, ok ? HEALTH_OK : HEALTH_MISSING,
		    "a newer kernel, or a seccomp filter round this process that allows it", "%s%s",
		    ok ? "" : "not there: ", what);
}

/* Calls are made with arguments that can't do anything: only "no such call" counts. */
static void check_calls(struct doctor *d)
{
	struct mount_attr attr = { 0 };
	int pidfd = sys_pidfd_open(getpid());
	int fs = sys_fsopen("tmpfs");
	int dir = sys_openat2(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);

	note_call(d, "pidfd", pidfd >= 0, "processes held by fd");
	note_call(d, "openat2", dir >= 0, "paths resolved inside a root");
	note_call(d, "new mount API", fs != -ENOSYS, "fsopen, fsmount, move_mount");
	note_call(d, "idmapped mounts", sys_mount_setattr(-1, "", 0, &attr) != -ENOSYS,
		  "mount_setattr");
	auto_close_fd(&pidfd);
	auto_close_fd(&fs);
	auto_close_fd(&dir);
}

static void check_memfd(struct doctor *d)
{
	const char *mode = doctor_read(d, "/proc/sys/vm/memfd_noexec");
	int fd = memfd_create("cay-doctor", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("cay-doctor", MFD_CLOEXEC);
	doctor_note(d, "executable memfd", fd >= 0 ? HEALTH_OK : HEALTH_LIMITED,
		    "sysctl vm.memfd_noexec=1; until then starts go another, slower way",
		    "vm.memfd_noexec=%s", mode ? mode : "absent");
	auto_close_fd(&fd);
}

void doctor_kernel(struct doctor *d)
{
	check_version(d);
	check_calls(d);
	check_memfd(d);
}

/* Return: 0 or the errno of unshare in a child. */
static int try_unshare(int flags)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(unshare(flags) < 0 ? errno & 0xff : 0);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static const char *ns_advice(int error)
{
	if (error == EPERM || error == EACCES)
		return "not allowed: be root, or allow user namespaces "
		       "(kernel.unprivileged_userns_clone=1, "
		       "kernel.apparmor_restrict_unprivileged_userns=0)";
	if (error == ENOSPC)
		return "over a limit: raise the user.max_*_namespaces sysctls";
	return "not in this kernel: it must be built with CONFIG_NAMESPACES and its parts";
}

void doctor_namespaces(struct doctor *d)
{
	static const struct {
		const char *name;
		int flag;
		enum health otherwise;
	} rows[] = {
		{ "mount namespace", CLONE_NEWNS, HEALTH_MISSING },
		{ "pid namespace", CLONE_NEWPID, HEALTH_MISSING },
		{ "network namespace", CLONE_NEWNET, HEALTH_MISSING },
		{ "ipc namespace", CLONE_NEWIPC, HEALTH_MISSING },
		{ "uts namespace", CLONE_NEWUTS, HEALTH_MISSING },
		{ "cgroup namespace", CLONE_NEWCGROUP, HEALTH_LIMITED },
		{ "time namespace", CLONE_NEWTIME, HEALTH_LIMITED },
		{ "user namespace", CLONE_NEWUSER, HEALTH_LIMITED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = try_unshare(rows[i].flag | (d->root ? 0 : CLONE_NEWUSER));
		enum health bad = rows[i].otherwise;

		if (rows[i].flag == CLONE_NEWUSER && !d->root)
			bad = HEALTH_MISSING;
		doctor_note(d, rows[i].name, r ? bad : HEALTH_OK, ns_advice(r), "%s",
			    r ? strerror(r) : "can be made");
	}
}

/* A null program makes the kernel look at the flags first: EFAULT means it knows them. */
static void check_filter_flags(struct doctor *d)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} rows[] = {
		{ "TSYNC", 1UL << 0 },	     { "LOG", 1UL << 1 },
		{ "SPEC_ALLOW", 1UL << 2 },  { "NEW_LISTENER", 1UL << 3 },
		{ "TSYNC_ESRCH", 1UL << 4 }, { "WAIT_KILLABLE_RECV", 1UL << 5 },
	};
	char known[128] = "";
	size_t missing = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned long flags = rows[i].flag;
		size_t n = strlen(known);

		if (flags == 1UL << 5)
			flags |= 1UL << 3; /* only valid together */
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 &&
		    errno == EFAULT)
			(void)snprintf(known + n, sizeof(known) - n, "%s%s", n ? " " : "",
				       rows[i].name);
		else
			missing++;
	}
	doctor_note(d, "seccomp flags", missing ? HEALTH_LIMITED : HEALTH_OK,
		    "a newer kernel knows more", "%s", known);
}

void doctor_seccomp(struct doctor *d)
{
	const char *actions = doctor_read(d, "/proc/sys/kernel/seccomp/actions_avail");
	const struct scmp_version *v = seccomp_version();

	doctor_note(d, "seccomp", actions ? HEALTH_OK : HEALTH_MISSING,
		    "the kernel must be built with CONFIG_SECCOMP_FILTER",
		    "actions: %s; libseccomp %u.%u.%u", actions ? actions : "none",
		    v ? v->major : 0, v ? v->minor : 0, v ? v->micro : 0);
	check_filter_flags(d);
}

static void check_landlock(struct doctor *d)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi > 0)
		doctor_note(d, "landlock", HEALTH_OK, NULL, "ABI %ld", abi);
	else
		doctor_note(d, "landlock", HEALTH_LIMITED,
			    "CONFIG_SECURITY_LANDLOCK=y and \"landlock\" in the lsm= list",
			    "not there");
}

static void check_bpf_lsm(struct doctor *d)
{
	const char *lsm = doctor_read(d, "/sys/kernel/security/lsm");

	doctor_note(d, "bpf lsm", lsm && strstr(lsm, "bpf") ? HEALTH_OK : HEALTH_LIMITED,
		    lsm ? "CONFIG_BPF_LSM=y and \"bpf\" in the lsm= list"
			: "mount securityfs on /sys/kernel/security to tell",
		    "%s", lsm ? lsm : "unknown");
}

static void check_ping(struct doctor *d)
{
	const char *range = doctor_read(d, "/proc/sys/net/ipv4/ping_group_range");
	uint64_t lo = 1, hi = 0;
	bool known = range && leading_number(&range, &lo) && leading_number(&range, &hi);
	bool ok = known && lo <= hi;

	doctor_note(d, "unprivileged ping", ok ? HEALTH_OK : HEALTH_LIMITED,
		    "sysctl net.ipv4.ping_group_range=\"0 2147483647\"", "%s",
		    ok	    ? "allowed"
		    : known ? "not allowed"
			    : "unknown");
}

void doctor_extras(struct doctor *d)
{
	check_landlock(d);
	check_bpf_lsm(d);
	check_ping(d);
}
