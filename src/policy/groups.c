/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_private.h"

#include <string.h>

/*
 * Groups of system calls. @default holds what an ordinary program needs and that acts on itself,
 * its files and its sockets alone; what no group names is named by itself. New calls of the kernel
 * are in no group until somebody has looked at them.
 */
static const struct {
	const char *name;
	bool in_default;
	const char *calls; /* with a blank on both sides */
} groups[] = {
	{ "file", true,
	  " access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 "
	  "faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 "
	  "fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr "
	  "fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat "
	  "getcwd getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1 "
	  "inotify_rm_watch ioctl lchown lchown32 lgetxattr link linkat listxattr llistxattr "
	  "lremovexattr lseek _llseek lsetxattr lstat lstat64 mkdir mkdirat newfstatat open openat "
	  "openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink "
	  "readlinkat readv removexattr rename renameat renameat2 rmdir sendfile sendfile64 setxattr "
	  "splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs tee "
	  "truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice "
	  "write writev " },
	{ "event", true,
	  " epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
	  "epoll_wait_old eventfd eventfd2 poll ppoll ppoll_time64 pselect6 pselect6_time64 select "
	  "_newselect signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 "
	  "timerfd_settime timerfd_settime64 " },
	{ "memory", true,
	  " brk get_mempolicy madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mmap2 "
	  "mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
	  "remap_file_pages " },
	{ "process", true,
	  " arch_prctl capget capset clone clone3 execve execveat exit exit_group fork get_robust_list "
	  "get_thread_area getcpu getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups "
	  "getgroups32 getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 "
	  "getresuid getresuid32 getrlimit getrusage getsid gettid getuid getuid32 ioprio_get "
	  "ioprio_set kill pidfd_open pidfd_send_signal prctl prlimit64 rseq sched_get_priority_max "
	  "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
	  "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
	  "sched_setparam sched_setscheduler sched_yield seccomp set_robust_list set_thread_area "
	  "set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups "
	  "setgroups32 setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid "
	  "setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 sysinfo times tgkill tkill "
	  "ugetrlimit uname vfork wait4 waitid waitpid landlock_add_rule landlock_create_ruleset "
	  "landlock_restrict_self " },
	{ "signal", true,
	  " pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo "
	  "rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "
	  "sigaltstack sigprocmask sigreturn " },
	{ "time", true,
	  " alarm clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
	  "clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create "
	  "timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
	  "timer_settime64 " },
	{ "sync", true, " futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue " },
	{ "ipc", true,
	  " ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
	  "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
	  "semtimedop_time64 shmat shmctl shmdt shmget " },
	{ "network", true,
	  " accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom "
	  "recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socket "
	  "socketcall socketpair " },
	{ "aio", false,
	  " io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit " },
	{ "mount", false,
	  " fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root umount "
	  "umount2 " },
	{ "node", false, " mknod mknodat " },
	{ "chroot", false, " chroot setns unshare " },
	{ "debug", false,
	  " kcmp perf_event_open pidfd_getfd process_madvise process_vm_readv process_vm_writev "
	  "ptrace " },
	{ "bpf", false, " bpf " },
	{ "io-uring", false, " io_uring_enter io_uring_register io_uring_setup " },
	{ "keyring", false, " add_key keyctl request_key " },
	{ "numa", false, " mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node " },
	{ "system", false,
	  " acct adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 delete_module "
	  "finit_module init_module ioperm iopl kexec_file_load kexec_load quotactl quotactl_fd reboot "
	  "setdomainname sethostname settimeofday stime swapoff swapon syslog vhangup "
	  "open_by_handle_at name_to_handle_at lookup_dcookie userfaultfd fanotify_init "
	  "fanotify_mark " },
};

/* The one made of others. */
static const char all_default[] = "default";
enum { GROUP_DEFAULT = ARRAY_LEN(groups) };

int group_find(const char *s, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if (strlen(groups[i].name) == len && memcmp(groups[i].name, s, len) == 0)
			return (int)i;
	if (len == sizeof(all_default) - 1 && memcmp(all_default, s, len) == 0)
		return GROUP_DEFAULT;
	return -1;
}

const char *group_name(uint32_t group)
{
	return group < ARRAY_LEN(groups) ? groups[group].name : all_default;
}

static bool has(const char *calls, const char *call, size_t len)
{
	for (const char *p = calls; (p = strstr(p, call)); p++)
		if (p[-1] == ' ' && p[len] == ' ')
			return true;
	return false;
}

bool group_has(uint32_t group, const char *call)
{
	size_t len = strlen(call);

	if (len == 0 || strchr(call, ' '))
		return false;
	if (group < ARRAY_LEN(groups))
		return has(groups[group].calls, call, len);
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if (groups[i].in_default && has(groups[i].calls, call, len))
			return true;
	return false;
}
