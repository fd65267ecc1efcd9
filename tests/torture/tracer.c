/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracer - run a command of cay and let one system call of it go wrong
 *
 *	tracer -o REPORT [-a PID] count      COMMAND...
 *	tracer -o REPORT [-a PID] fail=ERRNO ROLE N COMMAND...
 *	tracer -o REPORT [-a PID] kill       ROLE N COMMAND...
 *
 * ROLE p is the planner, i the islander: the planner's child from its clone on, and PID, until
 * it becomes another program; that one runs untraced. The Nth system call of all of a role
 * (from 1) is not performed but returns ERRNO, or the process is killed when it enters it.
 *
 * REPORT: "end STATUS" (of the command; 256 + signal) or "hang", "hit NUMBER PID", and for count
 * a line "p NUMBER FIRST_ARGUMENT" or "i …" for each call.
 * Ends when the command has ended and each islander is gone, is another program, or waits at
 * its gate.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the tracer changes registers of x86-64"
#endif

enum { MAX_TASKS = 64, WATCHDOG_S = 25 };
enum mode { COUNT, FAIL, KILL };

struct task {
	pid_t pid;
	char role;   /* 'p', 'i', or '-': not yet the program */
	bool inject; /* this call returns @fault at its end */
	bool parked; /* waits at the gate */
	long last;   /* call it entered; negative: left */
};

static struct task tasks[MAX_TASKS];
static enum mode mode;
static char role;
static unsigned long when, seen_p, seen_i;
static int fault;
static pid_t first, hit_pid;
static long hit_call = -1;
static FILE *report;
static pid_t ended[256]; /* the last that are gone: their birth may be told of after that */
static unsigned int ended_next;
static char own_exe[512];

static void fail(const char *what)
{
	perror(what);
	exit(125);
}

static struct task *find(pid_t pid)
{
	for (size_t i = 0; i < MAX_TASKS; i++)
		if (tasks[i].pid == pid)
			return &tasks[i];
	return NULL;
}

static struct task *add(pid_t pid, char r)
{
	struct task *t = find(pid);

	if (!t)
		t = find(0);
	if (!t) {
		fputs("tracer: too many tasks\n", stderr);
		exit(125);
	}
	*t = (struct task){ .pid = pid, .role = r };
	return t;
}

static void resume(pid_t pid, int sig)
{
	if (ptrace(PTRACE_SYSCALL, pid, 0, (long)sig) < 0 && errno != ESRCH)
		fail("PTRACE_SYSCALL");
}

static void forget(pid_t pid)
{
	ended[ended_next++ % (sizeof(ended) / sizeof(*ended))] = pid;
}

static void let_go(struct task *t)
{
	(void)ptrace(PTRACE_DETACH, t->pid, 0, 0);
	forget(t->pid);
	t->pid = 0;
}

/* What the kernel refuses to nobody (an fd is gone whatever close says); brk answers with the old end, which no errno is. */
static bool never_fails(uint64_t nr)
{
	static const long list[] = {
		SYS_exit,   SYS_exit_group, SYS_rt_sigreturn,	 SYS_brk,    SYS_umask,
		SYS_getpid, SYS_gettid,	    SYS_getppid,	 SYS_getuid, SYS_geteuid,
		SYS_getgid, SYS_getegid,    SYS_set_tid_address, SYS_close
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
		if ((long)nr == list[i])
			return true;
	return false;
}

/* Waits for ever for the word, or for whoever holds its leash; a stop of ours makes the kernel restart that. */
static bool is_gate(uint64_t nr, const uint64_t *args)
{
	return nr == SYS_restart_syscall || (nr == SYS_poll && args[1] == 2 && (int)args[2] == -1);
}

static void enter(struct task *t, uint64_t nr, const uint64_t *args)
{
	unsigned long *seen = t->role == 'p' ? &seen_p : &seen_i;

	t->parked = t->role == 'i' && is_gate(nr, args);
	t->last = (long)nr;
	if (t->role == '-')
		return;
	++*seen;
	if (mode == COUNT)
		fprintf(report, "%c %ld %lld\n", t->role, (long)nr, (long long)args[0]);
	if (mode == COUNT || t->role != role || *seen != when || (mode == FAIL && never_fails(nr)))
		return;
	hit_call = (long)nr;
	hit_pid = t->pid;
	if (mode == KILL) {
		kill(t->pid, SIGKILL);
	} else {
		t->inject = true;
		t->parked = false;
		if (ptrace(PTRACE_POKEUSER, t->pid, offsetof(struct user_regs_struct, orig_rax),
			   -1L) < 0)
			fail("PTRACE_POKEUSER");
	}
}

static void leave(struct task *t)
{
	t->parked = false;
	t->last = -t->last;
	if (!t->inject)
		return;
	t->inject = false;
	if (ptrace(PTRACE_POKEUSER, t->pid, offsetof(struct user_regs_struct, rax), (long)-fault) <
		    0 &&
	    errno != ESRCH)
		fail("PTRACE_POKEUSER");
}

static void syscall_stop(struct task *t)
{
	struct __ptrace_syscall_info si;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof(si), &si) < 0)
		return;
	if (si.op == PTRACE_SYSCALL_INFO_ENTRY)
		enter(t, si.entry.nr, (const uint64_t *)si.entry.args);
	else if (si.op == PTRACE_SYSCALL_INFO_EXIT)
		leave(t);
}

/* Another program is none of our business: the container's, a hook, newuidmap. */
static bool became_other(struct task *t)
{
	char path[64], exe[512] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", t->pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	if (t->pid == first && t->role == '-') {
		t->role = 'p';
		snprintf(own_exe, sizeof(own_exe), "%s", exe);
		return false;
	}
	return !strstr(exe, "cay-init");
}

static bool has_ended(pid_t pid)
{
	for (size_t i = 0; i < sizeof(ended) / sizeof(*ended); i++)
		if (ended[i] == pid)
			return true;
	return false;
}

static void event(struct task *t, int status)
{
	unsigned long child;

	switch (status >> 16) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		if (ptrace(PTRACE_GETEVENTMSG, t->pid, 0, &child) == 0 && !has_ended((pid_t)child))
			add((pid_t)child, 'i');
		break;
	case PTRACE_EVENT_EXEC:
		if (became_other(t)) {
			let_go(t);
			return;
		}
		break;
	}
	resume(t->pid, 0);
}

static bool finished(bool over)
{
	if (!over)
		return false;
	for (size_t i = 0; i < MAX_TASKS; i++)
		if (tasks[i].pid && !tasks[i].parked)
			return false;
	return true;
}

static void too_long(int sig)
{
	(void)sig;
	/* Not signal-safe, but this is the end of a test that has failed. */
	for (size_t i = 0; i < MAX_TASKS; i++)
		if (tasks[i].pid)
			fprintf(report, "task %d %c parked %d last %ld\n", tasks[i].pid,
				tasks[i].role, tasks[i].parked, tasks[i].last);
	fprintf(report, "hang\nhit %ld %d\n", hit_call, hit_pid);
	fflush(report);
	_exit(124);
}

static void loop(void)
{
	bool over = false;

	while (!finished(over)) {
		int status, end = -1;
		pid_t pid = waitpid(-1, &status, __WALL);
		struct task *t;

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			break;
		t = find(pid);
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			end = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
			if (pid == first) {
				fprintf(report, "end %d\n", end);
				over = true;
			}
			if (t)
				t->pid = 0;
			forget(pid);
			continue;
		}
		if (!t) /* a child may stop before its parent's event tells of it */
			t = add(pid, 'i');
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			syscall_stop(t);
			resume(pid, 0);
		} else if (status >> 16) {
			event(t, status);
		} else {
			/* To the first process of a pid namespace a fault passed on is no end, and comes for ever. */
			bool fault_signal =
				WSTOPSIG(status) == SIGSEGV || WSTOPSIG(status) == SIGILL ||
				WSTOPSIG(status) == SIGBUS || WSTOPSIG(status) == SIGFPE;

			if (fault_signal)
				kill(pid, SIGKILL);
			resume(pid, fault_signal ? 0 : WSTOPSIG(status));
		}
	}
}

static const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			    PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;

static void attach(pid_t pid)
{
	add(pid, 'i');
	if (ptrace(PTRACE_SEIZE, pid, 0, options) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
		fail("PTRACE_SEIZE");
}

static void start(char **argv)
{
	int go[2];
	char c;

	if (pipe(go) < 0 || (first = fork()) < 0)
		fail("fork");
	if (first == 0) {
		close(go[1]);
		(void)!read(go[0], &c, 1);
		close(go[0]);
		execv(argv[0], argv);
		perror(argv[0]);
		_exit(126);
	}
	add(first, '-');
	if (ptrace(PTRACE_SEIZE, first, 0, options) < 0)
		fail("PTRACE_SEIZE");
	close(go[0]);
	close(go[1]);
}

int main(int argc, char **argv)
{
	pid_t other = 0;
	int opt;

	while ((opt = getopt(argc, argv, "+o:a:")) > 0) {
		if (opt == 'o')
			report = fopen(optarg, "we");
		else if (opt == 'a')
			other = atoi(optarg);
	}
	argv += optind;
	argc -= optind;
	if (!report || argc < 2)
		return 125;
	if (strcmp(argv[0], "count") == 0) {
		argv++;
	} else if (argc > 3) {
		mode = strcmp(argv[0], "kill") == 0 ? KILL : FAIL;
		if (mode == FAIL)
			fault = atoi(argv[0] + strlen("fail="));
		role = argv[1][0];
		when = strtoul(argv[2], NULL, 10);
		argv += 3;
	}
	signal(SIGALRM, too_long);
	alarm(WATCHDOG_S);
	if (other)
		attach(other);
	start(argv);
	loop();
	if (hit_call >= 0)
		fprintf(report, "hit %ld %d\n", hit_call, hit_pid);
	return fclose(report) == 0 ? 0 : 125;
}
