/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/confine.h"

#include "base/auto.h"
#include "broker/target.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>

/* What agent, helpers and children call, each for its work or from within libc. No program is executed. */
static const char calls[] =
	/* files, memory, time */
	"read write readv writev pread64 pwrite64 close close_range lseek open openat openat2 fstat "
	"newfstatat stat lstat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat "
	"getdents64 fchmod fcntl dup dup2 dup3 ioctl pipe2 mmap mprotect munmap mremap madvise brk "
	"memfd_create ftruncate clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday "
	"setitimer getrandom uname "
	/* signals, processes */
	"rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall kill tgkill clone clone3 fork vfork "
	"exit exit_group wait4 waitid futex set_robust_list rseq set_tid_address arch_prctl "
	"sched_yield getpid gettid getppid getuid geteuid getgid getegid prlimit64 prctl "
	/* the loop */
	"epoll_create1 epoll_ctl epoll_wait epoll_pwait poll ppoll timerfd_settime signalfd4 "
	"socketpair accept accept4 sendmsg sendto recvmsg recvfrom rename renameat renameat2 "
	/* the guest: its memory, files and namespaces */
	"process_vm_readv pidfd_open pidfd_getfd pidfd_send_signal kcmp setns chroot chdir fchdir "
	"getcwd umask capget capset getgroups setgroups setresuid setresgid setfsuid setfsgid "
	"getresuid getresgid "
	/* what is done for it */
	"socket connect bind getsockopt setsockopt fsopen fsconfig fsmount open_tree move_mount "
	"mount_setattr umount2 mknodat setxattr fsetxattr getxattr fchmodat unlink unlinkat sched_setscheduler "
	"sched_getscheduler sched_setaffinity setpriority sysinfo"
#ifdef __SANITIZE_ADDRESS__
	" sigaltstack"
#endif
	;

static int drop_capabilities(void)
{
	int r = 0;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	/* Past the last that there is: EINVAL. An ordinary user may not, and has nothing to drop. */
	for (int c = 0; r == 0; c++)
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			r = -errno;
	if (r != -EINVAL && r != -EPERM)
		return r;
	return target_raise_caps(0, 0);
}

static void release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static int load_filter(void)
{
	AUTO(release) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) : -ENOMEM;

	for (const char *at = calls; r == 0 && *at; at += strspn(at, " ")) {
		char name[32] = "";
		size_t n = strcspn(at, " ");
		int nr;

		if (n >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, at, n);
		at += n;
		/* Not every architecture has the older ones. */
		nr = seccomp_syscall_resolve_name(name);
		if (nr >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	return r < 0 ? r : seccomp_load(ctx);
}

int confine(struct err *e)
{
	int r = drop_capabilities();

	if (r < 0)
		return err_sys(e, r, "drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "no new privileges");
	r = load_filter();
	return r < 0 ? err_sys(e, r, "the broker's own filter") : 0;
}
